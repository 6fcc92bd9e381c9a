"""Workers at work: what they are given, what they say, and what becomes of those that are lost."""

from __future__ import annotations

import dataclasses
import math
import time
from pathlib import Path
from typing import Any, Protocol

from jslds_bench.errors import UsageError
from jslds_bench.processes.child import Garbled, shown
from jslds_bench.records.record import Status
from jslds_bench.runner.events import is_event
from jslds_bench.runner.limits import Limits
from jslds_bench.runner.pool import Pool, Worker
from jslds_bench.runner.progress import ProgressBoard
from jslds_bench.runner.queue import Queue
from jslds_bench.runner.silence import Silence
from jslds_bench.suite import Job, Key


@dataclasses.dataclass(frozen=True)
class Command:
    """What all workers of a run are told beside their jobs."""

    out: Path
    plugins: tuple[str, ...]
    fresh: bool
    batched: bool
    shared: bool

    def of(self, jobs: list[Job], attempts: list[int]) -> dict[str, Any]:
        """As it is sent: `attempts` says which attempt of each job this is."""
        return {
            "jobs": [job.content for job in jobs],
            "attempts": attempts,
            "plugins": list(self.plugins),
            "out": str(self.out),
            "fresh": self.fresh,
            "batched": self.batched,
            "shared": self.shared,
        }


class Ledger(Protocol):
    """What a run does with what becomes of its jobs."""

    jobs: dict[Key, Job]
    environment: dict[str, Any]

    def record(self, key: Key, status: Status, reason: str | None, attempts: int = 1) -> None:
        """Writes the record of a job that no worker could finish."""

    def done(self, key: Key, status: str, reason: str | None) -> None:
        """A record is written."""

    def note(self, text: str) -> None:
        """A line for people, once."""

    def check_folder(self) -> None:
        """Raises UsageError where what was written is no longer there."""

    def check_code(self) -> None:
        """Raises UsageError where the code is no longer what the run was planned with."""


