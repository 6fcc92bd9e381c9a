"""The results table: one structure, shown as text, Markdown or (by the page's template) HTML."""

from __future__ import annotations

import dataclasses
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from jslds_bench.report.data.summary import HEADLINE, ORDER, Summary, summarise

ARROWS = {"lower": "↓", "higher": "↑"}
TEXT_WIDTH = 120  # wider tables are printed task by task


@dataclasses.dataclass(frozen=True)
class Column:
    """A metric: its name, unit and direction (lower, higher, none)."""

    metric: str
    unit: str
    better: str

    @property
    def arrow(self) -> str:
        return ARROWS.get(self.better, "")

    @property
    def title(self) -> str:
        """``relative_error ↓``."""
        return f"{self.metric} {self.arrow}".strip()


@dataclasses.dataclass(frozen=True)
class Cell:
    """What one place of the table shows; `best` among the complete ones of its network, task and metric."""

    summary: Summary
    best: bool = False

    @property
    def text(self) -> str:
        return self.summary.text


@dataclasses.dataclass(frozen=True)
class Row:
    """A model on a network: per task the count ``n ok/n asked`` and one Cell per column."""

    network: str
    model: str
    counts: dict[str, str]
    cells: dict[tuple[str, str], Cell]


@dataclasses.dataclass(frozen=True)
class Table:
    """Models as rows, grouped by network in the order given; tasks × metrics as columns.

    `held`: task → the metrics that there is something to show of.
    """

    tasks: list[str]
    columns: list[Column]
    rows: list[Row]
    held: Mapping[str, Collection[str]] = dataclasses.field(default_factory=dict)

    def columns_of(self, task: str) -> list[Column]:
        """The columns that `task` has something for; all where it has nothing."""
        held = self.held.get(task, ())
        return [c for c in self.columns if c.metric in held] or self.columns

    @property
    def width(self) -> int:
        """The number of columns over all tasks, counts included."""
        return sum(1 + len(self.columns_of(task)) for task in self.tasks)

    @property
    def networks(self) -> list[str]:
        return list(dict.fromkeys(row.network for row in self.rows))

    def of(self, network: str) -> list[Row]:
        return [row for row in self.rows if row.network == network]

    def only(self, task: str) -> Table:
        """The part of the table about one task, without the rows that never met it."""
        return Table([task], self.columns, [row for row in self.rows if task in row.counts], self.held)


def metrics_of(frame: pd.DataFrame) -> list[str]:
    """The metrics that `frame` holds, in the order in which tables show them."""
    found = set(frame["metric"].dropna())
    return [m for m in ORDER if m in found] + sorted(found.difference(ORDER))


def build_table(frame: pd.DataFrame, metrics: Sequence[str] | None = None) -> Table:
    """The Table of `frame` (as `store.load_run` gives it); `metrics` None: the headline ones.

    Labels keep the order in which `frame` first names them. Metrics that no record has are left out, and of
    the headline ones, task by task, those that have no value there.
    """
    found = metrics_of(frame)
    names = [m for m in (HEADLINE if metrics is None else metrics) if m in found]
    values = frame[frame["metric"].isin(names)]
    first = values.drop_duplicates("metric").set_index("metric")
    columns = [Column(m, _text(first.at[m, "unit"]), _text(first.at[m, "better"])) for m in names]
    counts, asked = _counts(frame)
    summaries = {
        key: _summary(group, asked[key[:3]])
        for key, group in values.groupby(["task", "network", "model", "metric"], sort=False)
    }
    reasons = (
        frame.dropna(subset=["reason"]).groupby(["task", "network", "model"], sort=False)["reason"].first()
    )
    best = _best(summaries, columns)
    all_tasks, rows = list(frame["task"].unique()), []
    for network, model in frame[["network", "model"]].drop_duplicates().itertuples(index=False):
        tasks = [t for t in all_tasks if (t, network, model) in counts]
        cells = {}
        for task in tasks:
            for name in names:
                key = (task, network, model, name)
                nothing = summarise([], asked[key[:3]], reasons.get(key[:3]))
                cells[task, name] = Cell(summaries.get(key, nothing), key in best)
        rows.append(Row(network, model, {t: counts[t, network, model] for t in tasks}, cells))
    order = list(dict.fromkeys(row.network for row in rows))
    rows.sort(key=lambda row: order.index(row.network))
    shown = values if metrics is not None else values[values["value"].notna() | values["reason"].isna()]
    held = {str(task): set(group) for task, group in shown.groupby("task", sort=False)["metric"]}
    return Table(all_tasks, columns, rows, held)


