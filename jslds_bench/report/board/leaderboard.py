"""The leaderboard of several runs: one page that sorts and filters in the browser, and its figures."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from markupsafe import Markup
from matplotlib.figure import Figure

from jslds_bench.analysis import stats
from jslds_bench.errors import UsageError
from jslds_bench.records.numbers import counted, number
from jslds_bench.records.sealed import sweep, write_atomic
from jslds_bench.records.store import slug
from jslds_bench.report.board.board import Board, Entry, build_board, methods, names
from jslds_bench.report.data.run import load_data
from jslds_bench.report.data.summary import Column, Summary
from jslds_bench.report.figures.board import LEGEND_UP_TO, pareto, profiles
from jslds_bench.report.figures.ranks import Ranks, mean_ranks
from jslds_bench.report.html import FILES, chip, fill, remove_others, write_figure
from jslds_bench.report.style import DASHES, Style, plain, theme

MAX_PANELS = 12
MAX_METHODS = 24
LABELS = ("run", "task", "network", "model", "rivals", "machine")
"""What entries are told apart by: columns of these titles, but `Board.rivalry` for the classes of models."""


class Head(NamedTuple):
    """A column: what it is called, which way it sorts first, and whether only within one machine."""

    name: str
    title: str
    label: bool = False
    first: str = "ascending"
    within: bool = False


class Cell(NamedTuple):
    """A place of the table. `value` is what it sorts by, as JavaScript reads it; None: by its text."""

    text: str
    value: str | None = None
    kind: str = ""
    mark: Markup = Markup("")


class Shown(NamedTuple):
    """A figure on the page."""

    svg: Markup
    caption: str


def write_leaderboard(runs: Sequence[Path], folder: Path) -> Path:
    """Write ``index.html`` and ``figures/`` of the run folders `runs` to `folder`; returns the page's path.

    Raises:
        UsageError: there is no run at one of them, one is given twice, or `folder` is one of them.
    """
    if len({run.resolve() for run in runs}) < len(runs):
        raise UsageError("a run is named twice: name each once")
    if (folder / "run.json").exists():
        raise UsageError(f"{folder} holds a run: choose another folder with --out")
    called = names(runs)
    board = build_board([(name, load_data(run)) for name, run in zip(called, runs, strict=True)])
    figures, notes = _figures(board)
    sweep(folder, "figures")
    with theme():
        shown = [
            Shown(write_figure(folder / "figures", figure, name, caption), caption)
            for name, figure, caption in figures
        ]
    remove_others(folder / "figures", {name for name, _, _ in figures})
    write_atomic(folder / "index.html", _page(board, called, shown, notes).encode())
    return folder / "index.html"


def _page(board: Board, runs: list[str], figures: list[Shown], notes: list[str]) -> str:
    script = FILES.joinpath("board/leaderboard.js").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    labels = {name: board.rivalry if name == "rivals" else name for name in LABELS}
    labels = {name: title for name, title in labels.items() if title}
    heads = _heads(board, labels)
    columns = [head.name for head in heads]
    picks = [
        {"name": title, "column": columns.index(name), "options": options}
        for name, title in labels.items()
        if len(options := list(dict.fromkeys(getattr(e, name) for e in board.entries))) > 1
    ]
    return fill(
        "board/leaderboard.html.j2",
        runs=runs,
        n_runs=counted(len(runs), "run"),
        ranked_by=_ranked_by(board),
        machines=board.machines,
        heads=heads,
        picks=picks,
        rows=[_row(entry, board, labels) for entry in board.entries],
        figures=figures,
        notes=notes,
        script=Markup(script),
        script_hash=Markup(f"sha256-{digest}"),
    )


def _ranked_by(board: Board) -> str:
    """``relative_error in memory and context; mode_accuracy in nascar``."""
    tasks: dict[str, list[str]] = {}
    for task, column in board.ranked_by.items():
        if column is not None:
            tasks.setdefault(column.metric, []).append(task)
    return "; ".join(f"{metric} in {', '.join(named)}" for metric, named in tasks.items())


def _heads(board: Board, labels: Mapping[str, str]) -> list[Head]:
    def head(column: Column) -> Head:
        first = "ascending" if column.sign > 0 else "descending"
        return Head(column.metric, column.title, first=first, within=column.timing)

    speeds = [head(c) for c in board.columns if c.timing]
    return [
        Head("rank", "rank ↓"),
        *(Head(name, title, label=True) for name, title in labels.items()),
        Head("ok", "jobs ok", first="descending"),
        *(head(c) for c in board.columns if not c.timing),
        Head("cost", "cost ↓ [s]", within=True),
        *speeds,
    ]


def _row(entry: Entry, board: Board, labels: Iterable[str]) -> list[Cell]:
    ok, asked = entry.counts
    unranked = math.isnan(entry.rank)
    mark = chip(board.styles[entry.model])
    return [
        Cell("–" if unranked else number(entry.rank), "" if unranked else repr(entry.rank)),
        *(Cell(getattr(entry, name), mark=mark if name == "model" else Markup("")) for name in labels),
        Cell(f"{ok}/{asked}", repr(ok / asked), "" if ok == asked else "bad"),
        *(_summary(entry.cells[c.metric]) for c in board.columns if not c.timing),
        _summary(entry.cost),
        *(_summary(entry.cells[c.metric]) for c in board.columns if c.timing),
    ]


def _summary(summary: Summary) -> Cell:
    if summary.n_finite + summary.n_diverged == 0:
        return Cell("n/a", "", "na")
    mean = summary.mean
    value = "" if math.isnan(mean) else {math.inf: "Infinity", -math.inf: "-Infinity"}.get(mean, repr(mean))
    return Cell(summary.text, value, "bad" if summary.n_diverged else "")


def _figures(board: Board) -> tuple[list[tuple[str, Figure, str]], list[str]]:
    """(name, Figure, caption) of each figure, and why one is missing."""
    with theme():
        made = list(_pareto(board))
        notes = [] if made else ["No plot of quality against cost: no entry has both for all its seeds."]
        for network, rivals in board.classes:
            compared, why = _compared(board, network, rivals)
            made, notes = made + compared, notes + why
    return made, notes


def _pareto(board: Board) -> Iterator[tuple[str, Figure, str]]:
    panels: dict[str, list[Entry]] = {}
    for entry in board.entries:
        if entry.place and entry.machine != "?":
            panels.setdefault(f"{plain(entry.task, 24)}, machine {entry.machine}", []).append(entry)
    if not panels:
        return
    caption = (
        "What models are ranked by in a task against what they cost, each point the mean over all seeds of a "
        "model on a network in a run. Each machine has its own panel."
    )
    if len(panels) > MAX_PANELS:
        caption += f" Left out: {counted(len(panels) - MAX_PANELS, 'panel')} more."
    shown = dict(list(panels.items())[:MAX_PANELS])
    yield "pareto", pareto("Quality against cost", shown, board), caption


def _compared(board: Board, network: str, rivals: str) -> tuple[list[tuple[str, Figure, str]], list[str]]:
    """Mean ranks and profiles of the methods of a class on a network that have every seed of every task."""
    whole, scores, tasks = methods(board, network, rivals)
    present = {e.method for e in board.entries if (e.network, e.rivals) == (network, rivals)}
    left_out = len(present) - len(whole)
    gap = f"Without a task or seed that most have: {counted(left_out, 'method')}." if left_out else ""
    several_networks = len({n for n, _ in board.classes}) > 1
    on = f" on {plain(network, 20)}" if several_networks else ""
    kind = on + (f", {board.rivalry} {rivals}" if rivals else "")
    mark = "".join(f"_{slug(part)}" for part in (network if several_networks else "", rivals) if part)
    if len(whole) < 2:
        few = f"No mean ranks{kind}: fewer than two methods have every seed of every task."
        return [], [f"{few} {gap}".strip()]
    order = stats.ranks(scores).mean(axis=0).argsort(kind="stable")[:MAX_METHODS]
    # Blocks of a task are not independent: tasks are the units, also where they are too few to tell.
    found = stats.critical_difference(scores[:, order], units=tasks)
    seeds = {seed for e in board.entries if e.method in whole for seed in e.losses}
    why = "one seed: no test" if len(seeds) == 1 else found.note
    several = len({run for run, _ in whole}) > 1
    labels = [" · ".join(whole[i][::-1]) if several else whole[i][1] for i in order]
    colors = [board.styles[whole[i][1]].color for i in order]
    words = [
        f"Mean rank over {counted(len(scores), 'pair')} of task and seed.",
        f"A bar spans methods of which exact Wilcoxon tests over tasks, after Holm, part no two at "
        f"{found.alpha:.0%}.",
        f"Hollow, and without bars: {why}." if why else "",
        f"Only the {MAX_METHODS} of least mean rank are here." if len(whole) > MAX_METHODS else "",
        gap,
    ]
    caption = " ".join(filter(None, words))
    one = Ranks("", "", labels, colors, found, not why)
    diagram = mean_ranks(f"Mean ranks{kind}", [one], "mean rank over tasks and seeds")
    made = [(f"ranks{mark}", diagram, caption)]
    if any(c and c.sign < 0 for c in map(board.ranked_by.get, tasks)) or (scores < 0).any():
        return made, [
            f"No performance profiles{kind}: they need numbers of at least 0 of which less is better."
        ]
    few = order[:LEGEND_UP_TO]
    times = [sum(whole[i][1] == whole[j][1] for j in few[:k]) for k, i in enumerate(few)]
    styles = [
        Style(
            label,
            board.styles[whole[i][1]].color,
            DASHES[n % len(DASHES)] if n else board.styles[whole[i][1]].dash,
        )
        for label, i, n in zip(labels, few, times, strict=False)
    ]  # a model of several runs has its colour in each, and another dash
    caption = (
        "Performance profiles (Dolan and Moré): how often what a method is ranked by is within a factor of "
        f"the least of the same task and seed. The {counted(len(few), 'method')} of least mean rank."
    )
    drawn = profiles(f"Performance profiles{kind}", labels[: len(few)], scores[:, few], styles)
    return [*made, (f"profiles{mark}", drawn, caption)], []
