"""Of made-up records: values at the places of this project's metrics, and details as a runner has them."""

from __future__ import annotations

from typing import Any

import jslds_bench.metrics  # noqa: F401, importing registers them
from jslds_bench.entries.registry import METRICS
from jslds_bench.records.record import Value


def measured(name: str, value: float | None, unit: str, better: str, reason: str | None = None) -> Value:
    """A value of the metric of that name, at the place that it declares."""
    metric = METRICS.get(name)
    return Value(value, unit, better, reason, metric.family, metric.order, getattr(metric, "headline", False))


def detail(
    n_scored: int, n_diverged: int = 0, gemm_flops: float | None = None, **of_setting: Any
) -> dict[str, Any]:
    """As `runner/job.py` has it of an ok job: what its setting says, what was scored, lost and timed."""
    timing = {"gemm_flops": gemm_flops, "others": 0.0, "parts": {}, "programs_read": 0}
    return {**of_setting, "n_scored": n_scored, "n_diverged": n_diverged, "timing": timing}
