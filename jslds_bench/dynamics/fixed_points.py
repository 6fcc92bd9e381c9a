"""Fixed and slow points of a network: minima of q(h) = ½‖F(h, u*) − h‖² (eq. 1)."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import scipy.spatial
from jaxtyping import Array, Float

from jslds_bench.dynamics.linearize import jacobians
from jslds_bench.dynamics.spectrum import eigenvalues
from jslds_bench.types import Cell, CellParams, FixedPoints, Network


@dataclasses.dataclass(frozen=True)
class SearchSettings:
    """How candidates become fixed points. Distances are in units of the candidates' RMS radius.

    The search descends to where F moves nothing across the flow, then polishes. A candidate whose polish
    would carry it further than `reach` stays where it was before: along a continuum of slow points (a line
    attractor) the points stay spread, while near an isolated fixed point they meet in it.

    Attributes:
        tolerance: q below which a point counts as fixed, and is not polished further.
        slow_tolerance: q below which a point is kept at all, as a slow point.
        reach: how far the polish may carry a candidate.
        merge: points closer than this are one point; the one of least q stands for them.
        outlier: points further from every candidate than this are rejected.
        max_iterations: damped Gauss–Newton steps of each of the two phases.
    """

    tolerance: float = 1e-14
    slow_tolerance: float = 1e-5
    reach: float = 0.1
    merge: float = 1e-3
    outlier: float = 2.0
    max_iterations: int = 60


class _State(NamedTuple):
    h: jax.Array  # [P, N]
    g: jax.Array  # F(h) − h, [P, N]
    damping: jax.Array  # [P]
    frozen: jax.Array  # [P] bool
    origin: jax.Array  # [P, N]


_CG_STEPS = 50


def _gauss_newton(
    cell: Cell, params: CellParams, u_star: Any, state: _State, floor: float, stop: float, reach: Any
) -> _State:
    """One damped Gauss–Newton step of every candidate: (JᵀJ + μI) d = −Jᵀg by conjugate gradients.

    J = ∂F/∂h − I is applied, never formed, so that all candidates share the network's matrices in one
    product. Per candidate μ falls by 10 on success down to `floor` and grows by 10 on failure.
    """

    def residual(h: jax.Array) -> jax.Array:
        return cell.step(params, h, u_star) - h

    _, push = jax.linearize(residual, state.h)
    _, pull = jax.vjp(residual, state.h)

    def normal(d: jax.Array) -> jax.Array:
        return pull(push(d))[0] + state.damping[:, None] * d

    rhs = -pull(state.g)[0]
    target = 1e-2 * jnp.sum(rhs**2, axis=-1) * jnp.minimum(1.0, jnp.sum(state.g**2, axis=-1))

    def unfinished(carry: Any) -> jax.Array:
        _, _, _, rr, k = carry
        return (k < _CG_STEPS) & jnp.any((rr > target) & ~state.frozen)

    def conjugate(carry: Any) -> Any:
        d, r, p, rr, k = carry
        ap = normal(p)
        alpha = jnp.where(rr > target, rr / jnp.maximum(jnp.sum(p * ap, axis=-1), 1e-300), 0.0)
        d, r = d + alpha[:, None] * p, r - alpha[:, None] * ap
        rr_next = jnp.sum(r**2, axis=-1)
        beta = jnp.where(rr > target, rr_next / jnp.maximum(rr, 1e-300), 0.0)
        return d, r, r + beta[:, None] * p, jnp.where(rr > target, rr_next, rr), k + 1

    start = (jnp.zeros_like(rhs), rhs, rhs, jnp.sum(rhs**2, axis=-1), 0)
    d = jax.lax.while_loop(unfinished, conjugate, start)[0]
    trial = state.h + d
    g = residual(trial)
    q, q_old = 0.5 * jnp.sum(g**2, axis=-1), 0.5 * jnp.sum(state.g**2, axis=-1)
    inside = jnp.sum((trial - state.origin) ** 2, axis=-1) <= reach**2
    better = (q < q_old) & inside & ~state.frozen
    damping = jnp.clip(jnp.where(better, state.damping / 10, state.damping * 10), floor, 1e8)
    small = jnp.sum(d**2, axis=-1) <= 1e-20 * jnp.sum(state.h**2, axis=-1)
    stalled = (better & (q > 0.99 * q_old)) | (~better & ((state.damping > 1e3) | ~inside)) | small
    return _State(
        jnp.where(better[:, None], trial, state.h),
        jnp.where(better[:, None], g, state.g),
        damping,
        state.frozen | (jnp.where(better, q, q_old) <= stop) | stalled,
        state.origin,
    )


@partial(jax.jit, static_argnames=("cell", "n_steps"))
def _descend(
    cell: Cell,
    params: CellParams,
    u_star: jax.Array,
    h: jax.Array,
    floor: jax.Array,
    stop: jax.Array,
    reach: jax.Array,
    n_steps: int,
) -> tuple[jax.Array, jax.Array]:
    g = cell.step(params, h, u_star) - h
    start = _State(
        h, g, jnp.full(h.shape[0], 1e-2), 0.5 * jnp.sum(g**2, axis=-1) <= stop, h
    )

    def body(carry: Any) -> Any:
        state, k = carry
        return _gauss_newton(cell, params, u_star, state, floor, stop, reach), k + 1

    state, _ = jax.lax.while_loop(
        lambda carry: (carry[1] < n_steps) & ~jnp.all(carry[0].frozen), body, (start, 0)
    )
    return state.h, 0.5 * jnp.sum(state.g**2, axis=-1)
