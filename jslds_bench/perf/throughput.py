"""How fast the core is against what this machine can do, by the size of the problem, in one process."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from jslds_bench.dynamics.batches import value_and_grad
from jslds_bench.dynamics.cells import get_cell
from jslds_bench.dynamics.jslds import co_rollout
from jslds_bench.dynamics.linearize import jacobians
from jslds_bench.dynamics.training import Parameters, co_training_loss
from jslds_bench.networks._shared.modules import initial_parameters
from jslds_bench.types.core import Progress, Trials
from jslds_bench.types.networks import LossWeights

N_INPUTS, N_OUTPUTS, N_LAYERS, N_POINTS = 3, 3, 2, 256


class Size(NamedTuple):
    """N units, T steps, B trials."""

    n: int
    t: int
    b: int


BASE = Size(128, 25, 64)
SWEEPS: dict[str, tuple[int, ...]] = {
    "n": (32, 64, 128, 256, 512, 1024),
    "t": (25, 100, 400, 1000),
    "b": (16, 64, 256),
}


def sizes(sweeps: dict[str, tuple[int, ...]] = SWEEPS, base: Size = BASE) -> list[Size]:
    """One of N, T and B varies, the others stay."""
    return list(dict.fromkeys(base._replace(**{name: v}) for name, values in sweeps.items() for v in values))


def products(cell: str, size: Size) -> float:
    """Floating-point operations of the matrix products of one forward pass of network and JSLDS.

    2 T B N² for each layer of E; for each stage of the cell, w_i wide, 2 T B N w_i times N for each of three
    rows (h, e*, the tangent), and U once: what u_t adds is the same for all of them.
    """
    n, t, b = size
    stages = sum((3 * n + N_INPUTS) * width * n for width in get_cell(cell).widths)
    return 2.0 * t * b * (N_LAYERS * n * n + stages)


def problems(
    cell: str, size: Size
) -> Iterator[tuple[str, float, float, Callable[..., Any], tuple[Any, ...]]]:
    """(name, units of work in a call, its operations or NaN, function, arguments)."""
    n, t, b = size
    params = initial_parameters(cell, N_INPUTS, n, N_OUTPUTS, jax.random.key(0), expansion=True)
    assert params.phi is not None
    keys = jax.random.split(jax.random.key(1), 3)
    inputs = jax.random.normal(keys[0], (b, t, N_INPUTS))
    trials = Trials(inputs, jnp.zeros((b, t, N_OUTPUTS)), jnp.ones(t), jnp.zeros((b, N_INPUTS)))
    h0, made = jnp.broadcast_to(params.h0, (b, n)), get_cell(cell)

    def forward(params: Parameters, trials: Trials) -> Any:
        return co_rollout(made, params.theta, params.phi or (), h0, trials.inputs, trials.u_star)

    flops = products(cell, size)
    yield "forward", t * b, flops, forward, (params, trials)
    loss = value_and_grad(co_training_loss(made, LossWeights()))
    yield "training", t * b, 3 * flops, loss, (params, trials)
    if (t, b) == BASE[1:]:
        points = max(8, min(N_POINTS, 2**26 // n**2))
        h, u = jax.random.normal(keys[1], (points, n)), jax.random.normal(keys[2], (points, N_INPUTS))
        later = sum(made.widths[1:]) * 2.0 * points * n**3
        yield (
            "jacobians",
            points,
            later or math.nan,
            lambda p, h, u: jacobians(made, p, h, u),
            (
                params.theta,
                h,
                u,
            ),
        )


def seconds(call: Callable[[], Any], budget: float) -> float:
    """Median over at least three calls and about `budget` seconds; warmed and blocked on."""
    jax.block_until_ready(call())
    taken: list[float] = []
    while len(taken) < 3 or sum(taken) < budget:
        start = time.perf_counter()
        jax.block_until_ready(call())
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def machine(budget: float) -> dict[str, float]:
    """FLOP/s of a float32 product [1024, 1024]² and bytes/s of a copy of 256 MB (read and written)."""
    a = jax.random.normal(jax.random.key(0), (1024, 1024))
    copy, product = jax.jit(lambda x: x + 1), jax.jit(jnp.matmul)
    x = jnp.zeros(1 << 26)
    return {
        "gemm_flops": 2 * 1024**3 / seconds(lambda: product(a, a), budget),
        "copy_bytes": 2 * x.nbytes / seconds(lambda: copy(x), budget),
    }


def measure(
    cells: tuple[str, ...], over: list[Size], budget: float, progress: Progress
) -> tuple[pd.DataFrame, dict[str, float]]:
    """One row per function, cell and size; and what the machine can do, in the same process.

    Columns: function, cell, n, t, b, seconds (of a call), per_second (steps of trials, or Jacobians),
    flops (of the products, per second; NaN where there are none), of_gemm (their share of the machine's),
    peak_bytes (arguments, results and temporaries of the compiled call), compile_seconds.
    """
    able, rows = machine(budget), []
    for i, (cell, size) in enumerate((c, s) for c in cells for s in over):
        progress(i, len(cells) * len(over), f"{cell}, N = {size.n}, T = {size.t}, B = {size.b}")
        for name, work, flops, function, args in problems(cell, size):
            start = time.perf_counter()
            compiled = jax.jit(function).lower(*args).compile()
            compile_seconds = time.perf_counter() - start
            taken = seconds(lambda run=compiled, given=args: run(*given), budget)  # type: ignore[misc]
            memory: Any = compiled.memory_analysis()
            rows.append(
                {
                    "function": name,
                    "cell": cell,
                    **size._asdict(),
                    "seconds": taken,
                    "per_second": work / taken,
                    "flops": flops / taken,
                    "of_gemm": flops / taken / able["gemm_flops"],
                    "peak_bytes": memory.temp_size_in_bytes
                    + memory.argument_size_in_bytes
                    + memory.output_size_in_bytes,
                    "compile_seconds": compile_seconds,
                }
            )
    return pd.DataFrame(rows), able


def slopes(frame: pd.DataFrame, base: Size = BASE) -> pd.DataFrame:
    """d log seconds / d log size of each function and cell, over the upper half of each sweep.

    Products make N² (N³ of Jacobians), T¹ and B¹ where they rule; less where a small problem is bound by what
    each call costs, and for Jacobians of one-stage cells, which are written and not computed, N².
    """
    rows = []
    for (name, cell), group in frame.groupby(["function", "cell"], sort=False):
        for axis in Size._fields:
            others = [x for x in Size._fields if x != axis]
            swept = group[(group[others] == [getattr(base, x) for x in others]).all(axis=1)].sort_values(axis)
            upper = swept[len(swept) // 2 :] if len(swept) > 3 else swept
            if len(upper) > 1:
                slope = np.polyfit(np.log(upper[axis]), np.log(upper.seconds), 1)[0]
                rows.append({"function": name, "cell": cell, "size": axis, "slope": slope})
    return pd.DataFrame(rows)
