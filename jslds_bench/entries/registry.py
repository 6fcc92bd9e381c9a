"""Registries of the benchmark's entries: register by decorator, look up by name, suggest near names.

An entry is a frozen dataclass: its fields are its parameters, their defaults the reference values, so
that a suite's ``key = value`` lines can be validated before anything runs.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from jslds_bench.entries.options import unswitched
from jslds_bench.entries.parameters import checked, nearest
from jslds_bench.errors import BrokenPlugin, UsageError

T = TypeVar("T")
C = TypeVar("C")


class Registry(Generic[T]):
    """Named entry classes of one kind (tasks, networks, cells, models or metrics).

    Entries come from this package, from entry points of the group ``jslds_bench.<kind>s``, and from
    plug-in files that the user names. An entry point is imported only when its name is asked for.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, Any] = {}

    def register(self, name: str) -> Callable[[type[C]], type[C]]:
        """Class decorator: make the dataclass available as `name`; a second entry of a name is refused."""

        def add(entry: type[C]) -> type[C]:
            if name in self._entries and self._entries[name] is not entry:
                raise UsageError(
                    f"{self.kind} {name!r} is registered twice (by {self._entries[name].__module__} "
                    f"and {entry.__module__}): rename one of them"
                )
            if not dataclasses.is_dataclass(entry):
                raise UsageError(
                    f"{self.kind} {name!r} must be a dataclass, so that its fields are its parameters"
                )
            entry.name = name  # type: ignore[attr-defined]
            self._entries[name] = entry
            return entry

        return add

    def names(self) -> list[str]:
        """All registered names, in alphabetical order."""
        return sorted({*self._entries, *self.installed()})

    def registered(self) -> list[str]:
        """The names whose entries have been imported: all but the entry points that nobody has named."""
        return sorted(self._entries)

    def package(self, name: str) -> str:
        """Where the entry point `name` points to."""
        return self.installed()[name].value

    def forget(self, module: str) -> None:
        """Drops the entries of a module, one that failed half-way through its import."""
        self._entries = {n: e for n, e in self._entries.items() if e.__module__ != module}

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __contains__(self, name: object) -> bool:
        return name in self.names()

    def get(self, name: str) -> type[T]:
        """The entry class called `name`.

        Raises:
            UsageError: no such name (the message suggests the nearest).
            BrokenPlugin: it belongs to a package that does not import.
        """
        if name not in self._entries and name in (points := self.installed()):
            try:
                with unswitched():
                    entry = points[name].load()
                self.register(name)(entry)
            except UsageError:
                raise
            except (Exception, SystemExit) as error:
                raise BrokenPlugin(
                    f"{self.kind} {name!r} of package {points[name].value!r} could not be imported: "
                    + " ".join(f"{type(error).__name__}: {error}".split())
                ) from error
        if name not in self._entries:
            raise UsageError(
                f"unknown {self.kind} {name!r}{nearest(name, self.names())} "
                f"(known: {', '.join(self.names())})"
            )
        return self._entries[name]

    def make(self, name: str, parameters: Mapping[str, Any]) -> T:
        """An instance of entry `name` with `parameters`, each checked for name and type.

        Raises:
            UsageError: an unknown parameter, a value of the wrong type, or one that the entry refuses.
        """
        entry = self.get(name)
        known = {f.name: f for f in dataclasses.fields(entry) if f.init}  # type: ignore[arg-type]
        hints = typing.get_type_hints(entry) if parameters else {}
        values = {}
        for key, value in parameters.items():
            if key not in known:
                raise UsageError(
                    f"{self.kind} {name!r} has no parameter {key!r}{nearest(key, list(known))} "
                    f"(it has: {', '.join(known) or 'none'})"
                )
            values[key] = checked(value, hints[key], f"parameter {key!r} of {self.kind} {name!r}")
        try:
            return entry(**values)
        except TypeError as error:
            missing = [
                k
                for k, f in known.items()
                if k not in values
                and f.default is dataclasses.MISSING
                and f.default_factory is dataclasses.MISSING
            ]
            raise UsageError(f"{self.kind} {name!r} needs {', '.join(missing) or error}") from error

    def installed(self) -> dict[str, importlib.metadata.EntryPoint]:
        """The entry points of installed packages, by name."""
        return {e.name: e for e in importlib.metadata.entry_points(group=f"jslds_bench.{self.kind}s")}


TASKS: Registry[Any] = Registry("task")
NETWORKS: Registry[Any] = Registry("network")
CELLS: Registry[Any] = Registry("cell")
MODELS: Registry[Any] = Registry("model")
METRICS: Registry[Any] = Registry("metric")
