"""Speed of the numerical core at the paper's sizes: forward, training step, Jacobians, search, compilation.

Every call blocks on its result. Functions are compiled once per process and kept (`warm`), so that asv's
samples time runs alone; compilation is tracked by itself. Rates belong to a machine: `Machine` gives its
matrix-product rate, measured in the same way. ``JSLDS_BENCH_ASV=tiny`` shrinks everything, for the tests.
"""

from __future__ import annotations

import functools
import os
import re
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jslds_bench.dynamics.cells import get_cell
from jslds_bench.dynamics.fixed_points import find_fixed_points
from jslds_bench.dynamics.jslds import CoStates, co_rollout, expansion_point, jslds_step
from jslds_bench.dynamics.linearize import jacobians
from jslds_bench.dynamics.training import Parameters, co_training_loss, co_training_terms
from jslds_bench.networks._shared.modules import initial_parameters
from jslds_bench.networks.analytic import Analytic
from jslds_bench.runner.clock import gemm_rate
from jslds_bench.tasks.context_integration import ContextIntegration
from jslds_bench.tasks.nbit_memory import NBitMemory
from jslds_bench.types import Cell, Network, Task, Trials

TINY = os.environ.get("JSLDS_BENCH_ASV") == "tiny"
BATCH = 2 if TINY else 256
N_JACOBIANS = 4 if TINY else 256
N_CANDIDATES = 8 if TINY else 1_600
CELLS = ("vanilla",) if TINY else ("gru", "vanilla")


class Problem(NamedTuple):
    """What one cell works on: the paper's task and size for it."""

    task: Task
    cell: Cell
    params: Parameters
    trials: Trials


@functools.cache
def problem(cell: str) -> Problem:
    """The 3-bit memory task with its GRU, or context-dependent integration with its tanh network."""
    task: Task = NBitMemory() if cell == "gru" else ContextIntegration()
    n_state = 5 if TINY else task.setup.n_state
    params = initial_parameters(
        cell, task.n_inputs, n_state, task.n_outputs, jax.random.key(0), expansion=True
    )
    return Problem(task, get_cell(cell), params, task.sample(jax.random.key(1), BATCH))


def starts(p: Problem) -> jax.Array:
    return jnp.broadcast_to(p.params.h0, (BATCH, *p.params.h0.shape))


def forward(cell: str) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """Both systems of eqs. 3 and 5–6 over a batch of trials."""
    p = problem(cell)
    assert p.params.phi is not None
    args = (p.params.theta, p.params.phi, starts(p), p.trials.inputs, p.trials.u_star)
    return functools.partial(co_rollout, p.cell), args


def training_step(cell: str) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """Value and gradient of eq. 9."""
    p = problem(cell)
    loss = co_training_loss(p.cell, p.task.setup.weights)
    return jax.value_and_grad(loss, has_aux=True), (p.params, p.trials)


def plain_training_step(cell: str) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """The same with `lax.scan`, `vmap` and automatic differentiation alone: the yardstick."""
    p = problem(cell)
    weights = p.task.setup.weights

    def trial(params: Parameters, us: jax.Array, star: jax.Array) -> CoStates:
        assert params.phi is not None
        theta, phi = params.theta, params.phi

        def step(carry: Any, u: jax.Array) -> tuple[Any, CoStates]:
            h, a = carry
            e = expansion_point(phi, a)
            h, a = p.cell.step(theta, h, u), jslds_step(p.cell, theta, phi, a, u, star)
            return (h, a), CoStates(h, a, e, p.cell.step(theta, e, star))

        return jax.lax.scan(step, (params.h0, params.h0), us)[1]

    def loss(params: Parameters, trials: Trials) -> jax.Array:
        states = jax.vmap(trial, (None, 0, 0))(params, trials.inputs, trials.u_star)
        terms = co_training_terms(params, states, trials)
        return sum(getattr(weights, name) * value for name, value in terms.items())

    return jax.value_and_grad(loss), (p.params, p.trials)


def recurrent_jacobians(cell: str) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """∂F/∂h at random states."""
    p = problem(cell)
    keys = jax.random.split(jax.random.key(2))
    h = 0.5 * jax.random.normal(keys[0], (N_JACOBIANS, *p.params.h0.shape))
    u = jax.random.normal(keys[1], (N_JACOBIANS, p.task.n_inputs))
    return functools.partial(jacobians, p.cell), (p.params.theta, h, u)


def program_counts(function: Callable[..., Any], args: tuple[Any, ...]) -> dict[str, int]:
    """What XLA makes of a call: operations, bytes, temporary memory, fusions and matrix products."""
    compiled = jax.jit(function).lower(*args).compile()
    cost, text = compiled.cost_analysis(), compiled.as_text()
    return {
        "flops": round(cost["flops"]),
        "bytes": round(cost["bytes accessed"]),
        "temporary_bytes": compiled.memory_analysis().temp_size_in_bytes,
        "fusions": len(re.findall(r" fusion\(", text)),
        "products": len(re.findall(r" dot\(|custom_call_target=\"[^\"]*[mM]at[mM]ul", text)),
    }


