"""The worker processes as the runner sees them: start, talk, halt, kill."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import Any

import jslds_bench

# With -P a html.py or numpy.py in the current folder is not run, as it would be by `python -m`; and the
# package is the runner's own, whether or not one is installed.
_START = """
import importlib.util, sys
core, runner, package, programs = sys.argv[1:]
spec = importlib.util.spec_from_file_location("jslds_bench", package)
sys.modules["jslds_bench"] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
from jslds_bench.runner.worker import main
main(int(core) if core else None, int(runner), programs)
"""


class Worker:
    """One worker process: pinned to `core`, or else free, with the accelerator that `place` gives it.

    `programs`: where the workers keep what they compile.
    """

    def __init__(self, number: int, core: int | None, place: dict[str, str], programs: str) -> None:
        self.number = number
        self.keys: list[tuple[Any, ...]] = []  # what it is working on now
        self.task = ""  # of its latest group
        self.label: tuple[Any, ...] = ()  # the same, as shown to people
        self.group: list[tuple[Any, ...]] = []  # what is left of its group
        self.since = time.monotonic()  # when it began that
        self.environment: dict[str, Any] = {}
        self._buffer = b""
        pools = () if core is None else ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        pinned = "" if core is None else str(core)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _START, pinned, str(os.getpid()), jslds_bench.__file__, programs],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={
                **os.environ,
                **dict.fromkeys(pools, "1"),
                "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
                **place,
            },
            start_new_session=True,  # Ctrl-C reaches the runner alone, which then ends the workers
        )
        assert self._process.stdout is not None
        assert self._process.stdin is not None
        self.output = self._process.stdout
        self._input = self._process.stdin

    def send(self, content: dict[str, Any]) -> None:
        with contextlib.suppress(BrokenPipeError):  # its death is noticed when its output ends
            self._input.write(json.dumps(content).encode() + b"\n")
            self._input.flush()

    def read(self) -> list[dict[str, Any]] | None:
        """The events that have arrived, or None at the end of the worker's output."""
        data = os.read(self.output.fileno(), 1 << 16)
        if not data:
            return None
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def halt(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> str:
        """Ends the process; how it ended, in words."""
        self._signal(signal.SIGKILL) if self._process.poll() is None else None
        code = self._process.wait()
        self._input.close()
        self.output.close()
        if code < 0:
            return f"signal {-code} ({signal.Signals(-code).name})"
        return f"exit code {code}"

    def wait(self) -> str:
        """How a process whose output has ended ended, in words."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        return self.kill()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, number)


class Pool:
    """The running workers and their events. Use as a context manager: leaving it ends them all.

    Args:
        places: `accelerators.places`, one for each worker; where there are none, each has a core.
    """

    def __init__(self, places: Sequence[dict[str, str]] = ()) -> None:
        self._places = places
        self.workers: list[Worker] = []
        self._selector = selectors.DefaultSelector()
        cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
        self._cores = cores
        self._programs = tempfile.TemporaryDirectory(prefix="jslds-bench-", ignore_cleanup_errors=True)

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: Any) -> None:
        for worker in list(self.workers):
            self.remove(worker)
        self._selector.close()
        self._programs.cleanup()

    def start(self, number: int) -> Worker:
        core, place = None, {}
        if self._places:
            place = self._places[number % len(self._places)]
        else:
            core = self._cores[number % len(self._cores)]
        worker = Worker(number, core, place, self._programs.name)
        self.workers.append(worker)
        self._selector.register(worker.output, selectors.EVENT_READ, worker)
        return worker

    def remove(self, worker: Worker) -> str:
        """Ends a worker; how it ended, in words."""
        self.workers.remove(worker)
        self._selector.unregister(worker.output)
        return worker.kill()

    def bury(self, worker: Worker) -> str:
        """Removes a worker that has ended by itself; how it ended, in words."""
        self.workers.remove(worker)
        self._selector.unregister(worker.output)
        return worker.wait()

    def events(self, timeout: float) -> Iterator[tuple[Worker, dict[str, Any] | None]]:
        """What has arrived within `timeout` seconds; None stands for a worker's end."""
        for key, _ in self._selector.select(timeout):
            worker: Worker = key.data
            arrived = worker.read()
            if arrived is None:
                yield worker, None
            else:
                for event in arrived:
                    yield worker, event
