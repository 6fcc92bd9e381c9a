"""The entries of a leaderboard: every (run, task, network, model) with its means, its cost and its rank."""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jslds_bench.analysis import stats
from jslds_bench.records.provenance import fingerprint
from jslds_bench.records.record import Record
from jslds_bench.report.data.run import RunData
from jslds_bench.report.data.summary import Summary, summarise, summarise_records
from jslds_bench.report.style import Style, model_styles

ERROR = "relative_error"
METRICS = (ERROR, "relative_error_one_step", "skill", "task_error_model")
SPEEDS = ("steps_per_second",)


@dataclasses.dataclass(frozen=True)
class Entry:
    """A row of the leaderboard.

    Attributes:
        machine: the letter of the machine that measured it; ? where that is unknown or not one.
        counts: jobs that ended well, of those asked for.
        cells: metric → Summary over seeds.
        cost: processor seconds of making the network and fitting the model.
        errors: seed → free-run relative error, of the seeds that have one.
        complete: whether every seed that was asked for has one.
        rank: mean over seeds of its place in the task by that error; NaN where it has none.
    """

    run: str
    task: str
    network: str
    model: str
    machine: str
    counts: tuple[int, int]
    cells: dict[str, Summary]
    cost: Summary
    errors: dict[int, float]
    complete: bool
    rank: float = math.nan

    @property
    def method(self) -> tuple[str, str, str]:
        return (self.run, self.network, self.model)


@dataclasses.dataclass(frozen=True)
class Board:
    """Entries by task and rank, what the machines are, and a style per model."""

    entries: list[Entry]
    tasks: list[str]
    machines: dict[str, str]
    styles: dict[str, Style]

    def of(self, task: str) -> list[Entry]:
        return [e for e in self.entries if e.task == task]


def build_board(runs: Sequence[tuple[str, RunData]]) -> Board:
    """The Board of named runs."""
    tasks = list(dict.fromkeys(task for _, data in runs for task in data.tasks))
    letters: dict[str, str] = {}
    machines: dict[str, str] = {}
    entries = []
    for name, data in runs:
        for key, records in data.records.items():
            machine = _machine(data, records, letters, machines)
            entries.append(_entry(name, key, records, machine))
    pairs = {(m, data.entry("model", k)) for _, data in runs for k in data.records for m in [k[2]]}
    styles = model_styles(sorted(dict(sorted(pairs)).items()))
    ranked = [entry for task in tasks for entry in _ranked([e for e in entries if e.task == task])]
    return Board(ranked, tasks, machines, styles)


def names(runs: Sequence[Path]) -> list[str]:
    """What to call runs: their folders' names, or their whole paths where those are not distinct."""
    short = [run.resolve().name for run in runs]
    return short if len(set(short)) == len(short) else [str(run) for run in runs]


def methods(board: Board) -> tuple[list[tuple[str, str, str]], np.ndarray]:
    """The methods (run, network, model) with every seed of every task, and their errors [blocks, methods].

    A block is a task and a seed. Methods that lack a task, a seed or a value of one are left out.
    """
    blocks = [(t, s) for t in board.tasks for s in _common_seeds(board.of(t))]
    errors: dict[tuple[str, str, str], dict[tuple[str, int], float]] = collections.defaultdict(dict)
    for entry in board.entries:
        if entry.complete:
            errors[entry.method] |= {(entry.task, s): e for s, e in entry.errors.items()}
    whole = [m for m, found in errors.items() if found.keys() == set(blocks)]
    table = np.array([[errors[m][block] for m in whole] for block in blocks], dtype=float)
    return whole, table.reshape(len(blocks), len(whole))


def front(entries: Sequence[Entry]) -> list[Entry]:
    """The complete entries that no other one beats in both error and cost, by rising cost."""
    usable = [e for e in entries if e.complete and math.isfinite(e.cells[ERROR].mean) and e.cost.complete]
    best, chosen = math.inf, []
    for entry in sorted(usable, key=lambda e: (e.cost.mean, e.cells[ERROR].mean)):
        if entry.cells[ERROR].mean < best:
            best = entry.cells[ERROR].mean
            chosen.append(entry)
    return chosen


def _entry(run: str, key: tuple[str, str, str], records: list[Record], machine: str) -> Entry:
    costs, errors = [], {}
    for record in records:
        parts = [record.values.get(name) for name in ("network_seconds", "fit_seconds")]
        known = [part.value for part in parts if part is not None and part.value is not None]
        if len(known) == 2:
            costs.append(sum(known))
        error = record.values.get(ERROR)
        if error is not None and error.value is not None:
            errors[record.seed] = math.inf if math.isnan(error.value) else error.value
    ok = sum(record.status == "ok" for record in records)
    return Entry(
        run,
        *key,
        machine,
        (ok, len(records)),
        {name: summarise_records(records, name) for name in (*METRICS, *SPEEDS)},
        summarise(costs, len(records)),
        errors,
        len(errors) == len(records),
    )


def _ranked(entries: list[Entry]) -> list[Entry]:
    """Entries of one task by rising rank; those over other seeds than most, or with a gap, come last."""
    seeds = _common_seeds(entries)
    whole = [e for e in entries if e.complete and sorted(e.errors) == seeds]
    rest = [e for e in entries if e not in whole]
    if not whole or not seeds:
        return entries
    places = stats.ranks(np.array([[e.errors[s] for e in whole] for s in seeds])).mean(axis=0)
    placed = [dataclasses.replace(e, rank=float(r)) for e, r in zip(whole, places, strict=True)]
    return sorted(placed, key=lambda e: e.rank) + rest


def _common_seeds(entries: Sequence[Entry]) -> list[int]:
    """The seeds that most complete entries have; of equally frequent sets, the larger."""
    sets = collections.Counter(tuple(sorted(e.errors)) for e in entries if e.complete)
    return list(max(sets.items(), key=lambda pair: (pair[1], len(pair[0])))[0]) if sets else []


def _machine(
    data: RunData, records: Sequence[Record], letters: dict[str, str], machines: dict[str, str]
) -> str:
    """The letter of the one machine that `records` are from; new ones get the next."""
    found = {}
    for record in records:
        if record.values:
            environment = record.environment or data.meta.get("environment") or {}
            found[fingerprint(environment)] = environment
    if len(found) != 1:
        return "?"
    ((mark, environment),) = found.items()
    if not environment.get("cpu"):
        return "?"
    if mark not in letters:
        letters[mark] = chr(ord("A") + len(letters)) if len(letters) < 26 else f"M{len(letters) + 1}"
        words = f"{environment['cpu']}, {environment.get('threads')} of {environment.get('cores')} cores"
        machines[letters[mark]] = f"{words}, {environment.get('device')}"
    return letters[mark]
