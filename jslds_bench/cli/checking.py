"""`check` as lines: the findings on an entry of every kind that has its name."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from jslds_bench import contract
from jslds_bench.entries import plugins
from jslds_bench.entries.registry import nearest
from jslds_bench.errors import BrokenPlugin, UsageError
from jslds_bench.records.numbers import counted
from jslds_bench.runner.progress import ProgressBoard
from jslds_bench.suite import registries


def check_lines(
    name: str, plugin_files: Sequence[str], quiet: bool, settings: Sequence[str] = ()
) -> tuple[list[str], bool]:
    """What there is to say about the entry called `name`, and whether it keeps its contract.

    Args:
        settings: parameters that it is checked with, as in ``n_state=8``.

    Raises:
        UsageError: no such plug-in file, nothing has that name, or it does not take the parameters.
    """
    parameters = dict(_setting(text) for text in settings)
    registries()  # first: what a plug-in switches is seen where JAX is set up
    try:
        for file in plugin_files:
            plugins.load(file)
        kinds = _kinds_of(name, plugin_files)
    except BrokenPlugin as error:
        return [str(error), _sum(name, 1)], False
    lines: list[str] = []
    n_findings = 0
    for kind in kinds:
        outcome = _watched(kind, name, quiet, parameters)
        n_findings += len(outcome.findings)
        lines += [str(finding) for finding in outcome.findings] + [f"({note})" for note in outcome.notes]
        if not outcome.findings:
            lines.append(f"{name} keeps the contract of a {kind[:-1]} ({counted(outcome.n_rules, 'check')})")
    return [*lines, _sum(name, n_findings)] if n_findings else lines, not n_findings


def _kinds_of(name: str, plugin_files: Sequence[str]) -> list[str]:
    """The kinds that have an entry called `name`, imported; `plugin_files` are imported already."""
    known = registries()
    kinds = [kind for kind, registry in known.items() if name in registry]
    if not kinds:
        near = nearest(name, sorted({n for registry in known.values() for n in registry}))
        by_file = {file: plugins.entries_of(plugins.load(file).__name__) for file in plugin_files}
        if empty := [file for file, entries in by_file.items() if not entries]:
            raise UsageError(
                f"nothing is called {name!r}{near}; {', '.join(empty)} registers nothing of its own: put "
                f"@MODELS.register({name!r}), or that of another kind, above its class"
            )
        held = "; ".join(f"{file} registers {', '.join(entries)}" for file, entries in by_file.items())
        raise UsageError(f"nothing is called {name!r}{near} ({held or 'a file needs --plugin FILE'})")
    for kind in kinds:
        known[kind].get(name)
    return kinds


def _setting(text: str) -> tuple[str, Any]:
    """Key and value of ``key=value``: the value as in TOML, else as text; UsageError for another form."""
    key, equals, value = (part.strip() for part in text.partition("="))
    if not key or not equals:
        raise UsageError(f"--set {text!r}: expected key=value, as in --set n_state=8")
    try:
        read = tomllib.loads(f"value = {value}")
    except tomllib.TOMLDecodeError:
        return key, value
    return key, read["value"] if len(read) == 1 else value


def _watched(kind: str, name: str, quiet: bool, parameters: Mapping[str, Any]) -> contract.Outcome:
    board = ProgressBoard(quiet=quiet)

    def show(done: int, total: int, text: str) -> None:
        board.stage(0, (kind[:-1], name, 0), done, total, text)

    try:
        return contract.check(kind, name, show, parameters=parameters)
    finally:
        board.close()


def _sum(name: str, n: int) -> str:
    return f"{name}: {counted(n, 'finding')}"
