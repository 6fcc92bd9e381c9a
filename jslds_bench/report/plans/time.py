"""The figure of where the time of a run went."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jslds_bench.report.data.run import RunData
from jslds_bench.report.figures.time import time_parts
from jslds_bench.report.plans.plan import Plan, file_name

SECTION = "time"


def time_plans(data: RunData) -> Iterator[Plan]:
    """Seconds by part, a bar per model and one of the run itself; nothing for runs that did not keep them."""
    rows: dict[str, dict[str, float]] = {}
    for record in data.everything:
        _add(rows.setdefault(record.model, {}), _parts(record.detail))
    rows = {model: parts for model, parts in rows.items() if parts}
    if not rows:
        return
    caption = (
        "Seconds of all workers by model, all jobs together; what models of a network share is with the one "
        "that came first. Compiling is lowering and XLA's, wherever it fell; halted is the time that a "
        "worker stood still, mostly while another one measured."
    )
    own = _run_parts(data.meta)
    if own:
        caption += " The last bar is of the workers themselves: until they had started, and without a job."
        rows["(workers)"] = own
    yield Plan((SECTION, ""), file_name("time"), caption, lambda: time_parts("Where the time went", rows))


def _parts(detail: Mapping[str, Any]) -> dict[str, float]:
    timing = detail.get("timing")
    parts = timing.get("parts") if isinstance(timing, Mapping) else None
    return dict(parts) if isinstance(parts, Mapping) else {}


def _run_parts(meta: Mapping[str, Any]) -> dict[str, float]:
    workers = meta.get("workers")
    if not isinstance(workers, Mapping):
        return {}
    return {name: workers[key] for key, name in (("starting", "other"), ("idle", "idle")) if key in workers}


def _add(total: dict[str, float], parts: Mapping[str, float]) -> None:
    for name, seconds in parts.items():
        total[name] = total.get(name, 0.0) + seconds
