"""What is watched: the kernels at the paper's sizes, each a function and its arguments, and the searches.

One file for asv (`bench_*.py`), `jslds-bench perf compare`, `make bench-here` and the gate (`compiled.py`).
Every call blocks on its result; functions are compiled once per process and kept (`warm`). What it takes of
the package is imported where it is used, but for the core, so that an older version lacks no more than what
it has not got. ``JSLDS_BENCH_ASV=tiny`` shrinks everything, for the tests.
"""

from __future__ import annotations

import functools
import os
import re
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from jslds_bench.dynamics.cells import get_cell
from jslds_bench.dynamics.fixed_points import locate
from jslds_bench.dynamics.jslds import CoStates, co_rollout, expansion_point
from jslds_bench.dynamics.linearize import jacobians
from jslds_bench.dynamics.rollout import trajectories
from jslds_bench.dynamics.training import Parameters, co_training_loss, task_error
from jslds_bench.networks._shared.modules import initial_parameters
from jslds_bench.networks.analytic import Analytic
from jslds_bench.networks.standard import Standard
from jslds_bench.tasks.context_integration import ContextIntegration
from jslds_bench.tasks.nbit_memory import NBitMemory
from jslds_bench.types import Cell, Network, Task, Trials

TINY = os.environ.get("JSLDS_BENCH_ASV") == "tiny"
BATCH = 2 if TINY else 256
N_JACOBIANS = 4 if TINY else 256
N_CANDIDATES = 8 if TINY else 1_600
CELLS = ("vanilla",) if TINY else ("gru", "vanilla")


Problem: TypeAlias = tuple[Callable[..., Any], tuple[Any, ...]]
"""A function that can be compiled, and what it is called with."""


class Setting(NamedTuple):
    """What one cell works on: the paper's task and size for it."""

    task: Task
    cell: Cell
    params: Parameters
    trials: Trials


@functools.cache
def setting(cell: str) -> Setting:
    """The 3-bit memory task with its GRU, or context-dependent integration with its tanh network."""
    task: Task = NBitMemory() if cell == "gru" else ContextIntegration()
    n_state = 5 if TINY else task.setup.n_state
    params = initial_parameters(
        cell, task.n_inputs, n_state, task.n_outputs, jax.random.key(0), expansion=True
    )
    return Setting(task, get_cell(cell), params, task.sample(jax.random.key(1), BATCH))


def starts(p: Setting) -> jax.Array:
    return jnp.broadcast_to(p.params.h0, (BATCH, *p.params.h0.shape))


def forward(cell: str) -> Problem:
    """Both systems of eqs. 3 and 5–6 over a batch of trials."""
    p = setting(cell)
    assert p.params.phi is not None
    args = (p.params.theta, p.params.phi, starts(p), p.trials.inputs, p.trials.u_star)
    return functools.partial(co_rollout, p.cell), args


def training_step(cell: str) -> Problem:
    """Value and gradient of eq. 9, as training has it."""
    try:
        from jslds_bench.dynamics.batches import value_and_grad
    except ImportError:  # an older version

        def value_and_grad(loss: Any) -> Any:
            return jax.value_and_grad(loss, has_aux=True)

    p = setting(cell)
    return value_and_grad(co_training_loss(p.cell, p.task.setup.weights)), (p.params, p.trials)


def plain_forward(cell: str) -> Problem:
    """`forward` with `lax.scan` and `vmap` of one trial's equations alone: the yardstick."""
    p = setting(cell)

    def trial(params: Parameters, us: jax.Array, star: jax.Array) -> CoStates:
        assert params.phi is not None
        theta, phi = params.theta, params.phi

        def step(carry: Any, u: jax.Array) -> tuple[Any, CoStates]:
            h, a = carry
            e = expansion_point(phi, a)  # once: reverse mode does not see that two of it are one
            f_e, d = jax.jvp(lambda x, v: p.cell.step(theta, x, v), (e, star), (a - e, u - star))
            h, a = p.cell.step(theta, h, u), e + d
            return (h, a), CoStates(h, a, e, f_e)

        return jax.lax.scan(step, (params.h0, params.h0), us)[1]

    return jax.vmap(trial, (None, 0, 0)), (p.params, p.trials.inputs, p.trials.u_star)


