"""The verbs, thin: each turns its arguments into calls and returns the exit code."""

from __future__ import annotations

import dataclasses
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jslds_bench.cli.arguments import ALL, COMPARISONS, EXECUTORS, FORMATS, LISTS, NEW, RULES, one_of
from jslds_bench.cli.gating import baseline_for, regressed
from jslds_bench.cli.output import complain, figures_shown, say, say_bytes, table
from jslds_bench.errors import UsageError
from jslds_bench.records.numbers import counted

if TYPE_CHECKING:
    import pandas as pd

    from jslds_bench.runner.executors.shards import Executor
    from jslds_bench.runner.planning import Wanted
    from jslds_bench.runner.progress import ProgressBoard
    from jslds_bench.suite import Job, Resolved, Suite

OK, FINDING, SOME_FAILED, USAGE = 0, 1, 2, 3
REGRESSION = FINDING


def run(arguments: Namespace) -> int:
    """Run a suite, print its table and the path of its report."""
    from jslds_bench.records.store import slug
    from jslds_bench.runner.limits import Limits
    from jslds_bench.runner.planning import plan as planned
    from jslds_bench.runner.progress import ProgressBoard
    from jslds_bench.suite.toml import TABLES

    if arguments.with_parent:
        from jslds_bench.processes.channel import die_with

        die_with(os.getppid())
    executor = _executor(arguments)
    limits = Limits(arguments.workers, arguments.threads, arguments.timeout, arguments.memory)
    if executor is None:
        limits.check_here()
    plan = planned(_wanted(arguments), arguments.timeout, complain)
    for complaint in plan.complaints:
        complain(f"{complaint}; the run goes on without it")
    suite = plan.suite
    out = Path(arguments.out) if arguments.out else Path("reports") / slug(suite.name)
    trained = (entry for kind in TABLES for entry in getattr(suite, kind))
    if arguments.recipe and not any("recipe" in entry.parameters for entry in trained):
        raise UsageError(f"--recipe {arguments.recipe}: nothing in {suite.where} is trained by a recipe")
    if arguments.dry_run:
        from jslds_bench.runner.machine import worker_environment

        machine = worker_environment(arguments.batch_seeds, arguments.threads)
        return _dry_run(plan, out, resume=not arguments.no_resume, environment=machine)
    from jslds_bench.runner import run_suite

    baseline = baseline_for(arguments, suite)
    board = ProgressBoard(len(plan.jobs), title=f"{suite.name}, to {out}", quiet=arguments.quiet)
    try:
        result = run_suite(
            plan,
            out,
            workers=arguments.workers,
            threads=arguments.threads,
            timeout=arguments.timeout,
            memory=arguments.memory,
            resume=not arguments.no_resume,
            batched=arguments.batch_seeds,
            shared=arguments.shared,
            wait=arguments.wait,
            executor=executor,
            progress=board,
        )
    finally:
        board.close()
    if not arguments.no_report:
        _reported(result.path, suite, board, arguments.workers)
    if baseline is not None and regressed(baseline, result.path):
        return REGRESSION
    return SOME_FAILED if result.n_failed else OK


def _reported(run: Path, suite: Suite, board: ProgressBoard, processes: int | None) -> None:
    """Writes the report of a run, and prints its table."""
    from jslds_bench.compare import too_few
    from jslds_bench.report import format_table, load_data, write_report

    with figures_shown(board) as progress:
        page = write_report(run, progress, processes=processes)
    data = load_data(run)
    say(format_table(data))
    say("".join(f"\n{line}" for line in _failures(data.frame)))
    if lack := too_few(len(suite.seeds)):
        say(lack)
    say(f"report: {page}")


def reproduce(arguments: Namespace) -> int:
    """Judge the paper's claims; 2 where some jobs failed."""
    from jslds_bench.cli.reproducing import reproduce

    return OK if reproduce(arguments) else SOME_FAILED


def _failures(values: pd.DataFrame, most: int = 10) -> list[str]:
    """One line for each job that came to nothing, `most` of them at most, and a blank one after them."""
    failed = values[~values.status.isin(["ok", "unsupported"])].drop_duplicates(
        ["task", "network", "model", "seed"]
    )
    rows = failed.head(most).itertuples()
    lines = [f"{r.status}: {r.task} · {r.network} · {r.model} · seed {r.seed}: {r.reason}" for r in rows]
    if len(failed) > most:
        lines.append(f"and {len(failed) - most} more")
    return [*lines, ""] if lines else []


def _wanted(arguments: Namespace) -> Wanted:
    """The suite that the arguments name, with their plug-ins' models, and what they choose of it."""
    from jslds_bench.runner.planning import Wanted
    from jslds_bench.suite import load_suite, parse_seeds

    suite = load_suite(arguments.suite)
    named = [os.path.abspath(os.path.expanduser(plugin)) for plugin in arguments.plugin]
    plugins = tuple(dict.fromkeys([*suite.plugins, *named]))
    suite = dataclasses.replace(suite, plugins=plugins, recipe=arguments.recipe or suite.recipe)
    seeds = None if arguments.seeds is None else tuple(parse_seeds(arguments.seeds))
    tasks, networks, models = (
        None if given is None else tuple(given)
        for given in (arguments.task, arguments.network, arguments.model)
    )
    return Wanted(suite, tuple(named), tasks, networks, models, seeds, arguments.data)


