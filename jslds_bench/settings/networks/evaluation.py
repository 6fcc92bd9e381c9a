"""One fitted model on the evaluation trials: everything that metrics and figures read, as host arrays.

Pure of files and clocks. The trials of a (task, seed) are drawn here, once and the same for every model.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jslds_bench.dynamics.fixed_points import padded_to_class
from jslds_bench.dynamics.linearize import jacobians, speeds
from jslds_bench.dynamics.reference import N_STARTS, search
from jslds_bench.dynamics.rollout import free_run, one_step, trajectories
from jslds_bench.dynamics.spectrum import eigenvalues
from jslds_bench.networks._shared.format import known_points
from jslds_bench.settings.draws import HELD_OUT, purpose_key, read_only
from jslds_bench.settings.networks.calls import local_at, on_model
from jslds_bench.settings.networks.systems import in_force
from jslds_bench.types.core import FixedPoints, Linearization, Network, Trials
from jslds_bench.types.modes import Switching
from jslds_bench.types.networks import Counted, Evaluation, Task, holds_out

N_SAMPLES = 64
N_FIT_TRIALS = 512
N_REFERENCE_TRIALS = 32
LEAST_STARTS = 32  # of each of the two searches for the reference, under each u*


def draw_trials(task: Task, seed: int, purpose: str, n_trials: int) -> Trials:
    """Trials for "evaluation", "fit" or "reference", each drawn by itself, read-only.

    Those for evaluation are what the task holds out, where it does, and those of its fit are put in an order
    by which their last quarter is apart too. Of a task of few different trials that holds none out two draws
    may hold the same ones: `seen_before` counts them.
    """
    key, apart = purpose_key(seed, purpose), holds_out(task)
    if purpose in HELD_OUT and apart:
        return read_only(_sample_held_out(task, key, n_trials))
    trials = read_only(_sample(task, key, n_trials))
    return last_quarter_apart(trials, seed) if purpose == "fit" and apart else trials


def last_quarter_apart(trials: Trials, seed: int) -> Trials:
    """The same trials, as drawn but for their last quarter: of its inputs the others have none, or few.

    Models choose their sizes and ridges by it. Kinds of trials, by their inputs, are taken for it while they
    fit, in an order of `seed` that does not know how often each was drawn: rare kinds may be of one sort.
    Where no two trials are equal they stay as they are.
    """
    kinds = _kinds(trials)
    counts = Counter(kinds)
    if len(counts) == len(kinds):
        return trials
    room, late = len(kinds) // 4, set()
    names = list(counts)
    for i in np.random.default_rng(seed).permutation(len(names)):
        kind, n = names[i], counts[names[i]]
        if n <= room:
            late.add(kind)
            room -= n
    order = np.argsort([kind in late for kind in kinds], kind="stable")
    return read_only(Trials(trials.inputs[order], trials.targets[order], trials.mask, trials.u_star[order]))


def seen_before(trials: Trials, others: Trials) -> int:
    """How many of `trials` are among the `others`: they have the same inputs, and so the same states."""
    known = set(_kinds(others))
    return sum(kind in known for kind in _kinds(trials))


def n_different(trials: Trials) -> int:
    """How many of the trials differ in their inputs."""
    return len(set(_kinds(trials)))


def _kinds(trials: Trials) -> list[bytes]:
    """Each trial's inputs, to be compared."""
    return [np.asarray(inputs).tobytes() for inputs in trials.inputs]


def context_of(u_stars: Any, u_star: Any) -> np.ndarray:
    """Index of each u* among the distinct ones, [B]."""
    gaps = np.sum((np.asarray(u_star)[:, None] - np.asarray(u_stars)[None]) ** 2, axis=-1)
    return np.argmin(gaps, axis=1)


