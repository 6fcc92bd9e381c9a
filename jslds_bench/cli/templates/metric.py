"""my_entry: the greatest distance between the model's free run and the network. A start: make it yours."""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar

import numpy as np

from jslds_bench.types import METRICS, Evaluation


@METRICS.register("my_entry")
@dataclasses.dataclass(frozen=True)
class MyEntry:
    """max ‖ĥ_t − h_t‖ over trials and steps, free-running; inf where a prediction is not finite.

    Raise `Unsupported` with a reason of one line where a model cannot have the metric.
    """

    unit: ClassVar[str] = "1"
    better: ClassVar[str] = "lower"
    bounds: ClassVar[tuple[float, float]] = (0.0, math.inf)
    timing: ClassVar[bool] = False

    def compute(self, evaluation: Evaluation) -> float:
        predicted = np.asarray(evaluation.free_run, np.float64)
        if not np.isfinite(predicted).all():
            return math.inf
        return float(np.linalg.norm(predicted - evaluation.states, axis=-1).max())
