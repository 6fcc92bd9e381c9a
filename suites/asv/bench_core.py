"""Seconds and memory of every kernel and search: `problems.py` says what they are.

asv runs each benchmark in a process of its own. There is no `setup`: asv would call it before every sample.
"""

from __future__ import annotations

import numpy as np
from problems import KERNELS, SEARCHES, TIMED, TINY, YARDSTICKS, compiled, seconds, warm

from jslds_bench.runner.clock import gemm_rate

CELLS = tuple(name.rsplit("-", 1)[1] for name in YARDSTICKS)
GEMM = 64 if TINY else 1024


def compile_seconds(kernel: str) -> float:
    """To trace and compile it, apart from running."""
    problem = KERNELS[kernel]()
    return seconds(lambda: compiled(*problem), repeats=1)


def against_gemm(name: str) -> float:
    """Seconds of the call over those of a 1024³ float32 product, in one process."""
    call = TIMED[name]()
    gemm = 2 * GEMM**3 / gemm_rate(n=GEMM)
    return seconds(call) / gemm


class Speed:
    """Seconds of a call: kernels at batch 256 and T = 25, searches from 1,600 candidates; and the memory."""

    params = (tuple(TIMED),)
    param_names = ("what",)
    timeout = 600
    sample_time, repeat, rounds = 0.0, (3, 10, 3.0), 1

    def time_call(self, what: str) -> None:
        TIMED[what]()()

    def peakmem_call(self, what: str) -> None:
        TIMED[what]()()


class Relative:
    """Each call in products of 1024² matrices, and what it takes to compile; all in one process."""

    params = (tuple(TIMED),)
    param_names = ("what",)

    def setup_cache(self) -> dict[str, dict[str, float]]:
        if not TINY:
            compile_seconds(next(iter(KERNELS)))  # the first also loads the compiler
        compiling = {kernel: compile_seconds(kernel) for kernel in KERNELS}
        return {"compile": compiling, "of_gemm": {name: against_gemm(name) for name in TIMED}}

    def track_of_gemm(self, cache: dict[str, dict[str, float]], what: str) -> float:
        return cache["of_gemm"][what]

    def track_compile(self, cache: dict[str, dict[str, float]], what: str) -> float:
        return cache["compile"].get(what, float("nan"))  # searches compile several programs

    track_of_gemm.unit = "products"  # type: ignore[attr-defined]
    track_compile.unit = "seconds"  # type: ignore[attr-defined]


Relative.setup_cache.timeout = 900  # type: ignore[attr-defined]


class Autodiff:
    """Seconds of one co-training step over those with plain scan and automatic differentiation."""

    params = (CELLS,)
    param_names = ("cell",)

    def track_of_plain_autodiff(self, cell: str) -> float:
        return seconds(warm(f"training_step-{cell}")) / seconds(warm(f"plain_training_step-{cell}"))

    track_of_plain_autodiff.unit = "ratio"  # type: ignore[attr-defined]


class Found:
    """What the searches find: a fast search that finds nothing is no search."""

    params = (tuple(SEARCHES),)
    param_names = ("search",)

    def track_median_log10_q(self, search: str) -> float:
        q = SEARCHES[search]()().q
        return float(np.log10(max(np.median(q), 1e-40))) if len(q) else float("nan")

    def track_candidates_lost(self, search: str) -> float:
        return float(SEARCHES[search]()().rejected.sum())

    track_median_log10_q.unit = "log10 q"  # type: ignore[attr-defined]
    track_candidates_lost.unit = "of 1,600"  # type: ignore[attr-defined]


class Machine:
    """Nanoseconds per MFLOP of a 1024³ float32 product: what a speed is worth on this machine."""

    def track_gemm(self) -> float:
        return 1e15 / gemm_rate(n=GEMM)

    track_gemm.unit = "ns/MFLOP"  # type: ignore[attr-defined]
