"""Spikes: a model is fitted to binned counts, and on other trials tells the rates of all units from some."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool

from jslds_bench.settings.base import Drawn, DrawnSetting
from jslds_bench.settings.spikes import evaluation as ev
from jslds_bench.types.spikes import SpikeEvaluation, SpikeTask, SpikeTrials


class Spikes(DrawnSetting[SpikeEvaluation]):
    """Binned spikes, some units of which are hidden on the trials that are scored."""

    name = "spikes"
    about = "spikes"
    task = SpikeTask
    fits = "fit_spikes"
    evaluation = SpikeEvaluation

    draws = "spikes"
    says = ("n_latent",)
    data = "spikes"

    def shown(self, part: SpikeTrials) -> SpikeTrials:
        return ev.shown(part)

    def evaluate(self, fitted: Any, shared: Drawn, held_out: SpikeTrials, seed: int) -> SpikeEvaluation:
        return ev.evaluate_spikes(fitted, shared.fit, held_out, seed)

    def diverged(self, evaluation: SpikeEvaluation) -> Bool[np.ndarray, " B"]:
        return ~np.isfinite(evaluation.inferred.rates).all(axis=(1, 2))

    def series(self, fitted: Any, evaluation: SpikeEvaluation) -> dict[str, list[float]]:
        return fitted.fit_series()

    def detail(self, shared: Drawn, evaluation: SpikeEvaluation) -> dict[str, Any]:
        return {
            "n_trials": len(shared.fit.counts),
            "n_held_out": len(evaluation.held_out.counts),
            "n_units": shared.fit.counts.shape[-1],
            "n_held_out_units": int(shared.fit.held_out_units.sum()),
        }

    def arrays(self, fitted: Any, shared: Drawn, evaluation: SpikeEvaluation) -> dict[str, np.ndarray]:
        return ev.spike_arrays(fitted, evaluation)


SETTING = Spikes()
