"""A run as the report sees it: its records in the suite's order, its table of values, its models' styles."""

from __future__ import annotations

import dataclasses
import functools
import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jslds_bench.records.record import Record
from jslds_bench.records.sealed import read_json
from jslds_bench.records.store import read_record, record_paths
from jslds_bench.records.table import table_of
from jslds_bench.report import settings
from jslds_bench.report.data.arrays import Arrays, load_arrays
from jslds_bench.report.data.summary import Column, Summary, summarise_records
from jslds_bench.report.style import Style, model_styles

if TYPE_CHECKING:
    import pandas as pd

    from jslds_bench.report.settings.base import Setting

Key = tuple[str, str, str]


@dataclasses.dataclass(frozen=True)
class RunData:
    """Everything that tables and figures are made from.

    Attributes:
        meta: the content of run.json.
        records: (task, network, model) → its records by rising seed, in the suite's order.
        paths: record key → file.
        tasks, networks, models: labels, in the suite's order.
        seeds: those that the run was asked for, by its suite or by any record.
        settings: task → the name of its setting, by a record with values if there is one: of jobs that came
            to nothing schema 1 did not say enough.
        columns: its metrics, in the order in which tables show them.
        styles: model label → Style.
    """

    meta: dict[str, Any]
    records: dict[Key, list[Record]]
    paths: Mapping[tuple[str, str, str, int], Path]
    tasks: list[str]
    networks: list[str]
    models: list[str]
    seeds: list[int]
    settings: dict[str, str]
    columns: list[Column]
    styles: dict[str, Style]
    _arrays: dict[Key, Arrays] = dataclasses.field(default_factory=dict, repr=False)

    @property
    def everything(self) -> list[Record]:
        """All records, in the order of the suite."""
        return [r for records in self.records.values() for r in records]

    @functools.cached_property
    def frame(self) -> pd.DataFrame:
        """The values, one row each, as `load_run` gives them, in the suite's order."""
        return table_of(self.everything)

    @property
    def headline(self) -> list[Column]:
        """The metrics that are shown before one asks for all; all, where none says so of itself."""
        return [c for c in self.columns if c.headline] or self.columns

    def keys(self, task: str) -> list[Key]:
        return [key for key in self.records if key[0] == task]

    def networks_of(self, task: str) -> list[str]:
        return [n for n in self.networks if any(k[:2] == (task, n) for k in self.records)]

    def models_of(self, task: str, network: str) -> list[str]:
        return [m for m in self.models if (task, network, m) in self.records]

    def setting(self, task: str) -> Setting:
        """What the report knows of the kind of data that `task` is."""
        return settings.of(self.settings[task])

    def said(self, task: str, what: str) -> str:
        """What the records of `task` say of its data: `what` is origin or caption."""
        told = (getattr(r, what) for key in self.keys(task) for r in self.records[key])
        return next(filter(None, told), "")

    def u_star_name(self, key: Key, number: int) -> str:
        """What the u* of this number is called by the task's records; its number where they do not say."""
        names = next((r.detail.get("u_star_names") for r in self.records[key] if r.status == "ok"), None)
        known = isinstance(names, list) and 0 <= number < len(names)
        return str(names[number]) if known and names is not None else f"u* number {number}"

    def entry(self, kind: str, key: Key) -> str:
        """The registry name behind a label: `kind` is task, network or model."""
        return entry_name(self.records[key][0], kind)

    def held(self, task: str) -> list[Column]:
        """The metrics that `task` has a number of."""
        cells = (item for key in self.keys(task) for r in self.records[key] for item in r.values.items())
        found = {name for name, value in cells if value.value is not None}
        return [c for c in self.columns if c.metric in found]

    def ranked_by(self, task: str) -> Column | None:
        """The metric that models of `task` are ranked by: its setting's, else the first headline metric."""
        leading = self.setting(task).leading
        usable = [c for c in self.held(task) if c.arrow]
        return next((c for c in usable if (c.metric == leading if leading else c.headline)), None)

    def summary(self, key: Key, metric: str) -> Summary:
        """`metric` of (task, network, model) over the seeds that were asked for."""
        return summarise_records(self.records[key], metric, len(self.seeds))

    def example(self, key: Key) -> Arrays:
        """The arrays of `key`'s first seed without an ill-shaped one, else of the first that has any."""
        if key not in self._arrays:
            shapes, read = self.setting(key[0]).shapes, [Arrays({})]
            for record in self.records[key]:
                read.append(load_arrays(self.paths[record.key], record, shapes))
                if read[-1].found and not read[-1].notes:
                    break
            self._arrays[key] = max(read, key=lambda a: (bool(a.found), bool(a.found) != bool(a.notes)))
        return self._arrays[key]

    def rivals(self, key: Key) -> str:
        """The class within which the model of `key` is ranked; empty where its task has no classes."""
        return self.setting(key[0]).rivals(self, key)

    def best_models(self, task: str, network: str, count: int, metric: str | None = None) -> list[str]:
        """At most `count` models of a network, in the suite's order: the best, the complete ones first.

        By `metric`, if `task` has it; else by what its models are ranked by.
        """
        models, column = self.models_of(task, network), self.ranked_by(task)
        column = next((c for c in self.held(task) if c.metric == metric), column)
        if column is None:
            return models[:count]

        chosen = set(sorted(models, key=lambda m: self.place((task, network, m), column))[:count])
        return [m for m in models if m in chosen]

    def place(self, key: Key, column: Column) -> tuple[bool, float]:
        """What the best of several is the least by: complete ones come first, then those of least loss."""
        summary = self.summary(key, column.metric)
        loss = column.sign * summary.mean
        return not summary.complete, loss if math.isfinite(loss) else math.inf


