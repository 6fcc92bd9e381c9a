"""The runner: hands groups of jobs to worker processes and sees that each job ends as a record."""

from __future__ import annotations

import contextlib
import dataclasses
import html
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jslds_bench import settings
from jslds_bench.errors import UsageError
from jslds_bench.processes.cores import usable_cores
from jslds_bench.records.record import Status
from jslds_bench.records.sealed import read_json, sweep, write_json
from jslds_bench.records.store import move_record, record_path, slug, write_record
from jslds_bench.runner import accelerators, cache
from jslds_bench.runner.elsewhere import done_elsewhere
from jslds_bench.runner.executors.shards import Executor
from jslds_bench.runner.folder import asked_of, locked, programs_of, standing, superseded_seeds, sweep_run
from jslds_bench.runner.limits import Limits
from jslds_bench.runner.outcome import blank_record
from jslds_bench.runner.planning import Wanted, plan
from jslds_bench.runner.pool import Pool
from jslds_bench.runner.progress import ProgressBoard
from jslds_bench.runner.queue import Queue
from jslds_bench.runner.supervision import Command, Supervisor
from jslds_bench.suite import Job, Key, Resolved, Suite, dump, load_suite
from jslds_bench.suite.choosing import united


@dataclasses.dataclass(frozen=True)
class RunResult:
    """How a run went. `n_kept` of the ok jobs were done by an earlier run of the same folder."""

    path: Path
    n_ok: int
    n_failed: int
    n_unsupported: int
    n_kept: int

    def _repr_html_(self) -> str:
        """What a notebook shows: how many jobs came to what, and where the records are."""
        counts = {
            "ok": self.n_ok,
            "kept": self.n_kept,
            "unsupported": self.n_unsupported,
            "failed": self.n_failed,
        }
        said = ", ".join(f"{n} {word}" for word, n in counts.items() if n)
        return f"<p>{said or 'no jobs'}; records in <code>{html.escape(str(self.path))}</code></p>"


def run_suite(
    suite: Suite | Resolved | str,
    out: str | Path | None = None,
    *,
    workers: int | None = None,
    threads: int = 1,
    timeout: float | None = None,
    memory: float | None = None,
    resume: bool = True,
    batched: bool | None = None,
    shared: bool = False,
    wait: float = 0.0,
    executor: Executor | None = None,
    progress: ProgressBoard | None = None,
) -> RunResult:
    """Runs every job of `suite` and writes its record under `out`; finished ones of an earlier run are kept.

    Args:
        suite: a suite, resolved or not, or the name or path of one.
        out: the run folder; by default ``reports/<suite name>``.
        workers: processes, each with cores of its own; by default as many as there are cores for. Where JAX
            computes on accelerators, each has one of those instead, and there are no more workers than
            accelerators.
        threads: cores of each worker. Numbers may differ between one and several.
        timeout: seconds after which a job is stopped (making its network counts by itself; n at once may
            take n times as long).
        memory: GB (10⁹ bytes) of its worker's memory at which a job is stopped. Linux alone.
            In a delegated scope of systemd this process moves into a group within it for that.
        resume: keep finished records and use cached networks; False makes all anew.
        batched: train the networks of all seeds of a (task, network) as one program; by default on
            accelerators alone. Cores are faster one by one.
        shared: whether others compute on this machine: no speeds are measured then.
        wait: seconds to wait for another run that writes to `out`.
        executor: what has the parts of the run done (`runner.executors`); by default workers of this process.
        progress: where to show it; by default stderr.

    Raises:
        UsageError: the suite is wrong, or the folder cannot be used or is taken away. Failing jobs raise
            nothing: they become records.
    """
    suite = load_suite(suite) if isinstance(suite, str) else suite
    if not wait >= 0:
        raise UsageError(f"wait is {wait} seconds, expected 0 or more")
    limits = Limits(workers, threads, timeout, memory)
    if executor is None:
        limits.check_here()
    board = ProgressBoard() if progress is None else progress
    if isinstance(suite, Suite):
        chosen = plan(Wanted(suite), timeout, board.note)
        for complaint in chosen.complaints:
            board.note(f"{complaint}; the run goes on without it")
    else:
        chosen = suite
    board.total = len(chosen.jobs)
    out = Path(out if out is not None else Path("reports") / slug(chosen.suite.name)).absolute()
    with locked(out, wait, board.note) as ours:
        sweep_run(out)
        sweep(cache.cache_folder() / "networks")
        run = _Run(chosen, out, limits, resume, board, ours, shared, executor)
        try:
            return run.all(batched)
        finally:
            board.close()


