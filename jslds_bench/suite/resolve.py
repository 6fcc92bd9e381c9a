"""Suites: TOML files that name tasks, networks, models, metrics and seeds, checked and expanded to jobs.

Reading checks everything that the file alone decides (`suite_toml`); `validate` checks the names and
parameters against the registries, which imports the entries and so JAX.
"""

from __future__ import annotations

import dataclasses
import importlib
import os
import re
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from jslds_bench.entries.registry import Registry, nearest
from jslds_bench.errors import BrokenPlugin, UsageError
from jslds_bench.suite.toml import KINDS, RESTRICTIONS, Entry, Suite, check_seeds, dump, parse, shown

__all__ = [
    "Entry",
    "Job",
    "Suite",
    "broken",
    "check_seeds",
    "dump",
    "jobs",
    "load_plugins",
    "load_suite",
    "parse_seeds",
    "registries",
    "select",
    "suite_names",
    "unsupported",
    "validate",
    "with_data",
]


@dataclasses.dataclass(frozen=True)
class Job:
    """One cell of the grid: what becomes one record."""

    suite: str
    task: Entry
    network: Entry
    model: Entry
    seed: int
    n_trials: int
    metrics: tuple[str, ...] | None

    @property
    def key(self) -> tuple[str, str, str, int]:
        return (self.task.label, self.network.label, self.model.label, self.seed)


DATA = Entry("data", "data")
"""Stands for the network of jobs that have none: their task is recorded data."""


def suite_folder() -> Path:
    """Where the package's own suites are: inside it in a wheel, beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    return inside if (inside := package / "_suites").is_dir() else package.parent / "suites"


def suite_names() -> list[str]:
    """The names of the package's own suites."""
    return sorted(path.stem for path in suite_folder().glob("*.toml"))


def load_suite(name_or_path: str | Path) -> Suite:
    """The suite of that name, or in that file; checked as far as the file alone allows.

    Raises:
        UsageError: no such suite, not TOML, or something in it is wrong; the message says where.
    """
    text = str(name_or_path)
    if text in suite_names():
        path = suite_folder() / f"{text}.toml"
    elif "/" in text or text.endswith(".toml") or os.path.isfile(text):
        path = Path(os.path.abspath(os.path.expanduser(text)))
    else:
        known = suite_names()
        raise UsageError(
            f"unknown suite {text!r}{nearest(text, known)} "
            f"(known: {', '.join(known) or 'none'}; or give the path of a .toml file)"
        )
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(
            f"no suite file at {shown(path)} (or name one of: {', '.join(suite_names())})"
        ) from None
    except OSError as error:
        raise UsageError(f"suite file {shown(path)} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{shown(path)}: not UTF-8 text (byte {error.start}); a suite is a TOML file"
        ) from None
    except (ValueError, RecursionError) as error:  # the latter two: huge integers, absurd nesting
        raise UsageError(f"{shown(path)}: not valid TOML: {error}") from None
    suite = parse(content, path)
    if not jobs(suite):
        raise UsageError(f"{suite.where}: leaves no job to run: its restrictions exclude each other")
    return suite


def jobs(suite: Suite) -> list[Job]:
    """The grid of `suite` in running order: by task, network, seed, model."""
    return [
        Job(suite.name, task, network, model, seed, suite.n_trials, suite.metrics)
        for task in suite.tasks
        for network in suite.networks or (DATA,)
        if network.tasks is None or task.label in network.tasks
        for seed in suite.seeds
        for model in suite.models
        if (model.tasks is None or task.label in model.tasks)
        and (model.networks is None or network.label in model.networks)
    ]


def registries() -> dict[str, Registry[Any]]:
    """The four registries, filled: "tasks", "networks", "models", "metrics". Imports JAX."""
    for module in ("tasks", "networks", "models", "metrics"):
        importlib.import_module(f"jslds_bench.{module}")
    from jslds_bench.entries.registry import METRICS, MODELS, NETWORKS, TASKS

    return {"tasks": TASKS, "networks": NETWORKS, "models": MODELS, "metrics": METRICS}