def reference_points(task: Task, network: Network, seed: int) -> list[FixedPoints]:
    """The network's fixed and slow points per distinct u*: its truth, where it has one, or else a search.

    Truth is what a network brings along, or what its cell can solve for (`Cell.points`).
    The search (`dynamics.reference`) shares neither starts nor algorithm with that of the models, and no draw
    either: visited states of trials of its own say in which region it starts. Its starts are divided among
    the u*, so that a network of many takes no longer, and `completeness` says what that costs.
    """
    known = network.truth or ()
    if known and np.array_equal([points.u_star for points in known], task.expansion_inputs()):
        return list(known)
    if (solved := _solved(task, network)) is not None:
        return solved
    trials = draw_trials(task, seed, "reference", N_REFERENCE_TRIALS * len(task.expansion_inputs()))
    states = trajectories(network, trials.inputs)[:, 1:]
    contexts = context_of(task.expansion_inputs(), trials.u_star)
    n_starts = max(LEAST_STARTS, N_STARTS // len(task.expansion_inputs()))
    keys = jax.random.split(purpose_key(seed, "reference search"), len(task.expansion_inputs()))
    return [
        search(
            network,
            states[contexts == k].reshape(-1, network.n_state),
            u_star,
            (int(jax.random.key_data(keys[k])[0]), int(jax.random.key_data(keys[k])[1])),
            n_starts,
        )
        for k, u_star in enumerate(task.expansion_inputs())
    ]


def _solved(task: Task, network: Network) -> list[FixedPoints] | None:
    """All fixed points in closed form, without slow ones; None where the cell has none for some u*."""
    if network.cell.points is None:
        return None
    out = []
    for u_star in np.asarray(task.expansion_inputs()):
        points = network.cell.points(network.params, u_star)
        if points is None:
            return None
        hs = jnp.asarray(points, jnp.float32).reshape(-1, network.n_state)
        us = jnp.broadcast_to(jnp.asarray(u_star), (len(hs), len(u_star)))
        values = eigenvalues(jacobians(network.cell, network.params, hs, us))
        out.append(known_points(points, values, u_star))
    return out


def evaluate(
    task: Task,
    network: Network,
    model: Linearization,
    trials: Trials,
    reference: list[FixedPoints],
    seed: int,
) -> Evaluation:
    """`model` on `trials`: free run from h_0, one step ahead, its points, its linear systems at samples."""
    u_stars = np.asarray(task.expansion_inputs())
    states = trajectories(network, trials.inputs)
    later, late = _runs(model, trials, states)
    run = _with_start(network, later)
    ahead = on_model(one_step, model)(states, trials.inputs, trials.u_star)
    found = [model.fixed_points(u) for u in u_stars]
    has_points = all(points is not None and len(points) for points in found)
    h, u, star, contexts = samples(trials, states, u_stars, seed)
    a, e, about = local_systems(model, h, u, star)
    projected, oracle_run = _with_modes(model, network, trials, states)
    return Evaluation(
        trials=trials,
        readout=read_only(network.readout),
        states=read_only(states),
        free_run=read_only(run),
        one_step=read_only(ahead),
        u_stars=u_stars,
        found=[np.asarray(points) for points in found] if has_points else None,
        found_q=[_speeds64(network, p, u) for p, u in zip(found, u_stars, strict=True)]
        if has_points
        else None,
        reference=reference,
        jacobians=np.asarray(_jacobians(network, h, u)),
        jacobians_at_local=None if about is None else np.asarray(_jacobians(network, h, about)),
        local=a,
        local_e=e,
        sample_u_star=contexts,
        projected=projected,
        oracle_run=oracle_run,
        late_run=read_only(late),
        in_force=in_force(model, trials, states, run, seed),
        n_numbers=model.n_numbers() if isinstance(model, Counted) else None,
    )


def _runs(model: Linearization, trials: Trials, states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The free runs from h_0, t = 1 … T, and from the network's own h_1, t = 1 … T: of one compilation."""
    run = on_model(free_run, model)
    # From h_1 a step fewer is scored; the last input stands for one more, so that shapes are the same.
    shifted = np.concatenate([trials.inputs[:, 1:], trials.inputs[:, -1:]], axis=1)
    whole, late = run(states[:, 0], trials.inputs, trials.u_star), run(states[:, 1], shifted, trials.u_star)
    return np.asarray(whole), np.concatenate([states[:, 1:2], np.asarray(late)[:, :-1]], axis=1)


def _with_modes(
    model: Linearization, network: Network, trials: Trials, states: np.ndarray
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Of a switching model: the states as it can represent them, and the free run along inferred modes."""
    if not isinstance(model, Switching):
        return None, None
    projected = read_only(model.project(states))
    if model.n_modes == 1:
        return projected, None
    modes = model.smoothed_modes(states, trials.inputs)
    run = model.follow(network.h0, trials.inputs, modes)
    return projected, read_only(_with_start(network, run))


def samples(trials: Trials, states: Any, u_stars: Any, seed: int) -> tuple[Any, Any, Any, Any]:
    """Visited (h_{t−1}, u_t, u*) and the index of u*, at random trials and steps, the same for all."""
    n_trials, n_steps = trials.inputs.shape[:2]
    flat = jax.random.randint(purpose_key(seed, "samples"), (N_SAMPLES,), 0, n_trials * n_steps)
    i, t = np.unravel_index(np.asarray(flat), (n_trials, n_steps))
    star = trials.u_star[i]
    return states[i, t], trials.inputs[i, t], star, context_of(u_stars, star)


def local_systems(model: Linearization, h: Any, u: Any, star: Any) -> tuple[Any, Any, Any]:
    """The model's A at samples, [S, N, N], and the state and input that it expanded about, [S, N] and [S, U].

    None, None, None where it has no linear system.
    """
    if jax.eval_shape(model.local, h[0], u[0], star[0]) is None:
        return None, None, None
    local = on_model(local_at, model)(h, u, star)
    return np.asarray(local.A), np.asarray(local.e), np.asarray(local.u_star)


def _speeds64(network: Network, points: Any, u_star: Any) -> np.ndarray:
    padded, n = padded_to_class(np.asarray(points, np.float64))
    with jax.enable_x64(True):
        params, u = jax.tree.map(lambda x: jnp.asarray(np.asarray(x, np.float64)), (network.params, u_star))
        return np.asarray(_jit_speeds(network.cell, params, padded, u))[:n]


def _with_start(network: Network, states: Any) -> np.ndarray:
    h0 = np.broadcast_to(np.asarray(network.h0), (states.shape[0], 1, states.shape[-1]))
    return np.concatenate([h0, np.asarray(states)], axis=1)


_sample = jax.jit(lambda task, key, n_trials: task.sample(key, n_trials), static_argnums=(0, 2))
_sample_held_out = jax.jit(
    lambda task, key, n_trials: task.sample_held_out(key, n_trials), static_argnums=(0, 2)
)
_jit_jacobians = jax.jit(jacobians, static_argnums=0)
_jit_speeds = jax.jit(speeds, static_argnums=0)


def _jacobians(network: Network, h: Any, u: Any) -> Any:
    return _jit_jacobians(network.cell, network.params, h, u)
