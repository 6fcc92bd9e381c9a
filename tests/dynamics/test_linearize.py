"""Jacobians, expansions and spectra: finite differences, agreement of the two ways, invariances."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jslds_bench.dynamics.linearize import (
    apply_local,
    expand,
    expansion_step,
    input_jacobian,
    jacobians,
    recurrent_jacobian,
    speeds,
)
from jslds_bench.dynamics.spectrum import eigenvalues, leading, matched_distance

CELLS = ["vanilla", "gru", "leaky(alpha=0.3, f=softplus)", "al_rnn(p=4)", "low_rank(rank=3)"]
cells = pytest.mark.parametrize("cell", CELLS)


def central_differences(function, x, step=1e-5):
    columns = [(function(x + d) - function(x - d)) / (2 * step) for d in step * np.eye(len(x))]
    return np.stack(columns, axis=-1)


@pytest.mark.parametrize("cell", ["gru", "al_rnn(p=4)"])  # of all cells: contract/test_every_entry.py
def test_jacobians_agree_with_central_differences(cell, make_network):
    network = make_network(cell, 6, 3)
    rng = np.random.default_rng(0)
    with jax.enable_x64(True):
        params = jax.tree.map(lambda x: jnp.asarray(np.asarray(x, np.float64)), network.params)
        h, u = jnp.asarray(rng.normal(size=6)), jnp.asarray(rng.normal(size=3))
        step = jax.jit(lambda h, u: network.cell.step(params, h, u))
        by_h = central_differences(lambda x: np.asarray(step(x, u)), np.asarray(h))
        by_u = central_differences(lambda x: np.asarray(step(h, x)), np.asarray(u))
        np.testing.assert_allclose(recurrent_jacobian(network.cell, params, h, u), by_h, atol=1e-9)
        np.testing.assert_allclose(input_jacobian(network.cell, params, h, u), by_u, atol=1e-9)
        many = jacobians(network.cell, params, jnp.stack([h, 0 * h]), jnp.stack([u, u]))
        np.testing.assert_allclose(many[0], by_h, atol=1e-9)


@cells
@pytest.mark.parametrize("zeroth", ["value", "point"])
def test_the_expansion_by_jvp_is_the_expansion_by_jacobians(cell, zeroth, make_network):
    network = make_network(cell, 6, 3)
    rng = np.random.default_rng(1)
    (e, h), (star, u) = (jnp.asarray(rng.normal(size=(2, n)), jnp.float32) for n in (6, 3))
    by_jvp = expansion_step(network.cell, network.params, e, star, h, u, zeroth)
    by_matrices = apply_local(expand(network.cell, network.params, e, star, zeroth), h, u)
    np.testing.assert_allclose(by_jvp, by_matrices, atol=1e-5)


@pytest.mark.parametrize("cell", ["vanilla", "gru", "leaky(alpha=0.3, f=softplus)"])  # smooth ones
def test_the_expansion_is_right_to_second_order(cell, make_network):
    """The error of eq. 3 falls with the square of the distance from (e, u*); eq. 4's does not vanish."""
    network = make_network(cell, 6, 3)
    rng = np.random.default_rng(2)
    with jax.enable_x64(True):
        params = jax.tree.map(lambda x: jnp.asarray(np.asarray(x, np.float64)), network.params)
        (e, dh), (star, du) = (jnp.asarray(rng.normal(size=(2, n))) for n in (6, 3))

        def error(scale, zeroth):
            h, u = e + scale * dh, star + scale * du
            ahead = expansion_step(network.cell, params, e, star, h, u, zeroth)
            return float(jnp.linalg.norm(ahead - network.cell.step(params, h, u)))

        assert error(1e-4, "value") / error(1e-3, "value") == pytest.approx(1e-2, rel=0.05)
        gap = float(jnp.linalg.norm(network.cell.step(params, e, star) - e))
        assert error(1e-6, "point") == pytest.approx(gap, rel=1e-3)


def test_speed_is_half_the_squared_step(make_network):
    network = make_network("vanilla", 6, 3)
    h = jnp.asarray(np.random.default_rng(3).normal(size=(4, 6)), jnp.float32)
    u = jnp.zeros((4, 3))
    expected = 0.5 * np.linalg.norm(np.asarray(network.step(h, u), np.float64) - np.asarray(h), axis=-1) ** 2
    np.testing.assert_allclose(speeds(network.cell, network.params, h, u), expected, rtol=1e-5)


@given(st.integers(0, 2**31), st.integers(1, 7), st.integers(0, 2))
@settings(deadline=None)
def test_eigenvalues_are_those_of_the_matrix_by_falling_size(seed, n, n_batch):
    """Σ λ^k = tr Mᵏ for k = 1 … N: no other numbers have these sums."""
    matrices = np.random.default_rng(seed).normal(size=(*[2] * n_batch, n, n)) / n**0.5
    values = eigenvalues(matrices)
    assert (np.diff(np.abs(values), axis=-1) <= 0).all()
    for k in range(1, n + 1):
        power = np.linalg.matrix_power(matrices, k)
        np.testing.assert_allclose((values**k).sum(-1), np.trace(power, axis1=-2, axis2=-1), atol=1e-8)


complex_numbers = st.complex_numbers(max_magnitude=10, allow_nan=False, allow_infinity=False)
spectra = st.lists(complex_numbers, min_size=1, max_size=6).map(np.array)


@given(spectra, st.randoms(use_true_random=False), complex_numbers)
def test_matched_distance_forgets_order_and_bounds_a_shift(values, random, shift):
    shuffled = values.copy()
    random.shuffle(shuffled)
    assert matched_distance(values, shuffled) == pytest.approx(0, abs=1e-12)
    assert matched_distance(values, values + shift) <= abs(shift) + 1e-9
    assert matched_distance(values, values + shift) >= abs(shift) - 1e-9  # the mean shift is a lower bound
    assert matched_distance(values + shift, shuffled) == pytest.approx(
        matched_distance(values, values + shift)
    )


def test_matched_distance_by_hand():
    first, second = np.array([1.0, 0.5, 0.1]), np.array([0.4, 0.9, 0.0])
    assert matched_distance(first, second) == pytest.approx(0.1)
    assert matched_distance(first, second, top=1) == pytest.approx(0.1)
    assert matched_distance(np.array([1j, -1j]), np.array([-1j, 1j])) == 0
    assert matched_distance(np.array([2.0, 0.0]), np.array([1.0, -1.0]), top=2) == pytest.approx(1)


def test_a_cut_keeps_conjugate_pairs_together():
    values = np.array([0.1, 0.9, 0.5 + 0.2j, 0.5 - 0.2j])
    np.testing.assert_array_equal(leading(values, 1), [0.9])
    np.testing.assert_array_equal(leading(values, 2), [0.9, 0.5 + 0.2j, 0.5 - 0.2j])
    np.testing.assert_array_equal(leading(values, 3), leading(values, 2))
    np.testing.assert_array_equal(leading(values, 9), [0.9, 0.5 + 0.2j, 0.5 - 0.2j, 0.1])
    other = values[[0, 1, 3, 2]]  # which of the two comes first is chance
    assert matched_distance(values, other, top=2) == 0
    real = np.array([0.9, 0.5, 0.4])  # cut to two against three: one of the pair goes unmatched
    assert (
        matched_distance(values, real, top=2) == matched_distance(real, values, top=2) == pytest.approx(0.1)
    )
