"""Sets of points: clusters, points far apart, gaps, and lines."""

import numpy as np
import pytest

from jslds_bench.analysis.point_sets import gaps_to, n_clusters, share_on_line, spread_out


@pytest.fixture
def corners():
    cube = np.stack(np.meshgrid(*[[-1.0, 1.0]] * 3), -1).reshape(-1, 3)
    return np.repeat(cube, 20, axis=0) + 0.1 * np.random.default_rng(0).normal(size=(160, 3))


def test_as_many_clusters_as_are_planted_by_the_silhouette(corners):
    assert n_clusters(corners) == 8
    assert n_clusters(np.concatenate([corners[:140], corners[140:] + 9])) in (7, 8)
    assert n_clusters(corners[:40], most=5) == 2
    line = np.concatenate([np.zeros((10, 2)), np.ones((10, 2)), 5 * np.ones((10, 2))])
    assert n_clusters(line + 0.01 * np.random.default_rng(0).normal(size=line.shape)) == 3
    assert [n_clusters(np.zeros((n, 2))) for n in (0, 1, 9)] == [0, 1, 1]


def test_the_first_points_taken_are_one_of_each_cluster(corners):
    chosen = spread_out(corners, 8)
    assert sorted(chosen // 20) == list(range(8))
    assert len(set(spread_out(corners, 160))) == 160


def test_no_point_is_taken_twice():
    assert sorted(spread_out(np.array([[0.0], [1.0], [1.0], [0.0]]), 4)) in ([0, 1], [0, 2], [1, 3], [2, 3])
    assert spread_out(np.zeros((0, 2)), 3).size == 0


def test_gaps_are_to_the_nearest():
    np.testing.assert_allclose(gaps_to(np.array([[0.0, 0], [5, 0]]), np.array([[0.0, 1], [4, 0]])), [1, 1])
    assert np.isinf(gaps_to(np.zeros((2, 2)), np.zeros((0, 2)))).all()


def test_share_on_a_line_is_one_on_a_line_and_half_in_a_disc():
    rng = np.random.default_rng(1)
    line = np.outer(np.linspace(-1, 1, 30), rng.normal(size=5)) + 3
    assert share_on_line(line) == pytest.approx(1)
    assert share_on_line(rng.normal(size=(20000, 2))) == pytest.approx(0.5, abs=0.02)
    assert np.isnan(share_on_line(line[:2]))
    assert np.isnan(share_on_line(np.ones((9, 3))))
