"""Progress on stderr: one live line on a terminal, sparse plain lines elsewhere, nothing when quiet."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from typing import TextIO

from jslds_bench.errors import printable
from jslds_bench.records.numbers import counted

Key = Sequence[object]
_COLOURS = {"ok": "32", "kept": "2", "unsupported": "33"}
_RED = "31"
_NO_WORKER = -1


class ProgressBoard:
    """What a run shows of itself. Writing never ends a run: a closed stderr only silences the board.

    Args:
        total: jobs in all, kept ones included; None: not known.
        title: the first line, written when there is something to show (so not above a complaint).
        quiet: show nothing.
        stream: stderr by default.
        clock: seconds, monotonic.
    """

    FRAME = 0.1  # seconds between redraws of the live line
    PACE = 10.0  # seconds between plain lines
    SOON = 2.0  # seconds from which other work is shown
    ENOUGH = 4  # finished jobs from which the time left is foretold

    def __init__(
        self,
        total: int | None = None,
        *,
        title: str = "",
        quiet: bool = False,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.total = total
        self._title = title
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._mute = quiet or self._stream is None
        tty = not self._mute and self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._live = tty
        self._colour = tty and not os.environ.get("NO_COLOR")
        self._begun = clock()
        self._shown = -float("inf")
        self._width = 0  # of the live line that stands on the screen
        self._started: dict[tuple[object, ...], float] = {}
        self._stages: dict[int, _Stage] = {}
        self._done = self._kept = self._bad = 0

    def job_started(self, key: Key) -> None:
        """A worker took up the job."""
        self._started[tuple(key)] = self._clock()

    def stage(self, worker: int, key: Key, done: int, total: int, text: str) -> None:
        """`worker` is at `done` of `total` in some stage of the job `key` (training, fitting, …)."""
        now = self._clock()
        stage = self._stages.get(worker)
        if stage is None or stage.key != tuple(key) or stage.total != total or done < stage.done:
            stage = self._stages[worker] = _Stage(tuple(key), total, now, done)
        stage.done, stage.text, stage.now = done, printable(text), now
        if now - self._shown >= (self.FRAME if self._live else self.PACE):
            self._shown = now
            self._draw(self._status(stage)) if self._live else self._print(self._status(stage))

    def work(self, done: int, total: int, text: str) -> None:
        """At `done` of `total` of something that is no job; shown once it has taken `SOON` seconds."""
        if done >= total:
            self._stages.pop(_NO_WORKER, None)
            self._draw("")
            return
        stage = self._stages.setdefault(_NO_WORKER, _Stage((), total, self._clock(), done))
        if self._clock() - stage.began >= self.SOON:
            self.stage(_NO_WORKER, (), done, total, text)

    def job_done(self, key: Key, status: str, reason: str | None = None) -> None:
        """The job ended as `status`; "kept": an earlier run had done it, which is counted but not printed."""
        began = self._started.pop(tuple(key), None)
        self._done += 1
        self._kept += status == "kept"
        self._stages = {w: s for w, s in self._stages.items() if s.key != tuple(key)}
        if status == "kept":
            return
        self._bad += status not in ("ok", "unsupported")
        took = "" if began is None else f" ({_seconds(self._clock() - began)})"
        why = f": {printable(reason)}" if reason else ""
        self._print(f"{self._count()} {self._paint(status)} {_name(key)}{took}{why}")

    def note(self, text: str) -> None:
        """A line of its own."""
        self._print(printable(text))

    def close(self) -> None:
        """Clear the live line. The board can be used again."""
        if self._done:
            self._show_title()
        self._draw("")

    def _status(self, stage: _Stage) -> str:
        if not stage.key:
            return " | ".join(p for p in (stage.text, stage.pace()) if p)
        parts = [f"{self._count()} {_name(stage.key)}", stage.text, stage.pace()]
        if (left := self._left()) is not None:
            parts.append(f"in all about {_seconds(left)} left")
        if len(self._stages) > 1:
            parts.append(f"{len(self._stages)} at once")
        return " | ".join(p for p in parts if p)

    def _count(self) -> str:
        bad = f", {self._bad} failed" if self._bad else ""
        return f"[{self._done}/{self.total}{bad}]" if self.total is not None else f"[{self._done}{bad}]"

    def _left(self) -> float | None:
        """Seconds until all jobs are done, at the pace of this run's finished ones; None from too few."""
        fresh = self._done - self._kept
        if self.total is None or fresh < self.ENOUGH:
            return None
        return (self._clock() - self._begun) / fresh * (self.total - self._done)

    def _paint(self, status: str) -> str:
        return f"\x1b[{_COLOURS.get(status, _RED)}m{status}\x1b[0m" if self._colour else status

    def _show_title(self) -> None:
        if title := self._title:
            self._title = ""
            jobs = "" if self.total is None else f": {counted(self.total, 'job')}"
            self._print(title + jobs + (f", {self._kept} of them kept" if self._kept else ""))

    def _print(self, text: str) -> None:
        self._show_title()
        self._draw("")
        self._write(text.replace("\n", " ") + "\n")

    def _draw(self, text: str) -> None:
        """Put `text` in place of the live line. Blanks overwrite what is longer: no escape codes needed."""
        if not self._live or not (text or self._width):
            return
        self._show_title()
        text = text.replace("\n", " ")[: shutil.get_terminal_size().columns - 1]
        blank = " " * (self._width - len(text))
        self._width = len(text)
        self._write(f"\r{text}{blank}" if text else f"\r{blank}\r")

    def _write(self, text: str) -> None:
        if self._mute:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # closed, or nobody reads it
            self._mute = True


class _Stage:
    """One stretch of work with a count, timed from its first report."""

    def __init__(self, key: tuple[object, ...], total: int, began: float, done: int) -> None:
        self.key, self.total, self.began, self.first = key, total, began, done
        self.done, self.text, self.now = done, "", began

    def pace(self) -> str:
        """Count, rate and time left; the latter two once something has been done."""
        if self.total <= 1:
            return ""
        count = f"{self.done}/{self.total}"
        if self.now <= self.began or self.done <= self.first:
            return count
        try:
            rate = (self.done - self.first) / (self.now - self.began)
            return f"{count}, {rate:.3g}/s, {_seconds((self.total - self.done) / rate)} left"
        except (OverflowError, ValueError):  # of code of others, which may count to infinity
            return count


def _name(key: Key) -> str:
    *labels, seed = key
    return printable(" · ".join([*map(str, labels), f"seed {seed}"]))


def _seconds(seconds: float) -> str:
    """12.3 s, 4:05 min, 1:02:03 h."""
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d} h" if hours else f"{minutes}:{rest:02d} min"
