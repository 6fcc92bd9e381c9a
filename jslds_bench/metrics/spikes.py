"""How well rates inferred from held-in units tell what happens: spikes, true rates, averages, velocity.

A rate that is not finite makes a score the worst there is: nothing is averaged away.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar

import numpy as np
import scipy
from jaxtyping import Float

from jslds_bench.analysis.spikes import PSTH_SECONDS, condition_means, rate_bits_per_spike
from jslds_bench.entries.registry import METRICS
from jslds_bench.errors import Unsupported
from jslds_bench.metrics._shared.declared import Score
from jslds_bench.types.spikes import SpikeEvaluation, SpikeTrials

N_FOLDS = 5
PENALTIES = np.geomspace(1e-3, 1e3, 13)
"""Of the ridge regression on standardised rates, per sample."""


class SpikeScore(Score):
    """A score of inferred rates: higher is better."""

    family: ClassVar[str] = "spikes"
    headline: ClassVar[bool] = True
    reads: ClassVar[type] = SpikeEvaluation


class Bits(SpikeScore):
    """A likelihood in bits per spike."""

    unit: ClassVar[str] = "bits"
    bounds: ClassVar[tuple[float, float]] = (-math.inf, math.inf)


def _bits(evaluation: SpikeEvaluation, rates: Any, units: Any) -> float:
    counts = evaluation.held_out.counts[..., units]
    if not counts.sum():
        raise Unsupported("the units that are scored have no spike on held-out trials")
    return float(rate_bits_per_spike(counts, rates[..., units]))


def _jslds(evaluation: SpikeEvaluation) -> Float[Any, "B T N"]:
    if evaluation.inferred.jslds_rates is None:
        raise Unsupported("the model has no JSLDS branch")
    return evaluation.inferred.jslds_rates


@METRICS.register("co_bits_per_spike")
@dataclasses.dataclass(frozen=True)
class CoBitsPerSpike(Bits):
    """(NLL_null − NLL)/(spikes · ln 2) of held-out units on held-out trials, told from the held-in ones.

    NLL = Σ r − n ln r + ln n!; the null is each unit's mean over the spikes that are scored.
    Reference: Pei et al. (2021), eq. 4.
    """

    order: ClassVar[int] = 500

    def compute(self, evaluation: SpikeEvaluation) -> float:
        return _bits(evaluation, evaluation.inferred.rates, evaluation.held_out.held_out_units)


@METRICS.register("bits_per_spike")
@dataclasses.dataclass(frozen=True)
class BitsPerSpike(Bits):
    """The same of held-in units on held-out trials: the model has seen these very spikes, which flatters."""

    order: ClassVar[int] = 502

    def compute(self, evaluation: SpikeEvaluation) -> float:
        return _bits(evaluation, evaluation.inferred.rates, ~evaluation.held_out.held_out_units)


@METRICS.register("co_bits_per_spike_jslds")
@dataclasses.dataclass(frozen=True)
class CoBitsPerSpikeJSLDS(Bits):
    """`co_bits_per_spike` of the rates of the JSLDS branch."""

    order: ClassVar[int] = 501
    headline: ClassVar[bool] = False

    def compute(self, evaluation: SpikeEvaluation) -> float:
        return _bits(evaluation, _jslds(evaluation), evaluation.held_out.held_out_units)


def mean_r2(predicted: Float[Any, "S N"], true: Float[Any, "S N"]) -> float:
    """Mean over columns that vary of 1 − Σ(ŷ − y)²/Σ(y − ȳ)²; −inf where a prediction is not finite.

    Raises:
        Unsupported: no column varies.
    """
    predicted, true = (np.asarray(a, np.float64) for a in (predicted, true))
    scale = ((true - true.mean(axis=0)) ** 2).sum(axis=0)
    varies = scale > 0
    if not varies.any():
        raise Unsupported("what is to be explained does not vary")
    if not np.isfinite(predicted).all():
        return -math.inf
    with np.errstate(over="ignore"):
        gap = ((predicted - true) ** 2).sum(axis=0)
    return float(np.mean(1 - gap[varies] / scale[varies]))


def _true_rates(evaluation: SpikeEvaluation) -> Float[Any, "S N"]:
    if evaluation.held_out.rates is None:
        raise Unsupported("the true rates are not known")
    return _rows(evaluation.held_out.rates)


def _rows(x: Any) -> Any:
    return x.reshape(-1, x.shape[-1])


@METRICS.register("rate_r2")
@dataclasses.dataclass(frozen=True)
class RateR2(SpikeScore):
    """R² of the rates against the true ones of held-out trials: mean over all units of each unit's own.

    Units that hardly vary weigh as much as others, so noise in them counts: smoothing can be far below 0.
    """

    order: ClassVar[int] = 503

    def compute(self, evaluation: SpikeEvaluation) -> float:
        return mean_r2(_rows(evaluation.inferred.rates), _true_rates(evaluation))


@METRICS.register("rate_r2_jslds")
@dataclasses.dataclass(frozen=True)
class RateR2JSLDS(SpikeScore):
    """`rate_r2` of the rates of the JSLDS branch."""

    order: ClassVar[int] = 504
    headline: ClassVar[bool] = False

    def compute(self, evaluation: SpikeEvaluation) -> float:
        return mean_r2(_rows(_jslds(evaluation)), _true_rates(evaluation))


@METRICS.register("psth_r2")
@dataclasses.dataclass(frozen=True)
class PsthR2(SpikeScore):
    """R² of the rates' condition means against the data's smoothed ones (sd 70 ms), held-out trials.

    Mean over the units that fire there. The data's means are noisy where a condition has few trials: read it
    beside `psth_r2_oracle`, where that can be had. Reference: Pei et al. (2021), section 4.
    """

    order: ClassVar[int] = 505

    def compute(self, evaluation: SpikeEvaluation) -> float:
        return _psth_r2(evaluation.held_out, evaluation.inferred.rates)


@METRICS.register("psth_r2_oracle")
@dataclasses.dataclass(frozen=True)
class PsthR2Oracle(SpikeScore):
    """`psth_r2` of the true rates, the same for all models: a score above it is noise."""

    order: ClassVar[int] = 507
    headline: ClassVar[bool] = False
    better: ClassVar[str] = "none"

    def compute(self, evaluation: SpikeEvaluation) -> float:
        if evaluation.held_out.rates is None:
            raise Unsupported("the true rates are not known")
        return _psth_r2(evaluation.held_out, evaluation.held_out.rates)


def _psth_r2(trials: SpikeTrials, rates: Float[Any, "B T N"]) -> float:
    if trials.conditions is None:
        raise Unsupported("the trials have no conditions")
    smoothed = scipy.ndimage.gaussian_filter1d(
        trials.counts, PSTH_SECONDS / trials.bin_seconds, axis=1, mode="nearest"
    )
    found, true = (condition_means(x, trials.conditions) for x in (rates, smoothed))
    return mean_r2(_rows(found), _rows(true))


@METRICS.register("velocity_r2")
@dataclasses.dataclass(frozen=True)
class VelocityR2(SpikeScore):
    """R² of the hand's velocity on held-out trials, mean of x and y, by ridge regression on rates.

    The regression is fitted to what the model infers of the fit trials, its penalty chosen there by
    five-fold cross-validation over trials. Reference: Pei et al. (2021), section 4.
    """

    order: ClassVar[int] = 506

    def compute(self, evaluation: SpikeEvaluation) -> float:
        fit, held_out = evaluation.fit, evaluation.held_out
        if fit.velocity is None or held_out.velocity is None:
            raise Unsupported("the hand's velocity is not known")
        rates = evaluation.inferred_fit.rates, evaluation.inferred.rates
        if not all(np.isfinite(x).all() for x in rates):
            return -math.inf
        return mean_r2(_ridge(rates[0], fit.velocity, rates[1]), _rows(held_out.velocity))


def _ridge(x: Float[Any, "B T N"], y: Float[Any, "B T M"], x_new: Float[Any, "C T N"]) -> Float[Any, "CT M"]:
    """Ridge regression of y on x (standardised), its penalty by cross-validation over trials; ŷ at x_new."""
    n_folds = min(N_FOLDS, len(x))
    if n_folds < 2:
        raise Unsupported("a single fit trial: there is nothing to choose a penalty on")
    fold = np.arange(len(x)) % n_folds
    loss = np.zeros(len(PENALTIES))
    for k in range(n_folds):
        predicted = _ridges(_rows(x[fold != k]), _rows(y[fold != k]), _rows(x[fold == k]), PENALTIES)
        loss += ((predicted - _rows(y[fold == k])) ** 2).sum(axis=(1, 2))
    return _ridges(_rows(x), _rows(y), _rows(x_new), PENALTIES[[np.argmin(loss)]])[0]


def _ridges(
    x: Float[Any, "S N"], y: Float[Any, "S M"], x_new: Float[Any, "R N"], penalties: Float[Any, " L"]
) -> Float[Any, "L R M"]:
    """ŷ for each penalty λ: argmin Σ‖y − ȳ − W x‖²/S + λ‖W‖², through one eigendecomposition."""
    mean, sd, level = x.mean(axis=0), x.std(axis=0), y.mean(axis=0)
    sd = np.where(sd > 0, sd, 1.0)
    x, x_new = (x - mean) / sd, (x_new - mean) / sd
    values, vectors = np.linalg.eigh(x.T @ x / len(x))
    projected = vectors.T @ (x.T @ (y - level)) / len(x)
    weights = projected / (values[:, None] + penalties[:, None, None])
    return level + (x_new @ vectors) @ weights
