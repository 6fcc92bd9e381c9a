"""jPCA: published data, planted rotations, brute force over skew matrices, invariances."""

import numpy as np
import pytest
import scipy.io
import scipy.linalg
import scipy.optimize

from jslds_bench.analysis.jpca import fit, jpca, principal_components, soft_ranges, without_mean
from jslds_bench.analysis.planes import plane_angles
from jslds_bench.errors import UsageError

DT = 0.01


def block(*rates):
    """Skew-symmetric, rows turn from axis 2i to axis 2i + 1."""
    return scipy.linalg.block_diag(*[[[0.0, w], [-w, 0.0]] for w in rates])


def noisy(seed=0, n_conditions=7, n_times=15, k=6):
    return np.cumsum(np.random.default_rng(seed).normal(size=(n_conditions, n_times, k)), axis=1)


def orthogonal(n, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(n, n)))[0]


def powers(x0, m, n_times):
    return np.stack([x0 @ np.linalg.matrix_power(m, t) for t in range(n_times)], axis=1)


def test_the_published_trajectories_of_the_maze_task(data_folder):
    file = data_folder / "maze_jpca_trajectories.mat"
    if not file.exists():
        pytest.skip(f"no {file}")
    cells = scipy.io.loadmat(file)["D"].ravel()
    x = np.stack([cell["data"].T for cell in cells])  # 27 conditions, 21 times, 6 jPCA dimensions, as stored
    assert x.shape == (27, 21, 6)
    found = fit(x, DT)
    assert found.r2 == pytest.approx(0.6815, abs=5e-5)
    assert found.r2_skew == pytest.approx(0.5174, abs=5e-5)
    np.testing.assert_allclose(found.eigenvalues, [0.11354, 0.08804, 0.00420], atol=5e-6)
    # They are already free of their mean and in six dimensions: the whole pipeline changes nothing.
    whole = jpca(x, DT).rotation
    assert (whole.r2, whole.r2_skew) == pytest.approx((found.r2, found.r2_skew), abs=1e-9)
    np.testing.assert_allclose(whole.eigenvalues, found.eigenvalues, atol=1e-9)


def test_a_planted_rotation_is_recovered_exactly():
    rates, basis = [0.3, 0.12, 0.05], orthogonal(9)[:, :6]
    x0 = np.random.default_rng(1).normal(size=(8, 6))
    x0 -= x0.mean(axis=0)
    x = powers(x0, np.eye(6) + block(*rates), 20) @ basis.T + np.sin(np.arange(20))[:, None]
    found = jpca(x, DT)
    assert found.rotation.r2 == pytest.approx(1)
    assert found.rotation.r2_skew == pytest.approx(1)
    np.testing.assert_allclose(found.rotation.eigenvalues, rates, rtol=1e-9)
    np.testing.assert_allclose(found.rotation.frequencies, np.array(rates) / (2 * np.pi * DT), rtol=1e-9)
    planted = basis.T.reshape(3, 2, 9).transpose(0, 2, 1)
    angles = plane_angles(found.planes, planted)
    np.testing.assert_allclose(angles[range(3), range(3)], 0, atol=1e-6)
    np.testing.assert_allclose(found.planes[:, :, 0] @ found.planes[:, :, 0].T, np.eye(3), atol=1e-12)


def test_a_turn_by_a_finite_angle_gives_its_sine():
    angle = 2 * np.pi * 2.0 * DT
    x = powers(np.eye(2), scipy.linalg.expm(block(angle)), 5)
    assert fit(x, DT).eigenvalues == pytest.approx(np.sin(angle))


def test_the_skew_solution_is_the_best_of_all_skew_matrices():
    x = noisy(k=4)
    states, steps = x[:, :-1].reshape(-1, 4), np.diff(x, axis=1).reshape(-1, 4)
    upper = np.triu_indices(4, 1)

    def skew(entries):
        m = np.zeros((4, 4))
        m[upper] = entries
        return m - m.T

    def loss(entries):
        return float(((steps - states @ skew(entries)) ** 2).sum())

    found = fit(x, DT)
    best = scipy.optimize.minimize(loss, np.zeros(6), options={"gtol": 1e-8})
    np.testing.assert_allclose(found.m_skew, skew(best.x), atol=1e-6)
    assert found.r2_skew == pytest.approx(1 - best.fun / (steps**2).sum())
    assert found.r2 > found.r2_skew
    np.testing.assert_array_equal(found.m_skew, -found.m_skew.T)


