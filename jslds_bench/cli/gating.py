"""The gate of a run: the baseline that it is held against, and whether it stands."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from jslds_bench.cli.output import say
from jslds_bench.errors import UsageError

if TYPE_CHECKING:
    from jslds_bench.compare import Side
    from jslds_bench.suite import Suite


def baseline_for(arguments: Namespace, suite: Suite) -> Side | None:
    """The baseline of ``--check``, read before anything runs: what the arguments have left of it."""
    check = arguments.check
    if check is None:
        return None
    from jslds_bench.compare import read_side

    baseline = read_side(check)
    if baseline.kind == "baseline" and baseline.suite != suite.name:
        raise UsageError(f"--check {check} is of suite {baseline.suite!r}, this is suite {suite.name!r}")
    tasks, networks, models = (
        None if given is None else {entry.label for entry in entries}
        for given, entries in (
            (arguments.task, suite.tasks),
            (arguments.network, suite.networks),
            (arguments.model, suite.models),
        )
    )
    return baseline.narrowed(tasks, networks, models, None if arguments.seeds is None else suite.seeds)


def regressed(baseline: Side, run: Path) -> bool:
    """Whether the gate is to stop `run`; prints what is worse."""
    from jslds_bench.compare import as_text, compare, read_side

    comparison = compare(baseline, read_side(run))
    say("\n" + as_text(comparison, ["worse"]))
    return comparison.regressed
