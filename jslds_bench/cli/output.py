"""What the verbs print: lines and tables on stdout, in any encoding, on disks that may be full."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from jslds_bench.errors import UsageError, escaped, printable

if TYPE_CHECKING:
    from jslds_bench.runner.progress import ProgressBoard


def say(text: str = "") -> None:
    """Lines on stdout, without what a terminal would act upon; nowhere, where there is no stdout.

    Raises:
        BrokenPipeError: nobody reads it.
        UsageError: it cannot be written.
    """
    with _told_plainly():
        if sys.stdout is not None:
            sys.stdout.write(escaped(text, "\n\t") + "\n")


def complain(text: str) -> None:
    """A line on stderr, about something that does not end the command."""
    with suppress(OSError, ValueError, AttributeError):  # stderr is closed: nobody is there to be told
        sys.stderr.write(f"jslds-bench: {printable(text)}\n")
        sys.stderr.flush()


def say_bytes(data: bytes) -> None:
    """`data` on stdout, as it is; raises as `say` does."""
    with _told_plainly():
        if sys.stdout is not None:
            sys.stdout.buffer.write(data)


def flush() -> None:
    """Have a full disk or a closed pipe show now, not when the interpreter exits; raises as `say` does."""
    with _told_plainly():
        if sys.stdout is not None:
            sys.stdout.flush()


def abandon() -> None:
    """Point stdout at nothing, so that the flush at exit does not fail once more."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


def tolerate_narrow_encodings() -> None:
    """Print ? for ± rather than fail where the terminal's encoding lacks it."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Left-aligned columns, two spaces apart."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in [header, *rows]]
    return "\n".join(line.rstrip() for line in lines)


@contextmanager
def _told_plainly() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        abandon()
        raise
    except OSError as error:
        abandon()
        raise UsageError(f"cannot write the output: {error.strerror}") from error


@contextmanager
def figures_shown(board: ProgressBoard) -> Iterator[Callable[[int, int, str], None]]:
    """Progress of a report's figures, on `board`, whose line is cleared however it ends."""
    try:
        yield lambda done, total, name: board.work(done, total, "drawing figures")
    finally:
        board.close()
