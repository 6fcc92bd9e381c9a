"""The report of a run: index.html, figures/, values.csv and table.md beside its records."""

from __future__ import annotations

import dataclasses
import importlib.resources
from collections.abc import Callable, Iterator
from pathlib import Path

import jinja2
from markupsafe import Markup

from jslds_bench.records.store import write_atomic
from jslds_bench.report.data.run import RunData, load_data
from jslds_bench.report.data.summary import TIMINGS
from jslds_bench.report.facts import facts, failures, key_lines
from jslds_bench.report.figures.picture import css_name, draw
from jslds_bench.report.plans.modes import mode_plans
from jslds_bench.report.plans.network import network_plans
from jslds_bench.report.plans.paper import paper_plans
from jslds_bench.report.plans.plan import Plan
from jslds_bench.report.plans.scores import origin_of, scores_plan
from jslds_bench.report.plans.spikes import spike_plans
from jslds_bench.report.plans.task import bars_plan, horizon_plans, matrix_plan
from jslds_bench.report.style import THEME, theme
from jslds_bench.report.table import Table, build_table, markdown_table, metrics_of

Progress = Callable[[int, int, str], None]


def silent(done: int, total: int, text: str) -> None:
    """Progress that shows nothing (types.silent would import JAX)."""


@dataclasses.dataclass(frozen=True)
class Shown:
    """A Plan on the page: its inline SVG, or only its note."""

    plan: Plan
    svg: Markup | None


def write_report(run: Path, progress: Progress = silent) -> Path:
    """Write the report of the run folder `run` from its records alone; returns the path of index.html.

    Also written: ``figures/*.svg`` and ``*.png``, ``values.csv`` (one row per value) and ``table.md``.
    Equal records give equal bytes. Figures of an earlier report that this one lacks are removed.

    Raises:
        UsageError: no run at `run`, another schema, a damaged record, or a folder that cannot be written.
    """
    run = Path(run)
    data = load_data(run)
    shown = _draw_all(data, run / "figures", progress)
    table = build_table(data.frame)
    write_atomic(run / "values.csv", data.frame.to_csv(index=False).encode())
    write_atomic(run / "table.md", markdown_table(table).encode())
    write_atomic(run / "index.html", render(data, table, shown).encode())
    return run / "index.html"


def plans(data: RunData) -> Iterator[Plan]:
    """All figures of a run, in the order of the page."""
    of_networks = [task for task in data.tasks if not data.recorded(task)]
    for task in of_networks:
        yield from horizon_plans(data, task)
    for task in of_networks:
        yield matrix_plan(data, task)
    for task in data.tasks:
        if task in of_networks:
            yield from paper_plans(data, task)
            yield bars_plan(data, task)
        else:
            yield from scores_plan(data, task)
        for network in data.networks_of(task):
            if task in of_networks:
                yield from network_plans(data, task, network)
            yield from spike_plans(data, task, network)
            yield from mode_plans(data, task, network)


def render(data: RunData, table: Table, shown: list[Shown]) -> str:
    """The page as one string that needs nothing else."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    source = importlib.resources.files(__package__).joinpath("page.html.j2").read_text("utf-8")
    metrics = metrics_of(data.frame)
    page = environment.from_string(source).render(
        data=data,
        about=facts(data),
        summary=key_lines(data),
        of_networks=[task for task in data.tasks if not data.recorded(task)],
        of_data=any(data.recorded(task) and not data.spiking(task) for task in data.tasks),
        of_spikes=any(map(data.spiking, data.tasks)),
        origins={task: origin_of(data, task) for task in data.tasks},
        table=table,
        full=[build_table(data.frame[data.frame["task"] == task], metrics) for task in data.tasks],
        timings=build_table(data.frame, TIMINGS),
        figures=shown,
        failures=failures(data),
        suite_text=str(data.meta.get("suite_text", "")),
        light=_variables(0),
        dark=_variables(1),
        color_of={m: f"var({css_name(s.color)})" for m, s in data.styles.items()},
    )
    return page.strip() + "\n"


def _draw_all(data: RunData, folder: Path, progress: Progress) -> list[Shown]:
    todo, shown, written = list(plans(data)), [], set()
    with theme():
        for i, plan in enumerate(todo):
            progress(i, len(todo), plan.name)
            if plan.build is None:
                shown.append(Shown(plan, None))
                continue
            picture = draw(plan.build(), plan.name, plan.caption)
            write_atomic(folder / f"{plan.name}.svg", picture.svg)
            write_atomic(folder / f"{plan.name}.png", picture.png)
            written |= {f"{plan.name}.svg", f"{plan.name}.png"}
            shown.append(Shown(plan, Markup(picture.inline)))
    for old in [*folder.glob("*.svg"), *folder.glob("*.png")]:
        if old.name not in written:
            old.unlink(missing_ok=True)
    progress(len(todo), len(todo), "page")
    return shown


def _variables(which: int) -> Markup:
    pairs = [f"{css_name(light)}:{(light, dark)[which]}" for light, dark in THEME.items()]
    return Markup(";".join(pairs))