def validate(suite: Suite) -> Suite:
    """`suite`, all its names and parameters known good, its recipe given to the networks that take one.

    An entry whose plug-in does not import is kept, and says so in `broken`: the others can be run.

    Raises:
        UsageError: an unknown name, label or parameter, a value that an entry refuses, or no such file.
    """
    registry, failures = registries(), load_plugins(suite.plugins)
    for metric in suite.metrics or ():
        _broken(
            failures, f"{suite.where}: metrics", registry["metrics"], metric, registry["metrics"].get, metric
        )
    for kind in KINDS:
        checked = []
        for entry in getattr(suite, kind):
            place = f"{suite.where}: {entry.place or entry.label}"
            make = registry[kind].make
            why = _broken(failures, place, registry[kind], entry.name, make, entry.name, entry.parameters)
            file = entry.parameters.get("path")
            if isinstance(file, str) and not os.path.exists(file):
                raise UsageError(
                    f"{place}: path: no file at {file} (relative paths start at the suite's folder)"
                )
            checked.append(dataclasses.replace(entry, broken=why))
        changed: dict[str, Any] = {kind: tuple(checked)}
        suite = dataclasses.replace(suite, **changed)
    _check_tasks(suite, registry["tasks"])
    return dataclasses.replace(suite, networks=_with_recipe(suite, registry["networks"]))


def with_data(suite: Suite, data: str) -> Suite:
    """`suite` with the file `data` as the ``path`` of every task that reads one; plug-ins are loaded before.

    Raises:
        UsageError: there is no such file, or no task reads one.
    """
    path = os.path.abspath(os.path.expanduser(data))
    if not os.path.isfile(path):
        raise UsageError(
            f"--data {data}: {'is a folder, name a file' if os.path.isdir(path) else 'no such file'}"
        )
    registry = registries()["tasks"]
    readers = {name for name in {task.name for task in suite.tasks} if _reads_file(registry, name)}
    if not readers:
        raise UsageError(f"--data {data}: no task of {suite.where} reads a file")
    tasks = tuple(
        dataclasses.replace(task, parameters={**task.parameters, "path": path})
        if task.name in readers
        else task
        for task in suite.tasks
    )
    return dataclasses.replace(suite, tasks=tasks)


def _reads_file(registry: Registry[Any], name: str) -> bool:
    """Whether the entry has a ``path``; one that is not there or does not import is `validate`'s to tell."""
    try:
        return any(field.name == "path" for field in dataclasses.fields(registry.get(name)))
    except UsageError:
        return False


def _check_tasks(suite: Suite, registry: Registry[Any]) -> None:
    """Recorded data is for suites without networks, and other tasks for suites with them."""
    from jslds_bench.types.recordings import RecordedTask
    from jslds_bench.types.spikes import SpikeTask

    for entry in suite.tasks:
        if entry.broken is not None:
            continue
        recorded = isinstance(registry.make(entry.name, entry.parameters), RecordedTask | SpikeTask)
        if recorded and suite.networks:
            raise UsageError(
                f"{suite.where}: {entry.place or entry.label}: {entry.name!r} is recorded data and needs no "
                "network: move it to a suite without [[networks]]"
            )
        if not recorded and not suite.networks:
            raise UsageError(
                f"{suite.where}: {entry.place or entry.label}: {entry.name!r} needs a network: "
                "add a [[networks]] table"
            )


def load_plugins(files: Iterable[str]) -> list[str]:
    """Imports plug-in files; what is wrong with those that do not import.

    Raises:
        UsageError: there is no such file.
    """
    from jslds_bench.entries import plugins

    failures = []
    for file in files:
        try:
            plugins.load(file)
        except BrokenPlugin as error:
            failures.append(str(error))
    return failures


def broken(job: Job) -> str | None:
    """Why one of the job's entries cannot be made, or None."""
    return next((e.broken for e in (job.task, job.network, job.model) if e.broken), None)


def _broken(
    failures: list[str], where: str, registry: Registry[Any], name: str, check: Any, *args: Any
) -> str | None:
    """Why a plug-in's entry `name` cannot be had, or None; UsageError where the suite itself is wrong."""
    if failures and name not in registry:
        return f"{registry.kind} {name!r} is not there: {'; '.join(failures)}"
    try:
        _located(where, check, *args)
    except BrokenPlugin as error:
        return str(error)
    return None


