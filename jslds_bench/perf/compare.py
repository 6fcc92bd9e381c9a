"""Interleaved timing: what disturbs the machine disturbs both versions alike."""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from scipy import stats

from jslds_bench.errors import UsageError
from jslds_bench.perf.versions import Version
from jslds_bench.types.core import Progress

BUDGET = 0.15
"""Seconds of calls at each turn."""
LEVEL = 0.99
"""Of each interval: about one benchmark in a hundred pairs of equal versions lies outside."""


class Outcome(NamedTuple):
    """What became of one benchmark from A to B.

    Attributes:
        name: of the benchmark.
        seconds: of a call of A, the median.
        ratio: seconds of B over seconds of A, the geometric mean over pairs of processes.
        low, high: its 99 % interval over pairs of processes, by t on logarithms.
        threshold: the ratio above which it counts.
    """

    name: str
    seconds: float
    ratio: float
    low: float
    high: float
    threshold: float

    @property
    def slower(self) -> bool:
        """B is slower beyond chance, and by more than the threshold."""
        return self.low > 1 and self.ratio > self.threshold


class _Child:
    """The process of one version."""

    def __init__(self, version: Version, benchmarks: Path, core: int | None) -> None:
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self.version = version
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  # a pipe that nobody reads stops it once full
        self._process = subprocess.Popen(
            [
                str(version.python),
                "-P",
                str(Path(__file__).with_name("child.py")),
                str(version.folder),
                str(benchmarks),
                "any" if core is None else str(core),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env={**os.environ, **threads},
            text=True,
        )

    def seconds(self, name: str, budget: float) -> float:
        """Of one call of the benchmark."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps([name, budget]) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self._process.wait()
            self._said.seek(0)
            last = self._said.read().decode(errors="replace").strip().splitlines()[-1:]
            raise UsageError(f"benchmark {name!r} failed in {self.version.name}: {' '.join(last)}")
        return float(json.loads(line))

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._said.close()


def compare_speeds(
    a: Version,
    b: Version,
    benchmarks: Path,
    names: dict[str, float],
    pairs: int,
    turns: int,
    progress: Progress,
) -> list[Outcome]:
    """B against A: pairs of processes, alive together and on one core, take turns at each benchmark.

    Args:
        benchmarks: the file with `TIMED`, name → a function that returns the call to time; the same for both.
        names: benchmark → the ratio above which B counts as slower.
        pairs: how many pairs of processes; their spread makes the interval.
        turns: of each process at each benchmark, in the order A B B A ….
    """
    if pairs < 2 or turns < 1:
        raise UsageError(f"pairs is {pairs} and turns {turns}, expected at least 2 and 1")
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [None]
    logs: dict[str, list[float]] = {name: [] for name in names}
    of_a: dict[str, list[float]] = {name: [] for name in names}
    for pair in range(pairs):
        order = (0, 1) if pair % 2 == 0 else (1, 0)
        children: dict[int, _Child] = {}
        try:
            for i in order:
                children[i] = _Child((a, b)[i], benchmarks, cores[-1])
            for i, name in enumerate(names):
                progress(pair * len(names) + i, pairs * len(names), name)
                taken: tuple[list[float], list[float]] = ([], [])
                for turn in range(turns):
                    for which in order if turn % 2 == 0 else order[::-1]:
                        taken[which].append(children[which].seconds(name, BUDGET))
                ratios = [math.log(y / x) for x, y in zip(*taken, strict=True)]
                logs[name].append(statistics.median(ratios))
                of_a[name] += taken[0]
        finally:
            for child in children.values():
                child.end()
    return [_outcome(name, of_a[name], logs[name], names[name]) for name in names]


def _outcome(name: str, seconds: Sequence[float], logs: Sequence[float], threshold: float) -> Outcome:
    mean, n = statistics.fmean(logs), len(logs)
    half = float(stats.t.ppf(0.5 + LEVEL / 2, n - 1)) * statistics.stdev(logs) / math.sqrt(n)
    ratio, low, high = (math.exp(x) for x in (mean, mean - half, mean + half))
    return Outcome(name, statistics.median(seconds), ratio, low, high, threshold)
