"""The results table: one structure, shown as text, Markdown or (by the page's template) HTML."""

from __future__ import annotations

import collections
import dataclasses
import itertools
import unicodedata
from collections.abc import Collection, Mapping, Sequence

from jslds_bench.records.numbers import escaped, legible
from jslds_bench.records.record import Record
from jslds_bench.report.data.run import Key, RunData
from jslds_bench.report.data.summary import Column, Summary

TEXT_WIDTH = 120  # wider tables are printed task by task


@dataclasses.dataclass(frozen=True)
class Cell:
    """What one place of the table shows; `best` among its rivals: of its network, task, metric and class."""

    summary: Summary
    best: bool = False

    @property
    def text(self) -> str:
        return self.summary.text


@dataclasses.dataclass(frozen=True)
class Row:
    """A model on a network: per task the count ``n ok/n asked``, its class and one Cell per column."""

    network: str
    model: str
    counts: dict[str, str]
    classes: dict[str, str]
    cells: dict[tuple[str, str], Cell]


@dataclasses.dataclass(frozen=True)
class Table:
    """Models as rows, grouped by network in the order given; tasks × metrics as columns.

    `held`: task → the metrics that there is something to show of; `rivalry`: task → what its classes of
    models are called, where it has any.
    """

    tasks: list[str]
    columns: list[Column]
    rows: list[Row]
    held: Mapping[str, Collection[str]] = dataclasses.field(default_factory=dict)
    rivalry: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def columns_of(self, task: str) -> list[Column]:
        """The columns that `task` has something for; all where it has nothing."""
        held = self.held.get(task, ())
        return [c for c in self.columns if c.metric in held] or self.columns

    def families(self, task: str) -> list[tuple[str, int]]:
        """What the columns of `task` belong to, and how many beside each other do."""
        groups = itertools.groupby(column.family for column in self.columns_of(task))
        return [(family, len(list(columns))) for family, columns in groups]

    def n_columns(self, task: str) -> int:
        """How many columns there are about `task`, counts and classes included."""
        return 1 + (task in self.rivalry) + len(self.columns_of(task))

    @property
    def width(self) -> int:
        """The number of columns over all tasks."""
        return sum(map(self.n_columns, self.tasks))

    @property
    def networks(self) -> list[str]:
        return list(dict.fromkeys(row.network for row in self.rows))

    def of(self, network: str) -> list[Row]:
        return [row for row in self.rows if row.network == network]

    def only(self, task: str) -> Table:
        """The part of the table about one task, without the rows that never met it."""
        return Table(
            [task], self.columns, [row for row in self.rows if task in row.counts], self.held, self.rivalry
        )


def build_table(
    data: RunData, metrics: Collection[str] | None = None, tasks: Sequence[str] | None = None
) -> Table:
    """The Table of a run; `metrics` None: the headline ones; `tasks` None: all.

    Labels keep the order in which `data` first has them. Metrics that no record has are left out, and of the
    headline ones, task by task, those that have no value there.
    """
    tasks = data.tasks if tasks is None else list(tasks)
    columns = data.headline if metrics is None else [c for c in data.columns if c.metric in metrics]
    keys = {key: records for key, records in data.records.items() if key[0] in tasks}
    cells = {(key, c): data.summary(key, c.metric) for key in keys for c in columns}
    classes = {key: data.rivals(key) for key in keys}
    rivalry = {key[0]: data.setting(key[0]).rivalry for key, kind in classes.items() if kind}
    best = _best(cells, classes)
    rows = []
    for network, model in dict.fromkeys(key[1:] for key in keys):
        own = [task for task in tasks if (task, network, model) in keys]
        counts = {t: _count(keys[t, network, model], len(data.seeds)) for t in own}
        places = {(t, c.metric): ((t, network, model), c) for t in own for c in columns}
        shown = {where: Cell(cells[place], place in best) for where, place in places.items()}
        kinds = {t: classes[t, network, model] for t in own if t in rivalry}
        rows.append(Row(network, model, counts, kinds, shown))
    order = list(dict.fromkeys(row.network for row in rows))
    rows.sort(key=lambda row: order.index(row.network))
    if metrics is None:
        held = {task: {c.metric for c in data.held(task)} for task in tasks}
    else:
        held = {t: {m for key in data.keys(t) for r in keys[key] for m in r.values} for t in tasks}
    return Table(tasks, columns, rows, held, rivalry)


