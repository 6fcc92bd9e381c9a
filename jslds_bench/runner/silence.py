"""The machine for one worker at a time."""

from __future__ import annotations

import time

from jslds_bench.runner.pool import Pool, Worker


class Silence:
    """Gives workers the machine in the order in which they ask: all others are halted until it is done.

    They do not notice, and what they measure in processor seconds is not affected.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._in_line: list[Worker] = []  # the first has it
        self._since = 0.0
        self._to_start: list[int] = []  # numbers of workers

    def running(self) -> list[Worker]:
        """The workers that are not halted."""
        return self._in_line[:1] or list(self._pool.workers)

    def halts(self, worker: Worker) -> bool:
        """Whether `worker` is halted: what is written to it then may wait for ever to be read."""
        return bool(self._in_line) and worker is not self._in_line[0]

    def out_of_turn(self, worker: Worker, event: str) -> bool:
        """Whether a worker that says so may not: it asks for what it has, or ends what it has not."""
        return (event == "quiet" and worker in self._in_line) or (
            event == "loud" and worker not in self._in_line[:1]
        )

    def ask(self, worker: Worker) -> None:
        self._in_line.append(worker)
        if len(self._in_line) == 1:
            self._begin()

    def end(self, worker: Worker) -> None:
        """`worker` is done timing, or dead: the others go on, or the next in line has its turn."""
        if worker not in self._in_line:
            return
        had_it = self._in_line[0] is worker
        self._in_line.remove(worker)
        if not had_it:
            return
        for other in self._pool.workers:
            if other is not worker:
                other.since += time.monotonic() - self._since
                other.resume()
        if self._in_line:
            self._begin()
        while self._to_start and not self._in_line:
            self._pool.start(self._to_start.pop())

    def start(self, number: int) -> None:
        """Starts a worker, after the silence."""
        if self._in_line:
            self._to_start.append(number)
        else:
            self._pool.start(number)

    def _begin(self) -> None:
        for other in self._pool.workers:
            if other is not self._in_line[0]:
                other.halt()
        self._since = time.monotonic()
        self._in_line[0].send({"go": True})
