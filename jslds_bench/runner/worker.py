"""A worker process, ``python -m jslds_bench.runner.worker CORE RUNNER``, driven by JSON lines on its pipes.

One worker owns one core and one thread, so that a job's numbers do not depend on how many workers run. It
reads {"suite", "out", "fresh", "keys"} lines, each naming jobs that share a network, and answers with events:

    ready      once, with the environment
    begin      the jobs that are now being worked on (all of a group while its network is made)
    stage      done of total, with a text
    finished   one job's key, status and reason; its record is on disk
    quiet      asks for silence on the machine; answered by a line; ended by "loud"
    idle       the group is done
    fatal      the run cannot go on (the folder cannot be written)
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

_PR_SET_PDEATHSIG = 1


class Channel:
    """The worker's end of the conversation."""

    def __init__(self, answers: TextIO, questions: TextIO) -> None:
        self._answers, self._questions = answers, questions
        self._last_stage = 0.0

    def send(self, event: str, **content: Any) -> None:
        self._answers.write(json.dumps({"event": event, **content}) + "\n")
        self._answers.flush()

    def receive(self) -> dict[str, Any] | None:
        line = self._questions.readline()
        return json.loads(line) if line else None

    def stage(self, done: int, total: int, text: str) -> None:
        """Progress, at most ten times a second."""
        now = time.monotonic()
        if now - self._last_stage > 0.1 or done >= total:
            self._last_stage = now
            self.send("stage", done=done, total=total, text=text)

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Runs its block with all other workers halted."""
        self.send("quiet")
        self.receive()
        try:
            yield
        finally:
            self.send("loud")


def run_group(command: dict[str, Any], environment: dict[str, Any], channel: Channel) -> None:
    """Works through the jobs of one command, all of one (task, network, seed)."""
    from jslds_bench.records.store import write_record
    from jslds_bench.runner.job import blank_record, digest, outcome, prepare, run_job
    from jslds_bench.suite import DATA, jobs, validate
    from jslds_bench.suite.toml import parse

    suite = validate(parse(tomllib.loads(command["suite"]), Path(command["out"]) / "run.json"))
    wanted = {tuple(key) for key in command["keys"]}
    group = [job for job in jobs(suite) if job.key in wanted]
    out = Path(command["out"])

    def finish(job: Any, record: Any, arrays: Any) -> None:
        write_record(out, record, arrays)
        channel.send("finished", key=job.key, status=record.status, reason=record.reason)

    channel.send("begin", keys=[job.key for job in group], what="network")
    try:
        prepared = prepare(group[0], environment, command["fresh"], channel.stage)
    except Exception as error:  # whatever the network's maker raises is the reason of all its jobs
        status, reason = outcome(error)
        reason = reason if group[0].network is DATA else f"network: {reason}"
        for job in group:
            record = blank_record(job, status, reason, environment, digest(job, suite.plugins))
            finish(job, record, {})
        return
    for job in group:
        channel.send("begin", keys=[job.key], what="model")
        mark = digest(job, suite.plugins)
        finish(job, *run_job(job, prepared, environment, mark, channel.quiet, channel.stage))


def die_with(runner: int) -> None:
    """On Linux, has the kernel kill this process when the runner dies, even while it is halted."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != runner:  # it died before the kernel was asked
            sys.exit(1)


def main(core: int, runner: int) -> None:
    """The worker's loop; returns when its stdin closes."""
    from jslds_bench.errors import UsageError

    die_with(runner)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})
    # Whatever entries print must not get into the conversation: stdout becomes stderr.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    channel = Channel(answers, sys.stdin)

    from jslds_bench.runner.machine import environment

    about = environment()
    channel.send("ready", environment=about)
    while (command := channel.receive()) is not None:
        try:
            run_group(command, about, channel)
        except UsageError as error:
            channel.send("fatal", message=str(error))
            return
        channel.send("idle")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
