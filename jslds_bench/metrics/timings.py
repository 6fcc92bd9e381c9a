"""What it costs. Measured by the runner with the other workers halted, on one core, warmed and blocked on.

Rates depend on the machine: the record holds the GEMM rate of the same process beside them. The two
costs of making (`network_seconds`, `fit_seconds`) are processor seconds of the one-core worker, so that a
neighbour's load does not enter.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar

from jslds_bench.entries.registry import METRICS
from jslds_bench.errors import Unsupported
from jslds_bench.metrics._shared.declared import Seconds
from jslds_bench.types.networks import Evaluation
from jslds_bench.types.recordings import RecordedEvaluation
from jslds_bench.types.spikes import SpikeEvaluation


def _timing(evaluation: Evaluation | RecordedEvaluation | SpikeEvaluation, name: str, reason: str) -> float:
    if name not in evaluation.timings:
        raise Unsupported(reason)
    return evaluation.timings[name]


@METRICS.register("steps_per_second")
@dataclasses.dataclass(frozen=True)
class StepsPerSecond:
    """Free-running steps per second, all evaluation trials at once: trials × T / seconds."""

    unit: ClassVar[str] = "steps/s"
    better: ClassVar[str] = "higher"
    bounds: ClassVar[tuple[float, float]] = (0.0, math.inf)
    timing: ClassVar[bool] = True

    def compute(self, evaluation: Evaluation) -> float:
        return _timing(evaluation, "steps_per_second", "not timed")


@METRICS.register("jacobians_per_second")
@dataclasses.dataclass(frozen=True)
class JacobiansPerSecond:
    """Local linear systems (A, B, c) formed per second at the sampled states."""

    unit: ClassVar[str] = "1/s"
    better: ClassVar[str] = "higher"
    bounds: ClassVar[tuple[float, float]] = (0.0, math.inf)
    timing: ClassVar[bool] = True

    def compute(self, evaluation: Evaluation) -> float:
        return _timing(evaluation, "jacobians_per_second", "this model forms no linear system")


@METRICS.register("compile_seconds")
@dataclasses.dataclass(frozen=True)
class CompileSeconds(Seconds):
    """Time to trace and compile the model's free run, apart from running it."""

    def compute(self, evaluation: Evaluation) -> float:
        return _timing(evaluation, "compile_seconds", "not timed")


@METRICS.register("fit_seconds")
@dataclasses.dataclass(frozen=True)
class FitSeconds(Seconds):
    """Processor seconds of the model's fit, compilation included."""

    reads: ClassVar[Any] = (Evaluation, RecordedEvaluation, SpikeEvaluation)

    def compute(self, evaluation: Evaluation | RecordedEvaluation | SpikeEvaluation) -> float:
        return _timing(evaluation, "fit_seconds", "not timed")


@METRICS.register("network_seconds")
@dataclasses.dataclass(frozen=True)
class NetworkSeconds(Seconds):
    """Processor seconds that the network took to train or read, compilation included.

    A cached network keeps the figure of the run that trained it.
    """

    def compute(self, evaluation: Evaluation) -> float:
        return _timing(evaluation, "network_seconds", "not timed")
