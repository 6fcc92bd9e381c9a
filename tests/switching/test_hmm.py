"""The HMM against enumeration of all paths."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jslds_bench.switching import hmm
from jslds_bench.switching.float64 import enable_float64

T, K = 6, 3
posterior, viterbi = jax.jit(hmm.posterior), jax.jit(hmm.viterbi)


@pytest.fixture(autouse=True)
def _float64():
    with enable_float64():
        yield


def problem(seed, hard):
    rng = np.random.default_rng(seed)
    trans = rng.dirichlet(np.ones(K), size=(T - 1, K))
    if hard:
        trans[rng.random(trans.shape) < 0.35] = 0.0
        trans[..., 0] += 1e-12  # far under the 1e-8 at which a sum-clipping smoother goes wrong
        trans /= trans.sum(-1, keepdims=True)
    with np.errstate(divide="ignore"):
        return np.log(rng.dirichlet(np.ones(K))), np.log(trans), 3.0 * rng.normal(size=(T, K))


def enumerate_paths(log_pi, log_trans, log_lik):
    paths = np.array(list(itertools.product(range(K), repeat=log_lik.shape[0])))
    score = log_pi[paths[:, 0]] + log_lik[np.arange(log_lik.shape[0]), paths].sum(1)
    for t in range(log_lik.shape[0] - 1):
        score = score + log_trans[t, paths[:, t], paths[:, t + 1]]
    return paths, score


@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_posterior_equals_enumeration(seed, hard):
    log_pi, log_trans, log_lik = problem(seed, hard)
    paths, score = enumerate_paths(log_pi, log_trans, log_lik)
    log_z = np.logaddexp.reduce(score)
    p = np.exp(score - log_z)
    single = np.array([[p[paths[:, t] == k].sum() for k in range(K)] for t in range(T)])
    pair = np.zeros((T - 1, K, K))
    for t, i, j in itertools.product(range(T - 1), range(K), range(K)):
        pair[t, i, j] = p[(paths[:, t] == i) & (paths[:, t + 1] == j)].sum()
    got = posterior(log_pi, log_trans, log_lik, jnp.ones(T))
    assert abs(got.log_z - log_z) < 1e-12 * max(1, abs(log_z))
    np.testing.assert_allclose(got.single, single, rtol=0, atol=1e-12)
    np.testing.assert_allclose(got.pair, pair, rtol=0, atol=1e-12)


@pytest.mark.parametrize("mask", [np.ones(T), np.array([1.0, 1, 1, 1, 0, 0])], ids=["whole", "padded"])
@pytest.mark.parametrize("sharp", [1.0, 1e3])
@pytest.mark.parametrize("least", [1e-3, 1e-90])
def test_soft_transitions_are_multiplied_to_the_same_posterior(least, sharp, mask):
    rng = np.random.default_rng(7)
    table, now = np.maximum(rng.dirichlet(np.ones(K), size=K), 0) + least, rng.uniform(0.1, 1, (T - 1, K))
    table[0, 1], table[1, :2] = least, least
    norm = now @ table.T
    trans = table * now[:, None] / norm[..., None]
    log_lik = sharp * 3 * rng.normal(size=(T, K))  # thousands of nats apart, as states with little noise have
    log_pi = np.log(rng.dirichlet(np.ones(K)))
    exact = posterior(log_pi, np.log(trans), log_lik, mask)
    soft = jax.jit(hmm.posterior_of_soft)(log_pi, hmm.Factors(table, now, norm), log_lik, mask)
    np.testing.assert_allclose(soft.log_z, exact.log_z, rtol=1e-13)
    np.testing.assert_allclose(soft.single, exact.single, rtol=0, atol=1e-12)
    np.testing.assert_allclose(soft.pairs, exact.pair.sum(axis=0), rtol=0, atol=1e-12)


@pytest.mark.parametrize("hard", [False, True])
def test_viterbi_is_the_best_path(hard):
    log_pi, log_trans, log_lik = problem(7, hard)
    paths, score = enumerate_paths(log_pi, log_trans, log_lik)
    path, best = viterbi(log_pi, log_trans, log_lik, jnp.ones(T))
    assert path.tolist() == paths[score.argmax()].tolist()
    assert abs(best - score.max()) < 1e-12


def test_padding_changes_nothing():
    log_pi, log_trans, log_lik = problem(5, True)
    short = posterior(log_pi, log_trans[:3], log_lik[:4], jnp.ones(4))
    mask = jnp.array([1.0, 1, 1, 1, 0, 0])
    padded = posterior(log_pi, log_trans, log_lik, mask)
    assert padded.log_z == short.log_z
    np.testing.assert_array_equal(padded.single[:4], short.single)
    np.testing.assert_array_equal(padded.pair[:3], short.pair)
    assert not padded.single[4:].any()
    assert not padded.pair[3:].any()
    path, _ = viterbi(log_pi, log_trans, log_lik, mask)
    assert path[:4].tolist() == viterbi(log_pi, log_trans[:3], log_lik[:4], jnp.ones(4))[0].tolist()


def test_a_single_row_stands_for_all_previous_modes():
    log_pi, log_trans, log_lik = problem(2, False)
    for mask in (jnp.ones(T), jnp.array([1.0, 1, 1, 1, 0, 0])):
        one = posterior(log_pi, log_trans[:, :1], log_lik, mask)
        full = posterior(log_pi, np.repeat(log_trans[:, :1], K, axis=1), log_lik, mask)
        np.testing.assert_allclose(one.log_z, full.log_z, rtol=1e-14)
        np.testing.assert_allclose(one.single, full.single, atol=1e-14)
        np.testing.assert_allclose(one.pair, full.pair.sum(axis=1, keepdims=True), atol=1e-14)


def test_impossible_observations_give_minus_infinity_and_no_nan():
    log_pi, log_trans, log_lik = problem(1, True)
    log_lik = np.where(np.arange(T)[:, None] == 2, -np.inf, log_lik)
    for rows in (slice(None), slice(1)):
        got = posterior(log_pi, log_trans[:, rows], log_lik, jnp.ones(T))
        assert got.log_z == -np.inf
        assert np.isfinite(got.single).all()
        assert np.isfinite(got.pair).all()


def test_long_trials_keep_their_digits():
    n = 20_000
    rng = np.random.default_rng(0)
    log_lik = 50 * rng.normal(size=(n, K))
    log_trans = np.log(rng.dirichlet(np.ones(K), size=(1, K)).repeat(n - 1, axis=0))
    got = posterior(np.log(np.ones(K) / K), log_trans, log_lik, jnp.ones(n))
    np.testing.assert_allclose(got.single.sum(1), 1, atol=1e-12)
    np.testing.assert_allclose(got.pair.sum(2), got.single[:-1], atol=1e-12)
    np.testing.assert_allclose(got.pair.sum(1), got.single[1:], atol=1e-12)