def test_rotating_the_coordinates_rotates_only_the_planes():
    x, turn = noisy(), orthogonal(6, seed=3)
    one, other = jpca(x, DT), jpca(x @ turn, DT)
    np.testing.assert_allclose(one.rotation.eigenvalues, other.rotation.eigenvalues, rtol=1e-8)
    assert one.rotation.r2_skew == pytest.approx(other.rotation.r2_skew)
    np.testing.assert_allclose(one.projection, other.projection, atol=1e-8)
    np.testing.assert_allclose(np.einsum("pna,nm->pma", one.planes, turn), other.planes, atol=1e-8)


@pytest.mark.parametrize("k", [1, 2, 5, 6])
def test_planes_are_orthonormal_and_turn_from_the_first_axis_to_the_second(k):
    found = jpca(noisy(), DT, k)
    axes = found.rotation.planes.transpose(1, 0, 2).reshape(k, -1)
    assert axes.shape == (k, k // 2 * 2)
    np.testing.assert_allclose(axes.T @ axes, np.eye(k // 2 * 2), atol=1e-12)
    for rate, plane in zip(found.rotation.eigenvalues, found.rotation.planes, strict=True):
        np.testing.assert_allclose(plane[:, 0] @ found.rotation.m_skew, rate * plane[:, 1], atol=1e-12)
    assert (np.diff(found.rotation.eigenvalues) <= 0).all()
    for i in range(k // 2):
        first = found.projection[:, 0, 2 * i : 2 * i + 2]
        spread = first - first.mean(axis=0)
        assert spread[:, 0] @ spread[:, 1] == pytest.approx(0, abs=1e-9)
        assert spread[:, 0] @ spread[:, 0] >= spread[:, 1] @ spread[:, 1]
        assert first[np.abs(first[:, 0]).argmax(), 0] > 0


@pytest.mark.parametrize("rates", [(0.2, 0.2, 0.2), (0.3, 0.0, 0.0)])
def test_planes_of_equal_or_no_frequency_are_orthonormal_too(rates):
    turn = orthogonal(6, seed=5)
    x = powers(np.random.default_rng(0).normal(size=(9, 6)), np.eye(6) + turn @ block(*rates) @ turn.T, 8)
    found = fit(x, DT)
    np.testing.assert_allclose(found.eigenvalues, rates, atol=1e-9)
    axes = found.planes.transpose(1, 0, 2).reshape(6, 6)
    np.testing.assert_allclose(axes.T @ axes, np.eye(6), atol=1e-12)


def test_steps_of_the_pipeline():
    x = 3 + noisy(k=5) * np.arange(1, 6)
    np.testing.assert_allclose(soft_ranges(x, 5.0), x.max((0, 1)) - x.min((0, 1)) + 5)
    np.testing.assert_allclose(without_mean(x).mean(axis=0), 0, atol=1e-12)
    scores, axes = principal_components(x, 2)
    np.testing.assert_allclose(axes.T @ axes, np.eye(2), atol=1e-12)
    error = ((x - scores @ axes.T) ** 2).sum()
    assert error == pytest.approx((np.linalg.svd(x.reshape(-1, 5), compute_uv=False)[2:] ** 2).sum())
    soft = jpca(x, DT, 4, softening=5.0)
    np.testing.assert_allclose(soft.planes, soft.scale[:, None] * (soft.loadings @ soft.rotation.planes))
    np.testing.assert_allclose(soft.scores, without_mean(x / soft.scale) @ soft.loadings, atol=1e-12)


def test_what_cannot_be_fitted_is_refused():
    x = noisy()
    flat = x @ np.diag([1.0, 1, 1, 1, 0, 0])
    for bad, words in (
        (x[:1], "1 condition, expected two"),
        (x[:, :1], "1 time point"),
        (flat, "expected 1 to 4"),
        (np.where(x > x.mean(), np.nan, x), "not finite"),
        (x[0], "expected \\[conditions"),
        (np.repeat(x[:, :1], 5, axis=1), "do not move"),
    ):
        with pytest.raises(UsageError, match=words):
            jpca(bad, DT)
    with pytest.raises(UsageError, match="k = 6 dimensions, expected 4"):
        fit(flat, DT)
    with pytest.raises(UsageError, match="dt = 0 s"):
        fit(x, 0.0)
    with pytest.raises(UsageError, match="more than 0 where a coordinate is constant"):
        jpca(flat, DT, 4, softening=0.0)
