"""The metrics of models fitted to recorded data or to spikes, side by side."""

from __future__ import annotations

from collections.abc import Iterator

from jslds_bench.report.data.run import RunData
from jslds_bench.report.data.summary import RECORDED_HEADLINE, SPIKES_HEADLINE
from jslds_bench.report.figures.fit import scores
from jslds_bench.report.figures.summary import Bar
from jslds_bench.report.plans.plan import Plan, file_name
from jslds_bench.report.plans.task import make_bar
from jslds_bench.report.style import plain
from jslds_bench.report.table import ARROWS

PLANTED = "spiking_rotations"  # the registry name of the task of synthetic spikes
SYNTHETIC = (
    "Synthetic spikes with planted rotations; the paper's own 2,296 trials need the DANDI file (suite maze)"
)


def origin_of(data: RunData, task: str) -> str:
    """A sentence where the data of `task` are not what was recorded from an animal; else empty."""
    if not any(data.entry("task", key) == PLANTED for key in data.records if key[0] == task):
        return ""
    return f"{SYNTHETIC}."


def scores_plan(data: RunData, task: str) -> Iterator[Plan]:
    """Every headline metric that the task's records have a value of: mean, sd and seeds of each model."""
    keys = [key for key in data.records if key[0] == task]
    panels: dict[str, list[Bar]] = {}
    for metric in SPIKES_HEADLINE if data.spiking(task) else RECORDED_HEADLINE:
        cells = [r.values[metric] for key in keys for r in data.records[key] if metric in r.values]
        if not any(cell.value is not None for cell in cells):
            continue
        unit = f", {cells[0].unit}" if cells[0].unit not in ("", "1") else ""
        name = f"{metric}{unit} {ARROWS.get(cells[0].better, '')}".strip()
        panels[name] = [make_bar(data, key, metric, key[2]) for key in keys]
    if panels:
        caption = "Mean over seeds with its standard deviation; ticks are seeds. n/a: there can be no value."
        if origin := origin_of(data, task):
            caption += f" {origin}"
        heading = f"{plain(task)}: fit and recovery"
        yield Plan(
            ("task", task),
            file_name(task, "scores"),
            caption,
            lambda: scores(heading, panels),
            "",
            "All models",
        )
