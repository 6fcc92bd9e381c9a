"""Which cores a run computes on: rather those that no other run on this machine has. No JAX.

A core is held by a lock on a file in the user's own folder among temporary files; where there can be none,
cores are taken in order.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import tempfile
from pathlib import Path


def usable_cores() -> list[int]:
    """The cores that this process may use."""
    known = hasattr(os, "sched_getaffinity")
    return sorted(os.sched_getaffinity(0)) if known else list(range(os.cpu_count() or 1))


class Cores:
    """The cores of this process, given to workers."""

    def __init__(self) -> None:
        self._cores = usable_cores()
        self._held: dict[int, list[int]] = {}  # by worker its open locks
        self._folder = _own_folder()

    def take(self, number: int, n: int) -> list[int]:
        """`n` cores for worker `number`: the next that nobody has, or, where they do not suffice, its own."""
        start = number * n % len(self._cores)
        order = [*self._cores[start:], *self._cores[:start]]
        locks: dict[int, int] = {}
        for core in order:
            if len(locks) < n and (lock := self._lock(core)) is not None:
                locks[core] = lock
        if len(locks) < n:
            for lock in locks.values():
                os.close(lock)
            locks = {}
        self._held[number] = list(locks.values())
        return sorted(locks or order[:n])

    def give(self, number: int) -> None:
        """Takes back those of worker `number`."""
        for lock in self._held.pop(number, []):
            os.close(lock)

    def _lock(self, core: int) -> int | None:
        if self._folder is None:
            return None
        flags = os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            lock = os.open(self._folder / f"core-{core}", flags, 0o600)
        except OSError:
            return None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            return None
        return lock


def _own_folder() -> Path | None:
    """A folder that only this user writes to."""
    folder = Path(tempfile.gettempdir(), f"jslds-bench-cores-{os.getuid()}")
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        about = folder.lstat()
        if stat.S_ISDIR(about.st_mode) and about.st_uid == os.getuid() and not about.st_mode & 0o022:
            return folder
    return None
