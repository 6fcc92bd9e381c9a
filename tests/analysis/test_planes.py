"""Planes of linear systems and angles between planes, where the geometry is known."""

import numpy as np
import pytest
import scipy.linalg

from jslds_bench.analysis.planes import complex_planes, plane_angles, random_plane_angles
from jslds_bench.errors import UsageError

DT = 0.02


def turn(modulus, hertz):
    angle = 2 * np.pi * hertz * DT
    return modulus * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def system(seed=0):
    """Pairs of 1.5, 4 and 0.5 Hz and two real eigenvalues, in skewed coordinates; A and the coordinates."""
    basis = np.random.default_rng(seed).normal(size=(8, 8))
    inner = scipy.linalg.block_diag(turn(0.9, 1.5), turn(1.0, 4.0), turn(0.95, 0.5), 0.99, -0.3)
    return basis @ inner @ np.linalg.inv(basis), basis


def test_planes_of_a_system_that_is_known():
    a, basis = system()
    found = complex_planes(a, 3, DT)
    np.testing.assert_allclose(np.abs(found.values), [1.0, 0.95, 0.9], rtol=1e-9)
    np.testing.assert_allclose(found.frequencies, [4.0, 0.5, 1.5], rtol=1e-9)
    np.testing.assert_allclose(found.time_constants[1:], -DT / np.log([0.95, 0.9]), rtol=1e-7)
    planted = np.stack([basis[:, 2:4], basis[:, 4:6], basis[:, 0:2]])
    np.testing.assert_allclose(plane_angles(found.planes, planted)[range(3), range(3)], 0, atol=1e-5)
    vectors = found.planes @ np.array([1, 1j])
    np.testing.assert_allclose(vectors @ a.T, found.values[:, None] * vectors, atol=1e-9)


def test_fewer_pairs_than_asked_for_and_none():
    assert complex_planes(system()[0], 5, DT).planes.shape == (3, 8, 2)
    assert complex_planes(system()[0], 2, DT).frequencies == pytest.approx([4.0, 0.5])
    none = complex_planes(np.diag([1.0, 0.5, 0.2]), 5, DT)
    assert (none.planes.shape, none.values.dtype) == ((0, 3, 2), complex)


def test_time_constants_at_the_circle_and_beyond():
    steady = complex_planes([[0.0, -1.0], [1.0, 0.0]], 1, DT)
    assert steady.time_constants == [np.inf]
    assert complex_planes(turn(1.1, 3.0), 1, DT).time_constants[0] == pytest.approx(-DT / np.log(1.1))


def test_angles_of_planes_that_are_known():
    e = np.eye(4)
    tilted = np.column_stack([e[0], np.cos(0.3) * e[1] + np.sin(0.3) * e[2]])
    both = np.column_stack([np.cos(0.2) * e[0] + np.sin(0.2) * e[2], np.cos(0.7) * e[1] + np.sin(0.7) * e[3]])
    angles = plane_angles(e[None, :, :2], np.stack([e[:, :2], tilted, both, e[:, 2:], e[:, 1:3]]))
    wanted = np.rad2deg([[0, 0], [0, 0.3], [0.2, 0.7], [np.pi / 2] * 2, [0, np.pi / 2]])
    np.testing.assert_allclose(angles[0], wanted, atol=1e-6)


def test_angles_depend_on_the_spans_alone_and_are_symmetric():
    rng = np.random.default_rng(0)
    p, q = rng.normal(size=(3, 7, 2)), rng.normal(size=(4, 7, 2))
    angles = plane_angles(p, q)
    assert angles.shape == (3, 4, 2)
    assert (angles[..., 0] <= angles[..., 1]).all()
    np.testing.assert_allclose(plane_angles(p @ rng.normal(size=(2, 2)), q), angles, atol=1e-9)
    np.testing.assert_allclose(plane_angles(q, p).transpose(1, 0, 2), angles, atol=1e-9)
    turned = np.linalg.qr(rng.normal(size=(7, 7)))[0]
    np.testing.assert_allclose(plane_angles(turned @ p, turned @ q), angles, atol=1e-9)
    assert plane_angles(p[:0], q).shape == (0, 4, 2)


@pytest.mark.parametrize("n_dims", [2, 3, 4, 30])
def test_random_planes_meet_as_often_as_they_should(n_dims):
    angles = random_plane_angles(n_dims, 4000, np.random.default_rng(0))
    assert (angles[:, 0] <= angles[:, 1]).all()
    cosines = np.cos(np.deg2rad(angles)) ** 2
    assert cosines.sum(axis=1).mean() == pytest.approx(4 / n_dims, rel=0.03)  # E tr(P Q) = 2 · 2/n
    if n_dims <= 3:  # two planes of three dimensions share a line
        np.testing.assert_allclose(angles[:, 0], 0, atol=1e-6)
    rng = np.random.default_rng(1)
    drawn = plane_angles(np.eye(n_dims)[None, :, :2], rng.normal(size=(1500, n_dims, 2)))[0]
    one, other = (np.quantile(found, [0.1, 0.5], axis=0) for found in (angles, drawn))
    np.testing.assert_allclose(one, other, rtol=0.08, atol=1e-5)


def test_random_planes_within_a_subspace_are_closer():
    basis = np.random.default_rng(0).normal(size=(40, 6))
    wide = random_plane_angles(40, 500, np.random.default_rng(1))
    within = random_plane_angles(40, 500, np.random.default_rng(1), within=basis)
    np.testing.assert_array_equal(within, random_plane_angles(6, 500, np.random.default_rng(1)))
    repeated = random_plane_angles(40, 500, np.random.default_rng(1), within=np.hstack([basis, basis]))
    np.testing.assert_array_equal(within, repeated)
    assert np.median(within[:, 0]) < np.median(wide[:, 0]) - 10


def test_what_is_no_plane_is_refused():
    rng, e = np.random.default_rng(0), np.eye(4)
    for call, words in (
        (lambda: complex_planes(np.ones((2, 3)), 1, DT), "expected a square matrix"),
        (lambda: complex_planes(np.full((2, 2), np.nan), 1, DT), "finite"),
        (lambda: complex_planes(np.eye(2), 1, 0.0), "dt = 0"),
        (lambda: plane_angles(e[None, :, :2], np.eye(3)[None, :, :2]), "expected \\[p, N, 2\\]"),
        (lambda: plane_angles(e[None, :, :2], np.ones((1, 4, 2))), "span no plane"),
        (lambda: plane_angles(e[None, :, :2], np.full((1, 4, 2), np.inf)), "not finite"),
        (lambda: random_plane_angles(1, 3, rng), "space of 1 dim"),
        (lambda: random_plane_angles(5, 3, rng, within=e), "columns \\[5, r\\]"),
    ):
        with pytest.raises(UsageError, match=words):
            call()
