"""Control: the mean course of each condition."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any, ClassVar

import jax
import numpy as np

from jslds_bench.analysis.spikes import smoothed
from jslds_bench.entries.registry import MODELS
from jslds_bench.errors import NotApplicable
from jslds_bench.models._shared.spike_controls import (
    Stateless,
    check_positive,
    columns,
    quarter_out,
    validation_bits,
)
from jslds_bench.types.core import Progress, silent
from jslds_bench.types.spikes import Inferred, SpikeTask, SpikeTrials

_NO_CONDITIONS = "the trials have no conditions to average over"


@dataclasses.dataclass(frozen=True)
class ConditionMeans(Stateless):
    """Rates by condition, [C, T, N], and those of a condition that was not met, [T, N]."""

    conditions: Any  # sorted, [C]
    rates: Any
    others: Any
    series: dict[str, list[float]] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(
        cls, counts: Any, conditions: Any, bin_seconds: float, width: float, pseudo_trials: float
    ) -> ConditionMeans:
        """Smoothed means of `counts` by condition, drawn to their own mean over conditions."""
        known, index = np.unique(conditions, return_inverse=True)
        members = (np.arange(len(known))[:, None] == index).astype(float)
        sums = np.einsum("cb,btn->ctn", members, counts, optimize=True)
        sums, n = smoothed(sums, bin_seconds, width), members.sum(axis=1)[:, None, None]
        floor = 0.5 / (counts.shape[0] * counts.shape[1])  # as if half a spike had fallen into all bins
        others = np.maximum((sums / n).mean(axis=0), floor)
        return cls(known, (sums + pseudo_trials * others) / (n + pseudo_trials), others)

    def infer(self, held_in: Any, conditions: Any, key: jax.Array) -> Inferred:
        if conditions is None:
            raise NotApplicable(_NO_CONDITIONS)
        at = np.minimum(np.searchsorted(self.conditions, conditions), len(self.conditions) - 1)
        met = (self.conditions[at] == conditions)[:, None, None]
        return Inferred(np.where(met, self.rates[at], self.others))


@MODELS.register("psth")
@dataclasses.dataclass(frozen=True)
class PSTH:
    """Control: the peri-stimulus time histogram, each condition's mean counts smoothed by a Gaussian.

    It is told the condition of every trial, sees no spike of it, and knows no trial from another of the same
    condition. Means count some trials more, of the mean over conditions: what a condition of few trials never
    showed is not taken for impossible. A condition that was not met has that mean. The width and the
    number of such trials are chosen by bits per spike on a quarter of the fit's trials.

    Attributes:
        widths_seconds: standard deviations of the kernel to choose from.
        pseudo_trials: numbers of trials of the mean over conditions to choose from.
    """

    widths_seconds: tuple[float, ...] = (0.03, 0.05, 0.08, 0.12)
    pseudo_trials: tuple[float, ...] = (1.0, 3.0, 10.0)

    SMOKE: ClassVar[dict[str, Any]] = {"widths_seconds": (0.03, 0.06), "pseudo_trials": (1.0,)}

    def __post_init__(self) -> None:
        check_positive("widths_seconds", self.widths_seconds)
        check_positive("pseudo_trials", self.pseudo_trials)

    def fit_spikes(
        self, task: SpikeTask, trials: SpikeTrials, key: jax.Array, progress: Progress = silent
    ) -> ConditionMeans:
        """Chosen on a quarter of `trials`, then taken from all of them.

        Raises:
            NotApplicable: the trials have no conditions.
            UsageError: fewer than four trials.
        """
        labels = trials.conditions
        if labels is None:
            raise NotApplicable(_NO_CONDITIONS)
        counts = np.asarray(trials.counts, np.float64)
        most, quarter = quarter_out(key, len(counts))
        tried: list[tuple[float, float, float]] = []
        settings = list(itertools.product(self.widths_seconds, self.pseudo_trials))
        for width, extra in settings:
            progress(len(tried), len(settings), f"kernel of {width:g} s, {extra:g} pseudo-trials")
            means = ConditionMeans.of(counts[most], labels[most], trials.bin_seconds, width, extra)
            rates = means.infer(None, labels[quarter], key).rates
            tried.append((validation_bits(counts[quarter], rates), width, extra))
        means = ConditionMeans.of(counts, labels, trials.bin_seconds, *max(tried)[1:])
        return dataclasses.replace(means, series=columns("pseudo_trials", tried))
