"""The generators are what they say; the scores are right on made-up cases."""

import itertools

import jax
import numpy as np
import pytest
from oracles import mode_errors

from jslds_bench.switching import scoring, systems
from jslds_bench.switching.parameters import Linear


def test_nascar_drives_round_the_oval():
    system = systems.nascar(jax.random.key(0), n_steps=1500)
    assert system.observations.shape == (1, 1500, 10)
    x, z = system.states[0], system.modes[0]
    assert (x[:-1][z[1:] == 0, 0] > 1.8).all()
    assert (x[:-1][z[1:] == 1, 0] < -1.8).all()
    runs = z[np.flatnonzero(np.diff(z, prepend=-1))]
    visits = [k for k in runs[1:] if k in (0, 1)]
    assert len(visits) > 8
    assert all(a != b for a, b in itertools.pairwise(visits))  # the turns alternate
    np.testing.assert_allclose(np.abs(np.linalg.eigvals(system.params.linear.a)), 1.0, atol=1e-12)


def test_known_switching_has_the_stated_truth():
    system = systems.known_switching(jax.random.key(1), n_trials=20, n_steps=50)
    a = system.params.linear.a
    np.testing.assert_allclose(
        np.abs(np.linalg.eigvals(a)), np.array([[0.95] * 2, [0.9] * 2, [0.92] * 2]), atol=1e-12
    )
    points = scoring.mode_points(system.params.linear, np.zeros(1))
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 3.0)
    assert (np.bincount(system.modes.ravel()) > 50).all()
    k = system.modes[:, 1:]
    predicted = np.einsum("btij,btj->bti", a[k], system.states[:, :-1]) + system.params.linear.b[k]
    predicted += np.einsum("btij,btj->bti", system.params.linear.v[k], system.inputs[:, 1:])
    np.testing.assert_allclose((system.states[:, 1:] - predicted).std(), 0.01, rtol=0.1)


def test_lorenz_follows_its_equations():
    system = systems.lorenz(jax.random.key(2), n_trials=2, n_steps=300, emissions="identity")
    x = system.states * 8 + [0, 0, 25]
    slope = (x[:, 2:] - x[:, :-2]) / 0.04
    mid = x[:, 1:-1]
    flow = np.stack(
        [
            10 * (mid[..., 1] - mid[..., 0]),
            mid[..., 0] * (28 - mid[..., 2]) - mid[..., 1],
            mid[..., 0] * mid[..., 1] - 8 / 3 * mid[..., 2],
        ],
        axis=-1,
    )
    assert np.abs(slope - flow).max() < 0.05 * np.abs(flow).max()
    assert set(np.unique(system.modes)) == {0, 1}
    assert system.params is None


@pytest.mark.slow
def test_counts_follow_the_rates():
    """Slow to compile only: jax's Poisson sampler."""
    system = systems.known_switching(
        jax.random.key(4), n_trials=20, n_steps=50, n_observed=5, emissions="poisson"
    )
    assert (system.observations == np.round(system.observations)).all()
    rates = np.exp(system.states @ system.params.emission.c.T + system.params.emission.d)
    surplus = (system.observations - rates).sum((0, 1)) / np.sqrt(rates.sum((0, 1)))
    assert np.abs(surplus).max() < 4


def test_the_same_key_gives_the_same_data():
    a, b, c = (systems.known_switching(jax.random.key(k), n_trials=20, n_steps=50) for k in (3, 3, 4))
    np.testing.assert_array_equal(a.observations, b.observations)
    assert not np.array_equal(a.observations, c.observations)


def test_matching_undoes_a_relabelling():
    rng = np.random.default_rng(0)
    true = rng.integers(3, size=(4, 50))
    fitted = np.array([2, 0, 1])[true]
    match = scoring.match_modes(true, fitted)
    assert match.order.tolist() == [2, 0, 1]
    assert match.accuracy == 1
    fitted[0, :20] = (fitted[0, :20] + 1) % 3
    assert scoring.match_modes(true, fitted).accuracy == pytest.approx(0.9)
    mask = np.ones((4, 50))
    mask[0, :20] = 0
    assert scoring.match_modes(true, fitted, mask).accuracy == 1


def test_mode_errors_see_a_shift():
    linear = Linear(np.array([0.5 * np.eye(2)]), np.zeros((1, 2, 0)), np.array([[1.0, 0.0]]), np.eye(2)[None])
    moved = linear._replace(a=np.array([0.55 * np.eye(2)]))
    errors = mode_errors(linear, moved, np.array([0]), np.zeros(0))
    np.testing.assert_allclose(errors.eigenvalues, 0.1)
    np.testing.assert_allclose(errors.fixed_points, abs(1 / 0.45 - 2) / 2)
