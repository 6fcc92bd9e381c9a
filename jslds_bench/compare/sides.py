"""What can be compared: a run's folder, a baseline file, published values; each read into one structure."""

from __future__ import annotations

import dataclasses
import math
import os
import statistics
import tomllib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from jslds_bench.compare.tolerance import RULES, Tolerance
from jslds_bench.entries.registry import nearest
from jslds_bench.errors import UsageError, said
from jslds_bench.files import read_text
from jslds_bench.records.provenance import fingerprint
from jslds_bench.records.record import Record, Value, is_time
from jslds_bench.records.sealed import read_json
from jslds_bench.records.store import read_records
from jslds_bench.records.upgrade import RENAMED

SCHEMA = 2
NAMES: dict[int, dict[str, str]] = {1: RENAMED, SCHEMA: {}}
"""Of the schemas of files that this version reads, the metrics that have other names now."""
ORIGIN = ("version", "commit", "dirty", "jax", "jaxlib", "started")
MACHINE = ("machine", "cpu", "cores", "threads", "device")
Key = tuple[str, str, str]


@dataclasses.dataclass(frozen=True)
class Metric:
    """What one side says of a metric. `tolerance` None: the default of its kind; `headline`: of runs."""

    unit: str
    better: str
    tolerance: Tolerance | None = None
    headline: bool = False

    @property
    def speed(self) -> bool:
        """Whether it is a time or a rate, which compares only within one machine."""
        return is_time(self.unit)


@dataclasses.dataclass(frozen=True)
class Results:
    """What (task, network, model) came to.

    Attributes:
        endings: seed → (status, reason).
        values: metric → seed → Value. A published value has the seed None: it is one number for all.
        notes: metric → what its source says about it.
    """

    endings: dict[int, tuple[str, str]] = dataclasses.field(default_factory=dict)
    values: dict[str, dict[int | None, Value]] = dataclasses.field(default_factory=dict)
    notes: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Side:
    """One of the two that are compared.

    Attributes:
        name: how output calls it.
        kind: run, baseline or published.
        suite: of the run that it is, or was made from; empty for published values.
        results: (task, network, model) → Results, in the order of the source.
        metrics: name → Metric.
        machines: fingerprint → its fields, of all machines that the values were measured on.
        gemm: median FLOP/s of float32 products beside the jobs, or None.
        rule: interval or tolerance, where the source states one.
        origin: of a run, its version, commit, libraries and when it was started.
    """

    name: str
    kind: str
    suite: str
    results: dict[Key, Results]
    metrics: dict[str, Metric]
    machines: dict[str, dict[str, Any]]
    gemm: float | None = None
    rule: str | None = None
    origin: dict[str, str] = dataclasses.field(default_factory=dict)

    def narrowed(
        self,
        tasks: Collection[str] | None,
        networks: Collection[str] | None,
        models: Collection[str] | None,
        seeds: Collection[int] | None,
    ) -> Side:
        """This side as if nothing but these had been asked for; None: all."""
        wanted = (tasks, networks, models)

        def asked(seed: int | None) -> bool:
            return seeds is None or seed is None or seed in seeds

        results = {
            key: Results(
                {s: ending for s, ending in found.endings.items() if asked(s)},
                {name: {s: v for s, v in of.items() if asked(s)} for name, of in found.values.items()},
                found.notes,
            )
            for key, found in self.results.items()
            # A published value of a network is of no model.
            if all(
                names is None or label in names or not label for label, names in zip(key, wanted, strict=True)
            )
        }
        return dataclasses.replace(self, results=results)


def headline_metrics(a: Side, b: Side) -> list[str]:
    """The metrics of two runs that tables show before one asks for all; nothing where either is a file."""
    if a.kind != "run" or b.kind != "run":
        return []
    return [name for name, metric in a.metrics.items() if metric.headline and name in b.metrics]


