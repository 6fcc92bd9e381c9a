"""The runner: hands groups of jobs to worker processes and sees that each job ends as a record."""

from __future__ import annotations

import dataclasses
import html
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jslds_bench import settings
from jslds_bench.errors import UsageError
from jslds_bench.records.record import Status
from jslds_bench.records.sealed import read_json, sweep, write_json
from jslds_bench.records.store import record_path, slug, write_record
from jslds_bench.runner import accelerators, cache
from jslds_bench.runner.child import Garbled, shown
from jslds_bench.runner.cores import usable_cores
from jslds_bench.runner.elsewhere import done_elsewhere
from jslds_bench.runner.events import is_event
from jslds_bench.runner.executors.shards import Executor
from jslds_bench.runner.folder import asked_of, finished_before, locked
from jslds_bench.runner.limits import Limits
from jslds_bench.runner.outcome import blank_record
from jslds_bench.runner.planning import Wanted, plan
from jslds_bench.runner.pool import Pool, Worker
from jslds_bench.runner.progress import ProgressBoard
from jslds_bench.runner.queue import Queue
from jslds_bench.runner.silence import Silence
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
        resume: keep finished records and use cached networks; False makes all anew.
        batched: train the networks of all seeds of a (task, network) as one program; by default on
            accelerators alone. Cores are faster one by one.
        shared: whether others compute on this machine: no speeds are measured then.
        executor: what has the parts of the run done (`runner.executors`); by default workers of this process.
        progress: where to show it; by default stderr.

    Raises:
        UsageError: the suite is wrong, or the folder cannot be used or is taken away. Failing jobs raise
            nothing: they become records.
    """
    suite = load_suite(suite) if isinstance(suite, str) else suite
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
    with locked(out) as ours:
        sweep(out / "records")
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
        self.batched = False
        self.environment: dict[str, Any] = {}
        self.started = time.monotonic()
        self.starting = 0.0  # seconds until workers were ready, of all together
        self.let_go: list[float] = []  # when each worker that found nothing left to do was ended
        self.attempts: dict[Key, int] = {}  # that ended with their worker
        self.to_tell: list[Worker] = []  # halted workers that have nothing to do
        self.unbegun = 0  # workers that died, one after the other, before they began what they were given
        self.weighed = 0.0  # when memory was last looked at

    def all(self, batched: bool | None) -> RunResult:
        """Runs what is left and counts."""
        workers = self.limits.workers
        self._open()
        groups = self._groups()
        if groups and self.executor is not None:
            jobs = [[self.jobs[key] for key in group] for group in groups]
            limits, resume = self.limits, self.resume
            for job, found in done_elsewhere(
                self.executor, jobs, self.suite, self.out, limits, resume, self._note
            ):
                if isinstance(found, str):
                    self._record(job.key, "failed", found)
                else:
                    self.environment = found.environment
                    self._done(job.key, found.status, found.reason)
        elif groups:
            places = accelerators.places()
            self.batched = bool(places) if batched is None else batched
            if self.batched:
                groups = self._over_seeds(groups)
            if places and workers is not None and workers > len(places):
                self.board.note(f"{len(places)} of {workers} workers: each has an accelerator to itself")
            if places:
                most = min(workers or len(places), len(places))
            else:
                most = workers or len(usable_cores()) // self.limits.threads
            with Pool(places, self.limits.threads, self.limits.bytes) as pool:
                self._work(pool, Queue(groups, self._length), min(len(groups), most))
        self._check_folder()
        self._describe(finished=True)
        counts = list(self.statuses.values())
        n_unsupported = counts.count("unsupported")
        n_ok = counts.count("ok")
        return RunResult(self.out, n_ok, len(counts) - n_ok - n_unsupported, n_unsupported, self.kept)

    def _open(self) -> None:
        """Refuses a folder that holds something else, then says what is being run."""
        if (self.out / "run.json").exists():
            earlier = read_json(self.out / "run.json", "run")
            if earlier["suite"] != self.suite.name:
                raise UsageError(
                    f"{self.out} holds a run of suite {earlier['suite']!r}, not {self.suite.name!r}: choose "
                    "another --out"
                )
            self.environment = earlier.get("environment", {})
            self.asked = united(self.suite, asked_of(earlier, self.out))
        self._describe(finished=False)

    def _check_folder(self) -> None:
        """Raises UsageError where what was written is no longer there."""
        lost = [key for key in self.statuses if not record_path(self.out, key).exists()]
        if lost or not self.ours():
            raise UsageError(
                f"{self.out} was removed, or records in it were, while the run wrote to it: {len(lost)} of "
                f"{len(self.jobs)} are missing; start the run again, what is left is kept"
            )

    def _note(self, text: str) -> None:
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
                "environment": self.environment,
                "started": self.began,
                "finished": now if finished else None,
                "seconds": seconds if finished else None,
                "workers": self._workers() if finished else None,
                "jobs": len(self.jobs),
            },
        )

    def _workers(self) -> dict[str, float]:
        """How many there were, and the seconds in which they had no job: starting, and idle at the end."""
        now = time.monotonic()
        idle = sum(now - moment for moment in self.let_go)
        return {"n": len(self.let_go), "starting": self.starting, "idle": idle}

    def _groups(self) -> list[list[Key]]:
        """The jobs left to do, grouped by what shares a network; longest first, so that none lags at the end.

        Jobs that an earlier run finished are kept; jobs that a model declares unsupported, or whose plug-in
        does not import, are recorded.
        """
        groups: dict[tuple[str, str, int, str], list[Key]] = {}
        for key, job in self.jobs.items():
            if self.resume and finished_before(self.out, job, self.board.note):
                self.statuses[key] = "ok"
                self.kept += 1
                self.board.job_done(key, "kept")
            elif job.failure is not None:
                self._record(key, "failed", job.failure)
            elif job.refusal is not None:
                self._record(key, "unsupported", job.refusal)
            else:
                # What is quickly prepared is prepared anew for each job: they need not wait for each other.
                alone = "" if settings.of(job.setting).shares else job.model.label
                groups.setdefault((job.task.label, job.network.label, job.seed, alone), []).append(key)
        return sorted(groups.values(), key=self._length, reverse=True)

    def _length(self, group: list[Key]) -> tuple[bool, int]:
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

    def _record(self, key: Key, status: Status, reason: str | None) -> None:
        """Writes the record of a job that no worker could finish."""
        record = blank_record(self.jobs[key], status, reason, self.environment)
        if (attempts := self.attempts.get(key, 0)) > 1:
            record = dataclasses.replace(record, detail={"attempts": attempts})
        write_record(self.out, record, {})
        self._done(key, status, reason)

    def _done(self, key: Key, status: str, reason: str | None) -> None:
        self.statuses[key] = status
        self.board.job_done(key, status, reason)

    def _work(self, pool: Pool, groups: Queue, n_workers: int) -> None:
        """Keeps the workers busy until no group is left."""
        self.silence = Silence(pool)
        for number in range(n_workers):
            self._start(number)
        while pool.workers:
            for worker, event in pool.events(timeout=0.5):
                if worker in pool.workers:  # it may have said more than it should, and been ended
                    self._hear(pool, worker, event, groups)
            self._stop_overdue(pool, groups)
            self._stop_oversized(pool, groups)
            waiting, self.to_tell = self.to_tell, []
            for worker in waiting:
                if worker in pool.workers:
                    self._next(pool, worker, groups)

    def _hear(
        self, pool: Pool, worker: Worker, event: dict[str, Any] | Garbled | None, groups: Queue
    ) -> None:
        if event is None:
            ended = pool.bury(worker)
            self._lost(pool, worker, groups, "failed", f"its worker died: {ended}", again=True)
        elif isinstance(event, Garbled) or not is_event(event, worker.group, bool(worker.environment)):
            pool.remove(worker)
            reason = f"it wrote to the conversation of its worker: {shown(event)}"
            self._lost(pool, worker, groups, "failed", reason)
        else:
            self._handle(pool, worker, event, groups)

    def _handle(self, pool: Pool, worker: Worker, event: dict[str, Any], groups: Queue) -> None:
        match event["event"]:
            case "ready":
                worker.environment = self.environment = {**event["environment"], "batched": self.batched}
                self.starting += time.monotonic() - worker.since
                self._next(pool, worker, groups)
            case "idle":
                worker.keys = worker.group = []
                self._next(pool, worker, groups)
            case "begin":
                worker.begun, self.unbegun = True, 0
                worker.keys = [tuple(key) for key in event["keys"]]
                worker.since = time.monotonic()
                worker.label = worker.keys[0]
                if what := event.get("what"):
                    task, network, _, seed = worker.keys[0]
                    worker.label = (task, network, what, seed)
                else:
                    self.board.job_started(worker.keys[0])
            case "stage":
                self.board.stage(worker.number, worker.label, event["done"], event["total"], event["text"])
            case "finished":
                key = tuple(event["key"])
                worker.group = [k for k in worker.group if k != key]
                worker.keys = [k for k in worker.keys if k != key]
                self._done(key, event["status"], event["reason"])
                if not self.ours():
                    self._check_folder()
            case "quiet":
                self.silence.ask(worker)
            case "loud":
                self.silence.end(worker)
            case "note":
                self._note(event["text"])
            case "fatal":
                raise UsageError(event["message"])

    def _next(self, pool: Pool, worker: Worker, groups: Queue) -> None:
        """Gives the worker its next group, or ends it; one that is halted, when it goes on."""
        if self.silence.halts(worker):
            if worker not in self.to_tell:
                self.to_tell.append(worker)
            return
        if not groups:
            pool.remove(worker)
            self.let_go.append(time.monotonic())
            return
        worker.group = worker.keys = groups.take(worker.task)
        worker.task, worker.begun = worker.group[0][0], False
        worker.since = time.monotonic()
        command = {
            "jobs": [self.jobs[key].content for key in worker.group],
            "attempts": [self.attempts.get(key, 0) + 1 for key in worker.group],
            "plugins": list(self.plan.files.values()),
            "out": str(self.out),
            "fresh": not self.resume,
            "batched": self.batched,
            "shared": self.shared,
        }
        worker.send(command)

    def _stop_overdue(self, pool: Pool, groups: Queue) -> None:
        """Ends workers whose job has taken longer than the timeout, and starts others in their place."""
        for worker in filter(self._is_overdue, self.silence.running()):  # the clocks of the others stand
            for event in pool.unread(worker):  # it may have finished in time
                self._hear(pool, worker, event, groups)
            if worker in pool.workers and self._is_overdue(worker):
                reason = f"stopped after {self._allowed(worker):g} s (--timeout)"
                pool.remove(worker)
                self._lost(pool, worker, groups, "timeout", reason)

    def _is_overdue(self, worker: Worker) -> bool:
        return bool(worker.keys) and time.monotonic() - worker.since > self._allowed(worker)

    def _allowed(self, worker: Worker) -> float:
        """Seconds; networks that are made together may take as long as they might one by one."""
        timeout = self.limits.timeout
        return math.inf if timeout is None else timeout * len(_seeds(worker.keys))

    def _stop_oversized(self, pool: Pool, groups: Queue) -> None:
        """Ends workers that take more memory than they may."""
        allowed = self.limits.bytes
        if allowed is None or time.monotonic() - self.weighed < _WEIGHED:
            return
        self.weighed = time.monotonic()
        for worker in list(pool.workers):
            if worker.keys and (held := worker.memory()) > allowed:
                pool.remove(worker)
                reason = f"stopped at {held / 1e9:.2f} GB of memory (--memory {self.limits.memory:g})"
                self._lost(pool, worker, groups, "failed", reason)

    def _lost(
        self,
        pool: Pool,
        worker: Worker,
        groups: Queue,
        status: Status,
        reason: str,
        again: bool = False,
    ) -> None:
        """Records what a lost worker was doing, puts the rest of its group back, and replaces it.

        Args:
            again: nobody ended it: its job may have been unlucky, and is tried once more.
        """
        self.silence.end(worker)
        if not worker.environment and not worker.group:
            raise UsageError(f"a worker could not start ({reason}); `jslds-bench doctor` may show why")
        if again and not worker.begun:
            self.unbegun += 1
            if self.unbegun >= _UNBEGUN:
                raise UsageError(
                    f"{self.unbegun} workers, one after the other, died before they began a job ({reason}): "
                    "what all of them import does that, a plug-in perhaps; start the run again when it is "
                    "mended, what is done is kept"
                )
        keys = worker.keys or worker.group[:1]
        if status == "failed" and len(_seeds(keys)) > 1:
            self.board.note(f"networks are made one by one, since together {reason}")
            seeds = _seeds(worker.group)
            groups.put_back([[key for key in worker.group if key[-1] == seed] for seed in seeds])
        elif again and self._may_try_again(keys):
            self.board.note(f"{' · '.join(map(str, keys[0]))}: {reason}; tried once more")
            groups.put_back([worker.group])
        else:
            for key in keys:
                twice = again and self.attempts[key] > 1
                self._record(key, status, f"{reason}, as did the one before it" if twice else reason)
            if rest := [key for key in worker.group if key not in keys]:
                groups.put_back([rest])
        if groups:
            self._start(worker.number)

    def _may_try_again(self, keys: list[Key]) -> bool:
        """Counts an attempt of each; whether all may have another. There may be none."""
        for key in keys:
            self.attempts[key] = self.attempts.get(key, 0) + 1
        return all(self.attempts[key] < _ATTEMPTS for key in keys) and bool(keys)

    def _start(self, number: int) -> None:
        """A worker imports what there is now, which has to be what the digests were made of."""
        if self.plan.is_stale():
            raise UsageError(
                "the code has changed since this run was planned: start it again, what is done is kept"
            )
        self.silence.start(number)


_ATTEMPTS = 2  # of a job whose workers die
_UNBEGUN = 2 * _ATTEMPTS  # workers: more than one group of jobs can cost
_WEIGHED = 0.4  # seconds between two looks at memory


def _seeds(keys: list[Any]) -> list[int]:
    return list(dict.fromkeys(key[-1] for key in keys))
