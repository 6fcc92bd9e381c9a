"""The entries of a leaderboard: every (run, task, network, model) with its means, its cost and its rank."""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from jslds_bench.analysis import stats
from jslds_bench.records.numbers import counted
from jslds_bench.records.provenance import fingerprint
from jslds_bench.records.record import Record
from jslds_bench.report.data.blocks import NO_RESULT, UNKNOWN
from jslds_bench.report.data.run import Key, RunData
from jslds_bench.report.data.summary import Column, Summary, summarise
from jslds_bench.report.style import Style, model_styles


@dataclasses.dataclass(frozen=True)
class Entry:
    """A row of the leaderboard.

    Attributes:
        rivals: the class that it is ranked within.
        machine: the letter of the machine that measured it; ? where that is unknown or not one.
        counts: jobs that ended well, of those asked for.
        cells: metric → Summary over seeds.
        cost: what the model took to make, processor seconds.
        losses: seed → what the models of the task are ranked by, turned so that less is better; infinite of
            what diverged, failed or ran out of time.
        complete: whether every seed that was asked for has one.
        rank: mean over seeds of its place among its rivals on the network of the task; NaN where it has none.
    """

    run: str
    task: str
    network: str
    model: str
    rivals: str
    machine: str
    counts: tuple[int, int]
    cells: dict[str, Summary]
    cost: Summary
    losses: dict[int, float]
    complete: bool
    rank: float = math.nan

    @property
    def method(self) -> tuple[str, str]:
        return (self.run, self.model)

    @property
    def place(self) -> tuple[float, float] | None:
        """Cost and mean loss, where every seed gave both and they are finite; a cost of nothing is none."""
        loss = float(np.mean(list(self.losses.values()))) if self.complete else math.inf
        known = self.cost.complete and self.cost.mean > 0 and math.isfinite(loss)
        return (self.cost.mean, loss) if known else None


@dataclasses.dataclass(frozen=True)
class Board:
    """Entries by task and rank, what ranks are by, what is shown, the machines, a style per model, and what
    classes of models are called, if there are any."""

    entries: list[Entry]
    ranked_by: dict[str, Column | None]
    columns: list[Column]
    machines: dict[str, str]
    styles: dict[str, Style]
    rivalry: str

    @property
    def classes(self) -> list[tuple[str, str]]:
        """Networks and classes of models, within which entries are ranked."""
        return list(dict.fromkeys((e.network, e.rivals) for e in self.entries))

    @property
    def tasks(self) -> list[str]:
        return list(self.ranked_by)

    def of(self, task: str) -> list[Entry]:
        return [e for e in self.entries if e.task == task]


def build_board(runs: Sequence[tuple[str, RunData]]) -> Board:
    """The Board of named runs; what the models of a task are ranked by is the first run's to say."""
    ranked_by: dict[str, Column | None] = {}
    columns: dict[str, Column] = {}
    for _, data in runs:
        ranked_by = {task: data.ranked_by(task) for task in data.tasks} | ranked_by
        rates = {rate for task in data.tasks for rate in data.setting(task).rates}
        shown = [c for c in data.columns if c in data.headline or c.metric in rates]
        columns = {c.metric: c for c in shown} | columns
    letters: dict[str, str] = {}
    machines: dict[str, str] = {}
    entries = []
    for name, data in runs:
        for key, records in data.records.items():
            machine = _machine(data, records, letters, machines)
            entries.append(_entry(name, data, key, machine, ranked_by[key[0]], columns))
    entries = _placed_failures(entries)
    pairs = {(m, data.entry("model", k)) for _, data in runs for k in data.records for m in [k[2]]}
    styles = model_styles(sorted(dict(sorted(pairs)).items()))
    groups: dict[tuple[str, str, str], list[Entry]] = {}
    for task in ranked_by:
        for entry in entries:
            if entry.task == task:
                groups.setdefault((task, entry.network, entry.rivals), []).append(entry)
    ranked = [entry for group in groups.values() for entry in _ranked(group)]
    ordered = sorted(columns.values(), key=lambda c: (c.timing, c.order, c.metric))
    called = {data.setting(k[0]).rivalry for _, data in runs for k in data.records if data.rivals(k)}
    return Board(ranked, ranked_by, ordered, machines, styles, " or ".join(sorted(called)))


