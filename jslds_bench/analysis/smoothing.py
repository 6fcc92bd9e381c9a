"""Smoothing of binned counts in time (NumPy)."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float


def smoothed(
    counts: Float[Any, "*batch T N"], bin_seconds: float, sd_seconds: float
) -> Float[Any, "*batch T N"]:
    """Weighted means over time, w_ts ∝ exp(−½ ((t − s) bin / sd)²): a Gaussian kernel, cut at trials' edges.

    The weights of every bin sum to 1, at the edges too. Counts per bin stay counts per bin.
    """
    bins = np.arange(counts.shape[-2]) * (bin_seconds / sd_seconds)
    kernel = np.exp(-0.5 * (bins[:, None] - bins) ** 2)
    return np.matmul(kernel / kernel.sum(axis=1, keepdims=True), counts)
