"""What it costs. Measured by the runner with the other workers halted, on one core, warmed and blocked on.

Rates depend on the machine: the record holds the GEMM rate of the same process beside them. The two
costs of making (`network_seconds`, `fit_seconds`) are processor seconds of the one-core worker, so that a
neighbour's load does not enter.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

from jslds_bench.entries.registry import METRICS
from jslds_bench.metrics._shared.declared import Rate, Seconds
from jslds_bench.types.networks import Evaluation
from jslds_bench.types.recordings import RecordedEvaluation
from jslds_bench.types.spikes import SpikeEvaluation


@METRICS.register("steps_per_second")
@dataclasses.dataclass(frozen=True)
class StepsPerSecond(Rate):
    """Free-running steps per second, all evaluation trials at once: trials × T / seconds."""

    unit: ClassVar[str] = "steps/s"


@METRICS.register("jacobians_per_second")
@dataclasses.dataclass(frozen=True)
class JacobiansPerSecond(Rate):
    """Local linear systems (A, B, c) formed per second at the sampled states."""

    missing: ClassVar[str] = "this model forms no linear system"


@METRICS.register("compile_seconds")
@dataclasses.dataclass(frozen=True)
class CompileSeconds(Seconds):
    """Time to trace and compile the model's free run, apart from running it."""


@METRICS.register("seconds_per_iteration")
@dataclasses.dataclass(frozen=True)
class SecondsPerIteration(Seconds):
    """Seconds of one EM iteration on the fitted trials, compiled and warmed, on the worker's one core."""

    reads: ClassVar[type] = RecordedEvaluation


@METRICS.register("fit_seconds")
@dataclasses.dataclass(frozen=True)
class FitSeconds(Seconds):
    """Processor seconds of the model's fit, compilation included."""

    reads: ClassVar[Any] = (Evaluation, RecordedEvaluation, SpikeEvaluation)


@METRICS.register("network_seconds")
@dataclasses.dataclass(frozen=True)
class NetworkSeconds(Seconds):
    """Processor seconds that the network took to train or read, compilation included.

    A cached network keeps the figure of the run that trained it.
    """
