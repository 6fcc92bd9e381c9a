"""Spikes: a model is fitted to binned counts, and on other trials tells the rates of all units from some."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Bool, PRNGKeyArray

from jslds_bench.settings.base import Setting
from jslds_bench.settings.draws import Described
from jslds_bench.settings.spikes import evaluation as ev
from jslds_bench.types.core import Network, Progress
from jslds_bench.types.spikes import SpikeEvaluation, SpikeTask, SpikeTrials


@dataclasses.dataclass(frozen=True)
class Shared:
    """What the jobs of one (task, seed) share."""

    task: SpikeTask
    fit: SpikeTrials


class Spikes(Setting[Shared, SpikeEvaluation]):
    """Binned spikes, some units of which are hidden on the trials that are scored."""

    name = "spikes"
    about = "spikes"
    task = SpikeTask
    fits = "fit_spikes"
    evaluation = SpikeEvaluation

    def describe(self, task: SpikeTask) -> Any:
        return Described(task, ("n_latent",))

    def prepare(self, task: SpikeTask, network: Network | None, seed: int, progress: Progress) -> Shared:
        progress(0, 1, "drawing the recording")
        return Shared(task, ev.draw_spikes(task, seed)[0])

    def given(self, shared: Shared) -> dict[str, Any]:
        return {"spikes": ev.shown(shared.fit)}

    def fit(self, model: Any, task: Any, given: dict[str, Any], key: PRNGKeyArray, progress: Progress) -> Any:
        return model.fit_spikes(task, *given.values(), key, progress)

    def held_out(self, shared: Shared, seed: int, n_trials: int) -> SpikeTrials:
        """As many trials as the task holds out."""
        return ev.draw_spikes(shared.task, seed)[1]

    def evaluate(self, fitted: Any, shared: Shared, held_out: SpikeTrials, seed: int) -> SpikeEvaluation:
        return ev.evaluate_spikes(fitted, shared.fit, held_out, seed)

    def diverged(self, evaluation: SpikeEvaluation) -> Bool[np.ndarray, " B"]:
        return ~np.isfinite(evaluation.inferred.rates).all(axis=(1, 2))

    def series(self, fitted: Any, evaluation: SpikeEvaluation) -> dict[str, list[float]]:
        return fitted.fit_series()

    def detail(self, shared: Shared, evaluation: SpikeEvaluation) -> dict[str, Any]:
        return {
            "n_trials": len(shared.fit.counts),
            "n_held_out": len(evaluation.held_out.counts),
            "n_units": shared.fit.counts.shape[-1],
            "n_held_out_units": int(shared.fit.held_out_units.sum()),
        }

    def arrays(self, fitted: Any, shared: Shared, evaluation: SpikeEvaluation) -> dict[str, np.ndarray]:
        return ev.spike_arrays(fitted, evaluation)


SETTING = Spikes()