def _with_recipe(suite: Suite, registry: Registry[Any]) -> tuple[Entry, ...]:
    if suite.recipe is None:
        return suite.networks
    networks = []
    for entry in suite.networks:
        if entry.broken is not None:
            networks.append(entry)
            continue
        fields = {f.name for f in dataclasses.fields(registry.get(entry.name))}
        if "recipe" in fields and "recipe" not in entry.parameters:
            entry = dataclasses.replace(entry, parameters={**entry.parameters, "recipe": suite.recipe})
            _located(f"{suite.where}: recipe", registry.make, entry.name, entry.parameters)
        networks.append(entry)
    return tuple(networks)


def unsupported(job: Job) -> str | None:
    """Why the job's model cannot serve its task and network, or None; needs no training."""
    from jslds_bench.types.recordings import FitsRecordings
    from jslds_bench.types.spikes import FitsSpikes, SpikeTask

    registry = registries()
    task, model = (
        registry[kind].make(entry.name, entry.parameters)
        for kind, entry in (("tasks", job.task), ("models", job.model))
    )
    if isinstance(task, SpikeTask):
        return None if isinstance(model, FitsSpikes) else "it describes networks or recordings, not spikes"
    if job.network is DATA:
        return (
            None
            if isinstance(model, FitsRecordings)
            else f"it describes {'networks' if hasattr(model, 'fit') else 'spikes'}, not recorded data"
        )
    return model.unsupported(task, registry["networks"].make(job.network.name, job.network.parameters))


def select(
    suite: Suite,
    tasks: Sequence[str] | None = None,
    networks: Sequence[str] | None = None,
    models: Sequence[str] | None = None,
    seeds: Iterable[int] | None = None,
) -> Suite:
    """The part of `suite` with these tasks, networks and models (by label, or else by name), and other seeds.

    Raises:
        UsageError: a word that the suite does not hold, a bad seed, or nothing left to run.
    """
    kept: dict[str, Any] = {}
    for kind, words in zip(KINDS, (tasks, networks, models), strict=True):
        entries: tuple[Entry, ...] = getattr(suite, kind)
        if words is not None:
            entries = _named(words, entries, f"{suite.where} has no {kind[:-1]}")
        for to in RESTRICTIONS[kind]:
            entries = _pruned(entries, to, {e.label for e in kept.get(to, ())})
        kept[kind] = entries
    chosen = dataclasses.replace(
        suite, seeds=suite.seeds if seeds is None else check_seeds(list(seeds), "--seeds"), **kept
    )
    if not jobs(chosen):
        raise UsageError(f"{suite.where}: the chosen tasks, networks and models leave no job to run")
    return chosen


def _named(words: Sequence[str], entries: tuple[Entry, ...], complaint: str) -> tuple[Entry, ...]:
    """The entries that `words` mean: a label that entry alone, another word all entries of that name."""
    labels = {e.label for e in entries}
    known = labels | {e.name for e in entries}
    for word in words:
        if word not in known:
            raise UsageError(
                f"{complaint} {word!r}{nearest(word, sorted(known))} "
                f"(it has: {', '.join(e.label for e in entries)})"
            )
    return tuple(e for e in entries if e.label in words or (e.name in words and e.name not in labels))


def _pruned(entries: tuple[Entry, ...], to: str, labels: set[str]) -> tuple[Entry, ...]:
    """`entries` with their restriction `to` cut down to `labels`; without those that have nothing left."""
    result = []
    for entry in entries:
        if (allowed := getattr(entry, to)) is not None:
            left: dict[str, Any] = {to: tuple(x for x in allowed if x in labels)}
            entry = dataclasses.replace(entry, **left)
        if getattr(entry, to) != ():
            result.append(entry)
    return tuple(result)


def parse_seeds(text: str) -> list[int]:
    """The seeds that ``0,1,2`` or ``0-9`` or a mixture stands for."""
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,10})\s*(?:-\s*(\d{1,10})\s*)?", part, re.ASCII)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if last < first or last - first >= 10_000:
            raise UsageError(f"--seeds {text!r}: {part.strip()!r} is no seed or range; write 0,1,2 or 0-9")
        seeds.extend(range(first, last + 1))
    return list(check_seeds(seeds, "--seeds"))


def _located(where: str, check: Any, *args: Any) -> Any:
    try:
        return check(*args)
    except BrokenPlugin:
        raise
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from error