@functools.cache
def warm(function: Callable[[str], Any], cell: str) -> Callable[[], Any]:
    """The function of `cell`, compiled and run once; calls block on the result."""
    run, args = function(cell)
    compiled = jax.jit(run).lower(*args).compile()

    def call() -> Any:
        return jax.block_until_ready(compiled(*args))

    call()
    return call


def seconds(call: Callable[[], Any], repeats: int = 1 if TINY else 7) -> float:
    """Median seconds of `call`."""
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


class Forward:
    """Seconds of `co_rollout`, batch 256, T = 25."""

    params = (CELLS,)
    param_names = ("cell",)

    def time_jslds_forward(self, cell: str) -> None:
        warm(forward, cell)()


class Training:
    """Seconds of one co-training step, batch 256, T = 25; the ratio to plain scan and autodiff."""

    params = (CELLS,)
    param_names = ("cell",)

    def time_step(self, cell: str) -> None:
        warm(training_step, cell)()

    def track_of_plain_autodiff(self, cell: str) -> float:
        return seconds(warm(training_step, cell)) / seconds(warm(plain_training_step, cell))

    track_of_plain_autodiff.unit = "ratio"  # type: ignore[attr-defined]


class Jacobians:
    """Seconds of 256 full recurrent Jacobians."""

    params = (CELLS,)
    param_names = ("cell",)

    def time_256_jacobians(self, cell: str) -> None:
        warm(recurrent_jacobians, cell)()


class FixedPoints:
    """Seconds and quality of a search from 1,600 candidates, tanh network with N = 128 and nine fixed points.

    The candidates lie about lines between two of the points, as states do that are on their way.
    """

    @staticmethod
    @functools.cache
    def network() -> Network:
        p = problem("vanilla")
        return Analytic("flip_flop", p.params.h0.shape[0]).build(p.task, jax.random.key(3))

    @staticmethod
    @functools.cache
    def search() -> Callable[[], Any]:
        network = FixedPoints.network()
        assert network.truth is not None
        known, rng = network.truth[0], np.random.default_rng(3)
        one, other = known.points[rng.integers(len(known.points), size=(2, N_CANDIDATES))]
        share, noise = rng.uniform(size=(N_CANDIDATES, 1)), rng.normal(size=one.shape)
        candidates = share * one + (1 - share) * other + 0.1 * noise

        def call() -> Any:
            return find_fixed_points(network, candidates, known.u_star)

        call()
        return call

    def time_search(self) -> None:
        self.search()()

    def track_median_log10_q(self) -> float:
        return float(np.log10(max(np.median(self.search()().q), 1e-40)))

    track_median_log10_q.unit = "log10 q"  # type: ignore[attr-defined]


class Compilation:
    """Seconds to trace and compile, apart from running."""

    params = (("forward", "training_step"), CELLS)
    param_names = ("function", "cell")
    timeout = 600

    def track_compile(self, function: str, cell: str) -> float:
        run, args = {"forward": forward, "training_step": training_step}[function](cell)

        def compile_anew() -> None:
            # A new function object each time: jit remembers the ones that it has seen.
            jax.jit(lambda *a: run(*a)).lower(*args).compile()

        if not TINY:
            compile_anew()  # the first also loads the compiler
        return seconds(compile_anew, repeats=1 if TINY else 3)

    track_compile.unit = "seconds"  # type: ignore[attr-defined]


class Compiled:
    """Counts of the compiled programs, which `compiled.py` holds to `baselines/compiled.json`."""

    params = (("forward", "training_step", "recurrent_jacobians"), CELLS)
    param_names = ("function", "cell")
    timeout = 600

    @staticmethod
    @functools.cache
    def counts(function: str, cell: str) -> dict[str, int]:
        made = {f.__name__: f for f in (forward, training_step, recurrent_jacobians)}[function]
        return program_counts(*made(cell))

    def track_flops(self, function: str, cell: str) -> float:
        return float(self.counts(function, cell)["flops"])

    def track_bytes(self, function: str, cell: str) -> float:
        return float(self.counts(function, cell)["bytes"])

    def track_temporary_memory(self, function: str, cell: str) -> float:
        return float(self.counts(function, cell)["temporary_bytes"])

    def track_fusions(self, function: str, cell: str) -> float:
        return float(self.counts(function, cell)["fusions"])

    track_flops.unit = "operations"  # type: ignore[attr-defined]
    track_bytes.unit = "bytes"  # type: ignore[attr-defined]
    track_temporary_memory.unit = "bytes"  # type: ignore[attr-defined]
    track_fusions.unit = "fusions"  # type: ignore[attr-defined]


class Machine:
    """Nanoseconds per MFLOP of a 1024³ float32 product: what a speed is worth on this machine."""

    def track_gemm(self) -> float:
        return 1e15 / gemm_rate(n=64 if TINY else 1024)

    track_gemm.unit = "ns/MFLOP"  # type: ignore[attr-defined]


TIMED: dict[str, Callable[[], Callable[[], Any]]] = {
    f"{function.__name__}-{cell}": functools.partial(warm, function, cell)
    for function in (forward, training_step, recurrent_jacobians)
    for cell in CELLS
} | {"search": FixedPoints.search}
"""What `jslds-bench perf compare` times: name → what returns the call, compiled and warm."""

THRESHOLDS = dict.fromkeys(TIMED, 1.1)
"""The ratio of seconds above which a version counts as slower."""
