"""The metrics of all models of a task side by side."""

from __future__ import annotations

from collections.abc import Iterator

from jslds_bench.report.data.run import RunData
from jslds_bench.report.figures.fit import scores
from jslds_bench.report.plans.plan import Plan, file_name, make_bar
from jslds_bench.report.style import plain


def scores_plan(data: RunData, task: str) -> Iterator[Plan]:
    """Every headline metric that the task's records have a value of: mean, sd and seeds of each model."""
    named = data.setting(task).names_network
    labels = {key: f"{key[2]}, {key[1]}" if named else key[2] for key in data.keys(task)}
    panels = {
        column.title: [make_bar(data, key, column.metric, label) for key, label in labels.items()]
        for column in data.held(task)
        if column in data.headline
    }
    if panels:
        caption = "Mean over seeds with its standard deviation; ticks are seeds. n/a: there can be no value."
        yield Plan(
            ("task", task),
            file_name(task, "scores"),
            f"{caption} {data.said(task, 'caption')}".strip(),
            lambda: scores(f"{plain(task)}: fit and recovery", panels),
            "",
            "All models",
        )
