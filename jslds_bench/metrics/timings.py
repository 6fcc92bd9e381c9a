"""What it costs. Rates are measured with the other workers halted, on one core, warmed and blocked on.

Where others computed on the machine meanwhile they are void, and `compile_seconds` too (`runner.clock`). They
depend on the machine: the record holds the GEMM rate of the same process beside them. The costs of making
(`network_seconds`, `fit_seconds`, `compile_seconds`) are processor seconds of the one-core worker, in which a
neighbour counts little; with an accelerator, of which a worker has one to itself, they are wall-clock ones.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from jslds_bench.entries.registry import METRICS
from jslds_bench.errors import Unsupported
from jslds_bench.metrics._shared.declared import Rate, Seconds
from jslds_bench.types.core import Evaluated
from jslds_bench.types.networks import Evaluation


def measured(evaluation: Evaluated, name: str, reason: str = "not timed") -> float:
    """What the runner has measured under that name.

    Raises:
        Unsupported: it has not, for `reason`.
    """
    if name not in evaluation.timings:
        raise Unsupported(reason)
    return evaluation.timings[name]


@METRICS.register("steps_per_second")
@dataclasses.dataclass(frozen=True)
class StepsPerSecond(Rate):
    """Free-running steps per second, all evaluation trials at once: trials × T / seconds."""

    order: ClassVar[int] = 701
    unit: ClassVar[str] = "steps/s"

    def compute(self, evaluation: Evaluation) -> float:
        return measured(evaluation, "steps_per_second")


@METRICS.register("jacobians_per_second")
@dataclasses.dataclass(frozen=True)
class JacobiansPerSecond(Rate):
    """Local linear systems (A, B, c) formed per second at the sampled states."""

    order: ClassVar[int] = 702

    def compute(self, evaluation: Evaluation) -> float:
        return measured(evaluation, "jacobians_per_second", "this model forms no linear system")


@METRICS.register("compile_seconds")
@dataclasses.dataclass(frozen=True)
class CompileSeconds(Seconds):
    """Processor seconds to trace and compile the model's free run, apart from running it.

    The same for all models of a shape that one worker meets, which run the same program.
    """

    order: ClassVar[int] = 703

    def compute(self, evaluation: Evaluation) -> float:
        return measured(evaluation, "compile_seconds")


@METRICS.register("fit_seconds")
@dataclasses.dataclass(frozen=True)
class FitSeconds(Seconds):
    """Seconds of the model's fit, compilation included: processor's, or with an accelerator the wall's."""

    order: ClassVar[int] = 704
    reads: ClassVar[type] = Evaluated

    def compute(self, evaluation: Evaluated) -> float:
        return measured(evaluation, "fit_seconds")


@METRICS.register("network_seconds")
@dataclasses.dataclass(frozen=True)
class NetworkSeconds(Seconds):
    """Seconds that the network took to train or read, compilation included, counted as those of a fit.

    A cached network keeps the figure of the run that trained it. Of networks that were trained together each
    is charged an equal share; the record says of how many (`detail.timing.network_batch`).
    """

    order: ClassVar[int] = 705

    def compute(self, evaluation: Evaluation) -> float:
        return measured(evaluation, "network_seconds")
