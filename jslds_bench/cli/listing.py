"""Text of `list` and `info`: read off the registries and the suites."""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from collections.abc import Sequence
from typing import Any

import tomlkit

from jslds_bench.entries.registry import Registry, nearest
from jslds_bench.errors import UsageError
from jslds_bench.records.numbers import counted
from jslds_bench.suite import Suite, grid, load_suite, registries, suite_names


def listed(kind: str, plugin_files: Sequence[str] = ()) -> list[list[str]]:
    """A table, its header first, with the name and one line about every entry of `kind`, or every suite."""
    if kind == "suites":
        return [["name", "what"], *([name, _size(load_suite(name))] for name in suite_names())]
    _load(plugin_files)
    registry = registries()[kind]
    if kind == "metrics":
        rows = [[name, *_unit(registry, name), _summary(registry, name)] for name in registry]
        return [["name", "unit", "better", "what"], *rows]
    return [["name", "what"], *([name, _summary(registry, name)] for name in registry)]


def described(name: str, plugin_files: Sequence[str] = ()) -> list[str]:
    """One description for every kind in which something is called `name`.

    Raises:
        UsageError: nothing is; the message suggests the nearest name.
    """
    _load(plugin_files)
    kinds = registries()
    found = [_entry(kinds, kind, name) for kind in kinds if name in kinds[kind]]
    if name in suite_names() or name.endswith(".toml"):
        found.append(_suite(load_suite(name)))
    if not found:
        known = sorted({*suite_names(), *(n for registry in kinds.values() for n in registry)})
        raise UsageError(f"nothing is called {name!r}{nearest(name, known)} (try: jslds-bench list)")
    return found


def _load(plugin_files: Sequence[str]) -> None:
    from jslds_bench.entries import plugins

    registries()
    for file in plugin_files:
        plugins.load(file)


def _summary(registry: Registry[Any], name: str) -> str:
    """The first line of an entry's docstring; of an entry point only what it is, since listing names none."""
    if name not in registry.registered():
        return f"from {registry.package(name)}; imported when it is named (try: jslds-bench info {name})"
    return (inspect.getdoc(registry.get(name)) or "").partition("\n")[0]


def _unit(registry: Registry[Any], name: str) -> tuple[str, str]:
    """A metric's unit and better direction; blanks for an entry point, which listing does not import."""
    if name not in registry.registered():
        return "", ""
    metric = registry.get(name)
    return metric.unit, metric.better


def _size(suite: Suite) -> str:
    sizes = {"task": suite.tasks, "network": suite.networks, "model": suite.models, "seed": suite.seeds}
    sizes = {what: items for what, items in sizes.items() if items}
    counts = [counted(len(items), what) for what, items in sizes.items()]
    return f"{' × '.join(counts)}: {counted(len(list(grid(suite))), 'job')}"


def _suite(suite: Suite) -> str:
    lines = [f"suite {suite.name} ({suite.where})", _size(suite), ""]
    for kind, entries in (("tasks", suite.tasks), ("networks", suite.networks), ("models", suite.models)):
        lines.append(f"{kind}: {', '.join(entry.label for entry in entries) or 'none (recorded data)'}")
    lines.append(f"seeds: {', '.join(map(str, suite.seeds))}")
    return "\n".join(lines)


def _entry(kinds: dict[str, Registry[Any]], kind: str, name: str) -> str:
    registry = kinds[kind]
    entry = registry.get(name)
    sections = [f"{registry.kind} {name}", inspect.getdoc(entry) or "", _parameters(entry)]
    if kind == "metrics":
        sections.insert(1, f"Unit: {entry.unit}. Better: {entry.better}.")
    if kind == "models":
        sections.append(_served(kinds, entry))
    return "\n\n".join(section for section in sections if section)


def _parameters(entry: type) -> str:
    fields = [f for f in dataclasses.fields(entry) if f.init]
    if not fields:
        return "Parameters: none"
    hints = typing.get_type_hints(entry)
    return "\n".join(["Parameters:", *(f"  {f.name}: {_type(hints[f.name])}{_default(f)}" for f in fields)])


def _type(hint: Any) -> str:
    """A type as suites see it: no None, since TOML has none, and choices in quotes."""
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return " or ".join(_type(option) for option in typing.get_args(hint) if option is not types.NoneType)
    if typing.get_origin(hint) is typing.Literal:
        return " | ".join(f'"{c}"' if isinstance(c, str) else str(c) for c in typing.get_args(hint))
    name = getattr(hint, "__name__", str(hint))
    return {"int": "integer", "float": "number", "str": "text", "bool": "true | false", "tuple": "list"}.get(
        name, name
    )


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default_factory is not dataclasses.MISSING:
        return f" = {tomlkit.item(field.default_factory()).as_string()}"
    if field.default is dataclasses.MISSING:
        return " (required)"
    return "" if field.default is None else f" = {tomlkit.item(field.default).as_string()}"


def _served(kinds: dict[str, Registry[Any]], entry: type) -> str:
    """Which settings and networks a model serves, at default parameters, and why not the others."""
    if _needs_parameters(entry):
        return ""
    from jslds_bench import settings

    lines = []
    known = [kinds["tasks"].get(name) for name in kinds["tasks"].registered()]
    for setting in settings.every():
        lines.append(f"Serves {setting.about}: {'yes' if setting.serves(entry) else 'no'}")
        if not (setting.needs_network and setting.serves(entry)):
            continue
        tasks = [made for task in known if not _needs_parameters(task) and setting.owns(made := task())]
        for name in kinds["networks"].registered():
            network = kinds["networks"].get(name)
            if _needs_parameters(network):
                lines.append(f"  {name}: depends on its parameters")
                continue
            reasons = [setting.why_unsupported(task, network(), entry()) for task in tasks]
            refusals = "; ".join(sorted({reason for reason in reasons if reason}))
            said = ("not always: " if None in reasons else "no: ") + refusals if refusals else "yes"
            lines.append(f"  {name}: {said}")
    return "\n".join(lines)


def _needs_parameters(entry: type) -> bool:
    missing = dataclasses.MISSING
    return any(
        f.init and f.default is missing and f.default_factory is missing for f in dataclasses.fields(entry)
    )
