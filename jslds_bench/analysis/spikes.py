"""Binned spikes: smoothed in time, averaged by condition, and what rates explain of them, in bits (NumPy)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy
from jaxtyping import Float

PSTH_SECONDS = 0.07
"""Standard deviation of the Gaussian on the data's condition means: that of MC_Maze in NLB's code."""


def smoothed(
    counts: Float[Any, "*batch T N"], bin_seconds: float, sd_seconds: float
) -> Float[Any, "*batch T N"]:
    """Weighted means over time, w_ts ∝ exp(−½ ((t − s) bin / sd)²): a Gaussian kernel, cut at trials' edges.

    The weights of every bin sum to 1, at the edges too. Counts per bin stay counts per bin.
    """
    bins = np.arange(counts.shape[-2]) * (bin_seconds / sd_seconds)
    kernel = np.exp(-0.5 * (bins[:, None] - bins) ** 2)
    return np.matmul(kernel / kernel.sum(axis=1, keepdims=True), counts)


def condition_means(x: Float[Any, "B T N"], conditions: Any) -> Float[Any, "C T N"]:
    """The mean over each condition's trials, in the order of their labels."""
    return np.stack([x[conditions == c].mean(axis=0) for c in np.unique(conditions)])


def poisson_log_likelihood(counts: Float[Any, "*shape"], rates: Float[Any, "*shape"]) -> float:
    """Σ n ln r − r − ln Γ(n + 1), with 0 ln 0 = 0; −∞ where a rate is no rate, or 0 where there was a spike.

    No rate is what is negative or not finite: a model that lost one trial has lost the sum.
    """
    counts, rates = (np.asarray(a, np.float64) for a in (counts, rates))
    if not (np.isfinite(rates) & (rates >= 0)).all():
        return -math.inf
    return float(np.sum(scipy.special.xlogy(counts, rates) - rates - scipy.special.gammaln(counts + 1)))


def null_log_likelihood(
    counts: Float[Any, "B T N"], mask: Any, rates: Float[Any, " N"] | None = None
) -> float:
    """log p of counts under one constant Poisson rate per unit: `rates`, or the counts' own means."""
    y = np.asarray(counts)[np.asarray(mask) > 0]
    rates = y.mean(0) if rates is None else np.asarray(rates)
    return poisson_log_likelihood(y, np.broadcast_to(rates, y.shape))


def bits_per_spike(
    log_likelihood: float, counts: Float[Any, "B T N"], mask: Any, rates: Float[Any, " N"] | None = None
) -> float:
    """(log p(y) − log p_null(y)) / (spikes · log 2).

    With a held-out ELBO for log p this is a lower bound that no peeking at the scored spikes can raise.
    Reference: Pei et al. (2021), eq. 4, there for co-smoothing.
    """
    spikes = float(np.sum(np.asarray(counts)[np.asarray(mask) > 0]))
    return (log_likelihood - null_log_likelihood(counts, mask, rates)) / (spikes * np.log(2))


def rate_bits_per_spike(counts: Float[Any, "B T N"], rates: Float[Any, "B T N"]) -> float:
    """(NLL_null − NLL) / (spikes · ln 2) of given rates, the null each unit's own mean count.

    Reference: Pei et al. (2021), eq. 4.
    """
    return bits_per_spike(poisson_log_likelihood(counts, rates), counts, np.ones(np.shape(counts)[:2]))
