"""What a run, and each of its jobs, may take."""

from __future__ import annotations

import dataclasses
import math
import sys

from jslds_bench.errors import UsageError
from jslds_bench.processes.cores import usable_cores


@dataclasses.dataclass(frozen=True)
class Limits:
    """As in `run_suite`.

    Raises:
        UsageError: one that nothing can keep to.
    """

    workers: int | None = None
    threads: int = 1
    timeout: float | None = None
    memory: float | None = None

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise UsageError(f"workers is {self.workers}, expected at least 1")
        if self.threads < 1:
            raise UsageError(f"threads is {self.threads}, expected at least 1")
        if self.timeout is not None and not self.timeout > 0:
            raise UsageError(f"timeout is {self.timeout} s, expected more than 0")
        if self.memory is not None and not 0 < self.memory < math.inf:
            raise UsageError(f"memory is {self.memory} GB, expected more than 0, and finite")
        if self.memory is not None and sys.platform != "linux":
            raise UsageError(f"memory is {self.memory} GB: it can be limited on Linux alone")

    def check_here(self) -> None:
        """Raises UsageError where this machine has too few cores."""
        if self.threads > (n := len(usable_cores())):
            raise UsageError(f"threads is {self.threads}, expected 1 to {n}, the cores that there are")

    @property
    def bytes(self) -> int | None:
        """Of memory."""
        return None if self.memory is None else round(self.memory * 1e9)
