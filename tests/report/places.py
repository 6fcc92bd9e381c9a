"""Values of this project's metrics for made-up records."""

from __future__ import annotations

import jslds_bench.metrics  # noqa: F401, importing registers them
from jslds_bench.entries.registry import METRICS
from jslds_bench.records.record import Value


def measured(name: str, value: float | None, unit: str, better: str, reason: str | None = None) -> Value:
    """A value of the metric of that name, at the place that it declares."""
    metric = METRICS.get(name)
    return Value(value, unit, better, reason, metric.family, metric.order, getattr(metric, "headline", False))