def baseline_folder() -> Path:
    """Where the package's own baselines are: inside it in a wheel, beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    return inside if (inside := package / "_baselines").is_dir() else package.parent / "baselines"


def read_side(text: str | Path) -> Side:
    """The run in the folder `text`, or the baseline or published values of that name or file.

    Raises:
        UsageError: there is no such thing, or it is damaged.
    """
    path = Path(os.path.expanduser(text))
    if os.path.isdir(path):
        return _read_run(path)
    own = baseline_folder()
    for file in (path, path.with_name(f"{path.name}.toml"), own / f"{path.name}.toml"):
        if os.path.isfile(file):
            return _read_file(file)
    known = sorted(f"baselines/{file.stem}" for file in own.glob("*.toml"))
    raise UsageError(
        f"no run or baseline at {text}{nearest(str(text), known)} (expected a run's folder, a baseline's "
        f"file, or one of: {', '.join(known) or 'none'})"
    )


def _read_run(path: Path) -> Side:
    return run_side(str(path), read_json(path / "run.json", "run"), read_records(path))


def run_side(name: str, meta: Mapping[str, Any], records: Iterable[Record]) -> Side:
    """The Side of a run whose run.json is `meta`."""
    results: dict[Key, Results] = {}
    metrics: dict[str, Metric] = {}
    machines: dict[str, dict[str, Any]] = {}
    rates = []
    for record in records:
        found = results.setdefault(record.key[:3], Results())
        found.endings[record.seed] = (record.status, record.reason or "")
        for metric, value in record.values.items():
            metrics.setdefault(metric, Metric(value.unit, value.better, headline=value.headline))
            found.values.setdefault(metric, {})[record.seed] = value
        environment = record.environment or meta.get("environment") or {}
        if record.values:
            machines[fingerprint(environment)] = {k: environment.get(k) for k in MACHINE}
        timing = record.detail.get("timing")
        if isinstance(timing, dict) and isinstance(rate := timing.get("gemm_flops"), int | float):
            rates.append(float(rate))
    gemm = statistics.median(rates) if rates else None
    said = {"started": meta.get("started"), **(meta.get("environment") or {})}
    origin = {key: str(said[key]) for key in ORIGIN if said.get(key) is not None}
    return Side(name, "run", str(meta.get("suite", "")), results, metrics, machines, gemm, None, origin)


def _read_file(path: Path) -> Side:
    try:
        content = tomllib.loads(read_text(path))
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        raise UsageError(f"baseline {path} cannot be read: {said(error)}") from None
    if content.get("schema") not in list(NAMES):
        raise UsageError(
            f"baseline {path} has schema {content.get('schema')!r}, this version reads schema {SCHEMA}: "
            "use the version that it was written for, or make it anew with `jslds-bench baseline update`"
        )
    try:
        read = _published if "values" in content else _baseline
        return read(path, content, NAMES[content["schema"]])
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise UsageError(
            f"baseline {path} lacks something or has it in the wrong form ({type(error).__name__}: {error}): "
            "make it anew with `jslds-bench baseline update`"
        ) from error


def _published(path: Path, content: Mapping[str, Any], names: Mapping[str, str]) -> Side:
    """Values of papers: one number each, perhaps without a model; direction and unit are the run's to say."""
    results: dict[Key, Results] = {}
    for entry in content["values"]:
        found = results.setdefault((entry["task"], entry["network"], entry.get("model", "")), Results())
        metric = names.get(entry["metric"], entry["metric"])
        found.values[metric] = {None: Value(float(entry["value"]), "", "")}
        found.notes[metric] = "; ".join(["published", *filter(None, [entry.get("note", "")])])
    return Side(str(path), "published", "", results, {}, {})


def _baseline(path: Path, content: Mapping[str, Any], names: Mapping[str, str]) -> Side:
    metrics = {
        names.get(name, name): Metric(
            said["unit"], said["better"], Tolerance(float(said["relative"]), float(said["absolute"]))
        )
        for name, said in content["metrics"].items()
    }
    results: dict[Key, Results] = {}
    for entry in content["results"]:
        seeds = entry["seeds"]
        endings = entry.get("endings", ["ok"] * len(seeds))
        found = Results({s: (e, "") for s, e in zip(seeds, endings, strict=True)})
        for name, values in entry["values"].items():
            metric = metrics[name := names.get(name, name)]
            pairs = zip(seeds, values, strict=True)
            found.values[name] = {s: _value(v, metric) for s, v in pairs if v != ""}
        results[entry["task"], entry["network"], entry["model"]] = found
    machine = dict(content["machine"])
    gemm = machine.pop("gemm_flops", None)
    rule = content["rule"]
    if rule not in RULES:
        raise ValueError(f"rule is {rule!r}, expected {' or '.join(RULES)}")
    return Side(
        str(path), "baseline", content["suite"], results, metrics, {fingerprint(machine): machine}, gemm, rule
    )


def _value(stored: Any, metric: Metric) -> Value:
    """A number, or in quotes the reason that there is none."""
    if isinstance(stored, str):
        return Value(None, metric.unit, metric.better, stored)
    return Value(float(stored), metric.unit, metric.better)


def known(value: Value | None) -> bool:
    """Whether there is a number; NaN is one: what the metric came to."""
    return value is not None and value.value is not None


def oriented(value: float, better: str) -> float:
    """`value` so that lower is better; what is no number is worse than all."""
    if math.isnan(value):
        return math.inf
    return -value if better == "higher" else value
