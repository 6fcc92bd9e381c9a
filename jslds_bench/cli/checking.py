"""`check` as lines: the findings on an entry of every kind that has its name."""

from __future__ import annotations

from collections.abc import Sequence

from jslds_bench import contract
from jslds_bench.entries import plugins
from jslds_bench.entries.registry import nearest
from jslds_bench.errors import BrokenPlugin, UsageError
from jslds_bench.runner.progress import ProgressBoard
from jslds_bench.suite import registries


def check_lines(name: str, plugin_files: Sequence[str], quiet: bool) -> tuple[list[str], bool]:
    """What there is to say about the entry called `name`, and whether it keeps its contract.

    Raises:
        UsageError: no such plug-in file, or nothing has that name.
    """
    try:
        for file in plugin_files:
            plugins.load(file)
        kinds = _kinds_of(name)
    except BrokenPlugin as error:
        return [str(error), _sum(name, 1)], False
    lines: list[str] = []
    n_findings = 0
    for kind in kinds:
        outcome = _watched(kind, name, quiet)
        n_findings += len(outcome.findings)
        lines += [str(finding) for finding in outcome.findings] + [f"({note})" for note in outcome.notes]
        if not outcome.findings:
            lines.append(f"{name} keeps the contract of a {kind[:-1]} ({outcome.n_rules} checks)")
    return [*lines, _sum(name, n_findings)] if n_findings else lines, not n_findings


def _kinds_of(name: str) -> list[str]:
    """The kinds that have an entry called `name`, imported."""
    known = registries()
    kinds = [kind for kind, registry in known.items() if name in registry]
    if not kinds:
        names = sorted({n for registry in known.values() for n in registry})
        raise UsageError(f"nothing is called {name!r}{nearest(name, names)} (a file needs --plugin FILE)")
    for kind in kinds:
        known[kind].get(name)
    return kinds


def _watched(kind: str, name: str, quiet: bool) -> contract.Outcome:
    board = ProgressBoard(quiet=quiet)

    def show(done: int, total: int, text: str) -> None:
        board.stage(0, (kind[:-1], name, 0), done, total, text)

    try:
        return contract.check(kind, name, show)
    finally:
        board.close()


def _sum(name: str, n: int) -> str:
    return f"{name}: {n} finding{'' if n == 1 else 's'}"
