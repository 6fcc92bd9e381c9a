"""Recordings: a model is fitted to observations of a system, and explains others of the same system."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Bool, PRNGKeyArray

from jslds_bench.settings.base import Clock, Setting
from jslds_bench.settings.draws import Described
from jslds_bench.settings.recordings import evaluation as ev
from jslds_bench.types.core import Network, Progress
from jslds_bench.types.recordings import ObservedTask, RecordedEvaluation, Recording


@dataclasses.dataclass(frozen=True)
class Shared:
    """What the jobs of one (task, seed) share."""

    task: ObservedTask
    recording: Recording


class Recordings(Setting[Shared, RecordedEvaluation]):
    """A system that was observed, and models of what was observed."""

    name = "recordings"
    about = "recorded data"
    task = ObservedTask
    fits = "fit_recording"
    evaluation = RecordedEvaluation

    def describe(self, task: ObservedTask) -> Any:
        return Described(task, ("setup",))

    def prepare(self, task: ObservedTask, network: Network | None, seed: int, progress: Progress) -> Shared:
        progress(0, 1, "drawing the recording")
        return Shared(task, ev.draw_recordings(task, seed)[0])

    def given(self, shared: Shared) -> dict[str, Any]:
        return {"recording": ev.shown(shared.recording)}

    def fit(self, model: Any, task: Any, given: dict[str, Any], key: PRNGKeyArray, progress: Progress) -> Any:
        return model.fit_recording(task, *given.values(), key, progress)

    def held_out(self, shared: Shared, seed: int, n_trials: int) -> Recording:
        """As many trials as the task holds out."""
        return ev.draw_recordings(shared.task, seed)[1]

    def evaluate(self, fitted: Any, shared: Shared, held_out: Recording, seed: int) -> RecordedEvaluation:
        return ev.evaluate_recorded(fitted, shared.recording, held_out)

    def diverged(self, evaluation: RecordedEvaluation) -> Bool[np.ndarray, " B"]:
        return ~np.isfinite(evaluation.explained_held_out.expected).all(axis=(1, 2))

    def time(
        self, fitted: Any, shared: Shared, evaluation: RecordedEvaluation, seed: int, clock: Clock
    ) -> dict[str, float]:
        return {"seconds_per_iteration": clock.seconds(fitted.iteration())}

    def series(self, fitted: Any, evaluation: RecordedEvaluation) -> dict[str, list[float]]:
        return fitted.fit_series()

    def detail(self, shared: Shared, evaluation: RecordedEvaluation) -> dict[str, Any]:
        return {
            "n_trials": len(evaluation.recording.observations),
            "n_held_out": len(evaluation.held_out.observations),
        }

    def arrays(self, fitted: Any, shared: Shared, evaluation: RecordedEvaluation) -> dict[str, np.ndarray]:
        return ev.recorded_arrays(fitted, evaluation)


SETTING = Recordings()
