"""All figures of a run."""

from __future__ import annotations

from collections.abc import Iterator

from jslds_bench.report.data.run import RunData
from jslds_bench.report.plans import headline, over_tasks
from jslds_bench.report.plans.plan import Plan
from jslds_bench.report.plans.time import time_plans


def plans(data: RunData) -> Iterator[Plan]:
    """The figures of `data`, in the same order for the same records: processes share them by number."""
    yield from headline.headline_plan(data)
    yield from over_tasks.over_tasks_plans(data)
    for task in data.tasks:
        yield from data.setting(task).plans(data, task)
    yield from time_plans(data)
