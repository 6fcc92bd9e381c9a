"""Recordings: a model is fitted to observations of a system, and explains others of the same system."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool

from jslds_bench.settings.base import Clock, Drawn, DrawnSetting
from jslds_bench.settings.recordings import evaluation as ev
from jslds_bench.types.recordings import ObservedTask, RecordedEvaluation, Recording


class Recordings(DrawnSetting[RecordedEvaluation]):
    """A system that was observed, and models of what was observed."""

    name = "recordings"
    about = "recorded data"
    task = ObservedTask
    fits = "fit_recording"
    evaluation = RecordedEvaluation

    draws = "record"
    says = ("setup",)
    data = "recording"

    def shown(self, part: Recording) -> Recording:
        return ev.shown(part)

    def evaluate(self, fitted: Any, shared: Drawn, held_out: Recording, seed: int) -> RecordedEvaluation:
        return ev.evaluate_recorded(fitted, shared.fit, held_out)

    def diverged(self, evaluation: RecordedEvaluation) -> Bool[np.ndarray, " B"]:
        return ~np.isfinite(evaluation.explained_held_out.expected).all(axis=(1, 2))

    def time(
        self, fitted: Any, shared: Drawn, evaluation: RecordedEvaluation, seed: int, clock: Clock
    ) -> dict[str, float]:
        return clock.seconds(seconds_per_iteration=fitted.iteration())

    def series(self, fitted: Any, evaluation: RecordedEvaluation) -> dict[str, list[float]]:
        return fitted.fit_series()

    def detail(self, shared: Drawn, evaluation: RecordedEvaluation) -> dict[str, Any]:
        return {
            "n_trials": len(evaluation.recording.observations),
            "n_held_out": len(evaluation.held_out.observations),
        }

    def arrays(self, fitted: Any, shared: Drawn, evaluation: RecordedEvaluation) -> dict[str, np.ndarray]:
        return ev.recorded_arrays(fitted, evaluation)


SETTING = Recordings()
