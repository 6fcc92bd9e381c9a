"""The only clocks of the package, and the rate of matrix products that speeds are read beside."""

from __future__ import annotations

import functools
import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import jax
import jax.numpy as jnp

from jslds_bench.dynamics.once import charged, spent
from jslds_bench.runner.load import MOST, Load
from jslds_bench.runner.programs import programs_read
from jslds_bench.types.core import Network

BUDGET = 0.05  # seconds of runs of what is timed, or three of them, while all other workers stand
PRODUCTS_KEPT = 10.0  # seconds; short jobs would measure little else
TRIES = 3  # of a timing, where others compute beside it


class StopWatch:
    """`settings.base.Clock`; `quiet` silences the machine for as long as its block takes.

    Silence reaches the workers of this run alone: what others compute meanwhile is watched, and what was
    timed beside more than `MOST` of it is timed again, `TRIES` times in all.

    Attributes:
        others: cores that others kept busy beside what was timed, the most of all.
    """

    def __init__(self, quiet: Callable[[], AbstractContextManager[None]]) -> None:
        self._quiet = quiet
        self.others = 0.0

    def seconds(self, **calls: Callable[[], Any]) -> dict[str, float]:
        """Median seconds of each of `calls`, warmed once, over three runs or more, about `BUDGET` seconds."""
        for call in calls.values():
            jax.block_until_ready(call())  # while the others go on: it may have to compile
        with self._quiet():
            for _ in range(TRIES):
                load = Load()
                _renew_products()
                taken = {name: _median(call) for name, call in calls.items()}
                _renew_products()
                if (others := load.others()) <= MOST:
                    break
                _forget_products()
        self.others = max(self.others, others)
        return taken

    def products(self) -> float:
        """FLOP/s of matrix products, measured in silence within the last `PRODUCTS_KEPT` seconds."""
        if _products_are_old():
            with self._quiet():
                _renew_products()
        return _products[1]

    def void(self) -> str | None:
        """Why what was timed is no speed of this machine; None where it is one."""
        if self.others <= MOST:
            return None
        return f"void: others kept {self.others:.1f} cores busy while it was timed, {MOST:g} at most may be"

    def once(self, call: Callable[[], Any]) -> tuple[Any, float]:
        """What `call` returns, and the seconds (`spent`) that it took: no silence is needed for these."""
        start = spent()
        result = jax.block_until_ready(call())
        return result, spent() - start


def _median(call: Callable[[], Any]) -> float:
    taken: list[float] = []
    while len(taken) < 3 or (sum(taken) < BUDGET and len(taken) < 50):
        start = time.perf_counter()
        jax.block_until_ready(call())
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


_NONE = (-math.inf, math.nan)
_products = _NONE  # when their rate was measured last, and what it was


def _products_are_old() -> bool:
    return time.monotonic() - _products[0] > PRODUCTS_KEPT


def _renew_products() -> None:
    global _products
    if _products_are_old():
        _products = time.monotonic(), gemm_rate(repeats=2)


def _forget_products() -> None:
    global _products
    _products = _NONE


_COMPILING = ("/jax/core/compile/jaxpr_to_mlir_module_duration", "/jax/core/compile/backend_compile_duration")
_compiled, _heard = 0.0, 0.0


def _listen(event: str, duration_secs: float, **_: Any) -> None:
    global _compiled, _heard
    if event in _COMPILING:
        # JAX tells seconds on the wall, in which the process may have been halted.
        now = spent()
        _compiled += min(duration_secs, now - _heard)
        _heard = now


jax.monitoring.register_event_duration_secs_listener(_listen)


class Parts:
    """Where the wall clock goes: seconds by named part, all of which add up to it.

    "compiling" is lowering and XLA's work, in whichever part it fell; tracing stays there. "halted" is when
    the process did not run, mostly while others measured (with an accelerator it counts where it fell). With
    more cores than one parts are seconds of all of them, so that their sum may be more than the wall clock.

    Args:
        before: parts of what was done earlier that these begin with.
    """

    def __init__(self, before: Mapping[str, float] | None = None) -> None:
        before = dict(before or {})
        halted, other = before.pop("halted", 0.0), before.pop("other", 0.0)
        self._seconds = before
        self._used = spent() - sum(before.values()) - other
        self._wall = time.perf_counter() - sum(before.values()) - other - halted
        self._read = programs_read()

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Charges its block to `name`. Blocks do not nest."""
        global _heard
        start, compiled = spent(), _compiled
        _heard = max(_heard, start)
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

    def programs_read(self) -> int:
        """How many programs other workers of the run had compiled."""
        return programs_read() - self._read


def timed(make: Callable[[], Any]) -> tuple[Any, float]:
    """What `make` returns, its arrays there, and the seconds (`spent`) that it took by itself."""
    start = spent() + charged()
    made = make()
    parts = [part.params if isinstance(part, Network) else part for part in jax.tree.leaves(made)]
    jax.block_until_ready([leaf for leaf in jax.tree.leaves(parts) if isinstance(leaf, jax.Array)])
    return made, spent() + charged() - start


_product = jax.jit(jnp.matmul)


@functools.cache
def _factors(n: int) -> tuple[jax.Array, jax.Array]:
    """Two matrices, once multiplied."""
    a, b = jax.random.normal(jax.random.key(0), (2, n, n), jnp.float32)
    jax.block_until_ready(_product(a, b))
    return a, b


def gemm_rate(n: int = 1024, repeats: int = 5) -> float:
    """FLOP/s of float32 products [n, n] × [n, n], the best of `repeats`: 2 n³ / seconds."""
    a, b = _factors(n)
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(_product(a, b))
        seconds.append(time.perf_counter() - start)
    return 2 * n**3 / min(seconds)
