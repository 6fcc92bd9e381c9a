"""``jslds-bench perf``: is this version of the code slower than that one."""

from __future__ import annotations

import importlib.util
import subprocess
import tempfile
from argparse import Namespace
from pathlib import Path

from jslds_bench.cli.output import say, table
from jslds_bench.errors import UsageError


def perf(arguments: Namespace) -> int:
    """Compare the speed of two versions; 1 where B is slower."""
    from jslds_bench.perf import compare_speeds, version
    from jslds_bench.runner.progress import ProgressBoard

    if arguments.action != "compare":
        raise UsageError(f"perf knows compare, got {arguments.action!r}")
    repository = _repository()
    benchmarks = repository / "suites" / "asv" / "bench_core.py"
    names = _chosen(benchmarks, arguments.only)
    if arguments.threshold is not None:
        names = dict.fromkeys(names, arguments.threshold)
    board = ProgressBoard(arguments.pairs * len(names), title="perf compare", quiet=arguments.quiet)

    def report(done: int, total: int, text: str) -> None:
        board.stage(0, ("perf", "", text, 0), done, total, text)

    with tempfile.TemporaryDirectory(prefix="jslds-bench-perf-") as scratch:
        try:
            a, b = (version(name, repository, Path(scratch)) for name in (arguments.a, arguments.b))
            found = compare_speeds(a, b, benchmarks, names, arguments.pairs, arguments.turns, report)
        finally:
            board.close()
    rows = [
        [
            one.name,
            f"{1e3 * one.seconds:.3g} ms",
            f"{one.ratio:.3f}",
            f"{one.low:.3f} to {one.high:.3f}",
            f"slower (above {one.threshold:g})" if one.slower else "",
        ]
        for one in found
    ]
    say(table(["benchmark", arguments.a, "ratio", "99 % interval", ""], rows))
    return int(any(one.slower for one in found))


def _repository() -> Path:
    found = subprocess.run(
        ["git", "rev-parse", "--show-toplevel"], capture_output=True, text=True, check=False
    )
    root = Path(found.stdout.strip())
    if found.returncode != 0 or not (root / "suites" / "asv" / "bench_core.py").is_file():
        raise UsageError("perf compares revisions of this project: run it inside a checkout of jslds-bench")
    return root


def _chosen(benchmarks: Path, only: list[str]) -> dict[str, float]:
    """Benchmark → threshold, of those that are asked for."""
    from jslds_bench.cli.arguments import one_of

    spec = importlib.util.spec_from_file_location("benchmarks", benchmarks)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    known: dict[str, float] = module.THRESHOLDS
    return {one_of(name, tuple(known), "benchmark"): known[name] for name in only} if only else dict(known)
