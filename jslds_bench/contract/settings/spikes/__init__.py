"""The contract of spikes: tasks that are spiking data, models fitted to them, and metrics of these."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from jslds_bench.contract.fitting import Case
from jslds_bench.contract.settings.base import METRIC, Contract
from jslds_bench.contract.settings.spikes import metric, model, task
from jslds_bench.settings.spikes import SETTING
from jslds_bench.types.spikes import SpikeEvaluation

CASE = "spikes"


class Spikes(Contract[SpikeEvaluation]):
    """A few units whose rotations are planted stand for all."""

    setting = SETTING
    members: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "tasks": ("n_latent", "spikes"),
        "models": ("fit_spikes",),
        "metrics": METRIC,
    }
    task_rules = task.RULES
    model_rules = model.RULES

    def cases(self) -> Mapping[str, Callable[[], Case]]:
        return {CASE: model.small_case}

    def evaluations(self) -> Mapping[str, Mapping[str, Callable[[], SpikeEvaluation]]]:
        return {CASE: metric.EVALUATIONS}

    def predicted(self, evaluation: SpikeEvaluation, change: Callable[[Any], Any]) -> SpikeEvaluation:
        return metric.predicted(evaluation, change)

    def perfect(self, evaluation: SpikeEvaluation) -> SpikeEvaluation | None:
        return metric.perfect(evaluation)


CONTRACT = Spikes()
