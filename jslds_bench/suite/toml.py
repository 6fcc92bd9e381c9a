"""The TOML grammar of suites: text → Suite and back, with every check that needs no registry."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import tomlkit

from jslds_bench.entries.registry import nearest
from jslds_bench.errors import UsageError
from jslds_bench.records.store import slug

SCHEMA = 1
MAX_SEED = 2**32 - 1
MOST_TRIALS = 10**6
TABLES = ("tasks", "networks", "models")
KEYS = ("schema", "name", "seeds", "metrics", "n_trials", "plugins", "recipe", *TABLES)
RESTRICTIONS = {"tasks": (), "networks": ("tasks",), "models": ("networks", "tasks")}


@dataclasses.dataclass(frozen=True)
class Entry:
    """One ``[[tasks]]``, ``[[networks]]`` or ``[[models]]`` table of a suite.

    Attributes:
        name: the registry name.
        label: what records and tables call it.
        parameters: the remaining keys; a relative ``path`` has been resolved.
        networks, tasks: labels that it is restricted to; None: all.
        place: where it stands in its file, for messages.
    """

    name: str
    label: str
    parameters: dict[str, Any] = dataclasses.field(default_factory=dict)
    networks: tuple[str, ...] | None = None
    tasks: tuple[str, ...] | None = None
    place: str = dataclasses.field(default="", compare=False, repr=False)


@dataclasses.dataclass(frozen=True)
class Suite:
    """What to run: every model on every network on every task for every seed, less the restrictions.

    Attributes:
        networks: empty where the tasks are recorded data, which models are fitted to directly.
        n_trials: evaluation trials per task and seed.
        metrics: names; None: all that apply.
        plugins: absolute paths of plug-in files, loaded by `resolve`.
        recipe: the training recipe of networks that take one and do not say their own.
        path: the file that it was read from.
    """

    name: str
    seeds: tuple[int, ...]
    tasks: tuple[Entry, ...]
    networks: tuple[Entry, ...]
    models: tuple[Entry, ...]
    metrics: tuple[str, ...] | None = None
    n_trials: int = 1024
    plugins: tuple[str, ...] = ()
    recipe: str | None = None
    path: Path | None = dataclasses.field(default=None, compare=False)

    @property
    def where(self) -> str:
        """How messages call this suite: its file, from here where that is shorter."""
        return f"suite {self.name!r}" if self.path is None else shown(self.path)


def parse(content: Mapping[str, Any], path: Path) -> Suite:
    """The suite that parsed TOML `content` describes; relative paths in it start at the folder of `path`."""
    where = shown(path)
    if content.get("schema") != SCHEMA:
        got = f"schema = {shortened(content['schema'])}" if "schema" in content else "no schema"
        raise UsageError(
            f"{where}: has {got}, this version reads schema = {SCHEMA}: "
            f"write `schema = {SCHEMA}` at the top, or use the version that the file was written for"
        )
    for key in content:
        if key not in KEYS:
            raise UsageError(
                f"{where}: unknown key {key!r}{nearest(key, list(KEYS))} (known: {', '.join(KEYS)})"
            )
    for key in ("name", "seeds", "tasks", "models"):
        if key not in content:
            example = f"a [[{key}]] table" if key in TABLES else f"`{key} = …`"
            raise UsageError(f"{where}: {key!r} is missing: add {example}")
    plugins = _texts(content["plugins"], f"{where}: plugins") if "plugins" in content else ()
    suite = Suite(
        name=_text(content["name"], f"{where}: name"),
        seeds=check_seeds(content["seeds"], where),
        metrics=_texts(content["metrics"], f"{where}: metrics") if "metrics" in content else None,
        n_trials=_positive(content.get("n_trials", 1024), f"{where}: n_trials", MOST_TRIALS),
        plugins=tuple(_resolved(plugin, path, f"{where}: plugins") for plugin in plugins),
        recipe=_text(content["recipe"], f"{where}: recipe") if "recipe" in content else None,
        path=path,
        **{kind: _entries(content[kind], kind, path) if kind in content else () for kind in TABLES},
    )
    for kind, restrictions in RESTRICTIONS.items():
        for entry in getattr(suite, kind):
            for to in restrictions:
                _check_labels(getattr(entry, to) or (), getattr(suite, to), f"{where}: {entry.place}: {to}")
    return suite


def dump(suite: Suite) -> str:
    """`suite` as TOML text that loads to an equal suite, wherever the text is kept."""
    # Read rather than built: tomlkit adds to an array in a time that grows with its length.
    seeds = tomlkit.value(str(list(suite.seeds)))
    content = {"schema": SCHEMA, "name": suite.name, "seeds": seeds, "n_trials": suite.n_trials}
    content |= {key: given for key in ("metrics", "plugins", "recipe") if (given := getattr(suite, key))}
    for kind, restrictions in RESTRICTIONS.items():
        tables = []
        for entry in getattr(suite, kind):
            label = {"label": entry.label} if entry.label != entry.name else {}
            limits = {to: given for to in restrictions if (given := getattr(entry, to)) is not None}
            tables.append({"name": entry.name, **label, **limits, **entry.parameters})
        content |= {kind: tables} if tables else {}
    return tomlkit.dumps(content)


def _entries(tables: Any, kind: str, path: Path) -> tuple[Entry, ...]:
    where = shown(path)
    if not isinstance(tables, list) or not tables or not all(isinstance(t, dict) for t in tables):
        raise UsageError(f"{where}: {kind} must be one or more [[{kind}]] tables, with a `name` each")
    entries: dict[str, Entry] = {}
    for number, table in enumerate(tables, start=1):
        entry = _entry(table, kind, f"[[{kind}]] {number}", path)
        # Some file systems ignore case, and labels become file names.
        if (other := entries.get(entry.label.casefold())) is not None:
            raise UsageError(
                f"{where}: {entry.place} and {other.place} are both called {entry.label!r}: "
                "give one of them another `label`"
            )
        entries[entry.label.casefold()] = entry
    return tuple(entries.values())


def _entry(table: dict[str, Any], kind: str, place: str, path: Path) -> Entry:
    where = f"{shown(path)}: {place}"
    if "name" not in table:
        raise UsageError(f"{where}: `name` is missing: say which of the registered {kind} it is")
    parameters = dict(table)
    name = _text(parameters.pop("name"), f"{where}: name")
    label = _text(parameters.pop("label", name), f"{where}: label")
    if len(slug(label)) > 200:
        raise UsageError(f"{where}: label is too long for a file name ({len(label)} characters): shorten it")
    limits: dict[str, Any] = {
        to: _texts(parameters.pop(to), f"{where}: {to}") for to in RESTRICTIONS[kind] if to in parameters
    }
    for key, value in parameters.items():
        if not _plain(value):
            raise UsageError(
                f"{where}: {key} is {value}: dates and times are no parameters; quote it if it is text"
            )
    if isinstance(parameters.get("path"), str):
        parameters["path"] = _resolved(parameters["path"], path, f"{where}: path")
    return Entry(name, label, parameters, place=place, **limits)


def _plain(value: Any) -> bool:
    if isinstance(value, dict | list):
        return all(_plain(v) for v in (value.values() if isinstance(value, dict) else value))
    return isinstance(value, str | bool | int | float)


def _check_labels(words: Iterable[str], entries: tuple[Entry, ...], where: str) -> None:
    labels = [e.label for e in entries]
    for word in words:
        if word not in labels:
            raise UsageError(
                f"{where}: no label {shortened(word)}{nearest(word, labels)} (the suite has: "
                f"{', '.join(labels)})"
            )


def check_seeds(seeds: Any, where: str) -> tuple[int, ...]:
    """`seeds` as a tuple, if it is a list of distinct integers that JAX takes as seeds; UsageError if not."""
    expected = f"expected a list of distinct integers from 0 to {MAX_SEED}, as in `seeds = [0, 1, 2]`"
    if not isinstance(seeds, list) or not seeds:
        raise UsageError(f"{where}: seeds is {shortened(seeds)}, {expected}")
    seen: set[int] = set()
    for seed in seeds:
        if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed <= MAX_SEED:
            raise UsageError(f"{where}: seeds holds {shortened(seed)}, {expected}")
        if seed in seen:
            raise UsageError(f"{where}: seeds holds {seed} twice, {expected}")
        seen.add(seed)
    return tuple(seeds)


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise UsageError(f"{where} is {shortened(value)}, expected a line of text in quotes")
    return value


def _texts(values: Any, where: str) -> tuple[str, ...]:
    if not isinstance(values, list) or not values or not all(isinstance(v, str) for v in values):
        raise UsageError(f'{where} is {shortened(values)}, expected a list of texts, as in ["a", "b"]')
    if twice := [v for i, v in enumerate(values) if v in values[:i]]:
        raise UsageError(f"{where} holds {twice[0]!r} twice: leave one out")
    return tuple(values)


def _positive(value: Any, where: str, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise UsageError(f"{where} is {shortened(value)}, expected a whole number from 1 to {most:,}")
    return value


def shortened(value: Any) -> str:
    """`value` as messages quote it: a file may hold numbers and texts of any length."""
    try:
        text = repr(value)
    except ValueError:  # an integer of more digits than Python writes
        return "a number of thousands of digits"
    return text if len(text) <= 80 else f"{text[:77]}..."


def _resolved(text: str, suite_path: Path, where: str) -> str:
    if not text or "\0" in text:
        raise UsageError(f"{where} is {text!r}, expected the path of a file")
    return os.path.abspath(suite_path.absolute().parent / os.path.expanduser(text))


def shown(path: Path) -> str:
    path = path.absolute()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
