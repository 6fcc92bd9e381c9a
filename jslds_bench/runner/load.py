"""What others compute on this machine while something is timed."""

from __future__ import annotations

import os
import time
from pathlib import Path

MOST = 0.25
"""Cores' worth of others' work beside which a speed is still taken."""
_TICKS = 4  # that the kernel's counts and the process's own may differ by


class Load:
    """Others' work since this was made: that of all processes but this one, and what a hypervisor took."""

    def __init__(self) -> None:
        self._busy, self._own, self._wall = _busy_seconds(), time.process_time(), time.perf_counter()

    def others(self) -> float:
        """How many cores they kept busy, on average; 0 where that cannot be known (Linux alone tells)."""
        busy, own = _busy_seconds() - self._busy, time.process_time() - self._own
        return max(busy - own - _TICKS / _hertz(), 0.0) / max(time.perf_counter() - self._wall, 1e-9)


def _busy_seconds() -> float:
    """That all cores together have computed since the machine started; 0 where the kernel does not tell."""
    try:
        head = Path("/proc/stat").read_bytes().partition(b"\n")[0].split()
    except OSError:
        return 0.0
    user, nice, system, _idle, _waiting, interrupts, soft, stolen = map(int, head[1:9])
    return (user + nice + system + interrupts + soft + stolen) / _hertz()


def _hertz() -> int:
    return os.sysconf("SC_CLK_TCK")
