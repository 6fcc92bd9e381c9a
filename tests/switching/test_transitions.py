"""The gate: its bound against sampling, its curvature against autodiff, its M-step against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from jslds_bench.switching import transitions as tr
from jslds_bench.switching.float64 import enable_float64
from jslds_bench.switching.parameters import Gate, Prior, Spec

R, D, U, K = 40, 3, 2, 4


@pytest.fixture(autouse=True)
def _float64():
    with enable_float64():
        yield


def problem(n_from, seed=0, with_cov=True):
    rng = np.random.default_rng(seed)
    log_p = np.asarray(jax.nn.log_softmax(rng.normal(size=(n_from, K)), axis=1))
    gate = Gate(log_p, rng.normal(size=(K, D)), rng.normal(size=(K, U)))
    root = 0.7 * rng.normal(size=(R, D, D))
    cov = root @ np.swapaxes(root, 1, 2) if with_cov else None
    rows = tr.GateRows.of(pairs(n_from, seed), rng.normal(size=(R, D)), cov, rng.normal(size=(R, U)))
    prior = Prior(**dict.fromkeys(Prior._fields, np.zeros(1)))
    prior = prior._replace(gate=np.full(D + U, 0.3), counts=np.full((n_from, K), 0.2))
    return gate, rows, prior


def pairs(n_from, seed=0):
    return np.random.default_rng(1000 + seed).dirichlet(np.ones(n_from * K), size=R).reshape(R, n_from, K)


def flat(theta):
    return np.concatenate([np.ravel(theta.weights), np.ravel(theta.log_p)])


def formed(gate, rows, prior):
    """The curvature as a matrix, column by column."""
    theta = tr._Theta.of(gate)
    n = len(flat(theta))
    units = np.eye(n)
    changes = tr._Theta(
        units[:, : K * (D + U)].reshape(n, K, D + U), units[:, K * (D + U) :].reshape(n, -1, K)
    )
    product = jax.jit(lambda c: jax.vmap(tr._Curvature.at(gate, rows, prior).times)(c))(changes)
    return np.concatenate([product.weights.reshape(n, -1), product.log_p.reshape(n, -1)], axis=1)


@pytest.mark.parametrize("n_from", [1, K])
def test_expected_log_transitions_bound_the_sampled_expectation_closely(n_from):
    gate, rows, _ = problem(n_from)
    n = 20_000
    noise = np.random.default_rng(0).normal(size=(R, n, D))
    draws = rows.x[:, None] + np.einsum("rij,rnj->rni", np.linalg.cholesky(rows.cov), noise)
    logits = tr.gate_logits(gate, draws, rows.u[:, None])
    sampled = jax.nn.log_softmax(logits, axis=-1)
    truth, error = sampled.mean(1), sampled.std(1) / np.sqrt(n)
    bound = jax.jit(tr.expected_log_transitions)(gate, rows.x, rows.cov, rows.u)
    assert (bound <= truth + 4 * error).all()
    plug_in = jax.nn.log_softmax(tr.gate_logits(gate, rows.x, rows.u), axis=-1)
    assert (plug_in > truth + 4 * error).any()  # what the bound is for: the plug-in is not one
    plain = tr.gate_logits(gate, rows.x, rows.u)
    own = jnp.einsum("kd,rde,ke->rk", gate.r, rows.cov, gate.r)[:, None, :]
    plain = plain - jax.nn.logsumexp(plain + 0.5 * own, axis=-1, keepdims=True)
    assert jnp.mean(truth - bound) < 0.8 * jnp.mean(truth - plain)  # what the shift is for


def test_a_gate_that_does_not_read_x_is_exact():
    gate, rows, _ = problem(K)
    gate = gate._replace(r=np.zeros((K, D)))
    exact = jax.nn.log_softmax(tr.gate_logits(gate, rows.x, rows.u), axis=-1)
    got = jax.jit(tr.expected_log_transitions)(gate, rows.x, rows.cov, rows.u)
    np.testing.assert_allclose(got, exact, atol=1e-13)


@pytest.mark.parametrize("n_from", [1, K])
def test_curvature_is_the_hessian_where_states_are_known(n_from):
    gate, rows, prior = problem(n_from, with_cov=False)

    def value(theta):
        weights = theta[: K * (D + U)].reshape(K, D + U)
        log_p = theta[K * (D + U) :].reshape(n_from, K)
        g = Gate(log_p, weights[:, :D], weights[:, D:])
        expected = tr.expected_log_transitions(g, rows.x, None, rows.u)
        return jnp.sum(pairs(n_from) * expected) + tr.gate_log_prior(g, prior)

    theta = np.concatenate([np.concatenate([gate.r, gate.w], axis=1).ravel(), gate.log_p.ravel()])
    hessian = -jax.jit(jax.hessian(value))(theta)
    np.testing.assert_allclose(formed(gate, rows, prior), hessian, atol=1e-11)


@pytest.mark.parametrize("n_from", [1, K])
def test_one_mode_s_part_of_the_curvature_is_inverted(n_from):
    gate, rows, prior = problem(n_from, with_cov=n_from == 1)
    free = np.array([1.0, 1, 1, 0, 1])
    solve = jax.jit(lambda theta: tr._Curvature.at(gate, rows, prior).inverse_within(free)(theta))
    rng, whole = np.random.default_rng(3), formed(gate, rows, prior)
    weights, log_p = rng.normal(size=(K, D + U)) * free, rng.normal(size=(n_from, K))
    got = solve(tr._Theta(weights, log_p))
    for k in range(K):
        of_k = [k * (D + U) + np.flatnonzero(free), K * (D + U) + k + K * np.arange(n_from)]
        own = np.concatenate(of_k)
        expected = np.linalg.solve(
            whole[np.ix_(own, own)], np.concatenate([weights[k, free > 0], log_p[:, k]])
        )
        np.testing.assert_allclose(
            np.concatenate([got.weights[k, free > 0], got.log_p[:, k]]), expected, rtol=1e-6
        )
    assert not np.any(got.weights[:, free == 0])


@pytest.mark.parametrize("n_from", [1, K])
def test_steps_gain_what_exact_ones_would(n_from):
    """Of the quadratic model, from a gate that is far from its best."""
    gate, rows, prior = problem(n_from, with_cov=False)
    theta, free = tr._Theta.of(gate), np.ones(D + U)
    gradient = jax.grad(lambda t: tr._objective(t.gate(D), rows, prior))(theta)
    curvature = tr._Curvature.at(theta.gate(D), rows, prior)
    step = tr._newton_step(curvature.times, curvature.inverse_within(free), gradient)
    h, g = formed(theta.gate(D), rows, prior), flat(gradient)
    exact = 0.5 * g @ np.linalg.lstsq(h, g, rcond=1e-12)[0]
    gained = g @ flat(step) - 0.5 * flat(step) @ h @ flat(step)
    assert 0.95 * exact < gained <= exact * (1 + 1e-9)


def test_curvature_adds_the_covariance_of_x():
    gate, rows, prior = problem(1)
    extra = formed(gate, rows, prior) - formed(gate, rows._replace(cov=None), prior)
    p = np.asarray(jax.nn.softmax(tr.gate_logits(gate, rows.x, rows.u)[:, 0], axis=-1))
    weight = rows.before[:, 0]
    h = weight[:, None, None] * (p[:, :, None] * np.eye(K) - p[:, :, None] * p[:, None, :])
    expected = np.zeros((K, D + U, K, D + U))
    expected[:, :D, :, :D] = np.einsum("rkl,rij->kilj", h, rows.cov)
    np.testing.assert_allclose(
        extra[: K * (D + U), : K * (D + U)], expected.reshape(K * (D + U), -1), atol=1e-12
    )
    assert not np.any(extra[K * (D + U) :])


@pytest.mark.parametrize("n_from", [1, K])
def test_factors_are_the_transitions_and_sums_are_the_objective(n_from):
    gate, rows, prior = problem(n_from, with_cov=False)
    log_trans = tr.expected_log_transitions(gate, rows.x, None, rows.u)
    table, now, norm = tr.transition_factors(gate, rows.x, rows.u)
    np.testing.assert_allclose(table * now[:, None] / norm[..., None], np.exp(log_trans), rtol=1e-12)
    plain = jnp.sum(pairs(n_from) * log_trans) + tr.gate_log_prior(gate, prior)
    np.testing.assert_allclose(tr._objective(gate, rows, prior), plain, rtol=1e-12)


@pytest.mark.parametrize(("kind", "n_from", "reads_x"), [("recurrent_only", 1, 1), ("sticky", K, 0)])
def test_newton_climbs_to_a_stationary_gate(kind, n_from, reads_x):
    gate, rows, prior = problem(n_from, with_cov=bool(reads_x))
    gate, spec = gate._replace(r=reads_x * gate.r), Spec(n_modes=K, transitions=kind)

    def value(g):
        return tr._objective(g, rows, prior)

    update = jax.jit(tr.update_gate, static_argnames="spec")
    value = jax.jit(value)
    values, here = [value(gate)], gate
    for _ in range(4):
        here = update(here, rows, prior, spec, 10)
        values.append(value(here))
    assert (np.diff(values) >= -1e-12).all()
    assert values[-1] > values[0] + 1
    gradient = jax.jit(jax.grad(value))(here)
    gradient, _ = ravel_pytree(gradient._replace(r=reads_x * gradient.r))
    assert np.abs(gradient).max() < 1e-5


def test_plain_chains_count():
    gate, rows, prior = problem(K)
    gate = Gate(gate.log_p, np.zeros((K, D)), np.zeros((K, 0)))
    spec = Spec(n_modes=K, transitions="standard", gate_inputs=False)
    got = tr.update_gate(gate, rows._replace(u=np.zeros((R, 0))), prior, spec, 1)
    counts = pairs(K).sum(0) + 0.2
    np.testing.assert_allclose(np.exp(got.log_p), counts / counts.sum(1, keepdims=True), rtol=1e-13)


@pytest.mark.parametrize(
    ("kind", "inputs", "reads_x", "reads_u"),
    [("sticky", True, 0, 1), ("recurrent_only", False, 1, 0), ("standard", False, 0, 0)],
)
def test_a_gate_learns_only_what_its_kind_reads(kind, inputs, reads_x, reads_u):
    n_from = 1 if kind == "recurrent_only" else K
    gate, rows, prior = problem(n_from, with_cov=False)
    blank = gate._replace(r=np.zeros((K, D)), w=np.zeros((K, U)))
    spec = Spec(n_modes=K, transitions=kind, gate_inputs=inputs)
    got = jax.jit(tr.update_gate, static_argnames="spec")(blank, rows, prior, spec, 3)
    assert np.any(got.r, axis=1).tolist() == [bool(reads_x)] * K
    assert np.any(got.w, axis=1).tolist() == [bool(reads_u)] * K
