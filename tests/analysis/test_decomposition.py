"""Modes of linear systems: left and right eigenvectors, one curve per mode, one sign."""

import numpy as np
import pytest

from jslds_bench.analysis.decomposition import Modes, aligned, decompose, distinct, matched, n_near_one
from jslds_bench.dynamics.spectrum import eigenvalues


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_modes_are_eigenvectors_of_either_side_and_dual_to_each_other(rng):
    a = rng.normal(size=(3, 7, 7)) / 7**0.5
    modes = decompose(a, 7)
    for k in range(3):
        np.testing.assert_allclose(a[k] @ modes.right[k].T, modes.right[k].T * modes.values[k], atol=1e-10)
        np.testing.assert_allclose(modes.left[k] @ a[k], modes.values[k][:, None] * modes.left[k], atol=1e-9)
        np.testing.assert_allclose(modes.left[k] @ modes.right[k].T, np.eye(7), atol=1e-9)
    sizes = np.abs(modes.values)
    assert (np.diff(sizes, axis=1) <= 1e-12).all()
    np.testing.assert_allclose(np.linalg.norm(modes.right, axis=-1), 1)


def test_few_leading_modes_are_the_first_of_all(rng):
    a = rng.normal(size=(5, 5))
    all_of_them, few = decompose(a, 5), decompose(a, 2)
    np.testing.assert_array_equal(few.values, all_of_them.values[:2])
    np.testing.assert_array_equal(few.left, all_of_them.left[:2])


def test_a_mode_is_one_curve_although_another_overtakes_it(rng):
    vectors = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    fall, rise = np.linspace(0.9, 0.3, 12), np.linspace(0.31, 0.89, 12)
    systems = np.array([vectors @ np.diag([x, y, 0.1]) @ vectors.T for x, y in zip(fall, rise, strict=True)])
    sorted_, followed = decompose(systems, 3), matched(decompose(systems, 3))
    assert np.abs(np.diff(sorted_.values.real[:, 0])).max() < 0.06
    assert sorted_.values.real[-1, 0] == pytest.approx(0.89)  # by size, another mode is the first in the end
    np.testing.assert_allclose(followed.values.real, np.stack([fall, rise, np.full(12, 0.1)], 1), atol=1e-12)
    np.testing.assert_allclose(np.abs(followed.right.real @ vectors[:, 0])[:, 0], 1)


def test_a_step_alone_is_matched_to_nothing():
    one = decompose(np.diag([0.5, 0.2])[None], 2)
    np.testing.assert_array_equal(matched(one).values, one.values)


def test_aligned_vectors_can_be_averaged(rng):
    vector = rng.normal(size=6)
    turned = np.exp(1j * rng.uniform(0, 6, 20))[:, None] * vector
    toward = rng.normal(size=6)
    out = aligned(turned, toward)
    np.testing.assert_allclose(out, np.sign(vector @ toward) * vector + np.zeros((20, 1)), atol=1e-12)
    across = np.array([[0.0, 1.0]])
    np.testing.assert_array_equal(aligned(across, np.array([1.0, 0.0])), across)


def test_eigenvalues_near_one_are_counted_in_the_complex_plane():
    values = np.array([[1.02, 0.98, 1 + 0.024j, 0.97], [1.026, -1.0, 1j, 0.5]])
    np.testing.assert_array_equal(n_near_one(values), [3, 0])
    assert isinstance(decompose(np.eye(2), 1), Modes)


def test_systems_that_come_again_keep_their_places(rng):
    few = rng.normal(size=(2, 6, 6))
    again = decompose(few[[1, 0, 0, 1]].reshape(2, 2, 6, 6), 3)
    for k, (i, j) in zip((1, 0, 0, 1), np.ndindex(2, 2), strict=True):
        alone = decompose(few[k][None], 3)
        for one, other in zip(again, alone, strict=True):
            np.testing.assert_array_equal(one[i, j], other[0])


@pytest.mark.parametrize("a", [[[1, 1], [0, 1]], [[0.5, 1, 0], [0, 0.5, 1e-14], [0, 0, 0.5]]])
def test_left_vectors_stay_finite_where_there_is_no_basis_of_right_ones(a):
    modes = decompose(np.array([a], float), 3)
    assert np.isfinite(modes.left).all()
    assert np.abs(modes.left).max() < 1e3


def test_matrices_that_come_again_are_told_by_their_bits():
    one, other = np.array([[0.0, 1.0], [2.0, 3.0]]), np.array([[-0.0, 1.0], [2.0, 3.0]])
    each, which = distinct(np.stack([one, other, one, one + 1, other]))
    np.testing.assert_array_equal(each, np.stack([one, other, one + 1]))
    assert np.signbit(each[:, 0, 0]).tolist() == [False, True, False]
    assert which.tolist() == [0, 1, 0, 2, 1]
    each, which = distinct(np.zeros((0, 3, 3)))
    assert (each.shape, which.shape) == ((0, 3, 3), (0,))


@pytest.mark.parametrize("solver", ["eig", "eigvals"])
def test_each_is_decomposed_once(solver, monkeypatch):
    given, real = [], getattr(np.linalg, solver)
    monkeypatch.setattr(np.linalg, solver, lambda a: given.append(len(a)) or real(a))
    systems = np.random.default_rng(0).normal(size=(2, 3, 3))[[0, 1, 0, 0]]
    _ = decompose(systems, 3) if solver == "eig" else eigenvalues(systems)
    assert given == [2]
