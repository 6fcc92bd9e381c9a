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
from jaxtyping import Float

from jslds_bench.dynamics.jslds import expansion_point
from jslds_bench.dynamics.linearize import jacobians
from jslds_bench.dynamics.spectrum import eigenvalues
from jslds_bench.types import Cell, CellParams, FixedPoints, Network


@dataclasses.dataclass(frozen=True)
class SearchSettings:
    """How candidates become fixed points. Distances are in units of the candidates' RMS radius.

    The search first descends in float32 with a floor under its damping: it settles across the flow, while
    directions in which ‖∂F/∂h − I‖ is below about 0.01 hardly move. What remains is polished in float64
    without that floor. A polish that would carry a point further than `reach` is undone. So points along a
    continuum of slow points (a line attractor) stay spread, and points near an isolated one meet in it.

    Attributes:
        tolerance: q below which the polish of a point ends.
        slow_tolerance: q below which a point is kept at all, as a slow point.
        stride: the longest step of the descent.
        reach: how far the polish may carry a point.
        merge: points closer than this are one point; the one of least q stands for them.
        outlier: points further from every candidate than this are rejected.
        max_iterations: damped Gauss–Newton steps per candidate, in each phase.
    """

    tolerance: float = 1e-24
    slow_tolerance: float = 1e-5
    stride: float = 0.25
    reach: float = 0.1
    merge: float = 3e-2
    outlier: float = 1.0
    max_iterations: int = 100


class _Slots(NamedTuple):
    """The candidates under way, one per slot."""

    h: jax.Array  # [S, N]
    origin: jax.Array  # [S, N]
    damping: jax.Array  # [S]
    age: jax.Array  # [S], iterations so far
    which: jax.Array  # [S], which candidate; P where the slot is empty


class _Limits(NamedTuple):
    floor: float
    stop: float
    stride: float
    reach: float
    max_iterations: int


_N_SLOTS = 256
_CG_STEPS = 40


def _conjugate_gradients(normal: Any, rhs: jax.Array, relative: jax.Array) -> jax.Array:
    """Solves normal(d) = rhs row by row, each to ‖residual‖ ≤ relative·‖rhs‖ or `_CG_STEPS`."""
    target = relative**2 * jnp.sum(rhs**2, axis=-1)
    tiny = jnp.finfo(rhs.dtype).tiny

    def unfinished(carry: Any) -> jax.Array:
        *_, rr, k = carry
        return (k < _CG_STEPS) & jnp.any(rr > target)

    def step(carry: Any) -> Any:
        d, r, p, rr, k = carry
        ap = normal(p)
        going = rr > target
        alpha = jnp.where(going, rr / jnp.maximum(jnp.sum(p * ap, axis=-1), tiny), 0)
        d, r = d + alpha[:, None] * p, r - alpha[:, None] * ap
        rr_next = jnp.where(going, jnp.sum(r**2, axis=-1), rr)
        beta = jnp.where(going, rr_next / jnp.maximum(rr, tiny), 0)
        return d, r, r + beta[:, None] * p, rr_next, k + 1

    start = (jnp.zeros_like(rhs), rhs, rhs, jnp.sum(rhs**2, axis=-1), 0)
    return jax.lax.while_loop(unfinished, step, start)[0]


def _gauss_newton(residual: Any, slots: _Slots, limits: _Limits) -> tuple[_Slots, jax.Array, jax.Array]:
    """One step d of every slot, (JᵀJ + μI) d = −Jᵀg with J = ∂F/∂h − I; also q and who is done.

    J is applied, never formed, so that all slots share the network's matrices in one product. Per slot μ
    falls by 10 on success, down to the floor, and grows by 10 on failure.
    """
    g, push = jax.linearize(residual, slots.h)
    _, pull = jax.vjp(residual, slots.h)
    q = 0.5 * jnp.sum(g**2, axis=-1)
    d = _conjugate_gradients(
        lambda x: pull(push(x))[0] + slots.damping[:, None] * x,
        -pull(g)[0],
        jnp.minimum(0.1, jnp.sqrt(q)),
    )
    length = jnp.sqrt(jnp.sum(d**2, axis=-1))
    trial = slots.h + d * jnp.minimum(1, limits.stride / jnp.maximum(length, 1e-30))[:, None]
    q_trial = 0.5 * jnp.sum(residual(trial) ** 2, axis=-1)
    better = q_trial < q
    h = jnp.where(better[:, None], trial, slots.h)
    damping = jnp.where(better, jnp.maximum(slots.damping / 10, limits.floor), slots.damping * 10)
    outside = jnp.sum((h - slots.origin) ** 2, axis=-1) > limits.reach**2
    stalled = (better & (q_trial > 0.97 * q) & (length < limits.stride)) | (damping > 1e3)
    q = jnp.where(better, q_trial, q)
    done = (q <= limits.stop) | outside | stalled | (slots.age + 1 >= limits.max_iterations)
    return slots._replace(h=h, damping=damping, age=slots.age + 1), q, done


