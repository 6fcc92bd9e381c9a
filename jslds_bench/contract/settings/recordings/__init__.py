"""The contract of recordings: tasks that are recorded data, models fitted to them, and metrics of these."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from jslds_bench.contract.fitting import Case
from jslds_bench.contract.settings.base import METRIC, Contract
from jslds_bench.contract.settings.recordings import metric, model, task
from jslds_bench.settings.recordings import SETTING
from jslds_bench.types.recordings import RecordedEvaluation

CASE = "recording"


class Recordings(Contract[RecordedEvaluation]):
    """A tiny known system stands for all."""

    setting = SETTING
    members: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "tasks": ("setup", "record"),
        "models": ("fit_recording",),
        "metrics": METRIC,
    }
    task_rules = task.RULES
    model_rules = model.RULES

    def cases(self) -> Mapping[str, Callable[[], Case]]:
        return {CASE: model.small_case}

    def evaluations(self) -> Mapping[str, Mapping[str, Callable[[], RecordedEvaluation]]]:
        return {CASE: metric.EVALUATIONS}

    def predicted(self, evaluation: RecordedEvaluation, change: Callable[[Any], Any]) -> RecordedEvaluation:
        return metric.predicted(evaluation, change)

    def perfect(self, evaluation: RecordedEvaluation) -> RecordedEvaluation | None:
        return metric.perfect(evaluation)


CONTRACT = Recordings()
