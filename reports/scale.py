"""What the runner itself costs where others do the jobs, from 10⁴ jobs to 10⁶: the table of docs/clusters.md.

``python reports/scale.py FOLDER`` takes seven minutes and 2 GB there, and writes
``reports/reference/scale/values.csv``; ``python reports/quote.py`` puts it into the page. The cluster is
simulated: its records are written by this process, outside of the clock, without waiting for the disk.
Slurm's answers are texts of as many lines.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import heapq
import os
import resource
import shutil
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jslds_bench.records.record import Value
from jslds_bench.records.store import write_record
from jslds_bench.runner import run_suite
from jslds_bench.runner.executors import slurm
from jslds_bench.runner.executors.shards import Ended, Shard, shards_of
from jslds_bench.runner.outcome import blank_record
from jslds_bench.runner.progress import ProgressBoard
from jslds_bench.suite import Job, Key, Resolved, parse, resolve

FILE = Path(__file__).resolve().parent / "reference" / "scale" / "values.csv"
PLANNED = (10_000, 100_000, 1_000_000)
RUN = (10_000, 100_000)
TABLE = {
    "tasks": ("nbit_memory", "context_integration"),
    "networks": ("standard", "cotrained"),
    "models": (
        *("fixed_points", "jslds", "codebook", "taylor_at_state", "persistence"),
        *("dmdc", "edmd", "lds", "clds", "low_rank"),
    ),
}
"""Forty cells: a shard, the jobs of one network, has ten."""
WORKERS, SECONDS = 10_000, (10.0, 30.0, 100.0, 300.0)
Rows = list[tuple[str, int, str, float]]


class Simulated:
    """A cluster that has a shard's records the moment it is asked. `seconds` it took for itself."""

    exclusive = False

    def __init__(self, jobs: dict[Key, Job]) -> None:
        self._jobs = jobs
        self.seconds = 0.0

    def run(self, shards: Sequence[Shard]) -> Iterator[tuple[Shard, Ended]]:
        for shard in shards:
            start = time.perf_counter()
            for key in shard.keys:
                write_record(shard.folder, _record(self._jobs[key]), {"x": np.arange(64.0)})
            self.seconds += time.perf_counter() - start
            yield shard, Ended(0)


def _record(job: Job) -> Any:
    """Of 9 KB, as most are."""
    values = {name: Value(0.1, "1", "lower", None) for name in job.metrics}
    detail = {"loss": [0.1234567] * 200}
    return dataclasses.replace(blank_record(job, "ok", None, {}), values=values, detail=detail)


def plan_of(n_jobs: int) -> Resolved:
    """A plan of so many jobs."""
    n_cells = int(np.prod([len(entries) for entries in TABLE.values()]))
    tables = {kind: [{"name": name} for name in names] for kind, names in TABLE.items()}
    seeds = list(range(n_jobs // n_cells))
    suite = {"schema": 1, "name": "scale", "recipe": "fast", "seeds": seeds, **tables}
    return resolve(parse(suite, Path("scale.toml")))


def planned() -> Iterator[tuple[str, int, str, float]]:
    """Plans, and the commands of their shards."""
    for n in PLANNED:
        plan, seconds = _timed(plan_of, n)
        yield "plan", n, "s", seconds
        groups: dict[Any, list[Job]] = {}
        for job in plan.jobs:
            groups.setdefault((job.task.label, job.network.label, job.seed), []).append(job)
        folder = Path("/shared/run/shards")
        shards, seconds = _timed(shards_of, list(groups.values()), folder, folder / "suite.toml", [])
        yield "commands of its parts", n, "s", seconds
        if n == PLANNED[-1]:  # the most so far
            yield "memory by then", n, "GB", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        yield "a look at Slurm's queue", n, "s", _look(len(shards))


def _look(n_tasks: int) -> float:
    """Seconds of one look at a queue of so many tasks, Slurm's own time left out."""
    text = "\n".join(f"{k // slurm.MOST} {k % slurm.MOST}" for k in range(n_tasks))
    asked, slurm._called = slurm._called, lambda *words: text
    try:
        left, seconds = _timed(slurm._queued, "scale")
    finally:
        slurm._called = asked
    assert left is not None
    assert len(left) == n_tasks
    return seconds


def taken_over(folder: Path) -> Iterator[tuple[str, int, str, float]]:
    """A run that others do, and the same again, which keeps all."""
    for n in RUN:
        plan, out = plan_of(n), folder / f"run-{n}"
        cluster = Simulated({job.key: job for job in plan.jobs})
        go = functools.partial(run_suite, plan, out, executor=cluster, progress=ProgressBoard(quiet=True))
        with _without_waiting_for_the_disk():
            result, seconds = _timed(go)
            assert result.n_ok == n
            yield "to take a record over", n, "ms", 1e3 * (seconds - cluster.seconds) / n
            result, seconds = _timed(go)
            assert result.n_kept == n
            yield "to keep a record", n, "ms", 1e3 * seconds / n
        shutil.rmtree(out)


@contextlib.contextmanager
def _without_waiting_for_the_disk() -> Iterator[None]:
    """Other machines would, in parallel."""
    synced, os.fsync = os.fsync, lambda handle: None
    try:
        yield
    finally:
        os.fsync = synced


def kept_busy(per_shard: float) -> Iterator[tuple[str, int, str, float]]:
    """Runs of 10⁶ jobs on `WORKERS` workers whose shards take so long: how much longer than without a runner.

    Shards take log-normal times (σ = 0.5). A worker has its next one when it has ended one, as those of
    Slurm and Dask do; the runner takes over one shard after the other, `per_shard` seconds each.
    """
    n_shards = PLANNED[-1] // len(TABLE["models"])
    for mean in SECONDS:
        rng = np.random.default_rng(0)
        seconds = deque(mean * np.exp(0.5 * rng.normal(size=n_shards) - 0.125))
        running = [seconds.popleft() for _ in range(WORKERS)]
        heapq.heapify(running)
        runner = last = 0.0
        while running:
            last = heapq.heappop(running)
            runner = max(runner, last) + per_shard
            if seconds:
                heapq.heappush(running, last + seconds.popleft())
        yield f"parts of {mean:g} s: as long", PLANNED[-1], "times", runner / last


def _timed(call: Callable[..., Any], *args: Any) -> tuple[Any, float]:
    start = time.perf_counter()
    return call(*args), time.perf_counter() - start


def main() -> None:
    """Measures and writes."""
    if len(sys.argv) != 2:
        sys.exit("say in which folder: python reports/scale.py FOLDER")
    rows: Rows = []

    def found(more: Iterator[tuple[str, int, str, float]]) -> None:
        for row in more:
            rows.append(row)
            sys.stdout.write(f"{row[0]}, {row[1]:,} jobs: {row[3]:.3g} {row[2]}\n")
            sys.stdout.flush()

    found(taken_over(Path(sys.argv[1])))
    found(planned())
    per_record = next(value for what, n, _, value in rows if what == "to take a record over" and n == RUN[-1])
    found(kept_busy(1e-3 * per_record * len(TABLE["models"])))
    FILE.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows, columns=["what", "jobs", "unit", "value"]).to_csv(FILE, index=False)


if __name__ == "__main__":
    main()
