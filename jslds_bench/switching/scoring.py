"""Scores of a fitted switching system against the truth or the data (NumPy)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import scipy.optimize
import scipy.special
from jaxtyping import Float, Int

from jslds_bench.dynamics.spectrum import eigenvalues, matched_distance
from jslds_bench.switching.parameters import Linear


class ModeMatch(NamedTuple):
    """`order[k]`: the fitted mode for true mode k (−1: none). `accuracy`: how often they then agree."""

    order: Int[Any, " K"]
    accuracy: float


class ModeErrors(NamedTuple):
    """Per true mode: mean |λ̂ − λ| over mean |λ|, and ‖x̂* − x*‖ / ‖x*‖, [K]."""

    eigenvalues: Float[Any, " K"]
    fixed_points: Float[Any, " K"]


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


def mode_errors(
    true: Linear,
    fitted: Linear,
    order: Int[Any, " K"],
    u: Float[Any, " U"],
    true_view: Any = lambda x: x,
    fitted_view: Any = lambda x: x,
) -> ModeErrors:
    """How far each mode's eigenvalues and fixed point are off, fixed points compared through the two views.

    Latent states are known up to an affine map only: compare C x + d there.
    """
    spectra = [eigenvalues(m.a) for m in (true, fitted)]
    points = true_view(mode_points(true, u)), fitted_view(mode_points(fitted, u))
    eig = [
        matched_distance(spectra[0][k], spectra[1][j]) / np.abs(spectra[0][k]).mean()
        for k, j in enumerate(order)
    ]
    fix = [
        np.linalg.norm(points[1][j] - points[0][k]) / np.linalg.norm(points[0][k])
        for k, j in enumerate(order)
    ]
    return ModeErrors(np.array(eig), np.array(fix))


def explained_variance(y: Float[Any, "B T N"], predicted: Float[Any, "B T N"], mask: Any) -> float:
    """1 − Σ (y − ŷ)² / Σ (y − ȳ)² over the valid steps, all units together."""
    keep = np.asarray(mask) > 0
    y, predicted = np.asarray(y)[keep], np.asarray(predicted)[keep]
    return float(1 - np.sum((y - predicted) ** 2) / np.sum((y - y.mean(0)) ** 2))


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
