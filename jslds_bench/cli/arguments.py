"""The options of each verb. Errors are UsageError: one line with the nearest word and where help is."""

from __future__ import annotations

import argparse
from typing import NoReturn

from jslds_bench.entries.registry import nearest
from jslds_bench.errors import UsageError

HELP = """\
usage: jslds-bench VERB [options]     (jslds-bench VERB --help for its options)

Benchmark of methods that explain recurrent neural networks by local linear dynamics.

  run       run a suite: train or read its networks, fit its models, write records and a report
  reproduce the paper's claims one by one: run what they need, say which hold, draw its figures
  list      what there is: tasks, networks, cells, models, metrics, suites
  info      what a task, network, cell, model, metric or suite is, and its parameters
  report    write the report of a run again, or a leaderboard of several
  compare   two runs, or a run and a baseline or published values: what is better, worse, the same
  merge     make one run of several of the same suite, run apart
  baseline  make a baseline of a run, and show what moved since the last
  export    the values of a run as csv, json or parquet, one row per value
  new       write a working file for a model, task, network, cell or metric of your own, and its test
  check     say in words where an entry breaks its contract
  import    make a checkpoint of the weights of a PyTorch, Keras or Flax layer
  perf      the speed of two versions of this code, interleaved on this machine
  doctor    versions, device, threads, speed and disk of this machine

exit codes: 0 all well, 1 regression or finding, 2 some jobs failed, 3 usage"""

FORMATS = ("csv", "json", "parquet")
COMPARISONS = ("text", "markdown", "json")
RULES = ("interval", "tolerance")
ALL = "all"
EXECUTORS = ("local", "dask", "slurm")
NEW = ("model", "task", "network", "cell", "metric")
LISTS = ("tasks", "networks", "cells", "models", "metrics", "suites")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (try: {self.prog} --help)")


def _parser(verb: str, description: str) -> _Parser:
    # allow_abbrev: --seed for --seeds would work today and break with the next option.
    parser = _Parser(prog=f"jslds-bench {verb}", description=description, allow_abbrev=False)
    parser.add_argument("--debug", action="store_true", help="show a traceback with an error")
    return parser


def _run() -> _Parser:
    p = _parser("run", "Run a suite. A run that was stopped goes on where it was; finished jobs are kept.")
    p.add_argument("--suite", required=True, metavar="NAME|FILE", help="a suite's name, or its .toml file")
    p.add_argument("--out", metavar="DIR", help="the run's folder (default: reports/<suite name>)")
    p.add_argument("--seeds", metavar="SEEDS", help="in place of the suite's: 0,1,2 or 0-9")
    for kind in ("task", "network", "model"):
        p.add_argument(
            f"--{kind}", action="append", metavar="LABEL", help=f"only this {kind} (may be repeated)"
        )
    p.add_argument("--data", metavar="FILE", help="the file of the tasks that read one, such as mc_maze")
    p.add_argument("--recipe", help="training recipe of networks that do not state theirs: fast or paper")
    p.add_argument("--plugin", action="append", default=[], metavar="FILE", help="a Python file with entries")
    p.add_argument("--workers", type=int, metavar="N", help="jobs at a time (default: by cores, or GPUs)")
    p.add_argument(
        "--batch-seeds",
        action=argparse.BooleanOptionalAction,
        help="train a network's seeds as one program (default: on GPUs)",
    )
    p.add_argument("--threads", type=int, default=1, metavar="N", help="cores of each worker (default: 1)")
    p.add_argument("--timeout", type=float, metavar="SECONDS", help="give up on a job after this time")
    p.add_argument("--memory", type=float, metavar="GB", help="give up on a job that takes more than this")
    p.add_argument(
        "--dry-run", action="store_true", help="list the jobs, and those that no model serves; run none"
    )
    p.add_argument("--no-resume", action="store_true", help="do every job anew")
    p.add_argument("--quiet", action="store_true", help="no progress")
    p.add_argument("--shared", action="store_true", help="others compute on this machine: measure no speeds")
    p.add_argument(
        "--wait", type=float, default=0.0, metavar="SECONDS", help="for another run that writes to --out"
    )
    p.add_argument("--executor", metavar="|".join(EXECUTORS), help="what does the jobs (default: local)")
    p.add_argument("--scheduler", metavar="ADDRESS", help="of --executor dask, as tcp://10.0.0.1:8786")
    p.add_argument(
        "--sbatch", default="", metavar="OPTIONS", help="of --executor slurm: --sbatch='--time=9:00'"
    )
    p.add_argument(
        "--exclusive", action="store_true", help="an executor's nodes do one job at a time: measure speeds"
    )
    p.add_argument("--no-report", action="store_true", help="write records alone")
    p.add_argument(
        "--with-parent", action="store_true", help="end when the process that started this ends (Linux)"
    )
    p.add_argument("--check", metavar="BASELINE", help="exit 1 if anything is worse than in this baseline")
    return p


