"""How well the task is solved, by the network and by the model's states through the same readout."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar

import numpy as np

from jslds_bench.entries.registry import METRICS
from jslds_bench.metrics._shared.declared import Error
from jslds_bench.types.networks import Evaluation


class TaskError(Error):
    """An error of outputs."""

    family: ClassVar[str] = "tasks"
    headline: ClassVar[bool] = True


def _task_error(evaluation: Evaluation, states: Any) -> float:
    """Mean squared error over trials, scored steps and outputs; inf where not finite."""
    readout = evaluation.readout
    with np.errstate(invalid="ignore", over="ignore"):
        outputs = np.asarray(states, np.float64) @ np.asarray(readout.w, np.float64) + np.asarray(readout.b)
        per_step = np.mean((outputs - evaluation.trials.targets) ** 2, axis=(0, 2))
    mask = np.asarray(evaluation.trials.mask, np.float64)
    error = float(np.sum(per_step[mask > 0] * mask[mask > 0]) / mask.sum())
    return error if math.isfinite(error) else math.inf


@METRICS.register("task_error_network")
@dataclasses.dataclass(frozen=True)
class TaskErrorNetwork(TaskError):
    """The network's own mean squared error on the task's scored steps (the same for all its models)."""

    order: ClassVar[int] = 100

    def compute(self, evaluation: Evaluation) -> float:
        return _task_error(evaluation, evaluation.states[:, 1:])


@METRICS.register("task_error_model")
@dataclasses.dataclass(frozen=True)
class TaskErrorModel(TaskError):
    """The mean squared error of the network's readout on the model's free-running states."""

    order: ClassVar[int] = 101

    def compute(self, evaluation: Evaluation) -> float:
        return _task_error(evaluation, evaluation.free_run[:, 1:])
