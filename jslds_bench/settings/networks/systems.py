"""Which local systems a model uses on its free run: how many, how often, and what changes them.

A system is known by what it does, not by how a model writes it down: two are one where they send the same
visited states and inputs to the same places.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jslds_bench.dynamics.fixed_points import groups_within
from jslds_bench.dynamics.linearize import apply_local
from jslds_bench.metrics.states import spread
from jslds_bench.settings.draws import purpose_key
from jslds_bench.settings.networks.calls import on_model
from jslds_bench.types.core import Linearization, Trials
from jslds_bench.types.modes import Switching
from jslds_bench.types.networks import InForce

N_STEPS = 2048
"""Steps of the free run that are looked at, of random trials: so many systems can be told apart."""
N_PROBES = 4
"""Visited states, each with its input, that systems are told apart by."""
APART = (0.05, 0.01, 0.02, 0.1)
"""Two systems are one where what they predict of the probes differs by less, in RMS radii of the states.

The first is what metrics go by: the distance within which expansion points count as one. The others are
recorded beside it: how many systems a model has whose points drift with the state depends on this."""
NEARBY = 0.01
"""How far of the way to another visited state is still nearby."""
SAME = 3e-5
"""A system is another where what it predicts differs by more: some thirty times float32's rounding."""


def in_force(
    model: Linearization, trials: Trials, states: Float[Any, "B T1 N"], run: Float[Any, "B T1 N"], seed: int
) -> InForce | None:
    """The systems at steps of the free `run`; None: the model has no linear system, or that is not finite."""
    n_trials, n_steps = trials.inputs.shape[:2]
    rng = np.random.default_rng(np.asarray(jax.random.key_data(purpose_key(seed, "systems"))).tolist())
    i, t = np.divmod(rng.permutation(n_trials * n_steps)[:N_STEPS], n_steps)
    h, u, star = run[i, t], trials.inputs[i, t], trials.u_star[i]
    if not np.isfinite(h).all():
        return None
    *other, tried = _partners(trials, i, u, rng)
    probes = states[:, :-1][i[:N_PROBES], t[:N_PROBES]], u[:N_PROBES]
    unit = max(spread(states), 1e-30) * N_PROBES**0.5
    if jax.eval_shape(model.local, h[0], u[0], star[0]) is None:
        return _mixed(model, states[0, 0], trials.inputs, (i, t), trials.inputs[*other], tried, probes, unit)
    look = on_model(signatures, model)

    def signed(h: Any, u: Any) -> np.ndarray:
        return np.asarray(look(h, u, star, *probes)) / unit

    own = signed(h, u)
    toward = states[:, :-1][*other]
    return InForce(
        labels=tuple(groups_within(own, apart) for apart in APART),
        state_kept=np.linalg.norm(signed(h + NEARBY * (toward - h), u) - own, axis=1) <= SAME,
        input_kept=np.linalg.norm(signed(h, trials.inputs[*other]) - own, axis=1) <= SAME,
        input_tried=tried,
        apart=APART,
    )


def signatures(
    model: Linearization,
    h: Float[Array, "S N"],
    u: Float[Array, "S U"],
    star: Float[Array, "S U"],
    probe_h: Float[Array, "P N"],
    probe_u: Float[Array, "P U"],
) -> Float[Array, "S M"]:
    """What the systems in force at (h, u, u*) make of the probes, [S, P·N]."""

    def one(h: Any, u: Any, star: Any) -> Any:
        local = model.local(h, u, star)
        assert local is not None
        return jnp.ravel(jax.vmap(lambda x, v: apply_local(local, x, v))(probe_h, probe_u))

    # One at a time would be slow and all at once large: N × N numbers for each.
    return jax.lax.map(lambda args: one(*args), (h, u, star), batch_size=64)


def _mixed(
    model: Any, h0: Any, inputs: Any, at: Any, others: Any, tried: Any, probes: Any, unit: float
) -> InForce | None:
    """Of a switching model whose mode needs the past: Σ_k p(z_t = k) times mode k. It does not ask the state.

    Another input is tried by changing that of the step alone, in a trial that is otherwise the same.
    """
    if not isinstance(model, Switching):
        return None
    by_mode = np.concatenate([model.by_mode(h[None], u)[0] for h, u in zip(*probes, strict=True)], axis=1)
    flat = by_mode.reshape(len(by_mode), -1) / unit  # [K, P·N]
    own = model.free_modes(h0, inputs)[at] @ flat
    trial, step = at
    changed, each = np.array(inputs[trial]), np.arange(len(step))
    changed[each, step] = others
    moved = model.free_modes(h0, changed)[each, step] @ flat
    kept = np.linalg.norm(moved - own, axis=1) <= SAME
    labels = tuple(groups_within(own, apart) for apart in APART)
    return InForce(labels, np.ones(len(own), bool), kept, tried, APART)


def _partners(
    trials: Trials, i: Any, u: Any, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each sample another visited (trial, step) of the same u*, with another input where there is one.

    The third array says where there is.
    """
    n_steps = trials.inputs.shape[1]
    _, context = np.unique(trials.u_star, axis=0, return_inverse=True)
    context = context.reshape(-1)
    trial, step, tried = np.empty(len(i), int), np.empty(len(i), int), np.ones(len(i), bool)
    for k in np.unique(context[i]):
        own = np.flatnonzero(context[i] == k)
        candidates = np.flatnonzero(context == k)
        open_ = own
        for _ in range(64):  # a rare input meets another one at once; a constant one never
            trial[open_] = rng.choice(candidates, len(open_))
            step[open_] = rng.integers(0, n_steps, len(open_))
            same = (trials.inputs[trial[open_], step[open_]] == u[open_]).all(axis=1)
            open_ = open_[same]
            if not len(open_):
                break
        tried[open_] = False
    return trial, step, tried