def format_table(frame: pd.DataFrame, metrics: list[str] | None = None) -> str:
    """The results as plain text: mean ± sd over seeds, task by task where one table would be too wide.

    `frame` is what `store.load_run` gives; `metrics` None means the headline ones. ``*`` marks the best
    model of each network by the metric's own direction; ``[2/3]`` a mean over fewer seeds than asked.
    """
    table = build_table(frame, metrics)
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
        heads += [f"{task}: ok"] + [f"{task}: {_with_unit(c)}" for c in table.columns_of(task)]
    lines = ["| " + " | ".join(map(_escape, heads)) + " |"]
    lines.append("|" + "---|" * len(heads))
    for row in table.rows:
        shown = [_escape(row.network), _escape(row.model)]
        for task in table.tasks:
            shown.append(_escape(row.counts.get(task, "–")))
            for column in table.columns_of(task):
                cell = row.cells.get((task, column.metric))
                text = "–" if cell is None else _escape(cell.text)
                shown.append(f"**{text}**" if cell is not None and cell.best else text)
        lines.append("| " + " | ".join(shown) + " |")
    return "\n".join(lines) + "\n"


def _counts(frame: pd.DataFrame) -> tuple[dict[tuple, str], dict[tuple, int]]:
    """Per (task, network, model): ``2/3 (1 failed)``, and the number of seeds asked."""
    jobs = frame.drop_duplicates(["task", "network", "model", "seed"])
    texts, asked = {}, {}
    for key, group in jobs.groupby(["task", "network", "model"], sort=False):
        by_status = group["status"].value_counts()
        others = ", ".join(f"{n} {s}" for s, n in sorted(by_status.items()) if s != "ok")
        texts[key] = f"{by_status.get('ok', 0)}/{len(group)}" + (f" ({others})" if others else "")
        asked[key] = len(group)
    return texts, asked


def _summary(group: pd.DataFrame, n_asked: int) -> Summary:
    """NaN with a reason is a value that there is not; without one it is what the metric came to."""
    values, reasons = group["value"].to_numpy(dtype=float), group["reason"]
    absent = np.isnan(values) & reasons.notna().to_numpy()
    known = reasons.dropna()
    return summarise(values[~absent], n_asked, None if known.empty else str(known.iloc[0]))


def _best(summaries: dict[tuple, Summary], columns: Iterable[Column]) -> set[tuple]:
    """Keys of the best complete summaries; none is marked where all are equal or there is no rival."""
    better = {c.metric: c.better for c in columns}
    rivals: dict[tuple, dict[tuple, float]] = {}
    for key, summary in summaries.items():
        if summary.complete and better[key[3]] in ARROWS:
            rivals.setdefault((key[0], key[1], key[3]), {})[key] = summary.mean
    chosen: set[tuple] = set()
    for (_, _, metric), means in rivals.items():
        low, high = min(means.values()), max(means.values())
        if low < high:
            chosen |= {k for k, v in means.items() if v == (low if better[metric] == "lower" else high)}
    return chosen


def _block(table: Table) -> list[str]:
    """The lines of a text table: a line of tasks, a line of metrics, then the networks and their models."""
    tops, heads = [""], ["network · model"]
    for task in table.tasks:
        columns = table.columns_of(task)
        tops += [_printable(task)] + [""] * len(columns)
        heads += ["ok"] + [_with_unit(c) for c in columns]
    grid: list[list[str]] = [heads]
    for network in table.networks:
        grid.append([_printable(network)] + [""] * (len(heads) - 1))
        for row in table.of(network):
            shown = [f"  {_printable(row.model)}"]
            for task in table.tasks:
                cells = [row.cells.get((task, c.metric)) for c in table.columns_of(task)]
                shown.append(row.counts.get(task, "–"))
                shown += ["–" if c is None else c.text + ("*" if c.best else "") for c in cells]
            grid.append(shown)
    widths = [max(_width(line[i]) for line in grid) for i in range(len(heads))]
    starts = [sum(widths[:i]) + 2 * i for i in range(len(widths))]
    top = ""
    for start, task in zip(starts, tops, strict=True):
        top = top + " " * (start - _width(top)) + task if task else top
    lines = ["  ".join(_pad(text, w) for text, w in zip(line, widths, strict=True)).rstrip() for line in grid]
    return [top, lines[0], "─" * max(map(_width, [top, *lines])), *lines[1:]]


def _with_unit(column: Column) -> str:
    return f"{column.title} [{column.unit}]" if column.unit not in ("", "1") else column.title


def _width(text: str) -> int:
    return sum((unicodedata.east_asian_width(c) in "WF") + (not unicodedata.combining(c)) for c in text)


def _pad(text: str, width: int) -> str:
    return text + " " * (width - _width(text))


def _printable(label: str) -> str:
    """`label` without control characters, which would act on the terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in label)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _escape(text: str) -> str:
    for mark in "\\`*_[]<>|$":
        text = text.replace(mark, "\\" + mark)
    return " ".join(text.split())
