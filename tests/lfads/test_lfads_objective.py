"""The parts of LFADS's bound against plain references of their equations, in values and gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jslds_bench.dynamics.cells import get_cell
from jslds_bench.dynamics.jslds import jslds_step
from jslds_bench.lfads import objective as lo
from jslds_bench.lfads.modules import initial_parameters
from jslds_bench.lfads.parameters import LFADSParameters, Sizes, log_rate_readout
from jslds_bench.models._shared.spike_autoencoder import Generator
from jslds_bench.models.lfads_jslds import LFADSJSLDS
from jslds_bench.types import Network

SIZES = Sizes(n_held_in=4, n_units=6, n_encoder=3, n_generator=5, n_factors=2)
N_TRIALS, N_STEPS = 3, 7
# Compiled whole: each operation by itself would be compiled by itself.
generate = jax.jit(lo.generate, static_argnums=(0, 3))
objective = jax.jit(lo.objective, static_argnums=(0, 1, 2))


def parameters(expansion: str | None = "identity", cell: str = "gru", seed: int = 0) -> LFADSParameters:
    """Fresh parameters, every one of them moved a little, so that none is at a special value."""
    p = initial_parameters(cell, SIZES, np.full(6, -1.0, np.float32), jax.random.key(seed), expansion)
    rng = np.random.default_rng(seed + 1)
    return jax.tree.map(
        lambda x: jnp.asarray(x + 0.1 * rng.normal(size=x.shape), jnp.float32), jax.device_get(p)
    )


def spikes(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).poisson(0.7, (N_TRIALS, N_STEPS, SIZES.n_units)).astype(np.float32)


def batch(seed: int = 0, kl_weight: float = 0.5) -> lo.Batch:
    counts = spikes(seed)
    return lo.Batch(counts[..., : SIZES.n_held_in], counts, jax.random.key(seed), jnp.asarray(kl_weight))


@pytest.mark.parametrize("cell", ["gru", "vanilla"])
def test_both_branches_are_the_plain_recursions(cell):
    p, rule = parameters(cell=cell), get_cell(cell)
    g0 = jax.random.normal(jax.random.key(3), (N_TRIALS, SIZES.n_generator))
    states = generate(rule, p, g0, N_STEPS)
    none = np.zeros(1, np.float32)
    network = jax.jit(lambda h: rule.step(p.generator, h, np.zeros((N_TRIALS, 1), np.float32)))
    linear = jax.jit(jax.vmap(lambda x: jslds_step(rule, p.generator, p.phi, x, none, none)))
    h, a = g0, g0
    for t in range(N_STEPS):
        h, a = network(h), linear(a)
        np.testing.assert_allclose(states.h[:, t], h, atol=2e-6)
        np.testing.assert_allclose(states.a[:, t], a, atol=2e-5)


def test_the_jslds_of_a_generator_is_its_second_branch():
    p, rule = parameters(), get_cell("gru")
    g0 = jax.random.normal(jax.random.key(3), (N_TRIALS, SIZES.n_generator))
    network = Network(rule, p.generator, g0[0], log_rate_readout(p), p.phi, "standard")
    found = LFADSJSLDS().linearise(Generator(network, np.zeros((0, SIZES.n_generator)), jnp.zeros((1, 1))))
    none, step = jnp.zeros(1), jax.jit(jax.vmap(lambda a: found.step((), a, none, none)[1]))
    np.testing.assert_allclose(step(g0), generate(rule, p, g0, 1).a[:, 0], atol=2e-5)
    assert found.fixed_points(none).shape == (0, SIZES.n_generator)


def test_without_expansion_network_both_branches_are_the_network():
    p = parameters(None)
    states = generate(get_cell("gru"), p, jnp.ones((2, SIZES.n_generator)), 4)
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
    step, (forward, backward) = jax.jit(get_cell("gru").step), np.asarray(p.starts)
    for params, start, order in ((p.forward, forward, 1), (p.backward, backward, -1)):
        h = np.broadcast_to(start, (N_TRIALS, SIZES.n_encoder))
        for t in range(N_STEPS)[::order]:
            h = step(params, h, x[:, t])
        ends.append(np.asarray(h))
    expected = p.posterior(np.concatenate(ends, axis=-1))
    np.testing.assert_allclose(np.concatenate(jax.jit(lo.encode)(p, x), axis=-1), expected, atol=1e-5)


def test_factors_are_projections_of_unit_length():
    p = parameters(None)
    scaled = p._replace(factors=p.factors * np.float32([3.0, 0.2]))
    np.testing.assert_allclose(log_rate_readout(scaled).w, log_rate_readout(p).w, rtol=1e-5, atol=1e-6)


def test_the_objective_is_the_sum_of_its_weighted_terms():
    p, b = parameters(), batch()
    weights = lo.Weights(rnn=2.0, jslds=3.0, e=5.0, a=7.0, l2=0.01)
    total, terms = objective(get_cell("gru"), weights, 0.0, p, b)
    squares = sum(float(np.sum(np.square(part.w))) for part in (*p.generator, *p.phi))
    expected = (
        sum(getattr(weights, k) * float(terms[k]) for k in ("rnn", "jslds", "e", "a"))
        + 0.5 * float(terms["kl"])
        + 0.01 * squares
    )
    assert float(total) == pytest.approx(expected, rel=1e-5)


def test_gradients_agree_with_finite_differences():
    p, b = parameters(), batch()
    cell, weights = get_cell("gru"), lo.Weights(e=1.0, a=1.0)
    with jax.enable_x64(True):
        p = jax.tree.map(np.float64, p)
        b = b._replace(held_in=np.float64(b.held_in), counts=np.float64(b.counts))
        loss = jax.jit(lambda p: lo.objective(cell, weights, 0.0, p, b)[0])
        grads = jax.tree.leaves(jax.jit(jax.grad(loss))(p))
        leaves, structure = jax.tree.flatten(p)
        rng = np.random.default_rng(0)
        for i, (grad, x) in enumerate(zip(grads, leaves, strict=True)):
            way = rng.normal(size=x.shape)

            def at(s, i=i, moved=way):
                return float(
                    loss(structure.unflatten([*leaves[:i], leaves[i] + s * moved, *leaves[i + 1 :]]))
                )

            numeric = (at(1e-5) - at(-1e-5)) / 2e-5
            assert float(np.sum(grad * way)) == pytest.approx(numeric, rel=1e-5, abs=1e-6)


def test_dropout_keeps_the_mean_and_is_the_same_on_both_branches():
    x = lo.dropped(jax.random.key(0), jnp.ones((200, 500)), 0.3)
    assert set(np.unique(x).tolist()) == {0.0, np.float32(1 / 0.7)}
    assert float(x.mean()) == pytest.approx(1.0, abs=0.01)
    # An affine generator is its own JSLDS if E is exact: equal masks give equal losses, unequal ones do not.
    p = parameters("origin", "affine")
    own = [jax.device_get(stage) for stage in p.generator]
    p = p._replace(generator=tuple(s._replace(b=0 * s.b, w=np.float32(0.3) * s.w) for s in own))
    still = tuple(
        layer._replace(w=-np.eye(5, dtype=np.float32), b=np.zeros(5, np.float32)) for layer in p.phi
    )
    _, terms = objective(get_cell("affine"), lo.Weights(), 0.5, p._replace(phi=still), batch())
    assert float(terms["jslds"]) == pytest.approx(float(terms["rnn"]), rel=1e-6)


@pytest.mark.parametrize("start", ["identity", "origin"])
def test_what_E_is_at_the_start(start):
    p = initial_parameters("gru", SIZES, jnp.zeros(6), jax.random.key(0), start)
    plain = initial_parameters("gru", SIZES, jnp.zeros(6), jax.random.key(0), None)
    jax.tree.map(np.testing.assert_array_equal, p._replace(phi=None), plain)
    g0 = jax.random.normal(jax.random.key(1), (2, 5))
    e = generate(get_cell("gru"), p, g0, 1).e[:, 0]
    expected = jnp.tanh(jnp.tanh(g0)) if start == "identity" else jnp.zeros_like(g0)
    np.testing.assert_allclose(e, expected, atol=1e-6)