@partial(jax.jit, static_argnames=("cell",))
def _descend(
    cell: Cell, params: CellParams, u_star: jax.Array, starts: jax.Array, n_starts: jax.Array, limits: _Limits
) -> tuple[jax.Array, jax.Array]:
    """Where each of the first `n_starts` starts ends and its q.

    A fixed number of slots works through the starts; each that is done makes room for the next, so that one
    slow candidate does not hold up the rest.
    """

    def fill(index: jax.Array) -> _Slots:
        h = starts[jnp.minimum(index, n_starts - 1)]
        new = jnp.full(index.shape, 1e-1, starts.dtype)
        return _Slots(h, h, new, jnp.zeros(index.shape, int), index)

    def residual(h: jax.Array) -> jax.Array:
        return cell.step(params, h, u_star) - h

    def body(carry: Any) -> Any:
        slots, next_index, ends, qs = carry
        slots, q, done = _gauss_newton(residual, slots, limits)
        done = done | (slots.which >= n_starts)
        target = jnp.where(done & (slots.which < n_starts), slots.which, starts.shape[0])
        ends = ends.at[target].set(slots.h, mode="drop")
        qs = qs.at[target].set(q, mode="drop")
        fresh = fill(jnp.minimum(next_index + jnp.cumsum(done) - 1, n_starts))
        slots = jax.tree.map(
            lambda new, old: jnp.where(done.reshape(-1, *[1] * (new.ndim - 1)), new, old), fresh, slots
        )
        return slots, next_index + jnp.sum(done), ends, qs

    n_slots = min(_N_SLOTS, starts.shape[0])
    start = (
        fill(jnp.arange(n_slots)),
        jnp.array(n_slots),
        starts,
        jnp.full(starts.shape[0], jnp.inf, starts.dtype),
    )
    *_, ends, qs = jax.lax.while_loop(lambda carry: jnp.any(carry[0].which < n_starts), body, start)
    return ends, qs


def descend(
    network: Network,
    candidates: Float[Any, "P N"],
    u_star: Float[Any, " U"],
    settings: SearchSettings = SearchSettings(),
) -> tuple[Float[Any, "P N"], Float[Any, " P"]]:
    """Where each candidate settles, [P, N], and its q, [P]: the first phase, in float32."""
    starts = np.array(candidates, np.float32)
    limits = _Limits(1e-4, 1e-12, settings.stride * rms_radius(starts), np.inf, settings.max_iterations)
    padded, n = _padded(starts)
    ends, qs = _descend(network.cell, network.params, jnp.asarray(u_star), padded, n, limits)
    return np.asarray(ends)[:n], np.asarray(qs)[:n]


def polish(
    network: Network,
    points: Float[Any, "P N"],
    u_star: Float[Any, " U"],
    radius: float,
    settings: SearchSettings = SearchSettings(),
) -> tuple[Float[Any, "P N"], Float[Any, " P"]]:
    """The second phase, in float64: each point at the minimum of q within reach, or where it was."""
    with jax.enable_x64(True):
        padded, n = _padded(points)
        starts, params, u = _as_float64((padded, network.params, u_star))
        reach = settings.reach * radius
        limits = _Limits(1e-12, settings.tolerance, reach, reach, settings.max_iterations)
        ends, qs = _descend(network.cell, params, u, starts, n, limits)
        before = 0.5 * jnp.sum((network.cell.step(params, starts, u) - starts) ** 2, axis=-1)
        kept = jnp.sum((ends - starts) ** 2, axis=-1) <= reach**2
        ends, qs = jnp.where(kept[:, None], ends, starts), jnp.where(kept, qs, before)
        return np.asarray(ends)[:n], np.asarray(qs)[:n]


def find_fixed_points(
    network: Network,
    candidates: Float[Any, "P N"],
    u_star: Float[Any, " U"],
    settings: SearchSettings = SearchSettings(),
) -> FixedPoints:
    """The distinct fixed and slow points of F(·, u*), as `locate` finds them, and the spectra there."""
    points, q, n_rejected = locate(network, candidates, u_star, settings)
    with jax.enable_x64(True):
        padded, n = _padded(points)
        params, u, at = _as_float64((network.params, u_star, padded))
        us = jnp.broadcast_to(u, (len(padded), u.shape[0]))
        values = eigenvalues(np.asarray(_jacobians(network.cell, params, at, us))[:n])
    unstable = (np.abs(values) > 1 + 1e-3).sum(axis=-1)
    return FixedPoints(points, q, values, unstable, np.asarray(u_star), len(candidates), n_rejected)


