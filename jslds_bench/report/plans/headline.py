"""The first figure of a page, over all tasks of the run that fit beside each other."""

from __future__ import annotations

from collections.abc import Iterator

from jslds_bench.records.numbers import counted
from jslds_bench.report.data.run import RunData
from jslds_bench.report.figures.complexity import FEW_SYSTEMS
from jslds_bench.report.figures.headline import Against, Order, Place, headline
from jslds_bench.report.plans.complexity import points_of
from jslds_bench.report.plans.plan import Plan
from jslds_bench.report.style import FEW

SECTION = "headline"
MOST_PANELS = 3


def headline_plan(data: RunData) -> Iterator[Plan]:
    """Error against complexity of all models and networks of a task, else its best models in order.

    Of one model there is nothing to see.
    """
    panels: dict[str, Against | Order] = {}
    for task in data.tasks:
        networks = list(points_of(data, task)[0].values())
        if sum(map(len, networks)) > 1:
            panels[task] = Against(networks)
        elif (column := data.ranked_by(task)) is not None and len(places := _best(data, task)) > 1:
            panels[task] = Order(column.title, places)
    if not panels:
        return
    shown = dict(list(panels.items())[:MOST_PANELS])
    against = any(isinstance(panel, Against) for panel in shown.values())
    heading = "Error against complexity" if against else "The best of each task"
    parts = [
        "Further down is closer to the network, further left is simpler. Each point is a model on a network, "
        "its mean over seeds; nothing on the same network beats in both what a line joins. Named are the "
        f"least error of each by at most {FEW_SYSTEMS} systems, and that of all (of one network, more)."
        if against
        else "",
        "The best models of a task by the metric that it is ranked by, means over seeds with standard "
        "deviations."
        if any(isinstance(panel, Order) for panel in shown.values())
        else "",
        f"Below: {counted(len(panels) - len(shown), 'task')} more." if len(panels) > len(shown) else "",
    ]
    yield Plan(
        (SECTION, ""),
        SECTION,
        " ".join(filter(None, parts)),
        lambda: headline(heading, shown),
        wide=len(shown) > 1,
    )


def _best(data: RunData, task: str) -> list[Place]:
    """The best models of a task, the complete ones first."""
    column = data.ranked_by(task)
    assert column is not None
    found = {key: data.summary(key, column.metric) for key in data.keys(task)}
    found = {key: s for key, s in found.items() if s.n_finite + s.n_diverged}
    several = len({key[1] for key in found}) > 1
    return [
        Place(f"{key[2]} · {key[1]}" if several else key[2], found[key], data.styles[key[2]])
        for key in sorted(found, key=lambda key: data.place(key, column))[: FEW + 3]
    ]
