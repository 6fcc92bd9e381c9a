"""Poisson regression of many units on the same features at once (NumPy, float64)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

_MOST_STEPS = 60
_MEMORY = 6
_TOLERANCE = 1e-6
"""Nats per spike, over all units, that a step must gain to be followed by another."""
_HIGHEST = 30.0  # log counts of a row beyond which a trial step is bad whatever it would be


class Design(NamedTuple):
    """What a regression is fitted to.

    Attributes:
        features: x, [R, I].
        counts: n, summed over the bins of each row, [R, N].
        bins: m, how many those are, [R].
        barred: the features that a unit may not use, [I, N].
    """

    features: Float[Any, "R I"]
    counts: Float[Any, "R N"]
    bins: Float[Any, " R"]
    barred: Bool[Any, "I N"]


class Weights(NamedTuple):
    """log E n = features @ slopes + offsets, per bin: [I, N] and [N]."""

    slopes: Float[Any, "I N"]
    offsets: Float[Any, " N"]

    def rates(self, features: Float[Any, "*batch I"]) -> Float[Any, "*batch N"]:
        """Expected counts per bin."""
        return np.exp(features @ self.slopes + self.offsets)


def fit_poisson(design: Design, precision: float, start: Weights | None = None) -> Weights:
    """The minimum over β, b of Σ_r [m_r exp(x_r β + b) − n_r (x_r β + b)] + ½ precision ‖β‖² for each unit.

    L-BFGS for all units side by side, which share two matrix products a step. Its first guess of the inverse
    curvature is that of features C at each unit's mean count s, (s Σ m x xᵀ + precision)⁻¹; a unit's step is
    halved until it descends. A unit that never spikes counts as one with half a spike.
    """
    x, counts, bins, barred = design
    centre = np.average(x, axis=0, weights=bins)
    x = np.concatenate([x - centre, np.ones((len(x), 1))], axis=1)
    spikes = np.maximum(counts.sum(axis=0), 0.5)
    mean = spikes / bins.sum()
    target = x.T @ counts
    target[-1] = spikes
    free = np.vstack([~barred, np.ones_like(barred[:1])])
    ridge = np.append(np.full(len(barred), precision), 0.0)[:, None]
    curvature = _Curvature.of(x, bins, mean, precision, free)

    def value(theta: Any) -> tuple[Any, Any]:
        log_rates = np.minimum(x @ theta, _HIGHEST)
        rates = bins[:, None] * np.exp(log_rates)
        return rates, rates.sum(axis=0) - np.sum(theta * (target - 0.5 * ridge * theta), axis=0)

    def gradient(theta: Any, rates: Any) -> Any:
        return np.where(free, x.T @ rates - target + ridge * theta, 0.0)

    theta = np.zeros_like(target)
    theta[-1] = np.log(mean)
    if start is not None:
        theta = np.vstack([start.slopes, start.offsets + centre @ start.slopes])
    rates, now = value(theta)
    slope = gradient(theta, rates)
    pairs: list[tuple[Any, Any]] = []
    for _ in range(_MOST_STEPS):
        step = -_two_loops(slope, pairs, curvature)
        moved, rates, after = _descend(value, theta, step, now, np.sum(step * slope, axis=0))
        new_slope = gradient(moved, rates)
        pairs = [*pairs, (moved - theta, new_slope - slope)][-_MEMORY:]
        gain = float(np.sum(now - after))
        theta, now, slope = moved, after, new_slope
        if gain < _TOLERANCE * spikes.sum():
            break
    return Weights(theta[:-1], theta[-1] - centre @ theta[:-1])


class _Curvature(NamedTuple):
    """(s C + ridge)⁻¹ restricted to each unit's free coefficients, by one eigendecomposition of C."""

    vectors: Any
    inverse: Any  # [I + 1, N]
    barred: Any  # (feature, unit) of every barred coefficient, one a unit at most
    correction: Any  # the column of the inverse that belongs to it, over its own entry

    @classmethod
    def of(cls, x: Any, bins: Any, mean: Any, precision: float, free: Any) -> _Curvature:
        values, vectors = np.linalg.eigh((x * bins[:, None]).T @ x)
        inverse = 1 / (np.maximum(values, 1e-9)[:, None] * mean + precision * (1 - vectors[-1] ** 2)[:, None])
        feature, unit = np.nonzero(~free)
        column = vectors @ (inverse[:, unit] * vectors[feature].T)
        return cls(vectors, inverse, (feature, unit), column / column[feature, np.arange(len(unit))])

    def solve(self, gradient: Any) -> Any:
        step = self.vectors @ (self.inverse * (self.vectors.T @ gradient))
        feature, unit = self.barred
        step[:, unit] -= self.correction * step[feature, unit]
        return step


def _two_loops(slope: Any, pairs: list[tuple[Any, Any]], curvature: _Curvature) -> Any:
    """The L-BFGS direction of every unit. Reference: Nocedal and Wright (2006), algorithm 7.4."""
    q, kept = slope.copy(), []
    for s, y in reversed(pairs):
        inner = np.sum(s * y, axis=0)
        rho = np.where(inner > 0, 1 / np.where(inner > 0, inner, 1.0), 0.0)
        alpha = rho * np.sum(s * q, axis=0)
        q -= alpha * y
        kept.append((s, y, rho, alpha))
    q = curvature.solve(q)
    for s, y, rho, alpha in reversed(kept):
        q += (alpha - rho * np.sum(y * q, axis=0)) * s
    return q


def _descend(value: Any, theta: Any, step: Any, now: Any, along: Any) -> tuple[Any, Any, Any]:
    """Where each unit's step, halved until it gains its share, leads; nowhere if no fraction of it does."""
    size = np.ones_like(now)
    for _ in range(20):
        moved = theta + size * step
        rates, after = value(moved)
        short = ~(after <= now + 1e-4 * size * along)
        if not short.any():
            break
        size = np.where(short, 0.5 * size, size)
    else:
        moved = np.where(short, theta, moved)
        rates, after = value(moved)
    return moved, rates, after