def entry_name(record: Record, kind: str) -> str:
    """The registry name of a record's task, network or model; its label where the record does not say."""
    part = record.parameters.get(kind)
    name = part.get("name") if isinstance(part, dict) else None
    return name if isinstance(name, str) else str(getattr(record, kind))


def load_data(run: Path) -> RunData:
    """Read a run folder.

    Raises:
        UsageError: no run there, another schema, or a damaged record.
    """
    meta = read_json(run / "run.json", "run")
    read = [(read_record(path), path) for path in record_paths(run)]
    return run_data([r for r, _ in read], meta, {r.key: path for r, path in read})


def run_data(
    records: Iterable[Record],
    meta: dict[str, Any] | None = None,
    paths: Mapping[tuple[str, str, str, int], Path] | None = None,
) -> RunData:
    """The RunData of `records`, in whatever order they come."""
    found, meta = list(records), meta or {}
    suite = _suite(meta)
    tasks = _ordered({r.task for r in found}, _labels(suite, "tasks"))
    networks = _ordered({r.network for r in found}, _labels(suite, "networks"))
    models = _ordered({r.model for r in found}, _labels(suite, "models"))
    ranks = [{label: i for i, label in enumerate(labels)} for labels in (tasks, networks, models)]
    found.sort(key=lambda r: (ranks[0][r.task], ranks[1][r.network], ranks[2][r.model], r.seed))
    grouped: dict[Key, list[Record]] = {}
    columns: dict[str, Column] = {}
    for record in found:
        grouped.setdefault(record.key[:3], []).append(record)
        for name, v in record.values.items():
            if name not in columns:
                columns[name] = Column(name, v.unit, v.better, v.family, v.order, v.headline)
    entries = {r.model: entry_name(r, "model") for r in found}
    return RunData(
        meta,
        grouped,
        paths or {},
        tasks,
        networks,
        models,
        sorted({*_seeds(suite), *(r.seed for r in found)}),
        {r.task: r.setting for r in sorted(found, key=lambda r: bool(r.values))},
        sorted(columns.values(), key=lambda c: (c.order, c.family, c.metric)),
        model_styles([(m, entries[m]) for m in models]),
    )


def _suite(meta: dict[str, Any]) -> dict[str, Any]:
    """The resolved suite, or nothing where run.json holds no readable one (the order is then by name)."""
    text = meta.get("suite_text")
    try:
        return tomllib.loads(text) if isinstance(text, str) else {}
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}


def _seeds(suite: dict[str, Any]) -> list[int]:
    seeds = suite.get("seeds")
    return [seed for seed in seeds if type(seed) is int] if isinstance(seeds, list) else []


def _labels(suite: dict[str, Any], kind: str) -> list[str]:
    entries = suite.get(kind)
    tables = [e for e in entries if isinstance(e, dict)] if isinstance(entries, list) else []
    return [str(e.get("label", e.get("name"))) for e in tables]


def _ordered(found: Iterable[str], wanted: Sequence[str]) -> list[str]:
    present = set(found)
    return [w for w in dict.fromkeys(wanted) if w in present] + sorted(present.difference(wanted))
