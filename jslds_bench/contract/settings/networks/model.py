"""The rules for a fitted model: shapes, purity, agreement of step and local, finiteness, compiling once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jslds_bench.contract.compiling import compilations, operations
from jslds_bench.contract.fitting import Subject, missing
from jslds_bench.contract.settings.networks.unseen import unseen_faults
from jslds_bench.contract.words import gap
from jslds_bench.dynamics.linearize import apply_local
from jslds_bench.dynamics.rollout import free_run, one_step, trajectories
from jslds_bench.settings.networks.calls import on_model
from jslds_bench.types.core import Linearization

N_SOMEWHERE = 32
N_PLAIN = 5  # of them are stepped without jit, which takes long
MAX_OPERATIONS = 1_000
EXACT = 2e-5  # times the size of the state: float32 rounding of a product of a few dozen terms
MEMBERS = ("init", "step", "local", "fixed_points")


def somewhere(subject: Subject, n: int = N_SOMEWHERE) -> tuple[Any, Any, Any]:
    """States near visited ones, their inputs and u*, at random steps of the training trials."""
    shared, rng = subject.case.shared, np.random.default_rng(0)
    inputs, u_star = shared.fit_trials.inputs, shared.fit_trials.u_star
    i, t = (rng.integers(size, size=n) for size in inputs.shape[:2])
    states = trajectories(shared.network, inputs)[i, t]
    noise = 0.1 * rng.normal(size=states.shape).astype(np.float32)
    return states + noise, inputs[i, t], u_star[i]


def ahead(model: Linearization, h: Any, u: Any, star: Any) -> Any:
    """One step from a state that the model has not been told of before."""
    return model.step(model.init(h, star), h, u, star)[1]


def fresh(function: Callable[..., Any], model: Linearization) -> Callable[..., Any]:
    """``jit(vmap(function))`` on `model`, traced anew."""
    return jax.jit(jax.vmap(lambda *args: function(model, *args)))


def shape_faults(subject: Subject) -> Iterator[str]:
    """Shapes and types: of the carry, which must stay the same, of the next state, of the linear system."""
    model, network = subject.fitted, subject.case.shared.network
    if lacking := missing(model, MEMBERS):
        yield from lacking
        return
    h, u, star = (x[0] for x in somewhere(subject, 1))
    carry = jax.eval_shape(model.init, h, star)
    after, state = jax.eval_shape(model.step, carry, h, u, star)
    if after != carry:
        yield f"`step` turns the carry {carry} into {after}: structure, shapes and types must stay"
    yield from _shaped("the state that `step` returns", state, h.shape)
    local = jax.eval_shape(model.local, h, u, star)
    if local is not None:
        n, m = network.n_state, network.n_inputs
        shapes = {"e": (n,), "u_star": (m,), "A": (n, n), "B": (n, m), "c": (n,)}
        for name, shape in shapes.items():
            yield from _shaped(f"{name} of `local`", getattr(local, name, None), shape)


def _shaped(what: str, array: Any, shape: tuple[int, ...]) -> Iterator[str]:
    got = (getattr(array, "shape", None), getattr(array, "dtype", None))
    if got != (shape, jnp.float32):
        yield f"{what} is {got[1]}{list(got[0]) if got[0] is not None else ''}, expected float32{list(shape)}"


def program_faults(subject: Subject) -> Iterator[str]:
    """A step is a program of some operations: not unrolled into thousands, and without calls of Python."""
    places = (x[0] for x in somewhere(subject, 1))
    names = operations(jax.make_jaxpr(lambda *args: ahead(subject.fitted, *args))(*places).jaxpr)
    if len(names) > MAX_OPERATIONS:
        yield (
            f"`step` is traced into {len(names)} operations and takes long to compile (expected at most "
            f"{MAX_OPERATIONS}): use matrix products, vmap or lax.fori_loop in place of Python's loops"
        )
    if calls := sorted({name for name in names if "callback" in name}):
        yield f"`step` calls back into Python ({', '.join(calls)}): it must be a pure function of arrays"


def local_faults(subject: Subject) -> Iterator[str]:
    """h' = c + A (h − e) + B (u − u*): the fast path and the matrices are one model."""
    model, places = subject.fitted, somewhere(subject)
    if jax.eval_shape(model.local, *(x[0] for x in places)) is None:
        return
    local = fresh(lambda m, *args: m.local(*args), model)(*places)
    stepped = np.asarray(fresh(ahead, model)(*places))
    applied = np.asarray(jax.vmap(apply_local)(local, places[0], places[1]))
    far = ~(np.abs(stepped - applied) <= EXACT * max(1.0, np.abs(stepped).max())).all(axis=1)
    if far.any():
        yield (
            f"`step` and `local` disagree at {far.sum()} of {len(far)} states, by up to "
            f"{gap(stepped, applied):.3g}: h' must be c + A (h − e) + B (u − u*)"
        )
    # One of both for all states: a model says which input it expands about, and keeps to it.
    star, actual = gap(local.u_star, places[2]), gap(local.u_star, places[1])
    if (miss := min(star, actual)) > EXACT:
        yield (
            "u_star of `local` is neither the trial's u* nor the input of the step at all states: "
            f"they differ by {miss:.3g}"
        )


