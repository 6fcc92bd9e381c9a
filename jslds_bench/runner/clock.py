"""The only clocks of the package, and the rate of matrix products that speeds are read beside."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp

from jslds_bench.dynamics.once import charged, spent
from jslds_bench.types.core import Network


class StopWatch:
    """`settings.base.Clock`."""

    def seconds(self, call: Callable[[], Any], budget: float = 0.3) -> float:
        """Median seconds of `call`, warmed once, over at least three runs and about `budget` seconds."""
        jax.block_until_ready(call())
        taken: list[float] = []
        while len(taken) < 3 or (sum(taken) < budget and len(taken) < 50):
            taken.append(self.once(call)[1])
        return statistics.median(taken)

    def once(self, call: Callable[[], Any]) -> tuple[Any, float]:
        """What `call` returns, blocked on, and the seconds that it took."""
        start = time.perf_counter()
        result = jax.block_until_ready(call())
        return result, time.perf_counter() - start


_COMPILING = ("/jax/core/compile/jaxpr_to_mlir_module_duration", "/jax/core/compile/backend_compile_duration")
_compiled = 0.0


def _listen(event: str, duration_secs: float, **_: Any) -> None:
    global _compiled
    if event in _COMPILING:
        _compiled += duration_secs


jax.monitoring.register_event_duration_secs_listener(_listen)


class Parts:
    """Where the wall clock goes: seconds by named part, all of which add up to it.

    "compiling" is lowering and XLA's work, in whichever part it fell; tracing stays there. "halted" is when
    the process did not run, mostly while others measured (with an accelerator it counts where it fell).

    Args:
        before: parts of what was done earlier that these begin with.
    """

    def __init__(self, before: Mapping[str, float] | None = None) -> None:
        before = dict(before or {})
        halted, other = before.pop("halted", 0.0), before.pop("other", 0.0)
        self._seconds = before
        self._used = spent() - sum(before.values()) - other
        self._wall = time.perf_counter() - sum(before.values()) - other - halted

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Charges its block to `name`. Blocks do not nest."""
        start, compiled = spent(), _compiled
        try:
            yield
        finally:
            used, compiling = spent() - start, _compiled - compiled
            self._add(name, max(used - compiling, 0.0))
            self._add("compiling", min(compiling, used))

    def _add(self, name: str, seconds: float) -> None:
        self._seconds[name] = self._seconds.get(name, 0.0) + seconds

    def seconds(self) -> dict[str, float]:
        """So far; what no block was charged with is "other"."""
        wall, used = time.perf_counter() - self._wall, spent() - self._used
        named = sum(self._seconds.values())
        rest = {"other": max(used - named, 0.0), "halted": max(wall - used, 0.0)}
        return {**self._seconds, **rest}


def timed(make: Callable[[], Any]) -> tuple[Any, float]:
    """What `make` returns, its arrays there, and the seconds (`spent`) that it took by itself."""
    start = spent() + charged()
    made = make()
    parts = [part.params if isinstance(part, Network) else part for part in jax.tree.leaves(made)]
    jax.block_until_ready([leaf for leaf in jax.tree.leaves(parts) if isinstance(leaf, jax.Array)])
    return made, spent() + charged() - start


def gemm_rate(n: int = 1024, repeats: int = 5) -> float:
    """FLOP/s of float32 products [n, n] × [n, n], the best of `repeats`: 2 n³ / seconds."""
    a, b = jax.random.normal(jax.random.key(0), (2, n, n), jnp.float32)
    product = jax.jit(jnp.matmul)
    jax.block_until_ready(product(a, b))
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(product(a, b))
        seconds.append(time.perf_counter() - start)
    return 2 * n**3 / min(seconds)
