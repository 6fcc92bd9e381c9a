"""Eigenvalues and eigenvectors of Jacobians, time constants, and the distance between spectra (NumPy)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.optimize
from jaxtyping import Complex, Float


class Spectrum(NamedTuple):
    """Eigen-decomposition by falling magnitude, M = R diag(λ) L with L R = I.

    Attributes:
        values: λ, [*, N].
        right: right eigenvectors as columns, unit norm, [*, N, N].
        left: left eigenvectors as rows, [*, N, N]; the first is the selection vector of Mante et al. (2013).
    """

    values: Complex[Any, "*batch N"]
    right: Complex[Any, "*batch N N"]
    left: Complex[Any, "*batch N N"]


def eigenvalues(matrices: Float[Any, "*batch N N"]) -> Complex[Any, "*batch N"]:
    """Eigenvalues by falling magnitude, in float64."""
    values = np.linalg.eigvals(np.asarray(matrices, np.float64)).astype(complex)
    return np.take_along_axis(values, np.argsort(-np.abs(values), axis=-1, kind="stable"), axis=-1)


def spectrum(matrices: Float[Any, "*batch N N"]) -> Spectrum:
    """Eigenvalues with right and left eigenvectors, in float64.

    The left vectors are rows of the pseudo-inverse of the right ones. For a defective matrix they are not
    eigenvectors; the matrices met here are diagonalisable but can be ill-conditioned far down the spectrum.
    """
    values, right = np.linalg.eig(np.asarray(matrices, np.float64))
    order = np.argsort(-np.abs(values), axis=-1, kind="stable")
    right = np.take_along_axis(right, order[..., None, :], axis=-1).astype(complex)
    return Spectrum(np.take_along_axis(values, order, axis=-1).astype(complex), right, np.linalg.pinv(right))


def time_constants(values: Complex[Any, "*batch N"]) -> Float[Any, "*batch N"]:
    """τ = −1/log|λ| in steps; infinite at |λ| = 1, negative for growing modes, 0 at λ = 0."""
    with np.errstate(divide="ignore"):
        return 1.0 / np.log(1.0 / np.abs(values))  # −1/log|λ| would give −inf at |λ| = 1


def matched_distance(first: Complex[Any, " N"], second: Complex[Any, " N"], top: int | None = None) -> float:
    """Mean |λ_i − μ_π(i)| over the minimum-cost matching of two spectra (of their `top` by magnitude)."""
    first = first[np.argsort(-np.abs(first), kind="stable")][:top]
    second = second[np.argsort(-np.abs(second), kind="stable")][:top]
    cost = np.abs(first[:, None] - second[None, :])
    rows, columns = scipy.optimize.linear_sum_assignment(cost)
    return float(cost[rows, columns].mean())