def _executor(arguments: Namespace) -> Executor | None:
    """What the arguments have the jobs done by; None for workers of this process."""
    kind = "local" if arguments.executor is None else one_of(arguments.executor, EXECUTORS, "executor")
    others = {
        "--scheduler": arguments.scheduler is not None and kind != "dask",
        "--sbatch": bool(arguments.sbatch) and kind != "slurm",
        "--exclusive": arguments.exclusive and kind == "local",
        "--batch-seeds": bool(arguments.batch_seeds) and kind != "local",
    }
    if idle := [option for option, is_idle in others.items() if is_idle]:
        beside = "without --executor" if arguments.executor is None else f"with --executor {kind}"
        raise UsageError(f"{idle[0]} does nothing {beside}")
    if kind == "dask":
        from jslds_bench.runner.executors.dask import Dask

        if arguments.scheduler is None:
            raise UsageError("--executor dask: name its --scheduler, as tcp://10.0.0.1:8786")
        return Dask(arguments.scheduler, arguments.exclusive)
    if kind == "slurm":
        from jslds_bench.runner.executors.slurm import Slurm

        return Slurm(arguments.sbatch, arguments.exclusive)
    return None


def _dry_run(plan: Resolved, out: Path, resume: bool, environment: Mapping[str, Any]) -> int:
    """List what a run would do with each job, and whether it has its network."""
    from jslds_bench.runner import cache
    from jslds_bench.runner.folder import finished_before

    def state(job: Job) -> str:
        if job.failure or job.refusal:
            return f"failed: {job.failure}" if job.failure else f"unsupported: {job.refusal}"
        if resume and finished_before(out, job, complain):
            return "kept"
        if not job.network_digest:
            return "to run"
        made = resume and cache.holds(cache.network_key(job.network_digest, environment))
        return f"to run, network {'cached' if made else 'to be made'}"

    rows = [[*map(str, job.key), state(job)] for job in plan.jobs]
    say(table(["task", "network", "model", "seed", "state"], rows))
    words = ("to run", "kept", "unsupported", "failed")
    counts = {word: sum(row[-1].startswith(word) for row in rows) for word in words}
    said = ", ".join(f"{n} {word}" for word, n in counts.items() if n or word != "failed")
    say(f"\n{plan.suite.name}: {counted(len(rows), 'job')}: {said}; nothing was run")
    return OK


def list_(arguments: Namespace) -> int:
    """List the entries of one kind, or of all."""
    from jslds_bench.cli.listing import listed

    kinds = LISTS if arguments.kind is None else (one_of(arguments.kind, LISTS, "kind"),)
    for kind in kinds:
        if len(kinds) > 1:
            say(f"{kind}:")
        header, *rows = listed(kind, arguments.plugin)
        say(table(header, rows))
        if len(kinds) > 1:
            say()
    return OK


def info(arguments: Namespace) -> int:
    """Describe one entry or suite."""
    from jslds_bench.cli.listing import described

    say("\n\n".join(described(arguments.name, arguments.plugin)))
    return OK


def report(arguments: Namespace) -> int:
    """Write a run's report, or a leaderboard of several runs, and print its path."""
    from jslds_bench.report import write_leaderboard, write_report

    if len(arguments.run) > 1:
        folder = Path(arguments.out or "reports/leaderboard")
        say(str(write_leaderboard([Path(run) for run in arguments.run], folder)))
        return OK
    if arguments.out:
        raise UsageError("--out is for a leaderboard of several runs; a report lies beside its records")
    from jslds_bench.runner.progress import ProgressBoard

    with figures_shown(ProgressBoard()) as progress:
        page = write_report(Path(arguments.run[0]), progress)
    say(str(page))
    return OK


def merge(arguments: Namespace) -> int:
    """Unite run folders of one suite; print what came of it."""
    from jslds_bench.runner.merging import merge

    merged = merge(arguments.run, arguments.out)
    for note in merged.notes:
        complain(note)
    twice = f", {merged.n_twice} of them in several folders" if merged.n_twice else ""
    say(f"{merged.path}: {counted(merged.n_records, 'record')}{twice}")
    return OK


def compare(arguments: Namespace) -> int:
    """Print what became of A in B; 1 where B is worse, or lacks something, and that was asked for."""
    from jslds_bench.compare import as_json, as_markdown, as_text, headline_metrics, read_side
    from jslds_bench.compare import compare as compared
    from jslds_bench.records.sealed import write_atomic

    kind = one_of(arguments.format, COMPARISONS, "format")
    if arguments.fail_on is not None:
        one_of(arguments.fail_on, ("worse",), "verdict")
    a, b = read_side(arguments.a), read_side(arguments.b)
    # A family of fewer rows leaves each more power; a gate, though, watches everything.
    few = [] if arguments.metric or arguments.fail_on else headline_metrics(a, b)
    comparison = compared(
        a,
        b,
        models=None if arguments.models is None else tuple(arguments.models),
        networks=None if arguments.networks is None else tuple(arguments.networks),
        metrics=few or [name for name in arguments.metric if name != ALL],
        rule=None if arguments.rule is None else one_of(arguments.rule, RULES, "rule"),
    )
    if few:
        note = f"only headline metrics; --metric {ALL} for all that both have"
        comparison = dataclasses.replace(comparison, notes=[*comparison.notes, note])
    text = {"text": as_text, "markdown": as_markdown, "json": as_json}[kind](comparison)
    if arguments.output:
        write_atomic(Path(arguments.output), (text + "\n").encode())
    else:
        say(text)
    return REGRESSION if arguments.fail_on and comparison.regressed else OK


