"""The fixed-point search on networks whose fixed points are known."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from authors_search import adam_descend
from hypothesis import given, settings
from hypothesis import strategies as st

from jslds_bench.dynamics.cells import get_cell
from jslds_bench.dynamics.fixed_points import (
    Located,
    SearchSettings,
    groups_within,
    locate,
    rms_radius,
)
from jslds_bench.types import Affine, Network, Readout

N, P = 5, 60  # of all affine cases, so that they share compilations


def tanh_network(w: np.ndarray) -> Network:
    """h' = tanh(w h), column convention."""
    n = len(w)
    theta = (Affine(jnp.asarray(w.T, jnp.float32), jnp.zeros((1, n)), jnp.zeros(n)),)
    return Network(
        get_cell("vanilla"), theta, jnp.zeros(n), Readout(jnp.ones((n, 1)), jnp.zeros(1)), None, "analytic"
    )


def found_in(network: Network, *rest: Any) -> Located:
    return locate(network.cell, network.params, *rest)


@pytest.fixture(scope="module")
def bistable() -> Network:
    """One unit with feedback 2, so h = ±h̄ and 0 are fixed, and one that decays: three points in a plane."""
    return tanh_network(np.diag([2.0, 0.5]))


@pytest.fixture(scope="module")
def candidates() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.stack([np.linspace(-1.5, 1.5, P), 0.3 * rng.normal(size=P)], axis=-1)


def test_the_one_fixed_point_of_an_affine_network(make_affine):
    rng = np.random.default_rng(1)
    a, b, c = 0.4 * rng.normal(size=(N, N)) / N**0.5, rng.normal(size=(N, 1)), rng.normal(size=N)
    network, u = make_affine(a, b, c), np.array([0.25])
    ((w, v, bias),) = (tuple(np.asarray(x, np.float64) for x in stage) for stage in network.params)
    exact = np.linalg.solve(np.eye(N) - w.T, v.T @ u + bias)
    found = found_in(network, exact + rng.normal(size=(P, N)), u)
    np.testing.assert_allclose(found.points, exact[None], rtol=0, atol=1e-10)
    assert (found.q < 1e-20).all()
    assert found.rejected.tolist() == P * [False]
    assert found.candidate_q.shape == (P,)


def test_three_points_of_a_bistable_unit(bistable, candidates):
    found = found_in(bistable, candidates, np.zeros(1))
    order = np.argsort(found.points[:, 0])
    h = 1.0
    for _ in range(200):
        h = np.tanh(2 * h)  # converges from above
    np.testing.assert_allclose(found.points[order], [[-h, 0], [0, 0], [h, 0]], atol=1e-10)
    assert (np.diff(found.q) >= 0).all()


def test_the_paper_s_recipe_finds_the_same_points(bistable, candidates):
    found = found_in(bistable, candidates, np.zeros(1))
    ends, q = adam_descend(bistable, candidates, np.zeros(1))
    assert (q < 1e-8).mean() > 0.9
    kept = ends[q < 1e-8]
    gaps = np.linalg.norm(kept[:, None] - found.points[None], axis=-1)
    assert (gaps.min(axis=1) < 1e-3).all()
    assert (gaps.min(axis=0) < 1e-3).all()


def test_the_same_search_gives_the_same_bits_and_leaves_the_candidates_alone(bistable, candidates):
    guarded, before = candidates.copy(), candidates.tobytes()
    guarded.flags.writeable = False
    first, again = (found_in(bistable, guarded, np.zeros(1)) for _ in range(2))
    adam_descend(bistable, guarded, np.zeros(1), n_steps=3)
    assert guarded.tobytes() == before
    for one, other in zip(first, again, strict=True):
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()


def test_a_cycle_has_only_the_unstable_point_inside(candidates):
    turn, gain = 0.7, 1.5
    network = tanh_network(gain * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]))
    h, cycle = np.array([0.5, 0.1]), []
    for _ in range(P):
        h = np.tanh(np.asarray(network.params[0].w, np.float64).T @ h)
        cycle.append(h)
    found = found_in(network, np.array(cycle), np.zeros(1))
    np.testing.assert_allclose(found.points, [[0, 0]], atol=1e-10)


def test_a_network_without_fixed_points_gives_none(make_affine):
    """h' = h + c drifts everywhere at q = ½‖c‖², above the tolerance."""
    network = make_affine(np.eye(N), np.zeros((N, 1)), np.eye(N)[0] / 10)
    found = found_in(network, np.random.default_rng(2).normal(size=(P, N)), np.zeros(1))
    assert found.points.shape == (0, N)
    assert found.q.shape == (0,)
    assert found.rejected.all()


