"""`jslds-bench reproduce`: run what the claims need, judge them, write the scorecard."""

from __future__ import annotations

import dataclasses
import shlex
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from jslds_bench.cli.output import figures_shown, say, table
from jslds_bench.errors import UsageError

if TYPE_CHECKING:
    from jslds_bench.report.data.run import RunData
    from jslds_bench.suite import Suite


def reproduce(arguments: Namespace) -> bool:
    """Run the suites of the chosen claims, print the scorecard and its page; False: some jobs failed."""
    from jslds_bench.records.store import slug
    from jslds_bench.report.data.run import load_data
    from jslds_bench.reproduce.claims import chosen, read_claims
    from jslds_bench.reproduce.page import scorecard_lines, summary, write_scorecard
    from jslds_bench.reproduce.verdicts import LEAST_SEEDS, judge
    from jslds_bench.suite import load_suite

    if arguments.seeds < 1:
        raise UsageError(f"--seeds is {arguments.seeds}, expected how many: 1 or more, {LEAST_SEEDS} to tell")
    file = None if arguments.file is None else Path(arguments.file)
    claims = chosen(read_claims(file), arguments.claim)
    out = Path(arguments.out)
    runs: dict[str, RunData] = {}
    sound = True
    for name in dict.fromkeys(claim.suite for claim in claims):
        suite = load_suite(name)
        folder = out / slug(suite.name)
        if not arguments.no_run:
            sound &= _run(suite, folder, arguments)
        runs[name] = load_data(folder)
    judged = [judge(claim, runs[claim.suite]) for claim in claims]
    page = write_scorecard(judged, runs, out, _command(arguments))
    header = ["claim", "verdict", "test", "published", "found: mean [least, greatest]", "seeds"]
    say(table(header, scorecard_lines(judged)))
    say(f"\n{summary(judged)}\nscorecard: {page}")
    return sound


def _run(suite: Suite, out: Path, arguments: Namespace) -> bool:
    """Run a suite on the first seeds; finished jobs are kept. False where some failed."""
    from jslds_bench.report import write_report
    from jslds_bench.runner import run_suite
    from jslds_bench.runner.progress import ProgressBoard

    suite = dataclasses.replace(suite, seeds=tuple(range(arguments.seeds)))
    suite = dataclasses.replace(suite, recipe=arguments.recipe or suite.recipe)
    board = ProgressBoard(title=f"{suite.name}, to {out}", quiet=arguments.quiet)
    try:
        result = run_suite(suite, out, workers=arguments.workers, progress=board)
    finally:
        board.close()
    if result.n_failed or result.n_kept < result.n_ok or not (out / "index.html").exists():
        with figures_shown(board) as progress:
            write_report(result.path, progress, processes=arguments.workers)
    return not result.n_failed


def _command(arguments: Namespace) -> str:
    words = ["jslds-bench", "reproduce", "--seeds", str(arguments.seeds)]
    for option in ("file", "recipe"):
        if value := getattr(arguments, option):
            words += [f"--{option}", value]
    return shlex.join([*words, *(word for name in arguments.claim for word in ("--claim", name))])
