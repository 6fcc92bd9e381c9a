"""The rules for a task: shapes, determinism, purity, and a complete reference set-up."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import jax
import numpy as np

from jslds_bench.contract.instances import parameters_given
from jslds_bench.contract.reading import unnamed_faults
from jslds_bench.contract.words import attempt, gap
from jslds_bench.settings.draws import without_held_out
from jslds_bench.settings.networks.evaluation import seen_before
from jslds_bench.suite import registries
from jslds_bench.types.core import Trials
from jslds_bench.types.networks import HoldsOut, Setup, Task, holds_out

N_TRIALS = 40
N_HELD_OUT, N_GIVEN = 64, 512


def source_faults(task: Task) -> Iterator[str]:
    """See `reading.unnamed_faults`."""
    yield from unnamed_faults(task, lambda made: (made.sample(jax.random.key(0), 2), made.expansion_inputs()))


def shape_faults(task: Task) -> Iterator[str]:
    """Trials have the promised shapes, in float32, finite, with a mask of zeros and ones."""
    trials = _drawn(task)
    b, t, u, o = N_TRIALS, task.n_steps, task.n_inputs, task.n_outputs
    expected = {"inputs": (b, t, u), "targets": (b, t, o), "mask": (t,), "u_star": (b, u)}
    for part, shape in expected.items():
        array = getattr(trials, part)
        if (array.shape, array.dtype) != (shape, np.float32):
            yield f"{part} of its trials is {array.dtype}{list(array.shape)}, expected float32{list(shape)}"
        if not np.isfinite(array).all():
            yield f"{part} of its trials holds numbers that are not finite"
    if not set(np.unique(trials.mask)) <= {0.0, 1.0} or not trials.mask.any():
        yield "its mask must hold zeros and ones, and at least one 1"


def sampling_faults(task: Task) -> Iterator[str]:
    """The key decides the trials, under jit and vmap as well."""
    trials = _drawn(task)
    key = jax.random.key(0)
    if _gap(task.sample(key, N_TRIALS), trials) > 0:
        yield "`sample` draws other trials when it is called again with the same key"
    traced, error = attempt(jax.jit(task.sample, static_argnums=1), key, N_TRIALS)
    if error is not None:
        yield (
            "`sample` cannot be traced by jax.jit: wrap loaded arrays in jnp.asarray, and compute with "
            f"jnp what depends on the key ({error})"
        )
        return
    if _gap(traced, trials) > 1e-6:
        yield "`sample` draws other trials under jit"
    if not gap(task.sample(jax.random.key(1), N_TRIALS).inputs, trials.inputs) > 0:
        yield "`sample` draws the same inputs from another key"
    keys = jax.random.split(key, 2)
    many = jax.vmap(lambda key: task.sample(key, N_TRIALS))(keys)
    if gap(many.inputs[1], task.sample(keys[1], N_TRIALS).inputs) > 1e-6:
        yield "`sample` draws other trials under vmap"


def held_out_faults(task: Task) -> Iterator[str]:
    """What a task holds out is like what it gives, drawn as that is, and never the same."""
    if not isinstance(task, HoldsOut) or not holds_out(task):
        return
    if attempt(without_held_out, task)[1] is not None:
        yield "its `sample_held_out` cannot be closed to those who train: leave `slots` out of its dataclass"
    drawn, error = attempt(task.sample_held_out, jax.random.key(0), N_HELD_OUT)
    if error is not None:
        yield f"`sample_held_out` raised {error}"
        return
    given = task.sample(jax.random.key(0), N_GIVEN)
    for part in Trials._fields:
        got, expected = getattr(drawn, part), getattr(given, part)
        shape = expected.shape if part == "mask" else (N_HELD_OUT, *expected.shape[1:])
        if (got.shape, got.dtype) != (shape, expected.dtype):
            found, wanted = f"{got.dtype}{list(got.shape)}", f"{expected.dtype}{list(shape)}"
            yield f"{part} of what it holds out is {found}, expected {wanted}"
            return
    if _gap(task.sample_held_out(jax.random.key(0), N_HELD_OUT), drawn) > 0:
        yield "`sample_held_out` draws other trials when it is called again with the same key"
    traced, error = attempt(jax.jit(task.sample_held_out, static_argnums=1), jax.random.key(0), N_HELD_OUT)
    if error is not None or _gap(traced, drawn) > 1e-6:
        yield f"`sample_held_out` draws other trials under jit{f' ({error})' if error else ''}"
    if seen := seen_before(drawn, given):
        yield f"`sample` gives trials that it holds out: {seen} of {N_HELD_OUT} are among {N_GIVEN}"


def expansion_faults(task: Task) -> Iterator[str]:
    """The expansion inputs are distinct and are those of the trials."""
    distinct = np.asarray(task.expansion_inputs())
    if distinct.ndim != 2 or distinct.dtype != np.float32 or not len(distinct):
        shape = f"{distinct.dtype}{list(distinct.shape)}"
        yield f"`expansion_inputs` is {shape}, expected float32[K, {task.n_inputs}]"
        return
    if len(np.unique(distinct, axis=0)) != len(distinct):
        yield "`expansion_inputs` holds the same u* twice"
    names = getattr(task, "u_star_names", ())
    if names and len(names) != len(distinct):
        yield f"`u_star_names` are {len(names)}, and `expansion_inputs` holds {len(distinct)} u*"
    n = max(N_TRIALS, 20 * len(distinct))  # of as many equally likely u* hardly any is missed by chance
    trials = task.sample(jax.random.key(0), n)
    if {tuple(u) for u in np.asarray(trials.u_star)} != {tuple(u) for u in distinct}:
        yield f"the u* of {n} trials are not those of `expansion_inputs`"


def setup_faults(task: Task) -> Iterator[str]:
    """The reference set-up is complete, and the tiny version is no longer than it."""
    parameters = parameters_given("tasks", task.name)
    whole, error = attempt(registries()["tasks"].make, task.name, parameters)
    if error is not None:
        yield f"it cannot be made from its defaults: {error}"
        return
    setup = whole.setup
    if not isinstance(setup, Setup):
        yield f"its `setup` is {setup!r}, expected a types.Setup"
        return
    if setup.n_state < 1 or any(weight < 0 for weight in setup.weights):
        yield "its set-up needs n_state ≥ 1 and weights ≥ 0"
    for steps in ("fast_steps", "fast_steps_alone"):
        if not 0 < getattr(setup, steps) <= setup.paper_steps:
            yield f"its set-up needs 0 < {steps} ≤ paper_steps"
    if not 0 <= setup.fast_steps_first <= setup.paper_steps:
        yield "its set-up needs 0 ≤ fast_steps_first ≤ paper_steps"
    if not 0 <= setup.process_noise < math.inf:
        yield "its set-up needs process_noise ≥ 0"
    if task.n_steps > whole.n_steps:
        yield "its SMOKE has longer trials than its defaults"


RULES: dict[str, Callable[[Task], Iterator[str]]] = {
    "sources": source_faults,  # first: what is read once is heard of once
    "trials": shape_faults,
    "sampling": sampling_faults,
    "held out": held_out_faults,
    "expansion inputs": expansion_faults,
    "set-up": setup_faults,
}


def _drawn(task: Task) -> Trials:
    return jax.tree.map(np.asarray, task.sample(jax.random.key(0), N_TRIALS))


def _gap(trials: Trials, others: Trials) -> float:
    return max(gap(x, y) for x, y in zip(trials, others, strict=True))
