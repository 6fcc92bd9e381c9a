"""A run as the report sees it: its records in the suite's order, its table of values, its models' styles."""

from __future__ import annotations

import dataclasses
import math
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from jslds_bench.records.record import Record
from jslds_bench.records.store import read_json, read_record, record_paths
from jslds_bench.records.table import table_of
from jslds_bench.report.data.arrays import Arrays, load_arrays
from jslds_bench.report.data.summary import Summary, summarise_records
from jslds_bench.report.style import Style, model_styles

Key = tuple[str, str, str]
RECORDED = "data"  # stands for the network where there is none


@dataclasses.dataclass(frozen=True)
class RunData:
    """Everything that tables and figures are made from.

    Attributes:
        meta: the content of run.json.
        records: (task, network, model) → its records by rising seed.
        paths: record key → file.
        frame: the values, one row each (store.load_run), in the suite's order.
        tasks, networks, models: labels, in the suite's order.
        styles: model label → Style.
    """

    meta: dict[str, Any]
    records: dict[Key, list[Record]]
    paths: dict[tuple[str, str, str, int], Path]
    frame: pd.DataFrame
    tasks: list[str]
    networks: list[str]
    models: list[str]
    styles: dict[str, Style]
    _arrays: dict[Path, Arrays] = dataclasses.field(default_factory=dict, repr=False)

    @property
    def everything(self) -> list[Record]:
        """All records, in the order of the suite."""
        return [r for records in self.records.values() for r in records]

    @property
    def seeds(self) -> list[int]:
        return sorted({r.seed for r in self.everything})

    def networks_of(self, task: str) -> list[str]:
        return [n for n in self.networks if any(k[:2] == (task, n) for k in self.records)]

    def models_of(self, task: str, network: str) -> list[str]:
        return [m for m in self.models if (task, network, m) in self.records]

    def entry(self, kind: str, key: Key) -> str:
        """The registry name behind a label: `kind` is task, network or model."""
        return entry_name(self.records[key][0], kind)

    def recorded(self, task: str) -> bool:
        """Whether the models of `task` were fitted to recorded data rather than to networks."""
        return all(self.entry("network", key) == RECORDED for key in self.records if key[0] == task)

    def spiking(self, task: str) -> bool:
        """Whether the recorded data of `task` are trials of spikes that models predict rates of."""
        return self.recorded(task) and any(
            "bits_per_spike" in r.values or "co_bits_per_spike" in r.values
            for key, records in self.records.items()
            if key[0] == task
            for r in records
        )

    def leading(self, task: str) -> tuple[str, bool]:
        """The metric that models of `task` are ranked by, and whether more of it is better."""
        if self.spiking(task):
            return "co_bits_per_spike", True
        return ("state_accuracy", True) if self.recorded(task) else ("relative_error", False)

    def summary(self, key: Key, metric: str) -> Summary:
        """`metric` of (task, network, model) over seeds."""
        return summarise_records(self.records[key], metric)

    def example(self, key: Key) -> Arrays:
        """The arrays of the first seed of `key` that has example trials, else of the first that has any."""
        best = Arrays({})
        for record in self.records[key]:
            path = self.paths[record.key]
            if path not in self._arrays:
                self._arrays[path] = load_arrays(path)
            arrays = self._arrays[path]
            if "example_states" in arrays:
                return arrays
            if not best.found and (arrays.found or arrays.notes):
                best = arrays
        return best

    def best_models(self, task: str, network: str, count: int) -> list[str]:
        """At most `count` models of a network, in the suite's order: the best by the `leading` metric."""
        models, (metric, more) = self.models_of(task, network), self.leading(task)

        def rank(model: str) -> float:
            mean = self.summary((task, network, model), metric).mean
            return (-mean if more else mean) if math.isfinite(mean) else math.inf

        chosen = set(sorted(models, key=rank)[:count])
        return [m for m in models if m in chosen]


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
    paths = record_paths(run)
    read = [(read_record(path), path) for path in paths]
    suite = _suite(meta)
    tasks = _ordered({r.task for r, _ in read}, _labels(suite, "tasks"))
    networks = _ordered({r.network for r, _ in read}, _labels(suite, "networks"))
    models = _ordered({r.model for r, _ in read}, _labels(suite, "models"))
    ranks = [{label: i for i, label in enumerate(labels)} for labels in (tasks, networks, models)]
    read.sort(key=lambda p: (ranks[0][p[0].task], ranks[1][p[0].network], ranks[2][p[0].model], p[0].seed))
    records: dict[Key, list[Record]] = {}
    for record, _ in read:
        records.setdefault(record.key[:3], []).append(record)
    entries = {r.model: entry_name(r, "model") for r, _ in read}
    frame = table_of(r for r, _ in read)
    styles = model_styles([(m, entries[m]) for m in models])
    return RunData(meta, records, {r.key: path for r, path in read}, frame, tasks, networks, models, styles)


def _suite(meta: dict[str, Any]) -> dict[str, Any]:
    """The resolved suite, or nothing where run.json holds no readable one (the order is then by name)."""
    text = meta.get("suite_text")
    try:
        return tomllib.loads(text) if isinstance(text, str) else {}
    except tomllib.TOMLDecodeError:
        return {}


def _labels(suite: dict[str, Any], kind: str) -> list[str]:
    entries = suite.get(kind)
    tables = [e for e in entries if isinstance(e, dict)] if isinstance(entries, list) else []
    return [str(e.get("label", e.get("name"))) for e in tables]


def _ordered(found: Iterable[str], wanted: Sequence[str]) -> list[str]:
    present = set(found)
    return [w for w in dict.fromkeys(wanted) if w in present] + sorted(present.difference(wanted))