def _placed_failures(entries: Sequence[Entry]) -> list[Entry]:
    """Where nothing of a model ended well nothing was measured of it: it is last in its usual class.

    That is the one that it has most often on other tasks of the run and network.
    """
    usual: dict[tuple[str, str, str], collections.Counter[str]] = {}
    for e in entries:
        if e.rivals != UNKNOWN:
            usual.setdefault((e.run, e.network, e.model), collections.Counter())[e.rivals] += 1

    def placed(e: Entry) -> Entry:
        known = usual.get((e.run, e.network, e.model))
        lost = e.rivals == UNKNOWN and e.losses and all(x == math.inf for x in e.losses.values())
        return dataclasses.replace(e, rivals=known.most_common(1)[0][0]) if known and lost else e

    return [placed(e) for e in entries]


def names(runs: Sequence[Path]) -> list[str]:
    """What to call runs: their folders' names, or their whole paths where those are not distinct."""
    short = [run.resolve().name for run in runs]
    return short if len(set(short)) == len(short) else [str(run) for run in runs]


def methods(board: Board, network: str, rivals: str) -> tuple[list[tuple[str, str]], np.ndarray, list[str]]:
    """The methods (run, model) with every seed of every task, their losses [blocks, methods], tasks.

    A block is a task that the network has learned, and a seed. Methods that lack a task, a seed or a value of
    one, or are of the class `rivals` in some tasks alone, are left out.
    """
    own = [e for e in board.entries if e.network == network]
    known = {task: [e for e in own if e.task == task] for task in board.tasks}
    blocks = [(t, s) for t, entries in known.items() for s in _common_seeds(entries)]
    losses: dict[tuple[str, str], dict[tuple[str, int], float]] = collections.defaultdict(dict)
    for entry in own:
        if entry.complete and entry.rivals == rivals:
            losses[entry.method] |= {(entry.task, s): loss for s, loss in entry.losses.items()}
    whole = [m for m, found in losses.items() if found.keys() == set(blocks)]
    table = np.array([[losses[m][block] for m in whole] for block in blocks], dtype=float)
    return whole, table.reshape(len(blocks), len(whole)), [task for task, _ in blocks]


def front(entries: Sequence[Entry]) -> list[Entry]:
    """The complete entries that no other one beats in both loss and cost, by rising cost."""
    best, chosen = math.inf, []
    for (_, loss), entry in sorted(((e.place, e) for e in entries if e.place), key=lambda pair: pair[0]):
        if loss < best:
            best = loss
            chosen.append(entry)
    return chosen


def _entry(
    run: str, data: RunData, key: Key, machine: str, by: Column | None, columns: Iterable[str]
) -> Entry:
    costs, losses, n_asked = [], {}, len(data.seeds)
    for record in data.records[key]:
        numbers = {name: v.value for name, v in record.values.items() if v.value is not None}
        parts = data.setting(key[0]).costs
        if numbers.keys() >= set(parts):
            costs.append(sum(numbers[part] for part in parts))
        if by is not None and by.metric in numbers:
            loss = by.sign * numbers[by.metric]
            losses[record.seed] = math.inf if math.isnan(loss) else loss
        elif by is not None and record.status in NO_RESULT:
            losses[record.seed] = math.inf
    return Entry(
        run,
        *key,
        data.rivals(key),
        machine,
        (sum(record.status == "ok" for record in data.records[key]), n_asked),
        {name: data.summary(key, name) for name in columns},
        summarise(costs, n_asked),
        losses,
        len(losses) == n_asked,
    )


def _ranked(entries: list[Entry]) -> list[Entry]:
    """Entries of one task by rising rank; those over other seeds than most, or with a gap, come last."""
    seeds = _common_seeds(entries)
    whole = [e for e in entries if e.complete and sorted(e.losses) == seeds]
    rest = [e for e in entries if e not in whole]
    if not whole or not seeds:
        return entries
    places = stats.ranks(np.array([[e.losses[s] for e in whole] for s in seeds])).mean(axis=0)
    placed = [dataclasses.replace(e, rank=float(r)) for e, r in zip(whole, places, strict=True)]
    return sorted(placed, key=lambda e: e.rank) + rest


def _common_seeds(entries: Sequence[Entry]) -> list[int]:
    """The seeds that most complete entries have; of equally frequent sets, the larger."""
    sets = collections.Counter(tuple(sorted(e.losses)) for e in entries if e.complete)
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
        cores = f"{environment.get('threads')} of {counted(environment.get('cores'), 'core')}"
        machines[letters[mark]] = f"{environment['cpu']}, {cores}, {environment.get('device')}"
    return letters[mark]
