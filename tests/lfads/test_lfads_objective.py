"""The parts of LFADS's bound against plain references of their equations, in values and gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jslds_bench.dynamics.cells import get_cell
from jslds_bench.dynamics.jslds import jslds_step
from jslds_bench.lfads import objective as lo
from jslds_bench.lfads.modules import LFADSParameters, Sizes, initial_parameters, log_rate_readout

SIZES = Sizes(n_held_in=4, n_units=6, n_encoder=3, n_generator=5, n_factors=2)
N_TRIALS, N_STEPS = 3, 7


def parameters(expansion: str | None = "identity", cell: str = "gru", seed: int = 0) -> LFADSParameters:
    """Fresh parameters, every one of them moved a little, so that none is at a special value."""
    p = initial_parameters(cell, SIZES, jnp.full(6, -1.0), jax.random.key(seed), expansion)
    leaves, structure = jax.tree.flatten(p)
    keys = jax.random.split(jax.random.key(seed + 1), len(leaves))
    moved = [x + 0.1 * jax.random.normal(k, x.shape) for x, k in zip(leaves, keys, strict=True)]
    return jax.tree.unflatten(structure, moved)


def spikes(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).poisson(0.7, (N_TRIALS, N_STEPS, SIZES.n_units)).astype(np.float32)


def batch(seed: int = 0, kl_weight: float = 0.5) -> lo.Batch:
    counts = spikes(seed)
    return lo.Batch(counts[..., : SIZES.n_held_in], counts, jax.random.key(seed), jnp.asarray(kl_weight))


@pytest.mark.parametrize("cell", ["gru", "vanilla"])
def test_both_branches_are_the_plain_recursions(cell):
    p, rule = parameters(cell=cell), get_cell(cell)
    g0 = jax.random.normal(jax.random.key(3), (N_TRIALS, SIZES.n_generator))
    states = lo.generate(rule, p, g0, N_STEPS)
    silence = jnp.zeros((N_TRIALS, 1))
    h, a = g0, g0
    for t in range(N_STEPS):
        h = rule.step(p.generator, h, silence)
        a = jax.vmap(lambda x: jslds_step(rule, p.generator, p.phi, x, jnp.zeros(1), jnp.zeros(1)))(a)
        np.testing.assert_allclose(states.h[:, t], h, atol=2e-6)
        np.testing.assert_allclose(states.a[:, t], a, atol=2e-5)


def test_without_expansion_network_both_branches_are_the_network():
    p = parameters(None)
    states = lo.generate(get_cell("gru"), p, jnp.ones((2, SIZES.n_generator)), 4)
    assert p.phi is None
    np.testing.assert_array_equal(states.a, states.h)


def test_the_poisson_loss_is_minus_the_log_probability():
    counts, log_rate = spikes(), np.random.default_rng(1).normal(size=(N_TRIALS, N_STEPS, SIZES.n_units))
    expected = -scipy.stats.poisson.logpmf(counts, np.exp(log_rate)).sum() / N_TRIALS
    assert float(lo.poisson_loss(counts, jnp.asarray(log_rate))) == pytest.approx(expected, rel=1e-5)


def test_rates_are_continued_smoothly_where_exp_would_overflow():
    edge = jnp.asarray([9.999, 10.0, 10.001, 500.0])
    values, slopes = lo.expected_counts(edge), jax.vmap(jax.grad(lo.expected_counts))(edge)
    assert np.isfinite(values).all()
    assert np.isfinite(slopes).all()
    np.testing.assert_allclose(values[:2], np.exp(edge[:2]), rtol=1e-5)
    np.testing.assert_allclose(slopes[1:], np.exp(10.0), rtol=2e-3)


def test_the_divergence_is_that_of_the_two_gaussians():
    p = parameters(None)
    mean, log_var = np.random.default_rng(2).normal(0, 0.5, (2, 1, SIZES.n_generator))
    rng = np.random.default_rng(3)
    draws = mean + np.exp(log_var / 2) * rng.normal(size=(400_000, SIZES.n_generator))
    q = scipy.stats.norm(mean, np.exp(log_var / 2)).logpdf(draws)
    prior = scipy.stats.norm(p.prior_mean, np.exp(np.asarray(p.prior_log_var) / 2)).logpdf(draws)
    estimate = (q - prior).sum(axis=1)
    found = float(lo.divergence(mean, log_var, p)[0])
    assert abs(found - estimate.mean()) < 5 * estimate.std() / len(draws) ** 0.5
    prior_itself = lo.divergence(p.prior_mean[None], p.prior_log_var[None], p)
    np.testing.assert_allclose(prior_itself, 0, atol=1e-6)


def test_the_encoders_read_to_opposite_ends():
    """The forward one ends with the last bin, the backward one with the first, by the plain recursion."""
    p = parameters(None)
    x = spikes()[..., : SIZES.n_held_in]
    ends = []
    for params, start, order in ((p.forward, p.starts[0], 1), (p.backward, p.starts[1], -1)):
        h = jnp.broadcast_to(start, (N_TRIALS, SIZES.n_encoder))
        for t in range(N_STEPS)[::order]:
            h = get_cell("gru").step(params, h, x[:, t])
        ends.append(h)
    expected = p.posterior(jnp.concatenate(ends, axis=-1))
    np.testing.assert_allclose(jnp.concatenate(lo.encode(p, x), axis=-1), expected, atol=1e-5)


def test_factors_are_projections_of_unit_length():
    p = parameters(None)
    scaled = p._replace(factors=p.factors * jnp.asarray([3.0, 0.2]))
    np.testing.assert_allclose(log_rate_readout(scaled).w, log_rate_readout(p).w, rtol=1e-5, atol=1e-6)


def test_the_objective_is_the_sum_of_its_weighted_terms():
    p, b = parameters(), batch()
    weights = lo.Weights(rnn=2.0, jslds=3.0, e=5.0, a=7.0, l2=0.01)
    total, terms = lo.objective(get_cell("gru"), weights, 0.0, p, b)
    squares = sum(float(jnp.sum(s.w**2)) for s in p.generator) + sum(float(jnp.sum(x.w**2)) for x in p.phi)
    expected = (
        sum(getattr(weights, k) * float(terms[k]) for k in ("rnn", "jslds", "e", "a"))
        + 0.5 * float(terms["kl"])
        + 0.01 * squares
    )
    assert float(total) == pytest.approx(expected, rel=1e-5)


def test_gradients_agree_with_finite_differences():
    p, b = parameters(), batch()

    def loss(p):
        return lo.objective(get_cell("gru"), lo.Weights(e=1.0, a=1.0), 0.0, p, b)[0]

    with jax.enable_x64(True):
        p = jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), p)
        b = b._replace(held_in=np.float64(b.held_in), counts=np.float64(b.counts))
        grads = jax.grad(loss)(p)
        rng = np.random.default_rng(0)
        for leaf, (grad, x) in enumerate(zip(jax.tree.leaves(grads), jax.tree.leaves(p), strict=True)):
            way = rng.normal(size=x.shape)
            leaves, structure = jax.tree.flatten(p)

            def at(s, leaf=leaf, way=way, leaves=leaves, structure=structure):
                return float(
                    loss(
                        jax.tree.unflatten(
                            structure, [*leaves[:leaf], leaves[leaf] + s * way, *leaves[leaf + 1 :]]
                        )
                    )
                )

            numeric = (at(1e-5) - at(-1e-5)) / 2e-5
            assert float(jnp.sum(grad * way)) == pytest.approx(numeric, rel=1e-5, abs=1e-6)


def test_dropout_keeps_the_mean_and_is_the_same_on_both_branches():
    x = lo.dropped(jax.random.key(0), jnp.ones((200, 500)), 0.3)
    assert set(np.unique(x).tolist()) == {0.0, np.float32(1 / 0.7)}
    assert float(x.mean()) == pytest.approx(1.0, abs=0.01)
    # An affine generator is its own JSLDS if E is exact: equal masks give equal losses, unequal ones do not.
    p = parameters("origin", "affine")
    p = p._replace(generator=tuple(s._replace(b=jnp.zeros_like(s.b), w=0.3 * s.w) for s in p.generator))
    still = tuple(layer._replace(w=-jnp.eye(5), b=jnp.zeros(5)) for layer in p.phi)
    _, terms = lo.objective(get_cell("affine"), lo.Weights(), 0.5, p._replace(phi=still), batch())
    assert float(terms["jslds"]) == pytest.approx(float(terms["rnn"]), rel=1e-6)


@pytest.mark.parametrize("start", ["identity", "origin"])
def test_what_E_is_at_the_start(start):
    p = initial_parameters("gru", SIZES, jnp.zeros(6), jax.random.key(0), start)
    plain = initial_parameters("gru", SIZES, jnp.zeros(6), jax.random.key(0), None)
    same = jax.tree.map(lambda a, b: bool((a == b).all()), p._replace(phi=None), plain)
    assert all(jax.tree.leaves(same))
    g0 = jax.random.normal(jax.random.key(1), (2, 5))
    e = lo.generate(get_cell("gru"), p, g0, 1).e[:, 0]
    expected = jnp.tanh(jnp.tanh(g0)) if start == "identity" else jnp.zeros_like(g0)
    np.testing.assert_allclose(e, expected, atol=1e-6)