def purity_faults(subject: Subject) -> Iterator[str]:
    """A step depends on its arguments alone, and is the same under jit and vmap."""
    model, places = subject.fitted, somewhere(subject)

    def plain() -> np.ndarray:
        return np.stack([ahead(model, *row) for row in list(zip(*places, strict=True))[:N_PLAIN]])

    first, jitted = plain(), np.asarray(fresh(ahead, model)(*places))
    if gap(first, plain()) > 0:
        yield "`step` gives another state when it is called again with the same arguments"
    elif gap(jitted, fresh(ahead, model)(*places)) > 0:
        yield "`step` gives another state when it is traced again: does it draw numbers, or count its calls?"
    elif (miss := gap(first, jitted[:N_PLAIN])) > EXACT * max(1.0, float(np.abs(first).max())):
        yield f"`step` under jit and vmap differs from a plain call by {miss:.3g}"


def determinism_faults(subject: Subject) -> Iterator[str]:
    """Two fits with one key are one model."""
    places = somewhere(subject)
    miss = gap(fresh(ahead, subject.fitted)(*places), fresh(ahead, subject.again)(*places))
    if miss > 0:
        yield f"two fits with the same key differ by {miss:.3g}: all randomness must come from `key`"


def run_faults(subject: Subject) -> Iterator[str]:
    """Finite predictions on every trial, a free run that is a loop of steps, and a network left alone."""
    network, trials = subject.case.shared.network, subject.held_out
    states = trajectories(network, trials.inputs)
    run = np.asarray(on_model(free_run, subject.fitted)(network.h0, trials.inputs, trials.u_star))
    one = np.asarray(on_model(one_step, subject.fitted)(states, trials.inputs, trials.u_star))
    lost = ~np.isfinite(one).all(axis=(1, 2))
    if lost.any():
        yield f"one step ahead it is not finite on {lost.sum()} of {len(lost)} trials, from finite states"
    before = np.concatenate([states[:, :1], run[:, :-1]], axis=1)
    ordinary = (np.abs(before) < 1e3 * np.abs(states).max()).all(axis=2)
    lost = (ordinary & ~np.isfinite(run).all(axis=2)).any(axis=1)
    if lost.any():
        yield f"free-running it is not finite on {lost.sum()} of {len(lost)} trials, from ordinary states"
    # From the same state h_0 both horizons begin with the same prediction.
    if (miss := gap(run[:, 0], one[:, 0])) > EXACT * max(1.0, float(np.abs(one[:, 0]).max())):
        yield f"its first free-running and one-step predictions, both from h_0, differ by {miss:.3g}"


def compile_faults(subject: Subject) -> Iterator[str]:
    """What has been compiled is not compiled again."""
    network, trials = subject.case.shared.network, subject.case.shared.fit_trials
    run = on_model(free_run, subject.fitted)
    jax.block_until_ready(run(network.h0, trials.inputs, trials.u_star))
    with compilations() as compiled:
        jax.block_until_ready(run(network.h0, trials.inputs, trials.u_star))
    if compiled:
        yield (
            "it is compiled again on every call: the metadata of its pytree must be equal and hash alike "
            "from call to call (names, numbers, tuples; no new functions or objects)"
        )


def point_faults(subject: Subject) -> Iterator[str]:
    """Fixed points are [P, N] and finite for each u*, or None for all."""
    answers = [subject.fitted.fixed_points(u) for u in subject.case.shared.task.expansion_inputs()]
    if len({points is None for points in answers}) > 1:
        yield "`fixed_points` answers None under one u* and points under another"
    n = subject.case.shared.network.n_state
    for points in answers:
        if points is None:
            continue
        if np.ndim(points) != 2 or np.shape(points)[1] != n:
            yield f"`fixed_points` has shape {list(np.shape(points))}, expected [P, {n}]"
        elif not np.isfinite(points).all():
            yield "`fixed_points` holds numbers that are not finite"


RULES: dict[str, Callable[[Subject], Iterator[str]]] = {
    "shapes": shape_faults,
    "program": program_faults,
    "local": local_faults,
    "pure": purity_faults,
    "deterministic": determinism_faults,
    "finite": run_faults,
    "compiles once": compile_faults,
    "fixed points": point_faults,
    "unseen trials": unseen_faults,
}

FIRST = ("shapes", "program")
"""Rules without which the others cannot be looked at, or take too long."""
