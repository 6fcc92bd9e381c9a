"""Eigenvalues and eigenvectors of local linear systems, of one sign, and followed from step to step.

Letters in shapes: L systems, N state units, U inputs, J leading modes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy
from jaxtyping import Complex, Float, Int


class Modes(NamedTuple):
    """The leading modes of x' = A x, by falling |λ|.

    Attributes:
        values: λ_j, [*L, J].
        right: A r_j = λ_j r_j, ‖r_j‖ = 1, [*L, J, N].
        left: l_j A = λ_j l_j, the rows of the inverse of the matrix of right eigenvectors, so that
            l_j · r_k = 1 where j = k and 0 elsewhere, [*L, J, N].
    """

    values: Complex[Any, "*L J"]
    right: Complex[Any, "*L J N"]
    left: Complex[Any, "*L J N"]


def distinct(
    matrices: Float[np.ndarray, "L N N"],
) -> tuple[Float[np.ndarray, "D N N"], Int[np.ndarray, " L"]]:
    """The matrices that differ in a bit, in the order in which they come, and which of these each one is."""
    first: dict[bytes, int] = {}
    which = np.array([first.setdefault(matrix.tobytes(), len(first)) for matrix in matrices], int)
    return matrices[np.unique(which, return_index=True)[1]], which


def decompose(a: Float[Any, "*L N N"], n: int) -> Modes:
    """The `n` leading modes of each system (all of them where N is less), computed in float64.

    Where A can not be diagonalised, or hardly, the left eigenvectors are rows of the pseudo-inverse. A system
    that comes again is decomposed once.
    """
    a = np.asarray(a, np.float64)
    each, which = distinct(a.reshape(-1, *a.shape[-2:]))
    values, vectors = np.linalg.eig(each)
    inverse = _inverses(vectors)
    order = np.argsort(-np.abs(values), axis=-1, kind="stable")[:, :n]

    def leading(x: Any) -> Any:
        rows = order[..., None] if x.ndim == 3 else order
        kept = np.take_along_axis(x, rows, axis=1).astype(complex)[which]
        return kept.reshape(*a.shape[:-2], *kept.shape[1:])

    return Modes(leading(values), leading(np.swapaxes(vectors, -1, -2)), leading(inverse))


def _inverses(matrices: Complex[np.ndarray, "L N N"]) -> Complex[np.ndarray, "L N N"]:
    """The inverse of each; of the nearly singular the pseudo-inverse, which takes four times as long."""
    out = np.empty_like(matrices)
    for i, matrix in enumerate(matrices):
        try:
            out[i] = np.linalg.inv(matrix)
        except np.linalg.LinAlgError:
            out[i] = np.inf
        if not np.linalg.norm(matrix, 1) * np.linalg.norm(out[i], 1) < 1e12:
            out[i] = np.linalg.pinv(matrix)
    return out


def matched(modes: Modes) -> Modes:
    """The modes of systems [L, …] along a path, each in the place of the one before that is most like it.

    From system to system modes are matched one to one, Σ_j |λ_j − λ'_π(j)| + 1 − |l_j · r'_π(j)| least, so
    that mode j is one curve, also where another overtakes it in size. The overlap l · r' is 1 where nothing
    has changed.
    """
    order = [np.arange(modes.values.shape[1])]
    for before, now in zip(range(len(modes.values) - 1), range(1, len(modes.values)), strict=True):
        place = order[-1]
        gaps = np.abs(modes.values[before][place][:, None] - modes.values[now][None])
        overlap = np.abs(modes.left[before][place] @ modes.right[now].T)
        order.append(scipy.optimize.linear_sum_assignment(gaps - np.minimum(overlap, 1))[1])
    which = np.array(order)
    return Modes(
        np.take_along_axis(modes.values, which, axis=1),
        np.take_along_axis(modes.right, which[..., None], axis=1),
        np.take_along_axis(modes.left, which[..., None], axis=1),
    )


def aligned(vectors: Complex[Any, "L N"], toward: Float[Any, " N"]) -> Complex[Any, "L N"]:
    """Vectors with a phase of their own each, turned so that their component along `toward` is real and ≥ 0.

    An eigenvector is defined up to a factor; to be averaged they have to have one. A vector without a
    component there is left as it is.
    """
    along = np.asarray(vectors) @ np.asarray(toward, complex)
    size = np.abs(along)
    turn = np.where(size > 0, np.conj(along) / np.where(size > 0, size, 1), 1)
    return np.asarray(vectors) * turn[:, None]


def n_near_one(values: Complex[Any, "L J"], within: float = 0.025) -> Any:
    """How many eigenvalues of each system lie within `within` of 1 in the complex plane, [L]."""
    return np.count_nonzero(np.abs(np.asarray(values) - 1) <= within, axis=-1)
