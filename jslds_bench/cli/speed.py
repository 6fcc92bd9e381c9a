"""``jslds-bench perf``: is this version slower than that one, and how fast is it on this machine."""

from __future__ import annotations

import importlib.util
import math
import os
import tempfile
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jslds_bench.cli.arguments import one_of, parser_of
from jslds_bench.cli.output import say, table
from jslds_bench.errors import UsageError

if TYPE_CHECKING:
    from jslds_bench.types.core import Progress

ACTIONS = {
    "compare": ("a", "b", "only", "pairs", "turns", "threshold"),
    "throughput": ("out", "budget", "largest"),
    "quality": ("out", "seeds"),
}
"""Action → the arguments that it reads."""


def perf(arguments: Namespace) -> int:
    """Compare the speed of two versions, 1 where B is slower; or measure this one."""
    action = one_of(arguments.action, tuple(ACTIONS), "action of perf")
    usual = parser_of("perf").get_default
    for name in (name for read in ACTIONS.values() for name in read):
        if name not in ACTIONS[action] and getattr(arguments, name) != usual(name):
            given = f"REV_{name.upper()}" if name in "ab" else f"--{name}"
            raise UsageError(f"{given} does nothing in perf {action}")
    if action == "throughput":
        return _throughput(arguments)
    if action == "quality":
        return _quality(arguments)
    if arguments.b is None:
        raise UsageError("perf compare takes two versions: jslds-bench perf compare REV_A REV_B")
    return _compare(arguments)


def _throughput(arguments: Namespace) -> int:
    from jslds_bench.perf.throughput import BASE, SWEEPS, measure, sizes, slopes
    from jslds_bench.records.sealed import write_atomic, write_json
    from jslds_bench.report.figures.throughput import throughput
    from jslds_bench.report.html import write_figure
    from jslds_bench.report.style import theme
    from jslds_bench.runner.machine import environment

    if arguments.budget <= 0:
        raise UsageError(f"--budget is {arguments.budget}, expected more than 0")
    kept = [n for n in SWEEPS["n"] if n <= arguments.largest]
    if not kept:
        raise UsageError(f"--largest is {arguments.largest}, expected at least {min(SWEEPS['n'])}")
    out, cells = _folder(arguments), ("gru", "vanilla")
    over = [size for size in sizes(SWEEPS | {"n": tuple(kept)}) if size.n <= arguments.largest]
    with _progress(arguments, len(cells) * len(over)) as report:
        frame, able = measure(cells, over, arguments.budget, report)
    found = slopes(frame)
    write_atomic(out / "values.csv", frame.to_csv(index=False).encode())
    write_json(out / "machine.json", {**able, "environment": environment()})
    rows: list[dict[str, Any]] = [dict(row) for _, row in frame.iterrows()]
    with theme():
        figure = throughput("Throughput of the core", rows, BASE._asdict(), able["gemm_flops"])
        write_figure(
            out, figure, "throughput", "Rates by size, beside the machine's rate of matrix products."
        )
    say(
        f"product of 1024² matrices: {able['gemm_flops'] / 1e9:.0f} GFLOP/s; "
        f"copying: {able['copy_bytes'] / 1e9:.1f} GB/s"
    )
    at = [[r[x] for x in BASE._fields] == list(BASE) for r in rows]
    head = ["N = {}, T = {}, B = {}".format(*BASE), "cell", "ms", "per second", "of GEMM"]
    say(table(head, [_speed(row) for row, here in zip(rows, at, strict=True) if here]))
    powers = [
        [r["function"], r["cell"], r["size"].upper(), f"{r['slope']:.2f}"] for r in found.to_dict("records")
    ]
    say(table(["seconds grow with", "", "", "power"], powers))
    say(f"values and figure: {out}")
    return 0


def _speed(row: dict[str, Any]) -> list[str]:
    share = "" if math.isnan(row["of_gemm"]) else f"{row['of_gemm']:.0%}"
    return [row["function"], row["cell"], f"{1e3 * row['seconds']:.2f}", f"{row['per_second']:.3g}", share]


