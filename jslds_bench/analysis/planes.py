"""Planes in which linear systems rotate, and the angles between planes.

Letters in shapes: G dimensions of a state, N of the space that planes are compared in.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy
from jaxtyping import Complex, Float

from jslds_bench.errors import UsageError


class ComplexPlanes(NamedTuple):
    """The leading complex eigenvalue pairs of a linear system.

    Attributes:
        values: λ of each pair, the one with imaginary part above 0, by falling magnitude, [n].
        planes: real and imaginary part of its right eigenvector: they span an invariant plane, [n, G, 2].
        frequencies: arg λ/(2π dt), Hz, [n].
        time_constants: −dt/log|λ|, s; infinite at |λ| = 1, negative for growing pairs, [n].
    """

    values: Complex[Any, " n"]
    planes: Float[Any, "n G 2"]
    frequencies: Float[Any, " n"]
    time_constants: Float[Any, " n"]


def complex_planes(a: Float[Any, "G G"], n: int, dt: float) -> ComplexPlanes:
    """The top `n` complex pairs by |λ| of x' = A x, one step being `dt` seconds; fewer where there are fewer.

    Raises:
        UsageError: a matrix that is not square or not finite, or `dt` not above 0.
    """
    a = np.asarray(a, np.float64)
    if a.ndim != 2 or a.shape[0] != a.shape[1] or not np.isfinite(a).all():
        raise UsageError(f"got a system of shape {a.shape}, expected a square matrix of finite numbers")
    if not dt > 0:
        raise UsageError(f"got dt = {dt:g} s per step, expected a time above 0")
    values, vectors = np.linalg.eig(a)
    turning = np.flatnonzero(values.imag > 0)
    top = turning[np.argsort(-np.abs(values[turning]), kind="stable")][:n]
    values, vectors = values[top].astype(complex), vectors[:, top].T
    with np.errstate(divide="ignore"):
        # −dt/log|λ| would give −inf at |λ| = 1
        lasting = dt / np.log(1.0 / np.abs(values))
    planes = np.stack([vectors.real, vectors.imag], axis=-1)
    return ComplexPlanes(values, planes, np.angle(values) / (2 * np.pi * dt), lasting)


def plane_angles(p: Float[Any, "p N 2"], q: Float[Any, "q N 2"]) -> Float[Any, "p q 2"]:
    """Both principal angles between every plane of `p` and every plane of `q`, degrees, the smaller first.

    Planes are given by any two columns that span them.

    Raises:
        UsageError: planes of different spaces, of a space of fewer than two dimensions, columns that span
            no plane, or numbers that are not finite.
    Reference: Knyazev and Argentati (2002).
    """
    p, q = (np.asarray(planes, np.float64) for planes in (p, q))
    for planes in (p, q):
        if planes.ndim != 3 or planes.shape[2] != 2 or planes.shape[1] != p.shape[1]:
            raise UsageError(f"got planes of shape {p.shape} and {q.shape}, expected [p, N, 2] and [q, N, 2]")
        if not np.isfinite(planes).all():
            raise UsageError("got planes with numbers that are not finite, expected none")
        if len(planes) and (flat := np.linalg.matrix_rank(planes) < 2).any():
            raise UsageError(f"got {int(flat.sum())} pairs of columns that span no plane, expected none")
    angles = [[scipy.linalg.subspace_angles(one, other)[::-1] for other in q] for one in p]
    return np.rad2deg(np.reshape(angles, (len(p), len(q), 2)))


def random_plane_angles(
    n_dims: int, n_draws: int, rng: np.random.Generator, within: Float[Any, "N r"] | None = None
) -> Float[Any, "n_draws 2"]:
    """Principal angles between a fixed plane and isotropic random ones, degrees, the smaller first.

    What chance alone gives. All planes lie in the space of `n_dims` dimensions or, where what is compared
    reaches fewer of them, in the column span of `within` (N = n_dims). By symmetry its rank alone matters:
    in few dimensions random planes are close to each other.

    Raises:
        UsageError: fewer than two dimensions, or a basis of another space.
    """
    if within is not None and (np.ndim(within) != 2 or len(within) != n_dims):
        raise UsageError(f"got a basis of shape {np.shape(within)}, expected columns [{n_dims}, r]")
    rank = n_dims if within is None else int(np.linalg.matrix_rank(within))
    if rank < 2:
        raise UsageError(f"got a space of {rank} dimensions, expected two or more: there is no plane in it")
    drawn = np.linalg.qr(rng.normal(size=(n_draws, rank, 2)))[0]
    # The fixed plane is that of the first two axes: what lies within it has the cosines as its sizes.
    cosines = np.linalg.svd(drawn[:, :2], compute_uv=False)
    across = np.concatenate([drawn[:, 2:], np.zeros((n_draws, 2, 2))], axis=1)
    return np.rad2deg(np.arctan2(np.linalg.svd(across, compute_uv=False)[:, ::-1], cosines))
