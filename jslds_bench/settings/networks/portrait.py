"""The linear systems about a model's expansion points, and its answer to chosen evidence, for analyses.

What is kept beside a record is small: a few systems by their leading modes, and mean states on three axes.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from jslds_bench.analysis.decomposition import decompose, matched
from jslds_bench.analysis.integration import choice_axes
from jslds_bench.analysis.point_sets import spread_out
from jslds_bench.dynamics.rollout import free_run, trajectories
from jslds_bench.settings.draws import purpose_key
from jslds_bench.settings.networks.calls import local_at, on_model
from jslds_bench.settings.settling import SETTLED
from jslds_bench.types.core import Linearization, LocalLinear, Network
from jslds_bench.types.networks import Conditioned, Conditions, Evaluation

N_SYSTEMS = 16  # kept of a model, shared by the u*
N_MODES = 9  # of each with its vectors; as many as the paper's A.3.2 looks at
N_CURVES = 6  # of eigenvalues along a trial: the leading ones at its first step
EVERY = 6  # steps between the mean states at which a model is asked where it expands


def in_blocks(function: Any, args: tuple[Any, ...], size: int) -> Any:
    """``function(*args)`` [n, …] by `size` rows at a time: compiled once, for any number of them."""
    n = len(args[0])
    filled = [np.resize(x, (-(-n // size) * size, *np.shape(x)[1:])) for x in args]
    made = [function(*(x[i : i + size] for x in filled)) for i in range(0, len(filled[0]), size)]
    return jax.tree.map(lambda *parts: np.concatenate([np.asarray(p) for p in parts])[:n], *made)


def systems(
    model: Linearization, at: tuple[Any, Any, Any], e: Any, contexts: Any, n_samples: int
) -> dict[str, np.ndarray]:
    """Modes and ∂F/∂u of the model's systems at states whose points `e` lie farthest apart, under each u*.

    `at` are states, inputs and u* of `e` and `contexts`, [M, …]; nothing where they are not all finite.
    """
    if not np.isfinite(e).all():
        return {}
    kinds = np.unique(contexts)
    each = max(1, N_SYSTEMS // len(kinds))
    own = [np.flatnonzero(contexts == k) for k in kinds]
    chosen = np.concatenate([of[spread_out(e[of], each)] for of in own])
    local: LocalLinear = in_blocks(on_model(local_at, model), tuple(x[chosen] for x in at), n_samples)
    if not (np.isfinite(local.A).all() and np.isfinite(local.B).all()):
        return {}
    modes = decompose(local.A, local.A.shape[-1])
    few = slice(0, N_MODES)
    return {
        "systems_e": local.e,
        "systems_u_star": contexts[chosen],
        "systems_values": modes.values,
        "systems_right": modes.right[:, few],
        "systems_left": modes.left[:, few],
        "systems_b": local.B,
    }


def along_trial(model: Linearization, at: tuple[Any, Any, Any], n_samples: int) -> dict[str, np.ndarray]:
    """The leading eigenvalues of the systems in force at the steps of one trial, each a curve, [T, N_CURVES].

    `at` are its states, inputs and u*; nothing where the systems are not finite.
    """
    a = in_blocks(on_model(local_at, model), at, n_samples).A
    if not np.isfinite(a).all():
        return {}
    return {"trial_values": matched(decompose(a, 2 * N_CURVES)).values[:, :N_CURVES]}


def evidence(
    task: Any, network: Network, model: Linearization, evaluation: Evaluation, kept: dict[str, Any]
) -> dict[str, np.ndarray]:
    """Mean states by condition on the axes of choice and streams: the network's, the model's, its points.

    The conditions are the same for all replicates, as an experimenter's stimuli. Nothing where the task has
    none, the model has no systems (`kept` is empty), or it diverges.
    """
    if not isinstance(task, Conditioned) or not kept or evaluation.readout.w.shape[1] != 1:
        return {}
    n_trials = len(evaluation.states)
    chosen: Conditions = task.conditions(purpose_key(0, "conditions"), n_trials)
    inputs, star = np.asarray(chosen.trials.inputs), np.asarray(chosen.trials.u_star)
    states = in_blocks(lambda u: trajectories(network, u), (inputs,), n_trials)
    starts = np.array(states[:, 0])
    run = in_blocks(on_model(free_run, model), (starts, inputs, star), n_trials)
    if not np.isfinite(run).all():
        return {}
    run = np.concatenate([starts[:, None], run], axis=1)
    readout = np.asarray(evaluation.readout.w)[:, 0]
    axes = choice_axes(kept["systems_right"][:, 0], kept["systems_b"][..., list(chosen.streams)], readout)

    def mean(x: Any) -> np.ndarray:
        n = len(chosen.u_star)
        return np.stack([x[chosen.condition == c].mean(axis=0) for c in range(n)])

    paths, first = mean(run), np.unique(chosen.condition, return_index=True)[1]
    steps = np.arange(min(SETTLED, inputs.shape[1] - 1), inputs.shape[1], EVERY)
    asked = [paths[:, steps], mean(inputs)[:, steps], np.repeat(star[first][:, None], len(steps), axis=1)]
    flat = tuple(np.asarray(x, np.float32).reshape(-1, x.shape[-1]) for x in asked)
    e = in_blocks(on_model(local_at, model), flat, len(evaluation.sample_u_star)).e
    return {
        "choice_axes": axes,
        "choice_states": mean(states) @ axes.T,
        "choice_run": paths @ axes.T,
        "choice_e": e.reshape(*paths[:, steps].shape[:2], -1) @ axes.T,
        "choice_evidence": chosen.evidence,
        "choice_u_star": chosen.u_star,
        "choice_streams": np.array(chosen.streams),
        "choice_relevant": np.array(chosen.relevant),
    }
