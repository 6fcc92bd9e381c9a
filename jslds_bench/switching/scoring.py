"""Scores of a fitted switching system against the truth or the data (NumPy)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import scipy.optimize
import scipy.special
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