def _reproduce() -> _Parser:
    p = _parser("reproduce", "Judge the paper's claims by runs of its tasks, which are kept and resumed.")
    p.add_argument(
        "--claim", action="append", default=[], metavar="ID", help="only this one (may be repeated)"
    )
    p.add_argument("--file", metavar="FILE", help="claims of your own (default: the paper's)")
    p.add_argument(
        "--seeds", type=int, default=3, metavar="N", help="how many (default: 3, the fewest that tell)"
    )
    p.add_argument("--out", default="reports/reproduce", metavar="DIR", help="default: reports/reproduce")
    p.add_argument("--recipe", help="training recipe: fast (default) or paper")
    p.add_argument("--no-run", action="store_true", help="judge the runs that are there")
    p.add_argument("--workers", type=int, metavar="N", help="jobs at a time (default: by cores, or GPUs)")
    p.add_argument("--quiet", action="store_true", help="no progress")
    return p


def _list() -> _Parser:
    p = _parser("list", "What there is, by kind.")
    p.add_argument("kind", nargs="?", metavar="|".join(LISTS), help="default: all of them")
    p.add_argument("--plugin", action="append", default=[], metavar="FILE", help="a Python file with entries")
    return p


def _info() -> _Parser:
    p = _parser("info", "What an entry or a suite is, its parameters, and where it may be used.")
    p.add_argument("name", metavar="NAME", help="a task, network, cell, model, metric or suite")
    p.add_argument("--plugin", action="append", default=[], metavar="FILE", help="a Python file with entries")
    return p


def _report() -> _Parser:
    p = _parser("report", "Write the report of a run from its records; of several runs, a leaderboard.")
    p.add_argument("run", metavar="RUN", nargs="+", help="a run's folder")
    p.add_argument("--out", metavar="DIR", help="the leaderboard's folder (default: reports/leaderboard)")
    return p


def _merge() -> _Parser:
    p = _parser("merge", "One run of several of the same suite, run apart by seeds, tasks or machines.")
    p.add_argument("run", metavar="RUN", nargs="+", help="a run's folder")
    p.add_argument("--out", required=True, metavar="DIR", help="where to; may be one of them")
    return p


def _compare() -> _Parser:
    p = _parser("compare", "What became of A in B: per metric the difference, its interval and a verdict.")
    for side in "ab":
        p.add_argument(side, metavar=side.upper(), help="a run's folder, or a baseline's name or file")
    p.add_argument(
        "--models", nargs=2, metavar=("OF_A", "OF_B"), help="a model of A against one of B, as: jslds mine"
    )
    p.add_argument(
        "--networks",
        nargs=2,
        metavar=("OF_A", "OF_B"),
        help="models on a network of A against the same on one of B, as: standard cotrained",
    )
    p.add_argument(
        "--metric",
        action="append",
        default=[],
        metavar="NAME",
        help="only this metric (may be repeated), or all (default: of two runs the headline ones, unless "
        "--fail-on asks for a gate)",
    )
    p.add_argument("--rule", metavar="|".join(RULES), help="default: what A states, else interval")
    p.add_argument("--fail-on", metavar="worse", help="exit 1 if any verdict is worse, or B lacks what A has")
    p.add_argument("--format", default="text", metavar="|".join(COMPARISONS), help="default: text")
    p.add_argument("--output", metavar="FILE", help="default: stdout")
    return p


def _baseline() -> _Parser:
    p = _parser("baseline", "Make a baseline of a run and show what moved against the earlier file.")
    p.add_argument("action", metavar="update")
    p.add_argument("run", metavar="RUN", help="a run's folder")
    p.add_argument("--output", metavar="FILE", help="default: baselines/<suite name>.toml")
    return p


def _export() -> _Parser:
    p = _parser("export", "The values of a run as a flat table, one row per value.")
    p.add_argument("run", metavar="RUN", help="a run's folder")
    p.add_argument("--format", default="csv", metavar="|".join(FORMATS), help="default: csv")
    p.add_argument("--output", metavar="FILE", help="default: stdout")
    return p


def _new() -> _Parser:
    p = _parser("new", "Write a working file for an entry of your own, and its test.")
    p.add_argument("kind", metavar="|".join(NEW), help="what it is to be")
    p.add_argument("name", metavar="NAME", help="what suites will call it, as in my_method")
    p.add_argument("--dir", default=".", metavar="DIR", help="where to write (default: here)")
    return p


