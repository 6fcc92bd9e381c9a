"""The only clocks of the package, and the rate of matrix products that speeds are read beside."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jslds_bench.dynamics.once import charged
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


def timed(make: Callable[[], Any]) -> tuple[Any, float]:
    """What `make` returns, its arrays there, and the processor seconds that it took by itself."""
    start = time.process_time() + charged()
    made = make()
    leaves = jax.tree.leaves(made.params if isinstance(made, Network) else made)
    jax.block_until_ready([leaf for leaf in leaves if isinstance(leaf, jax.Array)])
    return made, time.process_time() + charged() - start


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