def plain_training_step(cell: str) -> Problem:
    """The same with automatic differentiation of `plain_forward`: the yardstick."""
    p = setting(cell)
    weights, (run, _) = p.task.setup.weights, plain_forward(cell)

    def loss(params: Parameters, trials: Trials) -> jax.Array:
        states = run(params, trials.inputs, trials.u_star)
        terms = {
            "rnn": task_error(params.readout, states.h, trials),
            "jslds": task_error(params.readout, states.a, trials),
            "e": jnp.mean((states.e - states.f_e) ** 2),
            "a": jnp.mean((states.a - states.h) ** 2),
        }
        squares = sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves((params.theta, params.phi)))
        return sum(getattr(weights, name) * value for name, value in terms.items()) + weights.l2 * squares

    return jax.value_and_grad(loss), (p.params, p.trials)


def recurrent_jacobians(cell: str) -> Problem:
    """∂F/∂h at random states."""
    p = setting(cell)
    keys = jax.random.split(jax.random.key(2))
    h = 0.5 * jax.random.normal(keys[0], (N_JACOBIANS, *p.params.h0.shape))
    u = jax.random.normal(keys[1], (N_JACOBIANS, p.task.n_inputs))
    return functools.partial(jacobians, p.cell), (p.params.theta, h, u)


def em_iteration() -> Problem:
    """One iteration of variational Laplace EM for an rSLDS, from the truth, in float64."""
    from jslds_bench.switching import initialise, systems
    from jslds_bench.switching import laplace_em as em
    from jslds_bench.switching.checks import check_data
    from jslds_bench.switching.parameters import Belief, Spec

    n_trials, n_steps = (2, 20) if TINY else (50, 100)
    system = systems.known_switching(
        jax.random.key(2), n_trials=n_trials, n_steps=n_steps, n_observed=20, emissions="gaussian"
    )
    spec = Spec(n_modes=3, n_latent=2, emissions="gaussian")
    kind = spec.structure
    with jax.enable_x64(True):
        data = check_data(spec, system.observations, system.inputs, None)
        single = np.eye(spec.n_modes)[system.modes] * data.mask[..., None]
        belief = Belief(single, single[:, :-1, :, None] * single[:, 1:, None, :])
        params = system.params._replace(emission=system.emission)
        q = em.laplace(params, belief, system.states, data, kind)
        prior = initialise.make_prior(spec, data, system.states)
        args = jax.tree.map(jnp.asarray, (params, q, data, prior))
    return (lambda params, q, data, prior: em.em_step(params, q, data, prior, kind)), args


def lfads_step() -> Problem:
    """Value and gradient of the bound of LFADS-JSLDS, at the sizes that spikes are fitted with."""
    from jslds_bench.lfads import modules, objective
    from jslds_bench.lfads.fitting import FitSettings

    settings = FitSettings(n_encoder=4, n_generator=4, n_factors=2, batch=2) if TINY else FitSettings()
    n_units, n_held_in, n_steps = (6, 4, 5) if TINY else (60, 45, 50)
    keys = jax.random.split(jax.random.key(4))
    sizes = modules.Sizes(n_held_in, n_units, settings.n_encoder, settings.n_generator, settings.n_factors)
    params = modules.initial_parameters(settings.cell, sizes, jnp.zeros(n_units), keys[0], "origin")
    counts = jax.random.poisson(keys[1], 0.2, (settings.batch, n_steps, n_units)).astype(jnp.float32)
    batch = objective.Batch(counts[..., :n_held_in], counts, keys[0], jnp.ones(()))
    loss = functools.partial(objective.objective, get_cell(settings.cell), settings.weights, settings.dropout)
    return jax.value_and_grad(loss, has_aux=True), (params, batch)


KERNELS: dict[str, Callable[[], Problem]] = {
    **{
        f"{make.__name__}-{cell}": functools.partial(make, cell)
        for make in (forward, training_step, recurrent_jacobians)
        for cell in CELLS
    },
    "em_iteration": em_iteration,
    "lfads_step": lfads_step,
}
YARDSTICKS = {f"plain_training_step-{cell}": functools.partial(plain_training_step, cell) for cell in CELLS}


def precision(args: tuple[Any, ...]) -> AbstractContextManager[Any]:
    """Where arguments in float64 stay so."""
    return jax.enable_x64(any(x.dtype == np.float64 for x in jax.tree.leaves(args)))