def _check() -> _Parser:
    p = _parser("check", "Check the contract of an entry; one line for each finding, and 1 if there are any.")
    p.add_argument("name", metavar="NAME", help="a task, network, cell, model or metric")
    p.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a parameter that it is checked with, in place of SMOKE's (may be repeated)",
    )
    p.add_argument("--plugin", action="append", default=[], metavar="FILE", help="a Python file with entries")
    p.add_argument("--quiet", action="store_true", help="no progress")
    return p


def _perf() -> _Parser:
    p = _parser(
        "perf",
        "compare REV_A REV_B: the speed of B against A, in processes that take turns; exit code 1 if it is "
        "slower. throughput: how fast the core is by the size of the problem, and against this machine. "
        "quality: how soon co-training reaches the paper's figures, beside the paper's recipe on this core.",
    )
    p.add_argument("action", metavar="compare|throughput|quality")
    for side in "ab":
        p.add_argument(
            side, nargs="?", metavar=f"REV_{side.upper()}", help="a revision, or a folder with the code (.)"
        )
    p.add_argument(
        "--out", metavar="DIR", help="where throughput and quality write (default: reports/ACTION)"
    )
    p.add_argument("--seeds", type=int, default=5, metavar="N", help="of each task of quality (default: 5)")
    p.add_argument(
        "--budget", type=float, default=0.5, metavar="SECONDS", help="of each figure of throughput"
    )
    p.add_argument("--largest", type=int, default=1024, metavar="N", help="the most units of throughput")
    p.add_argument("--only", action="append", default=[], metavar="NAME", help="only this benchmark (repeat)")
    p.add_argument("--pairs", type=int, default=5, metavar="N", help="pairs of processes (default: 5)")
    p.add_argument("--turns", type=int, default=8, metavar="N", help="of each process (default: 8)")
    p.add_argument("--threshold", type=float, metavar="RATIO", help="in place of the benchmarks' own, 1.1")
    p.add_argument("--quiet", action="store_true", help="no progress")
    return p


def _import() -> _Parser:
    p = _parser("import", "Make a checkpoint of the weights of a PyTorch, Keras or Flax layer.")
    p.add_argument("weights", metavar="WEIGHTS", help="an .npz of arrays by the library's own names")
    p.add_argument("--layer", required=True, metavar="NAME", help="as torch.GRU; a wrong one lists all")
    p.add_argument("--out", default="network.npz", metavar="FILE", help="default: network.npz")
    return p


def _doctor() -> _Parser:
    p = _parser("doctor", "Versions, device, threads, speed and disk of this machine.")
    p.add_argument(
        "--out", default="reports", metavar="DIR", help="the folder that runs would write (reports)"
    )
    return p


_PARSERS = {
    "run": _run,
    "reproduce": _reproduce,
    "list": _list,
    "info": _info,
    "report": _report,
    "merge": _merge,
    "compare": _compare,
    "baseline": _baseline,
    "export": _export,
    "new": _new,
    "check": _check,
    "import": _import,
    "perf": _perf,
    "doctor": _doctor,
}


def parser_of(verb: str) -> argparse.ArgumentParser:
    """The parser of a verb's options; UsageError for an unknown verb."""
    if verb not in _PARSERS:
        what = "option" if verb.startswith("-") else "verb"
        raise UsageError(
            f"unknown {what} {verb!r}{nearest(verb, list(_PARSERS))} "
            f"(verbs: {', '.join(_PARSERS)}; try: jslds-bench --help)"
        )
    return _PARSERS[verb]()


def parse(parser: argparse.ArgumentParser, words: list[str]) -> argparse.Namespace:
    """The arguments that `words` give; UsageError for an unknown option or a value that does not fit."""
    verb = parser.prog.rpartition(" ")[2]
    options = [option for action in parser._actions for option in action.option_strings]
    # Before argparse looks: it would report a missing --suite first, and that hides `--suit smoke`.
    for word in words[: words.index("--") if "--" in words else None]:
        name = word.split("=", 1)[0]
        if name.startswith("--") and name not in options:
            raise UsageError(
                f"{verb} has no option {name!r}{nearest(name, options)} (try: {parser.prog} --help)"
            )
    arguments, extra = parser.parse_known_args(words)
    if extra:
        raise UsageError(f"{verb} does not take {extra[0]!r} (try: {parser.prog} --help)")
    return arguments


def one_of(word: str, words: tuple[str, ...], what: str) -> str:
    """`word`, if it is one of `words`; a UsageError with the nearest of them if not."""
    if word not in words:
        raise UsageError(f"unknown {what} {word!r}{nearest(word, list(words))} (known: {', '.join(words)})")
    return word
