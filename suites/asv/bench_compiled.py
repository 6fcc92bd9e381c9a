"""The counts of the gate (`compiled.py`), in the dashboard. Nothing here imports JAX: a process per count."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from bench_start import environment
from compiled import CALLS, COUNTS, KERNELS

Counts = dict[str, dict[str, int]]


class Compiled:
    """What the compiler makes of each kernel, on one core; how many programs some calls compile."""

    params = ((*KERNELS, *CALLS), COUNTS)
    param_names = ("what", "count")
    timeout = 600

    def setup_cache(self) -> Counts:
        script = str(Path(__file__).with_name("compiled.py"))
        made = subprocess.check_output([sys.executable, script, "--print"], env=environment())
        counts: Counts = json.loads(made)
        return counts

    def track_count(self, counts: Counts, what: str, count: str) -> float:
        return float(counts[what].get(count, "nan"))

    track_count.unit = "of its kind"  # type: ignore[attr-defined]


Compiled.setup_cache.timeout = 600  # type: ignore[attr-defined]