def baseline(arguments: Namespace) -> int:
    """Make a baseline of a run; print what moved since the earlier one, and its path."""
    from jslds_bench.compare import as_text, read_side, write_baseline
    from jslds_bench.compare import compare as compared
    from jslds_bench.records.store import slug

    one_of(arguments.action, ("update",), "action")
    run = read_side(arguments.run)
    path = Path(arguments.output or f"baselines/{slug(run.suite)}.toml")
    earlier = read_side(path) if path.exists() else None
    if earlier is not None and earlier.kind != "baseline":
        raise UsageError(f"{path} is no baseline: choose another file with --output")
    moved = compared(earlier, run) if earlier is not None else None
    write_baseline(run, path, earlier)
    if moved is not None:
        say(as_text(moved, ["worse", "better", "cannot tell"]))
    say(f"{'written anew' if moved is None else 'updated'}: {path}")
    return OK


def export(arguments: Namespace) -> int:
    """Write a run's values in another format."""
    from jslds_bench.cli.export import encode
    from jslds_bench.records.sealed import write_atomic
    from jslds_bench.records.table import load_run

    kind = one_of(arguments.format, FORMATS, "format")
    if kind == "parquet" and not arguments.output and sys.stdout.isatty():
        raise UsageError("parquet is no text: name a file with --output, or pipe the output")
    data = encode(load_run(arguments.run), kind)
    if arguments.output:
        write_atomic(Path(arguments.output), data)
    else:
        say_bytes(data)
    return OK


def new(arguments: Namespace) -> int:
    """Write an entry's file and its test; print what to do with them."""
    kind = one_of(arguments.kind, NEW, "kind of entry")
    from jslds_bench.cli.scaffold import new_entry

    file, test = new_entry(kind, arguments.name, Path(arguments.dir))
    say(f"{file}\n{test}\n\nnext: jslds-bench check {arguments.name} --plugin {file}")
    return OK


def check(arguments: Namespace) -> int:
    """Print where an entry breaks its contract; 1 where it does."""
    from jslds_bench.cli.checking import check_lines

    lines, sound = check_lines(arguments.name, arguments.plugin, arguments.quiet, arguments.set)
    for line in lines:
        say(line)
    return OK if sound else FINDING


def import_(arguments: Namespace) -> int:
    """Write another library's recurrent layer as a checkpoint."""
    from jslds_bench.networks._shared.foreign import import_file
    from jslds_bench.networks._shared.format import is_checkpoint, network_bytes
    from jslds_bench.records.sealed import write_atomic

    weights, out = Path(arguments.weights), Path(arguments.out)
    if out.exists() and weights.exists() and out.samefile(weights):
        raise UsageError(f"--out {out} is the file of the weights, which would be lost: choose another --out")
    if out.exists() and not is_checkpoint(out):
        raise UsageError(
            f"--out {out} is there and is no checkpoint of this project, which alone is written over: "
            "choose another --out, or move it away"
        )
    network, checked = import_file(arguments.layer, weights)
    write_atomic(out, network_bytes(network))
    size = f"{network.n_state} units, {network.n_inputs} inputs, {len(network.readout.b)} outputs"
    say(f"{out}: cell {network.cell.name}, {size}")
    if checked:
        say(f"its next states are those of the {checked} steps in {arguments.weights}")
    else:
        say(
            "not checked: a square matrix that is transposed fits too. Put steps of the library beside the "
            "weights (check.u, check.h, check.next_h)"
        )
    say(f'in a suite:\n\n[[networks]]\nname = "checkpoint"\npath = "{out}"')
    return OK


def doctor(arguments: Namespace) -> int:
    """Print what this machine is; 3 where something has to be mended first."""
    from jslds_bench.cli.doctor import examine

    rows, sound = examine(Path(arguments.out))
    say(table(["what", "finding"], rows))
    return OK if sound else USAGE


def perf(arguments: Namespace) -> int:
    """Compare the speed of two versions of the code."""
    from jslds_bench.cli.speed import perf

    return perf(arguments)


VERBS: dict[str, Callable[[Namespace], int]] = {
    "run": run,
    "reproduce": reproduce,
    "list": list_,
    "info": info,
    "report": report,
    "merge": merge,
    "compare": compare,
    "baseline": baseline,
    "export": export,
    "new": new,
    "check": check,
    "import": import_,
    "perf": perf,
    "doctor": doctor,
}
