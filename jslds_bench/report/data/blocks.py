"""Models of one class over blocks, (task, network, seed)."""

from __future__ import annotations

import collections
import dataclasses
import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from jslds_bench.records.record import Record
from jslds_bench.report.data.run import Key, RunData
from jslds_bench.report.data.summary import Column

LEAST_TASKS = 3
FLOOR = 1e-6
"""Errors below are float32's rounding, and equal: `compare` calls no smaller difference either."""
UNKNOWN = "unknown"
"""The class of a model of which nothing was measured."""
NO_RESULT = ("diverged", "failed", "timeout")
"""Endings that count like a free run that diverges: last, together.

What cannot be, or was not asked for, is missing."""


class Block(NamedTuple):
    """Where models are set beside each other."""

    task: str
    network: str
    seed: int


@dataclasses.dataclass(frozen=True)
class Group:
    """The models of one class.

    Attributes:
        rivals: the class; empty where there are none.
        every: all blocks of the class.
        found: [every, models], the losses there, lower is better: infinite where the model diverged, failed
            or ran out of time, NaN where it has no result or is linear in less.
        left_out: models that lack more than half of the class's blocks, and therefore are not here.
        stricter: model → in how many (task, network) it is linear in more than the class, of how many.
    """

    rivals: str
    models: list[str]
    every: list[Block]
    found: np.ndarray
    left_out: list[str]
    stricter: dict[str, tuple[int, int]]

    @functools.cached_property
    def _whole(self) -> np.ndarray:
        """Which blocks all models have a result at."""
        return ~np.isnan(self.found).any(axis=1)

    @functools.cached_property
    def blocks(self) -> list[Block]:
        """Those at which all models have a result; `losses`: what they have there."""
        return [b for b, whole in zip(self.every, self._whole, strict=True) if whole]

    @property
    def losses(self) -> np.ndarray:
        return self.found[self._whole]

    @property
    def dropped(self) -> list[Block]:
        """Blocks where some model has no result, or is linear in less."""
        return [b for b, whole in zip(self.every, self._whole, strict=True) if not whole]

    @property
    def tasks(self) -> list[str]:
        """The task of each of `blocks`."""
        return [b.task for b in self.blocks]

    def ordered(self, order: Sequence[int]) -> Group:
        """The models in that order."""
        models = [self.models[i] for i in order]
        return dataclasses.replace(self, models=models, found=self.found[:, list(order)])

    @property
    def n_tasks(self) -> int:
        return len(set(self.tasks))


@dataclasses.dataclass(frozen=True)
class Field:
    """What is compared over tasks.

    Attributes:
        column: the metric; `tasks` are those whose models are ranked by it.
        groups: a Group per class.
        reference: block → the loss of `persistence` there, where it has a finite one.
    """

    column: Column
    tasks: list[str]
    groups: list[Group]
    reference: dict[Block, float]

    @property
    def logarithmic(self) -> bool:
        """Whether losses are errors, of which ratios compare."""
        return self.column.sign > 0 and all((g.losses > 0).all() for g in self.groups)


def field_of(data: RunData) -> Field | None:
    """The Field of the tasks that share a kind of data and a metric to rank by; None of fewer than three."""
    shared: dict[tuple[str, str], list[str]] = {}
    for task in data.tasks:
        if column := data.ranked_by(task):
            shared.setdefault((data.settings[task], column.metric), []).append(task)
    tasks = max(shared.values(), key=len, default=[])
    column = data.ranked_by(tasks[0]) if len(tasks) >= LEAST_TASKS else None
    if column is None:
        return None
    losses = {key: _losses(data.records[key], column) for task in tasks for key in data.keys(task)}
    if all(x >= 0 for found in losses.values() for x in found.values()):
        losses = {key: {s: max(x, FLOOR) for s, x in found.items()} for key, found in losses.items()}
    finite = {Block(*key[:2], s) for key, found in losses.items() for s, x in found.items() if x < math.inf}
    # Where no model at all has a result, there was no network: that tells nothing of models.
    losses = {
        key: {s: x for s, x in found.items() if Block(*key[:2], s) in finite} for key, found in losses.items()
    }
    reference = {
        Block(*key[:2], s): x
        for key, found in losses.items()
        if data.entry("model", key) == "persistence"
        for s, x in found.items()
        if x < math.inf
    }
    return Field(column, tasks, list(_groups(data, losses)), reference)


def _losses(records: Sequence[Record], column: Column) -> dict[int, float]:
    """Seed → the loss of its record; seeds without one are missing."""
    found = {}
    for record in records:
        cell = record.values.get(column.metric)
        if cell is not None and cell.value is not None:
            loss = column.sign * cell.value
            found[record.seed] = math.inf if math.isnan(loss) else loss
        elif record.status in NO_RESULT:
            found[record.seed] = math.inf
    return found


def _groups(data: RunData, losses: dict[Key, dict[int, float]]) -> Iterator[Group]:
    keys: dict[str, list[Key]] = {}
    for key, found in losses.items():
        if found:
            keys.setdefault(key[2], []).append(key)
    kinds = {key: data.rivals(key) for own in keys.values() for key in own}
    of = {model: _usual([kinds[key] for key in own]) for model, own in keys.items()}
    for model, mine in keys.items():  # one that failed everywhere has no class to be last in
        if of[model] == UNKNOWN and not any(x < math.inf for key in mine for x in losses[key].values()):
            del of[model]
    for rivals in dict.fromkeys(of[m] for m in data.models if m in of):
        own = [m for m in data.models if of.get(m) == rivals]
        asked = {m: [Block(*key[:2], s) for key in keys[m] for s in losses[key]] for m in own}
        n_all = len({b for m in own for b in asked[m]})
        here = [m for m in own if 2 * len(asked[m]) >= n_all]
        fair = {m: [key for key in keys[m] if _fair(kinds[key], rivals, losses[key])] for m in here}
        blocks = {m: {Block(*k[:2], s): x for k in fair[m] for s, x in losses[k].items()} for m in here}
        every = list(dict.fromkeys(b for m in here for b in asked[m]))
        table = np.array([[blocks[m].get(b, math.nan) for m in here] for b in every])
        table = table.reshape(len(every), len(here))
        made = Group(rivals, here, every, table, [m for m in own if m not in here], {})
        where = {b[:2] for b in made.blocks}
        stricter = {
            m: sum(k[:2] in where and kinds[k] not in (rivals, UNKNOWN) for k in fair[m]) for m in here
        }
        yield dataclasses.replace(made, stricter={m: (n, len(where)) for m, n in stricter.items() if n})


def _usual(kinds: Sequence[str]) -> str:
    """The class that a model has most often; of equally frequent ones that which is linear in less."""
    counts = collections.Counter(kind for kind in kinds if kind != UNKNOWN) or collections.Counter(kinds)
    return max(counts, key=lambda kind: (counts[kind], -len(_things(kind)), kind))


def _fair(kind: str, rivals: str, losses: Mapping[int, float]) -> bool:
    """Whether a model of `kind` is linear in all that `rivals` are: to be linear in less is an advantage.

    Where nothing was measured it may be last, and no more than that.
    """
    if kind == UNKNOWN:
        return all(x == math.inf for x in losses.values())
    return _things(kind) >= _things(rivals)


def _things(kind: str) -> set[str]:
    return set() if kind in ("", "neither") else set(kind.split(", "))
