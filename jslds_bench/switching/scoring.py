"""A fitted switching system's modes: matched to true ones, and where each would rest (NumPy)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy
from jaxtyping import Float, Int

from jslds_bench.switching.parameters import Linear


class ModeMatch(NamedTuple):
    """`order[k]`: the fitted mode for true mode k (−1: none). `accuracy`: how often they then agree."""

    order: Int[Any, " K"]
    accuracy: float


def match_modes(true: Int[Any, "*batch"], fitted: Int[Any, "*batch"], mask: Any = None) -> ModeMatch:
    """The one-to-one relabelling of `fitted` that agrees most with `true`, and how often it then does."""
    true, fitted = np.asarray(true).ravel(), np.asarray(fitted).ravel()
    if mask is not None:
        keep = np.asarray(mask).ravel() > 0
        true, fitted = true[keep], fitted[keep]
    table = np.zeros((true.max() + 1, fitted.max() + 1), int)
    np.add.at(table, (true, fitted), 1)
    rows, columns = scipy.optimize.linear_sum_assignment(-table)
    order = np.full(table.shape[0], -1)
    order[rows] = columns
    return ModeMatch(order, float(table[rows, columns].sum() / true.size))


def mode_points(linear: Linear, u: Float[Any, " U"]) -> Float[Any, "K D"]:
    """(I − A_k)⁻¹ (V_k u + b_k); the least-squares solution where I − A_k is singular."""
    a, v, b = (np.asarray(x) for x in linear[:3])
    gaps = np.eye(a.shape[1]) - a
    return np.stack(
        [np.linalg.lstsq(g, vk @ u + bk, rcond=None)[0] for g, vk, bk in zip(gaps, v, b, strict=True)]
    )
