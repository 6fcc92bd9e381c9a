"""jPCA in closed form: the planes in which condition-averaged trajectories rotate most consistently.

Letters in shapes: C conditions, T time points, N coordinates of the data, k principal components, S steps,
P = k//2 planes.
Matrices act on rows, as in dX ≈ X M.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy
from jaxtyping import Float

from jslds_bench.errors import UsageError

K = 6  # principal components, as in the paper


class Rotation(NamedTuple):
    """Linear fits dX ≈ X M to the steps of trajectories, and the planes of the skew-symmetric one.

    Attributes:
        m: of least squares, per step, [k, k].
        m_skew: of least squares among skew-symmetric matrices, [k, k].
        r2, r2_skew: 1 − Σ‖dX − X M‖²/Σ‖dX‖² of both.
        eigenvalues: |λ| of the pairs ±iλ of `m_skew`, radians per step, descending, [k//2].
        frequencies: |λ|/(2π dt), Hz, [k//2].
        planes: an orthonormal pair of columns (a, b) for each, [k//2, k, 2]. The flow turns from a to b:
            a M_skew = λ b. The states at the first time spread most along a, and the condition that is
            farthest from the origin along it is on its positive side.
    """

    m: Float[Any, "k k"]
    m_skew: Float[Any, "k k"]
    r2: float
    r2_skew: float
    eigenvalues: Float[Any, " P"]
    frequencies: Float[Any, " P"]
    planes: Float[Any, "P k 2"]


class JPCA(NamedTuple):
    """jPCA of trajectories in the coordinates of the data.

    Attributes:
        rotation: the fit in the principal components.
        scores: the trajectories in these, without their cross-condition mean, [C, T, k].
        loadings: the principal axes as orthonormal columns, in normalised coordinates, [N, k].
        scale: what each coordinate was divided by, [N].
        planes: two columns that span each in the data's coordinates, orthonormal if `scale` is 1, [P, N, 2].
        projection: the trajectories on the planes' axes (a_1, b_1, a_2, …), [C, T, 2(k//2)].
    """

    rotation: Rotation
    scores: Float[Any, "C T k"]
    loadings: Float[Any, "N k"]
    scale: Float[Any, " N"]
    planes: Float[Any, "P N 2"]
    projection: Float[Any, "C T P2"]


def jpca(x: Float[Any, "C T N"], dt: float, k: int = K, softening: float | None = None) -> JPCA:
    """jPCA of condition-averaged trajectories sampled every `dt` seconds.

    `softening`: coordinates are first divided by their range plus this (for rates 5 spikes/s); None: not.

    Raises:
        UsageError: fewer than two conditions or time points, numbers that are not finite, `k` above the rank.
    Reference: Churchland et al. (2012).
    """
    x = _checked(x)
    if len(x) < 2:
        raise UsageError(f"got trajectories of {len(x)} condition, expected two or more to take the mean off")
    scale = np.ones(x.shape[2]) if softening is None else soft_ranges(x, softening)
    scores, loadings = principal_components(without_mean(x / scale), k)
    rotation = fit(scores, dt)
    axes = np.concatenate([*rotation.planes], axis=1) if len(rotation.planes) else np.zeros((k, 0))
    planes = scale[:, None] * (loadings @ rotation.planes)
    return JPCA(rotation, scores, loadings, scale, planes, scores @ axes)


def soft_ranges(x: Float[Any, "C T N"], softening: float) -> Float[Any, " N"]:
    """The range of each coordinate over conditions and time, plus `softening` in the coordinates' unit.

    Raises:
        UsageError: a negative `softening`, or none where a coordinate is constant.
    """
    ranges = np.ptp(x, axis=(0, 1)) + softening
    if softening < 0 or not (ranges > 0).all():
        raise UsageError(
            f"got softening {softening:g}, expected 0 or more, and more than 0 where a coordinate is constant"
        )
    return ranges


def without_mean(x: Float[Any, "C T N"]) -> Float[Any, "C T N"]:
    """`x` less the mean over conditions at each time: what all conditions share is no rotation of theirs."""
    return x - x.mean(axis=0)


def principal_components(x: Float[Any, "C T N"], k: int) -> tuple[Float[Any, "C T k"], Float[Any, "N k"]]:
    """Scores X W, about the origin, and the first `k` principal axes W of all conditions and times.

    Raises:
        UsageError: `k` is below 1 or above the rank of the data.
    """
    flat = x.reshape(-1, x.shape[-1])
    sizes, axes = np.linalg.svd(flat, full_matrices=False)[1:]
    rank = int((sizes > sizes.max(initial=0.0) * max(flat.shape) * np.finfo(float).eps).sum())
    if not 1 <= k <= rank:
        raise UsageError(f"got k = {k} principal components, expected 1 to {rank}, the trajectories' rank")
    return x @ axes[:k].T, axes[:k].T


def fit(x: Float[Any, "C T k"], dt: float) -> Rotation:
    """Least squares dX ≈ X M over first differences, dX = x_{t+1} − x_t at X = x_t, free and skew-symmetric.

    Nothing is taken off: dX has mean zero over conditions where `x` has.

    Raises:
        UsageError: fewer than two time points, `dt` not above 0, numbers that are not finite, states at
            which the steps begin that do not span all k dimensions, or trajectories that do not move.
    Reference: Churchland et al. (2012).
    """
    x = _checked(x)
    if not dt > 0:
        raise UsageError(f"got dt = {dt:g} s between time points, expected a time above 0")
    k = x.shape[2]
    states, steps = x[:, :-1].reshape(-1, k), np.diff(x, axis=1).reshape(-1, k)
    rank = np.linalg.matrix_rank(states)
    if rank < k:
        raise UsageError(f"got k = {k} dimensions, expected {rank} at most: all that the trajectories span")
    total = float((steps**2).sum())
    if total == 0:
        raise UsageError("got trajectories that do not move, expected ones with a rotation to look for")
    m, m_skew = np.linalg.lstsq(states, steps, rcond=None)[0], skew_least_squares(states, steps)
    r2, r2_skew = (1 - float(((steps - states @ fitted) ** 2).sum()) / total for fitted in (m, m_skew))
    sizes, planes = rotation_planes(m_skew)
    planes = np.stack([_oriented(p, m_skew, x[:, 0]) for p in planes]) if len(planes) else planes
    return Rotation(m, m_skew, r2, r2_skew, sizes, sizes / (2 * np.pi * dt), planes)


def skew_least_squares(states: Float[Any, "S k"], steps: Float[Any, "S k"]) -> Float[Any, "k k"]:
    """argmin ‖steps − states M‖² over M = −Mᵀ, which solves XᵀX M + M XᵀX = XᵀdX − dXᵀX."""
    gram, cross = states.T @ states, states.T @ steps
    m = scipy.linalg.solve_sylvester(gram, gram, cross - cross.T)
    return (m - m.T) / 2  # skew to the last bit


def rotation_planes(m_skew: Float[Any, "k k"]) -> tuple[Float[Any, " P"], Float[Any, "P k 2"]]:
    """|λ| of the eigenvalue pairs ±iλ of a skew-symmetric matrix, descending, and their orthonormal planes.

    From the real Schur form, so that planes are orthonormal even where λ's are equal or zero.
    """
    k = len(m_skew)
    blocks, basis = scipy.linalg.schur(m_skew, output="real")
    pairs: list[tuple[float, int, int]] = []
    still, i = [], 0
    while i < k:
        if i + 1 < k and blocks[i + 1, i] != 0:
            pairs.append((float(np.sqrt(abs(blocks[i, i + 1] * blocks[i + 1, i]))), i, i + 1))
            i += 2
        else:
            still.append(i)
            i += 1
    pairs += [(0.0, a, b) for a, b in zip(still[::2], still[1::2], strict=False)]
    pairs.sort(key=lambda pair: -pair[0])
    planes = [basis[:, [a, b]] for _, a, b in pairs]
    return np.array([size for size, _, _ in pairs]), np.stack(planes) if planes else np.zeros((0, k, 2))


def _oriented(plane: Float[Any, "k 2"], m_skew: Float[Any, "k k"], first: Float[Any, "C k"]) -> Any:
    """`plane` turned to the convention of `Rotation.planes`; `first` are the states at the first time."""
    at = first @ plane
    axis = np.linalg.svd(at - at.mean(axis=0))[2][0]
    along = at @ axis
    axis = axis * (-1 if along[np.abs(along).argmax()] < 0 else 1)
    turned = plane @ np.column_stack([axis, [-axis[1], axis[0]]])
    turned[:, 1] *= -1 if turned[:, 0] @ m_skew @ turned[:, 1] < 0 else 1
    return turned


def _checked(x: Float[Any, "C T N"]) -> Float[Any, "C T N"]:
    x = np.asarray(x, np.float64)
    if x.ndim != 3 or 0 in x.shape:
        raise UsageError(f"got trajectories of shape {x.shape}, expected [conditions, times, dimensions]")
    if x.shape[1] < 2:
        raise UsageError(
            f"got trajectories of {x.shape[1]} time point, expected two or more to take differences"
        )
    if not np.isfinite(x).all():
        raise UsageError(
            f"got trajectories with {int((~np.isfinite(x)).sum())} numbers that are not finite, expected none"
        )
    return x