def test_points_far_from_all_candidates_are_outliers(make_affine):
    network = make_affine(0.5 * np.eye(N), np.zeros((N, 1)), np.zeros(N))
    far = 5 + 0.1 * np.random.default_rng(3).normal(size=(P, N))
    assert found_in(network, far, np.zeros(1)).rejected.all()
    # Steps that long arrive at the fixed point, which lies away from all of them: rejected for that alone.
    arrived = found_in(network, far, np.zeros(1), SearchSettings(stride=1e3))
    assert (len(arrived.points), arrived.rejected.sum()) == (0, P)
    some = np.concatenate([far[1:], np.zeros((1, N))])  # a candidate at the point: none is far from it
    assert not found_in(network, some, np.zeros(1), SearchSettings(stride=1e3)).rejected.any()
    near = found_in(network, far, np.zeros(1), SearchSettings(outlier=1e3, stride=10))
    np.testing.assert_allclose(near.points, np.zeros((1, N)), atol=1e-10)


def coverage(points: np.ndarray, candidates: np.ndarray, line: np.ndarray) -> tuple[float, float]:
    """Share of the candidates' range along `line` that the points span, and the widest hole in it."""
    where, asked = np.sort(points @ line), candidates @ line
    length = np.ptp(asked)
    return np.ptp(where) / length, np.diff(where).max() / length


def test_a_line_attractor_comes_out_as_the_points_along_it(make_affine):
    rng = np.random.default_rng(4)
    axes, _ = np.linalg.qr(rng.normal(size=(N, N)))
    line = axes[:, 0]
    network = make_affine(axes @ np.diag([1, 0.5, 0.3, -0.4, 0.1]) @ axes.T, np.zeros((N, 1)), np.zeros(N))
    along = np.linspace(-2, 2, P)[:, None] * line
    asked = along + 0.1 * rng.normal(size=(P, N))
    found = found_in(network, asked, np.zeros(1))
    span, hole = coverage(found.points, asked, line)
    assert span > 0.95
    assert hole < 2 * np.diff(np.sort(asked @ line)).max() / np.ptp(asked @ line)
    off_line = found.points - np.outer(found.points @ line, line)
    np.testing.assert_allclose(off_line, 0, atol=1e-5)
    assert (found.q < 1e-12).all()
    assert not found.rejected.any()


def test_a_line_of_slow_points_of_a_tanh_network_stays_spread():
    """tanh(v vᵀh) drifts along v by −x³/3N only: one fixed point, but slow points everywhere on the line."""
    n = 128
    line = np.ones(n) / n**0.5
    network = tanh_network(np.outer(line, line))
    rng = np.random.default_rng(5)
    asked = np.linspace(-0.5, 0.5, P)[:, None] * line + 0.01 * rng.normal(size=(P, n))
    found = found_in(network, asked, np.zeros(1))
    span, hole = coverage(found.points, asked, line)
    assert span > 0.75
    assert hole < 0.1
    assert (found.q < SearchSettings.slow_tolerance).all()


@given(
    st.lists(st.tuples(st.integers(-6, 6), st.integers(-6, 6)), max_size=25),
    st.sampled_from([0.0, 0.5, 1.0, 1.5, 4.0]),
)
@settings(deadline=None)
def test_merging_keeps_a_spread_subset_that_stands_for_all(points, within):
    points = np.array(points, float).reshape(-1, 2)
    kept = np.unique(groups_within(points, within))
    assert (np.diff(kept) > 0).all()
    gaps = np.linalg.norm(points[:, None] - points[kept][None], axis=-1)
    for i in range(len(points)):
        near = kept[gaps[i] <= within]
        assert len(near)
        if i not in kept:
            assert (near < i).any()  # an earlier point stands for it
    between = gaps[kept] + np.diag(np.full(len(kept), np.inf))
    assert (between > within).all() or within == 0
    np.testing.assert_array_equal(np.unique(groups_within(points[kept], within)), np.arange(len(kept)))


@pytest.mark.parametrize("within", [0.5, 4.2, 5.0])
def test_merging_many_points_of_many_dimensions_goes_by_the_order(within):
    """More points than are compared at once, some of them alone and far away, against one at a time."""
    rng = np.random.default_rng(0)
    points = 100 + np.concatenate([rng.normal(size=(10, 12))[rng.integers(0, 10, 600)], [[1e6] * 12]])
    points[:-1] += rng.normal(size=(600, 12)) * np.repeat([0.01, 1.0], 300)[:, None]
    expected = np.full(len(points), -1)
    for i, point in enumerate(points):
        if expected[i] < 0:
            expected[(expected < 0) & (np.linalg.norm(points - point, axis=1) <= within)] = i
    np.testing.assert_array_equal(groups_within(points, within), expected)
    assert 10 < len(np.unique(expected)) < 600


def test_radius_is_the_root_mean_square_distance_from_the_mean():
    assert rms_radius(np.array([[3.0, 0.0], [5.0, 0.0]])) == pytest.approx(1)
    assert rms_radius(np.array([[0.0, 0.0], [0.0, 2.0], [2.0, 0.0], [2.0, 2.0]])) == pytest.approx(2**0.5)
