"""Eigenvalues of Jacobians, and the distance between spectra (NumPy)."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.optimize
from jaxtyping import Complex, Float


def eigenvalues(matrices: Float[Any, "*batch N N"]) -> Complex[Any, "*batch N"]:
    """Eigenvalues by falling magnitude, in float64."""
    values = np.linalg.eigvals(np.asarray(matrices, np.float64)).astype(complex)
    return np.take_along_axis(values, np.argsort(-np.abs(values), axis=-1, kind="stable"), axis=-1)


def matched_distance(first: Complex[Any, " N"], second: Complex[Any, " N"], top: int | None = None) -> float:
    """Mean |λ_i − μ_π(i)| over the minimum-cost matching of two spectra (of their `top` by magnitude)."""
    first = first[np.argsort(-np.abs(first), kind="stable")][:top]
    second = second[np.argsort(-np.abs(second), kind="stable")][:top]
    cost = np.abs(first[:, None] - second[None, :])
    rows, columns = scipy.optimize.linear_sum_assignment(cost)
    return float(cost[rows, columns].mean())
