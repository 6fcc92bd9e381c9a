"""The search for the reference: where it starts, what it counts, and how well it knows what it missed."""

import numpy as np
import pytest
from test_search import tanh_network

from jslds_bench.dynamics import reference
from jslds_bench.dynamics.fixed_points import rms_radius
from jslds_bench.dynamics.reference import completeness, random_starts, search


def test_completeness_by_hand():
    """Chapman: (3 + 1)(2 + 1)/(1 + 1) − 1 = 5 for 4 points; Chao: 4 + 2·1/(2·(0 + 1)) = 5 for 4."""
    assert completeness(np.array([[5, 3, 4, 0], [5, 0, 0, 3]])) == pytest.approx(4 / 5)
    assert completeness(np.array([[1, 1, 4], [4, 4, 4]])) == 1
    once = np.array([[1, 1, 9, 9], [0, 0, 9, 9]])  # Chapman: 4; two met once, none twice
    assert completeness(once) == pytest.approx(4 / 5)
    assert completeness(np.zeros((2, 0), int)) == 1


def test_completeness_of_unlike_points_is_near_the_truth():
    """60 points that are met with probabilities as 1/rank, by 20 to 320 starts in each of two searches."""
    rng = np.random.default_rng(0)
    shares = 1 / np.arange(1, 61)
    gaps = []
    for n_starts in (20, 80, 320):
        for _ in range(50):
            counts = rng.multinomial(n_starts, shares / shares.sum(), size=2)
            met = counts.sum(axis=0) > 0
            gaps.append(completeness(counts[:, met]) - met.mean())
    assert np.abs(gaps).mean() < 0.15
    assert np.abs(gaps[-50:]).mean() < 0.05


def test_starts_surround_the_states_and_are_none_of_them():
    rng = np.random.default_rng(1)
    states = rng.normal(size=(200, 2)) @ rng.normal(size=(2, 6)) + 3
    starts = random_starts(states, 100, np.random.default_rng(2))
    assert starts.shape == (100, 6)
    gaps = np.linalg.norm(starts[:, None] - states, axis=-1)
    assert gaps.min() > 1e-3
    assert (np.linalg.norm(starts - states.mean(axis=0), axis=1) < 6 * rms_radius(states)).all()
    off = np.linalg.svd(starts - states.mean(axis=0), compute_uv=False)
    assert (off > 1).all()  # all six dimensions
    other = random_starts(states, 100, np.random.default_rng(3))
    assert np.linalg.norm(starts[:, None] - other, axis=-1).min() > 0


@pytest.mark.parametrize(("n_starts", "within"), [(16, 0.2), (64, 0.05)])
def test_a_search_of_too_few_starts_says_that_it_is_not_complete(n_starts, within):
    """For 3³ points: too high by 0.13 on average with 16 starts a search, by 0.01 with 64."""
    network = tanh_network(2 * np.eye(3))
    states = np.random.default_rng(0).uniform(-1, 1, (200, 3))
    everything = search(network, states, np.zeros(1), (1, 2), 256)
    assert (len(everything.points), everything.completeness) == (27, 1)
    gaps, said = [], []
    for seed in range(0, 40, 2):
        found = search(network, states, np.zeros(1), (seed, seed + 1), n_starts)
        gaps.append(found.completeness - len(found.points) / 27)
        said.append(found.completeness)
    assert min(said) < 1
    assert abs(np.mean(gaps)) < within


def test_a_line_is_a_continuum_and_an_affine_point_is_not(make_affine):
    states = np.random.default_rng(0).normal(size=(100, 3)) * [1, 0.02, 0.02]
    line = make_affine(np.diag([1, 0.5, 0.2]), np.zeros((3, 1)), np.zeros(3))
    found = search(line, states, np.zeros(1), (1, 2), 64)
    assert found.completeness is None
    assert len(found.points) > 10
    assert (found.q < 1e-20).all()
    point = make_affine(np.diag([0.9, 0.5, 0.2]), np.zeros((3, 1)), np.zeros(3))
    found = search(point, states, np.zeros(1), (1, 2), 64)
    np.testing.assert_allclose(found.points, np.zeros((1, 3)), atol=1e-10)
    assert found.completeness == 1
    assert found.n_unstable.tolist() == [0]
    assert reference.isolated(point, found.points, np.zeros(1)).tolist() == [True]
    # Points in a small space are not slow for that: here q stays under the slow tolerance everywhere.
    found = search(point, 0.01 * states, np.zeros(1), (1, 2), 64)
    assert (len(found.points), found.completeness) == (1, 1)
    drifting = make_affine(np.eye(3), np.zeros((3, 1)), np.full(3, 0.1))
    none = search(drifting, states, np.zeros(1), (1, 2), 32)
    assert (len(none.points), none.completeness, none.n_rejected) == (0, None, 64)
