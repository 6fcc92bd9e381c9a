"""How a network integrates evidence: choice and input axes, selection vectors, and what moves the choice.

The analysis of Mante, Sussillo, Shenoy and Newsome (2013), supplement sections 7.6 and 10, on local linear
systems, as in Smith, Linderman and Sussillo (2021), section 4.2 and A.4.2. Letters in shapes: L systems,
N state units, S streams of evidence, C conditions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Complex, Float

from jslds_bench.analysis.decomposition import aligned


def choice_axes(
    right: Complex[Any, "L N"], inputs: Float[Any, "L N S"], readout: Float[Any, " N"]
) -> Float[Any, "A N"]:
    """Orthonormal axes, [1 + S, N]: choice, then the streams, each orthogonal to those before it (by QR).

    The choice axis is the mean of the first right eigenvectors, signed so that the output grows along it; a
    stream's is the mean of its columns of ∂F/∂u. Every axis points along what it is made of.
    """
    choice = aligned(right, readout).real.mean(axis=0)
    columns = np.column_stack([choice, np.asarray(inputs, np.float64).mean(axis=0)])
    q, r = np.linalg.qr(columns)
    return (q * np.where(np.diag(r) < 0, -1.0, 1.0)).T


def selection_cosines(left: Complex[Any, "L N"], inputs: Float[Any, "L N S"]) -> Float[Any, "L S"]:
    """|cos| of the angle between each selection vector l and each stream's ∂F/∂u, [L, S].

    l is the first left eigenvector. How much of a pulse in a stream the slow mode takes up is l · ∂F/∂u.
    """
    inputs = np.asarray(inputs, np.float64)
    along = np.abs(np.einsum("ln,lns->ls", np.asarray(left), inputs))
    sizes = np.linalg.norm(left, axis=1)[:, None] * np.linalg.norm(inputs, axis=1)
    return along / np.where(sizes > 0, sizes, np.inf)


def choice_slopes(choice: Float[Any, " C"], evidence: Float[Any, "C S"]) -> Float[Any, " S"]:
    """How far the choice moves per unit of evidence of each stream: least squares with a constant, [S]."""
    design = np.column_stack([np.asarray(evidence, np.float64), np.ones(len(choice))])
    return np.linalg.lstsq(design, np.asarray(choice, np.float64), rcond=None)[0][:-1]


def input_effects(
    left: Complex[Any, "L J N"], inputs: Float[Any, "L N U"], readout: Float[Any, "N O"]
) -> tuple[Float[Any, "L U"], Float[Any, "L U O"]]:
    """What a unit pulse of each input does at each system: to the leading modes, and to the outputs.

    The first is the norm over modes of |l_j/‖l_j‖ · ∂F/∂u|, the second ∂o/∂u = W_outᵀ ∂F/∂u (paper, A.3.2).
    """
    unit = left / np.linalg.norm(left, axis=-1, keepdims=True)
    modes = np.linalg.norm(np.einsum("ljn,lnu->lju", unit, inputs), axis=1)
    return modes, np.einsum("lnu,no->luo", inputs, readout)