class Supervisor:
    """Keeps the workers of `pool` busy until no group of `groups` is left.

    Attributes:
        starting: seconds until workers were ready, of all together.
        let_go: when each worker that found nothing left to do was ended.
    """

    def __init__(
        self,
        pool: Pool,
        groups: Queue,
        ledger: Ledger,
        command: Command,
        limits: Limits,
        board: ProgressBoard,
    ) -> None:
        self.pool, self.groups, self.ledger = pool, groups, ledger
        self.command, self.limits, self.board = command, limits, board
        self.silence = Silence(pool)
        self.starting = 0.0
        self.let_go: list[float] = []
        self.attempts: dict[Key, int] = {}  # that ended with their worker
        self.to_tell: list[Worker] = []  # halted workers that have nothing to do
        self.unbegun = 0  # workers that died, one after the other, before they began what they were given
        self.weighed = 0.0  # when memory was last looked at

    def work(self, n_workers: int) -> None:
        """Returns when all is done.

        Raises:
            UsageError: the run cannot go on.
        """
        for number in range(n_workers):
            self._start(number)
        while self.pool.workers:
            for worker, event in self.pool.events(timeout=0.5):
                if worker in self.pool.workers:  # it may have said more than it should, and been ended
                    self.hear(worker, event)
            self._stop_overdue()
            self._weigh()
            waiting, self.to_tell = self.to_tell, []
            for worker in waiting:
                if worker in self.pool.workers:
                    self.next(worker)

    def hear(self, worker: Worker, event: dict[str, Any] | Garbled | None) -> None:
        """Acts on what a worker said; None where it is dead."""
        if event is None:
            if worker.exceeded():
                self._stop_oversized(worker)
                return
            ended = self.pool.bury(worker)
            self._lost(worker, "failed", f"its worker died: {ended}", again=True)
        elif (
            isinstance(event, Garbled)
            or not is_event(event, worker.group, bool(worker.environment))
            or self.silence.out_of_turn(worker, event["event"])
        ):
            self.pool.remove(worker)
            reason = f"it wrote to the conversation of its worker: {shown(event)}"
            self._lost(worker, "failed", reason)
        else:
            self._handle(worker, event)

    def _handle(self, worker: Worker, event: dict[str, Any]) -> None:
        match event["event"]:
            case "ready":
                worker.environment = {**event["environment"], "batched": self.command.batched}
                self.ledger.environment = worker.environment
                self.starting += time.monotonic() - worker.since
                self.next(worker)
            case "idle":
                worker.keys = worker.group = []
                self.next(worker)
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
                if worker.exceeded():  # what the job had started, since the worker goes on
                    self._stop_oversized(worker)
                    return
                worker.group = [k for k in worker.group if k != key]
                worker.keys = [k for k in worker.keys if k != key]
                self.ledger.done(key, event["status"], event["reason"])
            case "quiet":
                self.silence.ask(worker)
            case "loud":
                self.silence.end(worker)
            case "note":
                self.ledger.note(event["text"])
            case "fatal":
                raise UsageError(event["message"])

    def next(self, worker: Worker) -> None:
        """Gives the worker its next group, or ends it; one that is halted, when it goes on."""
        if self.silence.halts(worker):
            if worker not in self.to_tell:
                self.to_tell.append(worker)
            return
        if not self.groups:
            self.pool.remove(worker)
            self.let_go.append(time.monotonic())
            return
        others = [other.task for other in self.pool.workers if other is not worker]
        worker.group = worker.keys = self.groups.take(worker.task, others)
        worker.task, worker.begun = worker.group[0][0], False
        worker.since = time.monotonic()
        attempts = [self.attempts.get(key, 0) + 1 for key in worker.group]
        worker.send(self.command.of([self.ledger.jobs[key] for key in worker.group], attempts))

    def _stop_overdue(self) -> None:
        """Ends workers whose job has taken longer than the timeout, and starts others in their place."""
        for worker in filter(self._is_overdue, self.silence.running()):  # the clocks of the others stand
            for event in self.pool.unread(worker):  # it may have finished in time
                self.hear(worker, event)
            if worker in self.pool.workers and self._is_overdue(worker):
                reason = f"stopped after {self._allowed(worker):g} s (--timeout)"
                self.pool.remove(worker)
                self._lost(worker, "timeout", reason)

    def _is_overdue(self, worker: Worker) -> bool:
        return bool(worker.keys) and time.monotonic() - worker.since > self._allowed(worker)

    def _allowed(self, worker: Worker) -> float:
        """Seconds; networks that are made together may take as long as they might one by one."""
        timeout = self.limits.timeout
        return math.inf if timeout is None else timeout * len(_seeds(worker.keys))

    def _weigh(self) -> None:
        """Ends workers that take more memory than they may."""
        allowed = self.limits.bytes
        if allowed is None or time.monotonic() - self.weighed < _WEIGHED:
            return
        self.weighed = time.monotonic()
        for worker in list(self.pool.workers):
            if worker.keys and (worker.exceeded() or worker.memory() > allowed):
                self._stop_oversized(worker)

    def _stop_oversized(self, worker: Worker) -> None:
        held = self.limits.bytes if worker.exceeded() else worker.memory()
        self.pool.remove(worker)
        reason = f"stopped at {(held or 0) / 1e9:.2f} GB of memory (--memory {self.limits.memory:g})"
        self._lost(worker, "failed", reason)

    def _lost(self, worker: Worker, status: Status, reason: str, again: bool = False) -> None:
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
            self.groups.put_back([[key for key in worker.group if key[-1] == seed] for seed in seeds])
        elif again and self._may_try_again(keys):
            self.board.note(f"{' · '.join(map(str, keys[0]))}: {reason}; tried once more")
            self.groups.put_back([worker.group])
        else:
            for key in keys:
                twice = again and self.attempts[key] > 1
                why = f"{reason}, as did the one before it" if twice else reason
                # Of those whose worker was ended here this one is not counted yet.
                self.ledger.record(key, status, why, self.attempts.get(key, 0) + (not again))
            if rest := [key for key in worker.group if key not in keys]:
                self.groups.put_back([rest])
        if self.groups:
            self._start(worker.number)

    def _may_try_again(self, keys: list[Key]) -> bool:
        """Counts an attempt of each; whether all may have another. There may be none."""
        for key in keys:
            self.attempts[key] = self.attempts.get(key, 0) + 1
        return all(self.attempts[key] < _ATTEMPTS for key in keys) and bool(keys)

    def _start(self, number: int) -> None:
        """A worker imports what there is now, which has to be what the digests were made of."""
        self.ledger.check_code()
        self.silence.start(number)


_ATTEMPTS = 2  # of a job whose workers die
_UNBEGUN = 2 * _ATTEMPTS  # workers: more than one group of jobs can cost
_WEIGHED = 0.4  # seconds between two looks at memory


def _seeds(keys: list[Any]) -> list[int]:
    return list(dict.fromkeys(key[-1] for key in keys))
