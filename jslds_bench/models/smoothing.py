"""Control: smoothed spikes of the units seen, and what follows from them for every unit."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax
import numpy as np

from jslds_bench.analysis.poisson_regression import Design, Weights, fit_poisson
from jslds_bench.analysis.spikes import smoothed
from jslds_bench.entries.registry import MODELS
from jslds_bench.models._shared.spike_controls import (
    Stateless,
    check_positive,
    columns,
    quarter_out,
    validation_bits,
)
from jslds_bench.types.core import Progress, silent
from jslds_bench.types.spikes import Inferred, SpikeTask, SpikeTrials

_FLOOR = 0.5
"""What is added to smoothed rates before the logarithm, in units of each unit's mean rate."""
_HALF_A_SPIKE = 0.5


@dataclasses.dataclass(frozen=True)
class Features:
    """log(smoothed counts + floor) of held-in units, bin by bin."""

    bin_seconds: float
    width: float
    floor: Any  # [I]

    @classmethod
    def of(cls, trials: SpikeTrials, width: float) -> Features:
        """With each unit's floor from its mean over `trials`; that of a silent one is as if it had fired."""
        bins = trials.counts.shape[0] * trials.counts.shape[1]
        mean = np.maximum(trials.held_in.sum(axis=(0, 1)), _HALF_A_SPIKE) / bins
        return cls(trials.bin_seconds, width, _FLOOR * mean)

    def __call__(self, held_in: Any) -> np.ndarray:
        counts = np.asarray(held_in, np.float64)
        return np.log(smoothed(counts, self.bin_seconds, self.width) + self.floor)

    def design(self, trials: SpikeTrials, units: Any) -> Design:
        """Rows of about a width each, over which a smoothed rate hardly changes: counts are summed there."""
        n_bins = trials.counts.shape[1]
        starts = np.arange(0, n_bins, max(1, round(self.width / self.bin_seconds)))
        sizes = np.diff(np.append(starts, n_bins)).astype(float)
        x = np.add.reduceat(self(trials.held_in), starts, axis=1) / sizes[:, None]
        n = np.add.reduceat(trials.counts[..., units], starts, axis=1)
        own = np.flatnonzero(~trials.held_out_units)[:, None] == np.flatnonzero(units)
        return Design(x.reshape(-1, x.shape[2]), n.reshape(-1, n.shape[2]), np.tile(sizes, len(x)), own)


@dataclasses.dataclass(frozen=True)
class SmoothedSpikes(Stateless):
    """The rates of `Smoothing`."""

    features: Features
    weights: Weights
    series: dict[str, list[float]]

    def infer(self, held_in: Any, conditions: Any, key: jax.Array) -> Inferred:
        return Inferred(self.weights.rates(self.features(held_in)))


@MODELS.register("smoothing")
@dataclasses.dataclass(frozen=True)
class Smoothing:
    """Control: rates by Poisson regression on the logs of smoothed held-in spikes, and no dynamics at all.

    log E n_tj = Σ_i β_ij log(s_ti + ½ n̄_i) + b_j, with s the counts of held-in unit i smoothed by a Gaussian
    and n̄ their mean; β under a Gaussian prior of some precision. A held-in unit is predicted from the
    others: a rate that contains the very spikes that it explains would be a poor one. Width and
    precision are chosen by bits per spike on a quarter of the fit's trials (of the held-out units, where
    there are some): the width at the middle precision, then the precision.
    Reference: Pei et al. (2021), the smoothing baseline for co-smoothing.

    Attributes:
        widths_seconds: standard deviations of the kernel to choose from.
        precisions: of the prior on β, to choose from.
    """

    widths_seconds: tuple[float, ...] = (0.03, 0.05, 0.08, 0.12)
    precisions: tuple[float, ...] = (10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)

    SMOKE: ClassVar[dict[str, Any]] = {"widths_seconds": (0.03, 0.06), "precisions": (100.0, 1000.0)}

    def __post_init__(self) -> None:
        check_positive("widths_seconds", self.widths_seconds)
        check_positive("precisions", self.precisions)

    def fit_spikes(
        self, task: SpikeTask, trials: SpikeTrials, key: jax.Array, progress: Progress = silent
    ) -> SmoothedSpikes:
        """Chosen on a quarter of `trials`, then fitted to all of them.

        Raises:
            UsageError: fewer than four trials.
        """
        out = trials.held_out_units
        units = out if out.any() else np.ones_like(out)
        most, quarter = (_taken(trials, i) for i in quarter_out(key, len(trials.counts)))
        middle = sorted(self.precisions)[len(self.precisions) // 2]
        tried: list[tuple[float, float, float]] = []
        total = len(self.widths_seconds) + len(self.precisions)

        def score(width: float, precision: float) -> None:
            progress(len(tried), total, f"kernel of {width:g} s, precision {precision:g}")
            features = Features.of(most, width)
            weights = fit_poisson(features.design(most, units), precision)
            rates = weights.rates(features(quarter.held_in))
            tried.append((validation_bits(quarter.counts[..., units], rates), width, precision))

        for width in self.widths_seconds:
            score(width, middle)
        best = max(tried)[1]
        for precision in self.precisions:
            if precision != middle:
                score(best, precision)
        _, width, precision = max(tried)
        progress(total, total, "all trials")
        features = Features.of(trials, width)
        weights = fit_poisson(features.design(trials, np.ones_like(out)), precision)
        return SmoothedSpikes(features, weights, columns("precision", tried))


def _taken(trials: SpikeTrials, index: np.ndarray) -> SpikeTrials:
    """The counts of some trials alone."""
    return SpikeTrials(trials.counts[index], trials.bin_seconds, trials.held_out_units)