def format_table(data: RunData, metrics: Collection[str] | None = None) -> str:
    """The results as plain text: mean ± sd over seeds, task by task where one table would be too wide.

    `metrics` None means the headline ones. ``*`` marks the best model of each network and class by the
    metric's own direction; ``[2/3]`` a mean over fewer seeds than asked.
    """
    table = build_table(data, metrics)
    if not table.rows:
        return "no records"
    whole = _block(table)
    if len(table.tasks) > 1 and max(map(_width, whole)) > TEXT_WIDTH:
        return "\n\n".join("\n".join(_block(table.only(task))) for task in table.tasks)
    return "\n".join(whole)


def markdown_table(table: Table) -> str:
    """The table in Markdown, best values in bold; labels are escaped."""
    heads = ["network", "model"]
    for task in table.tasks:
        kinds = [f"{task}: {table.rivalry[task]}"] if task in table.rivalry else []
        heads += [f"{task}: ok", *kinds] + [f"{task}: {c.title}" for c in table.columns_of(task)]
    lines = ["| " + " | ".join(map(escaped, heads)) + " |"]
    lines.append("|" + "---|" * len(heads))
    for row in table.rows:
        shown = [escaped(row.network), escaped(row.model)]
        for task in table.tasks:
            shown.append(escaped(row.counts.get(task, "–")))
            if task in table.rivalry:
                shown.append(escaped(row.classes.get(task, "–")))
            for column in table.columns_of(task):
                cell = row.cells.get((task, column.metric))
                text = "–" if cell is None else escaped(cell.text)
                shown.append(f"**{text}**" if cell is not None and cell.best else text)
        lines.append("| " + " | ".join(shown) + " |")
    return "\n".join(lines) + "\n"


def _count(records: Sequence[Record], n_asked: int) -> str:
    """``2/3 (1 failed)``: those that ended well of the seeds asked for, and what became of others."""
    by_status = collections.Counter(r.status for r in records)
    n_ok = by_status.pop("ok", 0)
    others = ", ".join(f"{n} {status}" for status, n in sorted(by_status.items()))
    return f"{n_ok}/{n_asked}" + (f" ({others})" if others else "")


def _best(cells: Mapping[tuple[Key, Column], Summary], classes: Mapping[Key, str]) -> set[tuple[Key, Column]]:
    """The best complete summaries of each class; none is marked where all are equal or there is no rival."""
    rivals: dict[tuple[str, str, str, Column], dict[Key, float]] = {}
    for (key, column), summary in cells.items():
        if summary.complete and column.arrow:
            rivals.setdefault((*key[:2], classes[key], column), {})[key] = summary.mean
    chosen: set[tuple[Key, Column]] = set()
    for (*_, column), means in rivals.items():
        low, high = min(means.values()), max(means.values())
        if low < high:
            best = low if column.better == "lower" else high
            chosen |= {(key, column) for key, mean in means.items() if mean == best}
    return chosen


def _block(table: Table) -> list[str]:
    """The lines of a text table: a line of tasks, a line of metrics, then the networks and their models."""
    tops, heads = [""], ["network · model"]
    for task in table.tasks:
        columns = table.columns_of(task)
        kinds = [table.rivalry[task]] if task in table.rivalry else []
        tops += [legible(task)] + [""] * (len(kinds) + len(columns))
        heads += ["ok", *kinds] + [c.title for c in columns]
    grid: list[list[str]] = [heads]
    for network in table.networks:
        grid.append([legible(network)] + [""] * (len(heads) - 1))
        for row in table.of(network):
            shown = [f"  {legible(row.model)}"]
            for task in table.tasks:
                cells = [row.cells.get((task, c.metric)) for c in table.columns_of(task)]
                shown.append(row.counts.get(task, "–"))
                shown += [row.classes.get(task, "–")] if task in table.rivalry else []
                shown += ["–" if c is None else c.text + ("*" if c.best else "") for c in cells]
            grid.append(shown)
    widths = [max(_width(line[i]) for line in grid) for i in range(len(heads))]
    starts = [sum(widths[:i]) + 2 * i for i in range(len(widths))]
    top = ""
    for start, task in zip(starts, tops, strict=True):
        top = top + " " * (start - _width(top)) + task if task else top
    lines = ["  ".join(_pad(text, w) for text, w in zip(line, widths, strict=True)).rstrip() for line in grid]
    return [top, lines[0], "─" * max(map(_width, [top, *lines])), *lines[1:]]


def _width(text: str) -> int:
    return sum((unicodedata.east_asian_width(c) in "WF") + (not unicodedata.combining(c)) for c in text)


def _pad(text: str, width: int) -> str:
    return text + " " * (width - _width(text))
