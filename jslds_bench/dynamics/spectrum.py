"""Eigenvalues of Jacobians, and the distance between spectra (NumPy)."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy
from jaxtyping import Complex, Float

from jslds_bench.analysis.decomposition import distinct


def eigenvalues(matrices: Float[Any, "*batch N N"]) -> Complex[Any, "*batch N"]:
    """Eigenvalues by falling magnitude, in float64; a matrix that comes again is decomposed once."""
    matrices = np.asarray(matrices, np.float64)
    each, which = distinct(matrices.reshape(-1, *matrices.shape[-2:]))
    values = np.linalg.eigvals(each).astype(complex)[which].reshape(matrices.shape[:-1])
    return np.take_along_axis(values, np.argsort(-np.abs(values), axis=-1, kind="stable"), axis=-1)


def leading(values: Complex[Any, " N"], top: int) -> Complex[Any, " M"]:
    """The `top` eigenvalues of a real matrix of largest magnitude, by falling magnitude, [top] or [top + 1].

    A cut that would split a conjugate pair takes both: which of the two came first would be chance.
    """
    values = values[np.argsort(-np.abs(values), kind="stable")]
    return values[: top + np.count_nonzero(values[:top].imag) % 2]


def matched_distance(first: Complex[Any, " N"], second: Complex[Any, " N"], top: int | None = None) -> float:
    """Mean |λ_i − μ_π(i)| over the minimum-cost matching of two spectra, or of the `leading` of both.

    Where pairs make one of them longer by one, the one left over in the best matching goes unmatched.
    """
    if top is not None:
        first, second = leading(first, top), leading(second, top)
    cost = np.abs(first[:, None] - second[None, :])
    rows, columns = scipy.optimize.linear_sum_assignment(cost)
    return float(cost[rows, columns].mean())
