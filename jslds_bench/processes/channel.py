"""A process of ours as it sees itself: it talks in JSON lines, and ends when its runner does. No JAX.

The other end is `child`.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

_PR_SET_PDEATHSIG = 1


class Channel:
    """This process's end of the conversation."""

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


def begin(runner: int) -> Channel:
    """The conversation with process `runner`, and nobody else's: what entries print goes to stderr, and what
    they read from stdin is its end."""
    die_with(runner)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    questions = os.fdopen(os.dup(0), encoding="utf-8")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return Channel(answers, questions)


def die_with(runner: int) -> None:
    """On Linux, has the kernel kill this process when the runner dies, even while it is halted."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != runner:  # it died before the kernel was asked
            sys.exit(1)
