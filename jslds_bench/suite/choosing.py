"""A suite made narrower or wider: chosen labels, other seeds, a data file, a plug-in's models."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
from collections.abc import Iterable, Sequence
from typing import Any

from jslds_bench.entries.foreign import Foreign
from jslds_bench.entries.registry import Registry, nearest
from jslds_bench.errors import BrokenPlugin, UsageError
from jslds_bench.suite.making import registries
from jslds_bench.suite.reading import grid
from jslds_bench.suite.toml import RESTRICTIONS, TABLES, Entry, Suite, check_seeds


def select(
    suite: Suite,
    tasks: Sequence[str] | None = None,
    networks: Sequence[str] | None = None,
    models: Sequence[str] | None = None,
    seeds: Iterable[int] | None = None,
) -> Suite:
    """The part of `suite` with these tasks, networks and models (by label, or else by name), and other seeds.

    Raises:
        UsageError: a word that the suite does not hold, a bad seed, one word in place of several, or nothing
            left to run.
    """
    kept: dict[str, Any] = {}
    excluding: list[str] = []
    for kind, words in zip(TABLES, (tasks, networks, models), strict=True):
        entries: tuple[Entry, ...] = getattr(suite, kind)
        if isinstance(words, str):
            raise UsageError(f"select: {kind} is {words!r}, expected labels in a list: {kind}=[{words!r}]")
        if words is not None:
            entries = _named(words, entries, f"{suite.where} has no {kind[:-1]}")
        asked = entries
        for to in RESTRICTIONS[kind]:
            entries = _pruned(entries, to, {e.label for e in kept.get(to, ())})
            excluding += _excluding(kind, asked, to, {e.label for e in kept.get(to, ())})
        kept[kind] = entries
        if getattr(suite, kind) and not entries:  # one that has no networks is of recordings
            raise UsageError(_no_job(suite, excluding if asked else []))
    chosen = dataclasses.replace(
        suite, seeds=suite.seeds if seeds is None else check_seeds(list(seeds), "--seeds"), **kept
    )
    if not any(grid(chosen)):
        raise UsageError(_no_job(suite, excluding))
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


def _no_job(suite: Suite, excluding: list[str], most: int = 3) -> str:
    reason = ", ".join(excluding[:most]) + (f" and {len(excluding) - most} more" if excluding[most:] else "")
    nothing = f"{suite.where}: the chosen tasks, networks and models leave no job to run"
    return f"{nothing}: in the suite {reason}" if reason else nothing


def _excluding(kind: str, entries: tuple[Entry, ...], to: str, labels: set[str]) -> list[str]:
    """In words the restrictions of `entries` that leave out some of `labels`."""
    return [
        f"{kind[:-1]} {entry.label!r} has {to} = {list(allowed)}"
        for entry in entries
        if (allowed := getattr(entry, to)) is not None and not labels <= set(allowed)
    ]


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


def with_plugin_models(suite: Suite, files: Iterable[str], foreign: Foreign | None = None) -> Suite:
    """`suite` with the models of plug-in files that it does not name, at their default parameters.

    A file that does not import has none.
    """
    modules, foreign = set(), foreign or Foreign()
    for file in files:
        with contextlib.suppress(BrokenPlugin):
            modules.add(foreign.plugin(file).__name__)
    registry = registries()["models"]
    known = {entry.name for entry in suite.models}
    more = [n for n in registry.registered() if registry.get(n).__module__ in modules and n not in known]
    return dataclasses.replace(suite, models=(*suite.models, *(Entry(name, name) for name in more)))


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
    """Whether the entry has a ``path``; one that is not there or does not import is `resolve`'s to tell."""
    try:
        return any(field.name == "path" for field in dataclasses.fields(registry.get(name)))
    except UsageError:
        return False


def united(suite: Suite, earlier: Suite | None) -> Suite:
    """What both suites ask for, in the order of `earlier`; where they differ in an entry, that of `suite`.

    An entry is restricted to what either restricts it to.
    """
    if earlier is None:
        return suite
    both: dict[str, Any] = {"seeds": tuple(sorted({*suite.seeds, *earlier.seeds}))}
    for kind in TABLES:
        entries = {entry.label: entry for entry in getattr(earlier, kind)}
        for entry in getattr(suite, kind):
            before = entries.get(entry.label, entry)
            limits = {to: _either(getattr(before, to), getattr(entry, to)) for to in RESTRICTIONS[kind]}
            entries[entry.label] = dataclasses.replace(entry, **limits)
        both[kind] = tuple(entries.values())
    both["plugins"] = tuple(dict.fromkeys([*earlier.plugins, *suite.plugins]))
    return dataclasses.replace(suite, **both)


def _either(one: tuple[str, ...] | None, other: tuple[str, ...] | None) -> tuple[str, ...] | None:
    return None if one is None or other is None else tuple(dict.fromkeys((*one, *other)))