class _Run:
    """One call of `run_suite`."""

    def __init__(
        self,
        plan: Resolved,
        out: Path,
        limits: Limits,
        resume: bool,
        board: ProgressBoard,
        ours: Callable[[], bool],
        shared: bool = False,
        executor: Executor | None = None,
    ) -> None:
        self.shared, self.executor = shared, executor
        self.plan, self.suite, self.out = plan, plan.suite, out
        self.limits, self.resume, self.board, self.ours = limits, resume, board, ours
        self.noted: set[str] = set()
        self.jobs: dict[Key, Job] = {job.key: job for job in plan.jobs}
        self.asked = plan.suite  # of this folder, by this run and earlier ones
        self.statuses: dict[Key, str] = {}
        self.kept = 0
        self.environment: dict[str, Any] = {}
        self.earlier: dict[str, Any] = {}  # the environment of the run before: where nothing is left to do
        self.started = time.monotonic()
        self.workers = {"starting": 0.0, "idle": 0.0}

    def all(self, batched: bool | None) -> RunResult:
        """Runs what is left and counts."""
        self._open()
        groups = self._groups()
        if groups and self.executor is not None:
            self._elsewhere(self.executor, groups)
        elif groups:
            self._here(groups, batched)
        self.check_folder()
        self._describe(finished=True)
        counts = list(self.statuses.values())
        n_unsupported = counts.count("unsupported")
        n_ok = counts.count("ok")
        return RunResult(self.out, n_ok, len(counts) - n_ok - n_unsupported, n_unsupported, self.kept)

    def _elsewhere(self, executor: Executor, groups: list[list[Key]]) -> None:
        """Has `executor` do the jobs."""
        jobs = [[self.jobs[key] for key in group] for group in groups]
        rest = self.suite, self.out, self.limits, self.resume, self.note
        with contextlib.closing(done_elsewhere(executor, jobs, *rest)) as ended:
            for job, found in ended:
                if isinstance(found, str):
                    self.record(job.key, "failed", found)
                else:
                    self.environment = found.environment
                    self.done(job.key, found.status, found.reason)

    def _here(self, groups: list[list[Key]], batched: bool | None) -> None:
        """Has workers of this machine do the jobs."""
        places, workers, threads = accelerators.places(), self.limits.workers, self.limits.threads
        batched = bool(places) if batched is None else batched
        if batched:
            groups = self._over_seeds(groups)
        if places and workers is not None and workers > len(places):
            self.board.note(f"{len(places)} of {workers} workers: each has an accelerator to itself")
        if places:
            most = min(workers or len(places), len(places))
        else:
            most = workers or len(usable_cores()) // threads
        command = Command(self.out, tuple(self.plan.files.values()), not self.resume, batched, self.shared)
        with (
            programs_of(self.out) as programs,
            Pool(programs, places, threads, self.limits.bytes) as pool,
        ):
            queue = Queue(groups, self.length)
            supervisor = Supervisor(pool, queue, self, command, self.limits, self.board)
            supervisor.work(min(len(groups), most))
        now = time.monotonic()
        idle = sum(now - moment for moment in supervisor.let_go)
        self.workers = {"starting": supervisor.starting, "idle": idle}

    def _open(self) -> None:
        """Refuses a folder that holds something else, then says what is being run."""
        if (self.out / "run.json").exists():
            earlier = read_json(self.out / "run.json", "run")
            if earlier["suite"] != self.suite.name:
                raise UsageError(
                    f"{self.out} holds a run of suite {earlier['suite']!r}, not {self.suite.name!r}: choose "
                    "another --out"
                )
            self.earlier = earlier.get("environment", {})
            self.asked = united(self.suite, asked_of(earlier, self.out))
        self._describe(finished=False)

    def check_folder(self) -> None:
        """Raises UsageError where what was written is no longer there."""
        lost = [key for key in self.statuses if not record_path(self.out, key).exists()]
        if lost or not self.ours():
            raise UsageError(
                f"{self.out} was removed, or records in it were, while the run wrote to it: {len(lost)} of "
                f"{len(self.jobs)} are missing; start the run again, what is left is kept"
            )

    def check_code(self) -> None:
        """Raises UsageError where the code is no longer what the digests were made of."""
        if self.plan.is_stale():
            raise UsageError(
                "the code has changed since this run was planned: start it again, what is done is kept"
            )

    def note(self, text: str) -> None:
        """A line for people, once."""
        if text not in self.noted:
            self.noted.add(text)
            self.board.note(text)

    def _describe(self, finished: bool) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        seconds = time.monotonic() - self.started
        if not finished:
            self.began = now
        write_json(
            self.out / "run.json",
            {
                "suite": self.suite.name,
                "suite_text": dump(self.asked),
                "environment": self.environment or self.earlier,
                "started": self.began,
                "finished": now if finished else None,
                "seconds": seconds if finished else None,
                "workers": self.workers if finished else None,
                "jobs": len(self.jobs),
            },
        )

    def _groups(self) -> list[list[Key]]:
        """The jobs left to do, grouped by what shares a network; longest first, so that none lags at the end.

        Jobs that an earlier run finished are kept; jobs that a model declares unsupported, or whose plug-in
        does not import, are recorded.
        """
        groups: dict[tuple[str, str, int, str], list[Key]] = {}
        others = list(superseded_seeds(self.out, self.plan.jobs))
        found_of = {key: standing(self.out, job, self.board.note) for key, job in self.jobs.items()}
        self._put_aside(others, [key for key, found in found_of.items() if found == "superseded"])
        for key, job in self.jobs.items():
            if self.resume and found_of[key] == "finished":
                self.statuses[key] = "ok"
                self.kept += 1
                self.board.job_done(key, "kept")
            elif job.failure is not None:
                self.record(key, "failed", job.failure)
            elif job.refusal is not None:
                self.record(key, "unsupported", job.refusal)
            else:
                # What is quickly prepared is prepared anew for each job: they need not wait for each other.
                alone = "" if settings.of(job.setting).shares else job.model.label
                groups.setdefault((job.task.label, job.network.label, job.seed, alone), []).append(key)
        return sorted(groups.values(), key=self.length, reverse=True)

    def _put_aside(self, others: list[Path], keys: list[Key]) -> None:
        """Moves what does not belong here: `others`, of seeds that are not run now, and records of `keys`."""
        paths = others + [record_path(self.out, key) for key in keys]
        if not paths:
            return
        self.check_code()  # the plan may be older than they are
        folder = self.out / "superseded" / self.began.replace(":", "")
        while folder.exists():
            folder = folder.with_name(f"{folder.name}+")
        for path in paths:
            move_record(path, folder)
        whose = f"{len(paths)} records"
        if others:
            whose += f", {len(others)} of them of seeds that are not run now,"
        why = "are by other code, parameters or libraries than this run's"
        self.board.note(f"{whose} {why}: they are moved to {folder}, so that no mean is of both")

    def length(self, group: list[Key]) -> tuple[bool, int]:
        """What groups are ordered by: co-training takes longest, and many models longer than few."""
        return self.jobs[group[0]].network.name == "cotrained", len(group)

    def _over_seeds(self, groups: list[list[Key]]) -> list[list[Key]]:
        """`groups` with those that differ in the seed of a network alone put together."""
        together: dict[tuple[Any, ...], list[Key]] = {}
        for group in groups:
            task, network, model, seed = group[0]
            setting = settings.of(self.jobs[group[0]].setting)
            alone = () if setting.needs_network and setting.shares else (model, seed)
            together.setdefault((task, network, *alone), []).extend(group)
        return list(together.values())

    def record(self, key: Key, status: Status, reason: str | None, attempts: int = 1) -> None:
        """Writes the record of a job that no worker could finish."""
        record = blank_record(self.jobs[key], status, reason, self.environment)
        if attempts > 1:
            record = dataclasses.replace(record, detail={"attempts": attempts})
        write_record(self.out, record, {})
        self.done(key, status, reason)

    def done(self, key: Key, status: str, reason: str | None) -> None:
        """A record is written."""
        self.statuses[key] = status
        self.board.job_done(key, status, reason)
        if not self.ours():
            self.check_folder()
