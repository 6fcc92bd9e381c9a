"""The contract of networks: their tasks, cells, models, and metrics of these."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar

from jslds_bench.contract.fitting import Case
from jslds_bench.contract.settings.base import METRIC, Contract, Look
from jslds_bench.contract.settings.networks import cell, metric, model, network, task
from jslds_bench.contract.settings.networks.cases import CASES, small_case
from jslds_bench.settings.networks import SETTING
from jslds_bench.types.networks import Evaluation


class Networks(Contract[Evaluation]):
    """Two small untrained networks, a frozen one and a co-trained one, stand for all."""

    setting = SETTING
    members: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "tasks": ("n_inputs", "n_outputs", "n_steps", "setup", "sample", "expansion_inputs"),
        "networks": ("build", "sources"),
        "cells": ("build",),
        "models": ("fit",),
        "metrics": METRIC,
    }
    task_rules = task.RULES
    model_rules = model.RULES
    first = model.FIRST

    def cases(self) -> Mapping[str, Callable[[], Case]]:
        return {name: partial(small_case, name) for name in CASES}

    def evaluations(self) -> Mapping[str, Mapping[str, Callable[[], Evaluation]]]:
        return {
            case: {name: partial(metric.evaluation_of, name, case) for name in metric.MODELS}
            for case in CASES
        }

    def predicted(self, evaluation: Evaluation, change: Callable[[Any], Any]) -> Evaluation:
        return metric.predicted(evaluation, change)

    def perfect(self, evaluation: Evaluation) -> Evaluation:
        return metric.perfect(evaluation)

    def looks(self, kind: str, name: str, secret: int | None) -> list[Look]:
        if kind == "networks":
            return [Look("network", "build", partial(network.build, name), network.RULES)]
        if kind == "cells":
            return [Look("cell", "build", partial(cell.build, name), cell.RULES, cell.FIRST)]
        return super().looks(kind, name, secret)


CONTRACT = Networks()