def compiled(function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """The program of a call. A new function object each time: jit remembers the ones that it has seen."""
    with precision(args):
        return jax.jit(lambda *a: function(*a)).lower(*args).compile()


def program_counts(function: Callable[..., Any], args: tuple[Any, ...]) -> dict[str, int]:
    """What XLA makes of a call: operations, bytes, temporary and peak memory, fusions, matrix products."""
    program = compiled(function, args)
    cost, memory, text = program.cost_analysis(), program.memory_analysis(), program.as_text()
    return {
        "flops": round(cost["flops"]),
        "bytes": round(cost["bytes accessed"]),
        "temporary_bytes": memory.temp_size_in_bytes,
        "peak_bytes": memory.temp_size_in_bytes
        + memory.argument_size_in_bytes
        + memory.output_size_in_bytes
        - memory.alias_size_in_bytes,
        "fusions": len(re.findall(r" fusion\(", text)),
        "products": len(re.findall(r" dot\(|custom_call_target=\"[^\"]*[mM]at[mM]ul", text)),
    }


@functools.cache
def warm(kernel: str) -> Callable[[], Any]:
    """The kernel, compiled and run once; calls block on the result."""
    function, args = (KERNELS | YARDSTICKS)[kernel]()
    program = compiled(function, args)

    def call() -> Any:
        with precision(args):
            return jax.block_until_ready(program(*args))

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


@functools.cache
def analytic() -> Network:
    """Nine fixed points in closed form, tanh, N = 128."""
    p = setting("vanilla")
    return Analytic("flip_flop", p.params.h0.shape[0]).build(p.task, jax.random.key(3))


@functools.cache
def search() -> Callable[[], Any]:
    """A search from 1,600 candidates about lines between two of the points, as states on their way are."""
    network = analytic()
    assert network.truth is not None
    known, rng = network.truth[0], np.random.default_rng(3)
    one, other = known.points[rng.integers(len(known.points), size=(2, N_CANDIDATES))]
    share, noise = rng.uniform(size=(N_CANDIDATES, 1)), rng.normal(size=one.shape)
    return searching(network, share * one + (1 - share) * other + 0.1 * noise, known.u_star)


def searching(network: Network, candidates: Any, u_star: Any) -> Callable[[], Any]:
    def call() -> Any:
        return locate(network.cell, network.params, candidates, u_star)

    call()
    return call


@functools.cache
def trained() -> Network:
    """A GRU trained on 3-bit memory, kept as arrays in `.asv/`: all versions search the same network."""
    task, n_state, n_steps = NBitMemory(), 5 if TINY else 64, 3 if TINY else 3_000
    file = Path(__file__).parents[2] / ".asv" / f"trained-{n_state}-{n_steps}.npz"
    like = initial_parameters(
        "gru", task.n_inputs, n_state, task.n_outputs, jax.random.key(0), expansion=False
    )
    leaves, shape = jax.tree.flatten(like)
    if not file.exists():
        made = Standard(n_state=n_state, n_steps=n_steps).build(task, jax.random.key(5))
        found = Parameters(made.params, made.h0, made.readout, None)
        file.parent.mkdir(exist_ok=True)
        part = file.with_suffix(f".{os.getpid()}.npz")
        np.savez(part, *jax.tree.leaves(found))
        part.replace(file)
    with np.load(file, allow_pickle=False) as kept:
        arrays = [jnp.asarray(kept[f"arr_{i}"]) for i in range(len(leaves))]
    p = jax.tree.unflatten(shape, arrays)
    return Network(get_cell("gru"), p.theta, p.h0, p.readout, p.phi, "standard", {})


@functools.cache
def trained_search() -> Callable[[], Any]:
    """A search in the trained network from 1,600 of the states that it visits."""
    network, task = trained(), NBitMemory()
    inputs = task.sample(jax.random.key(6), max(N_CANDIDATES // 25, 1)).inputs
    states = trajectories(network, inputs)[:, 1:].reshape(-1, network.n_state)
    return searching(network, states, np.zeros(task.n_inputs, np.float32))


SEARCHES = {"search": search, "trained_search": trained_search}
TIMED: dict[str, Callable[[], Callable[[], Any]]] = {
    **{kernel: functools.partial(warm, kernel) for kernel in KERNELS},
    **SEARCHES,
}
"""What `jslds-bench perf compare` times: name → what returns the call, compiled and warm."""

THRESHOLDS = dict.fromkeys(TIMED, 1.1)
"""The ratio of seconds above which a version counts as slower."""

ALONE = jax.default_backend() == "cpu" and hasattr(os, "sched_setaffinity")
CLOCK = time.process_time if ALONE else time.perf_counter
"""Of `perf compare`: on one core of a CPU, what others take of it does not count."""
