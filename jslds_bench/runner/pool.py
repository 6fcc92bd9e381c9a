"""The worker processes of a run: started on their cores or accelerators, listened to, ended."""

from __future__ import annotations

import selectors
import time
from collections.abc import Iterator, Sequence
from typing import Any

from jslds_bench.processes.child import Child, Garbled
from jslds_bench.processes.cores import Cores


class Worker(Child):
    """One worker process, pinned to `cores`, or else free, with the accelerator that `place` gives it.

    `programs`: where the workers keep what they compile; `memory`: bytes that a job may take.
    """

    def __init__(
        self, number: int, cores: list[int], place: dict[str, str], programs: str, memory: int | None
    ) -> None:
        self.number = number
        self.keys: list[tuple[Any, ...]] = []  # what it is working on now
        self.task = ""  # of its latest group
        self.label: tuple[Any, ...] = ()  # the same, as shown to people
        self.group: list[tuple[Any, ...]] = []  # what is left of its group
        self.since = time.monotonic()  # when it began that
        self.begun = True  # whether it has begun what it was given last
        self.environment: dict[str, Any] = {}
        pools = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS") if cores else ()
        environment = {
            **dict.fromkeys(pools, str(len(cores))),
            "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
            **place,
        }
        settings = {"cores": cores, "programs": programs, "memory": memory}
        super().__init__("jslds_bench.runner.worker", settings, environment, memory)


class Pool:
    """The running workers and their events. Use as a context manager: leaving it ends them all.

    Args:
        programs: the folder where the workers keep what they compile.
        places: `accelerators.places`, one for each worker; where there are none, each has cores.
        threads: how many.
        memory: bytes that a job may take.
    """

    def __init__(
        self,
        programs: str,
        places: Sequence[dict[str, str]] = (),
        threads: int = 1,
        memory: int | None = None,
    ) -> None:
        self._programs, self._places, self._threads, self._memory = programs, places, threads, memory
        self.workers: list[Worker] = []
        self._selector = selectors.DefaultSelector()
        self._cores = Cores()

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: Any) -> None:
        for worker in list(self.workers):
            self.remove(worker)
        self._selector.close()

    def start(self, number: int) -> Worker:
        cores, place = [], {}
        if self._places:
            place = self._places[number % len(self._places)]
        else:
            cores = self._cores.take(number, self._threads)
        worker = Worker(number, cores, place, self._programs, self._memory)
        self.workers.append(worker)
        self._selector.register(worker.output, selectors.EVENT_READ, worker)
        return worker

    def remove(self, worker: Worker) -> str:
        """Ends a worker; how it ended, in words."""
        self._leave(worker)
        ended = worker.kill()
        self._cores.give(worker.number)
        return ended

    def bury(self, worker: Worker) -> str:
        """Removes a worker that has ended by itself; how it ended, in words."""
        self._leave(worker)
        ended = worker.wait()
        self._cores.give(worker.number)
        return ended

    def _leave(self, worker: Worker) -> None:
        self.workers.remove(worker)
        self._selector.unregister(worker.output)

    def events(self, timeout: float) -> Iterator[tuple[Worker, dict[str, Any] | Garbled | None]]:
        """What has arrived within `timeout` seconds; None stands for a worker's end."""
        heard = [key.data for key, _ in self._selector.select(timeout)]
        for worker in list(self.workers):
            if worker not in self.workers:  # it was ended for what another said
                continue
            if worker in heard:
                arrived = worker.read()
                yield from ((worker, event) for event in ([None] if arrived is None else arrived))
            elif worker.ended():  # since it was listened to, or something that it started holds its output
                yield from ((worker, event) for event in self.unread(worker))
                yield worker, None

    def unread(self, worker: Worker) -> Iterator[dict[str, Any] | Garbled]:
        """What the worker has said and nobody has heard."""
        for _ in range(_MOST_READS):
            if worker not in [key.data for key, _ in self._selector.select(0)]:
                return
            for event in worker.read() or ():
                if worker in self.workers:  # it may be ended for what it said
                    yield event


_MOST_READS = 256  # of one that never stops talking