def _quality(arguments: Namespace) -> int:
    import jslds_bench.tasks  # noqa: F401, registers them
    from jslds_bench.entries.registry import TASKS
    from jslds_bench.perf.quality import PUBLISHED, ladder, measure
    from jslds_bench.records.sealed import write_atomic, write_json
    from jslds_bench.report.figures.quality import quality
    from jslds_bench.report.html import write_figure
    from jslds_bench.report.style import theme
    from jslds_bench.runner.machine import environment

    if arguments.seeds < 1:
        raise UsageError(f"--seeds is {arguments.seeds}, expected at least 1")
    out, tasks = _folder(arguments), {name: TASKS.make(name, {}) for name in PUBLISHED}
    rungs = {name: (task, ladder(task)) for name, task in tasks.items()}
    total = arguments.seeds * sum(len(steps) for _, steps in rungs.values())
    with _one_core(), _progress(arguments, total) as report:
        frame, papers = measure(rungs, range(arguments.seeds), report)
        about: dict[str, Any] = {"environment": environment()}
    for key, values in (("targets", PUBLISHED), ("paper", papers)):
        about[key] = {name: value._asdict() for name, value in values.items()}
    write_atomic(out / "values.csv", frame.to_csv(index=False).encode())
    write_json(out / "machine.json", about)
    medians = frame.groupby(["task", "steps"], sort=False).median(numeric_only=True).reset_index()
    rows: list[list[dict[str, Any]]] = [[dict(r) for _, r in f.iterrows()] for f in (frame, medians)]
    with theme():
        heading = "Quality against seconds of training"
        figure = quality(heading, rows[0], rows[1], about["targets"], about["paper"])
        write_figure(out, figure, "quality", "Errors of co-trained networks by the seconds of training them.")
    _say_quality(frame, rows[1], papers)
    say(f"values and figure: {out}")
    return 0


def _say_quality(frame: Any, medians: list[dict[str, Any]], papers: dict[str, Any]) -> None:
    from jslds_bench.perf.quality import PUBLISHED, Errors, soonest
    from jslds_bench.records.numbers import number

    lines = [
        [row["task"], f"{row['steps']:.0f}", f"{row['seconds']:.1f}", f"{row['other_seconds']:.1f}"]
        + [number(row[error]) for error in Errors._fields]
        for row in medians
    ]
    say(f"medians of {frame.seed.nunique()} trainings of each length, in processor seconds of one core")
    say(table(["task", "steps", "seconds", "compiling and the rest", *Errors._fields], lines))
    head = ["the paper's figures", "from steps on", "seconds", "seeds", "the paper's recipe", "ratio"]
    say(table(head, [_soonest(row) for row in soonest(frame, papers, PUBLISHED).to_dict("records")]))


def _soonest(row: dict[Any, Any]) -> list[str]:
    paper = f"{row['paper_seconds']:,.0f} s"
    if math.isnan(row["ratio"]):
        return [row["task"], "not reached", "", "", paper, ""]
    reaching = f"{row['reaching']:.0f} of {row['seeds']}"
    return [
        row["task"],
        f"{row['steps']:.0f}",
        f"{row['seconds']:.1f}",
        reaching,
        paper,
        f"{row['ratio']:.0f}",
    ]


@contextmanager
def _one_core() -> Iterator[None]:
    """One core for this process, as each worker of a run has, where the system can say so."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def _folder(arguments: Namespace) -> Path:
    """Where figures and values go, made: --out, or else reports/ and the action's name."""
    out = Path(arguments.out or f"reports/{arguments.action}")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write to {out}: {error.strerror}; choose another --out") from error
    return out


@contextmanager
def _progress(arguments: Namespace, total: int) -> Iterator[Progress]:
    from jslds_bench.runner.progress import ProgressBoard

    board = ProgressBoard(total, title=f"perf {arguments.action}", quiet=arguments.quiet)

    def report(done: int, total: int, text: str) -> None:
        board.stage(0, ("perf", "", text, 0), done, total, text)

    try:
        yield report
    finally:
        board.close()


def _compare(arguments: Namespace) -> int:
    from jslds_bench.perf import compare_speeds, version
    from jslds_bench.perf.versions import checkout

    repository = checkout()
    benchmarks = repository / "suites" / "asv" / "problems.py"
    names = _chosen(benchmarks, arguments.only)
    if arguments.threshold is not None:
        names = dict.fromkeys(names, arguments.threshold)
    with (
        tempfile.TemporaryDirectory(prefix="jslds-bench-perf-") as scratch,
        _progress(arguments, arguments.pairs * len(names)) as report,
    ):
        a, b = (version(name, repository, Path(scratch)) for name in (arguments.a, arguments.b))
        found = compare_speeds(a, b, benchmarks, names, arguments.pairs, arguments.turns, report)
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


def _chosen(benchmarks: Path, only: list[str]) -> dict[str, float]:
    """Benchmark → threshold, of those that are asked for."""
    spec = importlib.util.spec_from_file_location("benchmarks", benchmarks)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    known: dict[str, float] = module.THRESHOLDS
    return {one_of(name, tuple(known), "benchmark"): known[name] for name in only} if only else dict(known)
