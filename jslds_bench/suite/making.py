"""The entries that a suite names: plug-ins imported, instances made, what each rests on and reads."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib
import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

from jslds_bench.entries import calls
from jslds_bench.entries import registry as registered
from jslds_bench.entries.foreign import Foreign
from jslds_bench.entries.registry import Registry
from jslds_bench.errors import BrokenPlugin, UsageError
from jslds_bench.suite.job import Part, sources_of
from jslds_bench.suite.toml import TABLES, Entry, Suite


@dataclasses.dataclass(frozen=True)
class MadeEntry:
    """An entry of the suite, made; `instance` is None, and `broken` says why, where its plug-in fails.

    Attributes:
        says: its origin and caption.
    """

    part: Part
    instance: Any
    broken: str | None
    modules: tuple[str, ...] = ()
    says: Mapping[str, str] = dataclasses.field(default_factory=dict)


def registries() -> dict[str, Registry[Any]]:
    """The registries, filled: "tasks", "networks", "cells", "models", "metrics". Imports JAX."""
    names = ("tasks", "networks", "cells", "models", "metrics")
    for module in names:
        importlib.import_module(f"jslds_bench.{module}")
    return {name: getattr(registered, name.upper()) for name in names}


def load_plugins(files: Iterable[str], foreign: Foreign | None = None) -> list[str]:
    """Imports plug-in files; what is wrong with those that do not import.

    Raises:
        UsageError: there is no such file.
    """
    return loaded(files, foreign or Foreign())[1]


def loaded(files: Iterable[str], foreign: Foreign) -> tuple[dict[str, str], list[str]]:
    """By module the files that import, and what is wrong with the others."""
    modules, failures = {}, []
    for file in files:
        try:
            modules[foreign.plugin(file).__name__] = file
        except BrokenPlugin as error:
            failures.append(str(error))
    return modules, failures


def with_recipe(
    suite: Suite, registry: Mapping[str, Registry[Any]], failures: list[str], foreign: Foreign
) -> Suite:
    """`suite` with its recipe as a parameter of all entries that take one and do not say their own."""
    if suite.recipe is None:
        return suite

    def given(kind: str, entry: Entry) -> Entry:
        subject = f"{registry[kind].kind} {entry.label!r}"
        try:
            get = functools.partial(registry[kind].get, entry.name)
            fields = {f.name for f in dataclasses.fields(foreign(subject, "be imported", get))}
        except UsageError:  # told where the entry is made
            return entry
        if "recipe" not in fields or "recipe" in entry.parameters:
            return entry
        entry = dataclasses.replace(entry, parameters={**entry.parameters, "recipe": suite.recipe})
        if not _lost_cell(entry, failures):
            where, make = f"{suite.where}: recipe", registry[kind].make
            made = functools.partial(_located, where, make, entry.name, entry.parameters)
            with contextlib.suppress(BrokenPlugin):  # of its cell: told where the entry is made
                foreign(subject, "be made", made)
        return entry

    changed: dict[str, Any] = {k: tuple(given(k, e) for e in getattr(suite, k)) for k in TABLES}
    return dataclasses.replace(suite, **changed)


def _located(where: str, check: Any, *args: Any) -> Any:
    try:
        return check(*args)
    except BrokenPlugin:
        raise
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from error


def made_entry(
    suite: Suite, registry: Registry[Any], entry: Entry, failures: list[str], foreign: Foreign
) -> MadeEntry:
    place = f"{suite.where}: {entry.place or entry.label}"
    file = entry.parameters.get("path")

    def make() -> MadeEntry:
        made = _located(place, registry.make, entry.name, entry.parameters)
        part = Part(entry.name, entry.label, dataclasses.asdict(made))
        says = {name: str(getattr(made, name, "")) for name in ("origin", "caption")}
        return MadeEntry(part, made, None, (type(made).__module__, *_cell_modules(made)), says)

    try:
        if failures and entry.name not in registry:
            raise BrokenPlugin(f"{registry.kind} {entry.name!r} is not there: {'; '.join(failures)}")
        if lost := _lost_cell(entry, failures):
            raise BrokenPlugin(lost)
        made = foreign(f"{registry.kind} {entry.label!r}", "be made", make)
        if isinstance(file, str) and not os.path.exists(file):
            raise UsageError(f"{place}: path: no file at {file} (relative paths start at the suite's folder)")
    except BrokenPlugin as error:
        return MadeEntry(Part(entry.name, entry.label, entry.parameters), None, str(error))
    try:
        json.dumps(made.part.parameters)  # as workers are told them
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"{place}: the parameters of {registry.kind} {entry.name!r} must be numbers, texts, booleans or "
            f"tuples ({error})"
        ) from error
    return made


def with_sources(kind: str, entry: MadeEntry, foreign: Foreign) -> MadeEntry:
    """`entry` with what it reads.

    Raises:
        UsageError: such a file was not named, or cannot be read.
    """
    ask = functools.partial(sources_of, entry.instance)
    try:
        sources = foreign(f"{kind} {entry.part.label!r}", "say what it reads", ask)
        return dataclasses.replace(entry, part=dataclasses.replace(entry.part, sources=sources))
    except BrokenPlugin as error:
        return dataclasses.replace(entry, instance=None, broken=str(error))


def _cell_modules(made: Any) -> tuple[str, ...]:
    """The modules of the cells that an entry names: by its `cell`, or by its reference set-up's."""
    named = (getattr(made, "cell", None), getattr(getattr(made, "setup", None), "cell", None))
    names = dict.fromkeys(calls.name_in(name) for name in named if isinstance(name, str))
    return tuple(registered.CELLS.get(name).__module__ for name in names if name in registered.CELLS)


def _lost_cell(entry: Entry, failures: list[str]) -> str | None:
    """Why there is no cell that the entry names, where plug-ins do not import: one of them may have it."""
    name = entry.parameters.get("cell")
    if not failures or not isinstance(name, str) or calls.name_in(name) in registered.CELLS:
        return None
    return f"cell {name!r} is not there: {'; '.join(failures)}"


def check_metrics(suite: Suite, registry: Registry[Any], failures: list[str], foreign: Foreign) -> None:
    for name in suite.metrics or ():
        if failures and name not in registry:
            continue  # its plug-in does not import: the records say so
        with contextlib.suppress(BrokenPlugin):
            get = functools.partial(_located, f"{suite.where}: metrics", registry.get, name)
            foreign(f"metric {name!r}", "be imported", get)


def metrics_of(
    suite: Suite, setting: str, registry: Registry[Any], complaints: list[str], foreign: Foreign
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The metrics of a setting, and the modules that hold them; none where there is no setting.

    `complaints` gets what is wrong with those that cannot say what they read.
    """
    from jslds_bench.settings import of
    from jslds_bench.types.networks import reads

    if not setting:
        return (), ()
    names = suite.metrics
    if names is None:
        kept = []
        for name in registry.registered():
            try:
                ask = functools.partial(reads, registry.get(name), of(setting).evaluation)
                if foreign(f"metric {name!r}", "say what it reads", ask):
                    kept.append(name)
            except BrokenPlugin as error:
                complaints.append(str(error))
        names = tuple(kept)
    return names, tuple(registry.get(n).__module__ for n in names if n in registry.registered())
