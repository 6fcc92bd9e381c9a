"""The report of a run: index.html, figures/, values.csv and table.md beside its records."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from jslds_bench.records.sealed import sweep, write_atomic
from jslds_bench.report.data.run import RunData, load_data
from jslds_bench.report.drawing import Progress, drawn, stamp
from jslds_bench.report.facts import facts, failures, key_lines, verdict
from jslds_bench.report.html import chip, fill, remove_others
from jslds_bench.report.plans import headline, over_tasks
from jslds_bench.report.plans.every import plans
from jslds_bench.report.plans.plan import Plan
from jslds_bench.report.plans.time import SECTION
from jslds_bench.report.table import Table, build_table, markdown_table


def silent(done: int, total: int, text: str) -> None:
    """Progress that shows nothing (types.silent would import JAX)."""


@dataclasses.dataclass(frozen=True)
class Shown:
    """A Plan on the page: its picture, or only its note."""

    plan: Plan
    svg: Markup | None


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of the page that holds figures: its id, its heading, a line below that, and they."""

    anchor: str
    title: str
    note: str
    figures: list[Shown]


def write_report(run: Path, progress: Progress = silent, *, processes: int | None = None) -> Path:
    """Write the report of the run folder `run` from its records alone; returns the path of index.html.

    Also written: ``figures/*.svg`` and ``*.png``, ``values.csv`` (one row per value) and ``table.md``.
    Equal records give equal bytes. Figures of an earlier report that this one lacks are removed.

    Args:
        progress: is told of (figures drawn, figures in all, the name of one).
        processes: as of `drawing.drawn`.

    Raises:
        UsageError: no run at `run`, another schema, a damaged record, or a folder that cannot be written.
    """
    run = Path(run)
    read = stamp(run)
    data = load_data(run)
    sweep(run, "figures")
    todo = list(plans(data))
    pictures = drawn(run, todo, read, progress, processes)
    names = {plan.name for plan in todo if plan.build}
    remove_others(run / "figures", names)
    progress(len(names), len(names), "page")
    shown = [Shown(plan, svg) for plan, svg in zip(todo, pictures, strict=True)]
    table = build_table(data)
    write_atomic(run / "values.csv", data.frame.to_csv(index=False).encode())
    write_atomic(run / "table.md", markdown_table(table).encode())
    write_atomic(run / "index.html", render(data, table, shown).encode())
    return run / "index.html"


def sections(data: RunData, shown: Sequence[Shown]) -> list[Section]:
    """The figures in the order of the page: over all tasks, what settings want first, then task by task."""
    first = {over_tasks.SECTION: "Over tasks"}
    first |= {name: title for task in data.tasks for name, title in data.setting(task).sections.items()}
    made = [Section(*head, "", [s for s in shown if s.plan.section[0] == head[0]]) for head in first.items()]
    if data.tasks and not made[0].figures:
        made[0] = dataclasses.replace(made[0], note=over_tasks.too_few(data))
    for i, task in enumerate(data.tasks, 1):
        own = [s for s in shown if s.plan.section == ("task", task)]
        made.append(Section(f"task-{i}", task, data.said(task, "caption"), own))
    of_time = [s for s in shown if s.plan.section[0] == SECTION]
    return [*made, Section(SECTION, "Time", "", of_time)] if of_time else made


def grouped(shown: Sequence[Shown]) -> list[tuple[str, list[Shown]]]:
    """Figures by the heading that they come under, in the order given."""
    groups: dict[str, list[Shown]] = {}
    for item in shown:
        groups.setdefault(item.plan.group, []).append(item)
    return list(groups.items())


def render(data: RunData, table: Table, shown: list[Shown]) -> str:
    """The page as one string that needs nothing else."""
    metrics = [c.metric for c in data.columns]
    return fill(
        "page.html.j2",
        data=data,
        about=facts(data),
        explained=" ".join(filter(None, dict.fromkeys(data.setting(task).about for task in data.tasks))),
        grouped=grouped,
        verdict=verdict(data),
        headline=[s for s in shown if s.plan.section[0] == headline.SECTION],
        summary=key_lines(data),
        table=table,
        full=[build_table(data, metrics, [task]) for task in data.tasks],
        timings=build_table(data, [c.metric for c in data.columns if c.timing]),
        sections=sections(data, shown),
        failures=failures(data),
        suite_text=str(data.meta.get("suite_text", "")),
        chips={m: chip(s) for m, s in data.styles.items()},
    )