def search_starts(network: Network, states: Float[Any, "P N"]) -> Float[Any, "M N"]:
    """Where to start a search: the states, and E of each where the network has an expansion network.

    Reference: the authors' code, which starts from the expansion points e* too.
    """
    states = np.asarray(states)
    if network.expansion is None:
        return states
    return np.concatenate([states, np.asarray(expansion_point(network.expansion, states))])


def locate(
    network: Network,
    candidates: Float[Any, "P N"],
    u_star: Float[Any, " U"],
    settings: SearchSettings = SearchSettings(),
) -> tuple[Float[Any, "M N"], Float[Any, " M"], int]:
    """The distinct fixed and slow points that the candidates lead to, by rising q.

    Minimises q(h) = ½‖F(h, u*) − h‖² from every candidate by damped Gauss–Newton with conjugate gradients.
    `candidates` is copied, never written to.

    Returns:
        The points and their q in float64, and how many candidates ended nowhere: above the slow tolerance or
        far from all candidates.

    Reference: Smith et al. (2021), eq. 1; Sussillo and Barak (2013); Levenberg (1944).
    """
    candidates = np.array(candidates, np.float64)
    radius = rms_radius(candidates)
    ends, q = descend(network, candidates, u_star, settings)
    gap, _ = scipy.spatial.cKDTree(candidates).query(np.nan_to_num(ends))
    usable = np.flatnonzero((q <= settings.slow_tolerance) & (gap <= settings.outlier * radius))
    usable = usable[np.argsort(q[usable], kind="stable")]
    points = ends[usable][merge(ends[usable], settings.merge * radius)]
    n_rejected = len(candidates) - len(usable)
    if not len(points):
        return points.astype(np.float64), np.zeros(0), n_rejected
    points, q = polish(network, points, u_star, radius, settings)
    order = np.argsort(q, kind="stable")
    order = order[merge(points[order], settings.merge * radius)]
    return points[order], q[order], n_rejected


_jacobians = jax.jit(jacobians, static_argnums=0)


def _padded(points: Any) -> tuple[np.ndarray, int]:
    """The points with zeros below, to a power of two of at least 64 rows, and how many they are.

    So a few sizes are compiled, whatever numbers of points occur.
    """
    n = len(points)
    rows = max(64, 1 << (n - 1).bit_length()) if n else 64
    return np.concatenate([points, np.zeros((rows - n, *points.shape[1:]), points.dtype)]), n


def _as_float64(tree: Any) -> Any:
    return jax.tree.map(lambda x: jnp.asarray(np.asarray(x, np.float64)), tree)


def adam_descend(
    network: Network,
    candidates: Float[Any, "P N"],
    u_star: Float[Any, " U"],
    n_steps: int = 10_000,
) -> tuple[Float[Any, "P N"], Float[Any, " P"]]:
    """The paper's recipe for eq. 1: Adam on mean((F − h)²) in float32, rate 1·0.9995^k, eps 1e-5.

    Returns where each candidate ends and its q = ½‖F − h‖². Reference: Smith et al. (2021), authors' code.
    """
    optimizer = optax.adam(optax.exponential_decay(1.0, 1, 0.9995), eps=1e-5)

    def loss(h: jax.Array) -> jax.Array:
        # A sum over candidates keeps each one's gradient, and so its Adam path, independent of the others.
        return jnp.sum(jnp.mean((network.step(h, u) - h) ** 2, axis=-1))

    @jax.jit
    def run(h: jax.Array) -> jax.Array:
        def step(state: Any, _: None) -> tuple[Any, None]:
            h, opt = state
            updates, opt = optimizer.update(jax.grad(loss)(h), opt)
            return (optax.apply_updates(h, updates), opt), None

        return jax.lax.scan(step, (h, optimizer.init(h)), length=n_steps)[0][0]

    u = jnp.asarray(u_star, jnp.float32)
    h = run(jnp.array(candidates, jnp.float32))
    return np.asarray(h), 0.5 * np.asarray(jnp.sum((network.step(h, u) - h) ** 2, axis=-1))


def rms_radius(points: Float[Any, "P N"]) -> float:
    """Root-mean-square distance of the points from their mean: the unit of distances in state space."""
    return float(np.sqrt(np.mean(np.sum((points - points.mean(axis=0)) ** 2, axis=-1))))


def merge(points: Float[Any, "P N"], within: float) -> np.ndarray:
    """Indices of a subset, in order, in which no two points lie closer than `within`; earlier ones win."""
    if len(points) == 0:
        return np.arange(0)
    tree = scipy.spatial.cKDTree(points)
    alive = np.ones(len(points), bool)
    for i in range(len(points)):
        if alive[i]:
            near = [j for j in tree.query_ball_point(points[i], within) if j > i]
            alive[near] = False
    return np.flatnonzero(alive)
