"""Fixed and slow points of a network: minima of q(h) = ½‖F(h, u*) − h‖² (eq. 1)."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy
from jaxtyping import Bool, Float

from jslds_bench.dynamics.jslds import expansion_point
from jslds_bench.dynamics.linearize import recurrent_jacobian
from jslds_bench.types.core import Cell, CellParams, Network


@dataclasses.dataclass(frozen=True)
class SearchSettings:
    """How candidates become fixed points. Distances are in units of the candidates' RMS radius.

    First all candidates settle, in float32, with a floor under the damping: they move across the flow, while
    directions in which ‖∂F/∂h − I‖ is below about 0.01 hardly move. What has come to lie together goes on as
    one. Then each converges, in float64 and without that floor, to a minimum of q. Both are kept: the minima,
    and the settled points, unless theirs is a fixed point within `reach`. So a continuum of slow points (a
    line attractor) comes out as points along it, and an isolated fixed point as one point.

    Attributes:
        tolerance: q below which a minimum is a fixed point.
        slow_tolerance: q below which a point is kept at all, as a slow point.
        stride: the longest step.
        reach: how far from its fixed point a settled point stands for nothing more.
        merge: points closer than this are one point; the one of least q stands for them.
        outlier: points further from every candidate than this are rejected.
        settle_steps, converge_steps: steps per candidate in each phase, at most.
    """

    tolerance: float = 1e-20
    slow_tolerance: float = 1e-5
    stride: float = 0.25
    reach: float = 0.1
    merge: float = 5e-2
    outlier: float = 1.0
    settle_steps: int = 12
    converge_steps: int = 16


class _Settling(NamedTuple):
    """Candidates on their way across the flow."""

    h: jax.Array  # [S, N]
    damping: jax.Array  # [S]


class _Converging(NamedTuple):
    """Settled points on their way to a minimum of q."""

    h: jax.Array  # [S, N]
    best: jax.Array  # [S, N], the point of least q so far
    best_q: jax.Array  # [S]


_SETTLING_SLOTS, _CONVERGING_SLOTS = 256, 32
_CG_STEPS = 15
_AT_ONCE, _ROUNDING = 256, 1e-14  # of `groups_within`: points compared with all others; of squared distances
_SHIFT = 1e-6  # of eigenvalues while converging
_FLOOR = 1e-4  # of the damping while settling: singular values of J under its root hardly move


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


def _gauss_newton(
    residual: Any, slots: _Settling, stride: jax.Array
) -> tuple[_Settling, tuple[jax.Array, jax.Array], jax.Array]:
    """One step d of every slot, (JᵀJ + μI) d = −Jᵀg with J = ∂F/∂h − I; where it leads, q there, who is done.

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
    h, q_next, better, short = _accepted(residual, slots.h, q, d, stride)
    least = slots.damping <= _FLOOR
    damping = jnp.where(better, jnp.maximum(slots.damping / 10, _FLOOR), slots.damping * 10)
    stalled = (better & least & short & (q_next > 0.5 * q)) | (damping > 1e3)
    return _Settling(h, damping), (h, q_next), stalled | (q_next <= 1e-12)


def _accepted(
    residual: Any, h: jax.Array, q: jax.Array, d: jax.Array, stride: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """h + d where that lowers q (d cut to `stride`), q there, where it did, and where d was not cut."""
    length = jnp.sqrt(jnp.sum(d**2, axis=-1))
    trial = h + d * jnp.minimum(1, stride / jnp.maximum(length, 1e-30))[:, None]
    q_trial = 0.5 * jnp.sum(residual(trial) ** 2, axis=-1)
    better = q_trial < q
    return jnp.where(better[:, None], trial, h), jnp.where(better, q_trial, q), better, length < stride


def _through_slots(
    begin: Any, advance: Any, starts: jax.Array, n_starts: jax.Array, n_slots: int, max_steps: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Where each of the first `n_starts` starts ends, and its q.

    A fixed number of slots works through the starts; each that is done makes room for the next, so that one
    slow candidate does not hold up the rest.

    Args:
        begin: of starts, what their slots hold.
        advance: of slots, what they hold a step later, where they would end, with which q, and who is done.
    """

    def fill(index: jax.Array) -> tuple[Any, jax.Array, jax.Array]:
        return begin(starts[jnp.minimum(index, n_starts - 1)]), jnp.zeros(index.shape, int), index

    def body(carry: Any) -> Any:
        (held, age, which), next_index, ends, qs = carry
        held, (end, q), done = advance(held)
        done = done | (age + 1 >= max_steps) | (which >= n_starts)
        target = jnp.where(done & (which < n_starts), which, starts.shape[0])
        ends, qs = ends.at[target].set(end, mode="drop"), qs.at[target].set(q, mode="drop")
        fresh = fill(jnp.minimum(next_index + jnp.cumsum(done) - 1, n_starts))
        slots = jax.tree.map(
            lambda new, old: jnp.where(done.reshape(-1, *[1] * (new.ndim - 1)), new, old),
            fresh,
            (held, age + 1, which),
        )
        return slots, next_index + jnp.sum(done), ends, qs

    n_slots = min(n_slots, starts.shape[0])
    nowhere = jnp.full(starts.shape[0], jnp.inf, starts.dtype)
    start = fill(jnp.arange(n_slots)), jnp.array(n_slots), starts, nowhere
    *_, ends, qs = jax.lax.while_loop(lambda carry: jnp.any(carry[0][2] < n_starts), body, start)
    return ends, qs


@partial(jax.jit, static_argnames=("cell",))
def _settle(
    cell: Cell,
    params: CellParams,
    u_star: jax.Array,
    starts: jax.Array,
    n_starts: jax.Array,
    stride: jax.Array,
    max_steps: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """Where each of the first `n_starts` starts settles, and its q."""

    def residual(h: jax.Array) -> jax.Array:
        return cell.step(params, h, u_star) - h

    return _through_slots(
        lambda h: _Settling(h, jnp.full(h.shape[:1], 1e-1, h.dtype)),
        lambda slots: _gauss_newton(residual, slots, stride),
        *(starts, n_starts, _SETTLING_SLOTS, max_steps),
    )


def search_starts(network: Network, states: Float[Any, "P N"], u_star: Float[Any, " U"]) -> Float[Any, "M N"]:
    """Where to start a search: the states, and E of each where the network has an expansion network.

    Reference: the authors' code, which starts from the expansion points e* too.
    """
    states = np.asarray(states)
    if network.expansion is None:
        return states
    e = expansion_point(network.expansion, states, rest=lambda x: network.step(x, u_star))
    return np.concatenate([states, np.asarray(e)])


def locate(
    cell: Cell,
    params: CellParams,
    candidates: Float[Any, "P N"],
    u_star: Float[Any, " U"],
    settings: SearchSettings = SearchSettings(),
) -> Located:
    """The distinct fixed and slow points that the candidates lead to, by rising q.

    Minimises q(h) = ½‖F(h, u*) − h‖² from every candidate by damped Gauss–Newton with conjugate gradients,
    and from where they have settled by Newton's steps. `candidates` is copied, never written to.

    Reference: Smith et al. (2021), eq. 1; Sussillo and Barak (2013); Levenberg (1944).
    """
    candidates = np.array(candidates, np.float32)
    radius = rms_radius(candidates)
    stride, within = settings.stride * radius, settings.merge * radius
    settled, q = _run(_settle, cell, params, candidates, u_star, stride, settings.settle_steps)
    order = np.argsort(q, kind="stable")
    settled, q = settled[order], q[order]
    groups = groups_within(settled, within)
    with jax.enable_x64(True):
        chosen = settled[np.unique(groups)].astype(np.float64)
        minima, minima_q = _run(_converge, cell, params, chosen, u_star, stride, settings.converge_steps)
    leads_to = np.searchsorted(np.unique(groups), groups)
    apart = (minima_q > settings.tolerance) | (
        np.linalg.norm(minima - chosen, axis=-1) > settings.reach * radius
    )
    points = np.concatenate([minima, chosen[apart]])
    all_q = np.concatenate([minima_q, q[np.unique(groups)][apart]])
    gap, _ = scipy.spatial.cKDTree(candidates).query(points)
    kept = (all_q <= settings.slow_tolerance) & (gap <= settings.outlier * radius)
    usable = np.flatnonzero(kept)
    usable = usable[np.argsort(all_q[usable], kind="stable")]
    usable = usable[np.unique(groups_within(points[usable], within))]
    candidate_q, rejected = np.empty(len(q)), np.empty(len(q), bool)
    candidate_q[order] = minima_q[leads_to]
    rejected[order] = ~kept[leads_to]  # of `points`, the minima come first
    return Located(points[usable], all_q[usable], candidate_q, rejected)


class Located(NamedTuple):
    """What a search found.

    Attributes:
        points: the distinct fixed and slow points by rising q, [M, N], float64.
        q: ½‖F − h‖² there, [M].
        candidate_q: q of the minimum that each candidate leads to, [P].
        rejected: whether that minimum lies above the slow tolerance, or is an outlier, [P].
    """

    points: Float[Any, "M N"]
    q: Float[Any, " M"]
    candidate_q: Float[Any, " P"]
    rejected: Bool[Any, " P"]


def _run(
    phase: Any,
    cell: Cell,
    params: CellParams,
    starts: Float[Any, "P N"],
    u_star: Any,
    stride: float,
    max_steps: int,
) -> tuple[Float[Any, "P N"], Float[Any, " P"]]:
    """`_settle` or `_converge` from all starts, in the starts' precision."""
    padded, n = padded_to_class(starts)
    params, u = jax.tree.map(lambda x: jnp.asarray(np.asarray(x, starts.dtype)), (params, u_star))
    ends, qs = phase(cell, params, u, padded, n, stride, max_steps)
    return np.asarray(ends)[:n], np.asarray(qs)[:n]


def padded_to_class(points: Any) -> tuple[np.ndarray, int]:
    """The points with zeros below, to a `size_class`, and how many they are."""
    n = len(points)
    return np.concatenate([points, np.zeros((size_class(n) - n, *points.shape[1:]), points.dtype)]), n


def size_class(n: int) -> int:
    """The least of 64, 96, 128, 192, 256 … that is at least `n`.

    Rows in these numbers are compiled for once, whatever numbers of points occur.
    """
    rows = 64
    while rows < n:
        rows = rows * 3 // 2 if rows & (rows - 1) == 0 else rows * 4 // 3
    return rows


@partial(jax.jit, static_argnames=("cell",))
def _converge(
    cell: Cell,
    params: CellParams,
    u_star: jax.Array,
    starts: jax.Array,
    n_starts: jax.Array,
    stride: jax.Array,
    max_steps: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """The point of least q on the Newton path of each of the first `n_starts` starts, and q there.

    Steps solve (J − εI) d = −g with g = F − h and J = ∂F/∂h − I: Newton's, but for directions in which the
    flow ḣ = F(h) − h takes 1/ε = 10⁶ steps or longer; where it leaves a point as slowly, so do they. They are
    cut to the stride, and taken whether or not q falls: along a curved valley of slow points a path that must
    descend creeps, while this one leaves the floor and falls back on it further down. Where there is no fixed
    point to fall into, the best point is near the start.

    Reference: Kelley and Keyes (1998), pseudo-transient continuation.
    """
    shifted = (1 + _SHIFT) * jnp.eye(starts.shape[1], dtype=starts.dtype)

    def residual(h: jax.Array) -> jax.Array:
        return cell.step(params, h, u_star) - h

    def begin(h: jax.Array) -> _Converging:
        return _Converging(h, h, 0.5 * jnp.sum(residual(h) ** 2, axis=-1))

    def advance(slots: _Converging) -> tuple[_Converging, tuple[jax.Array, jax.Array], jax.Array]:
        j = jax.vmap(lambda x: recurrent_jacobian(cell, params, x, u_star))(slots.h) - shifted
        d = -jnp.linalg.solve(j, residual(slots.h)[..., None])[..., 0]
        d = jnp.where(jnp.isfinite(d).all(axis=-1, keepdims=True), d, 0)
        length = jnp.sqrt(jnp.sum(d**2, axis=-1))
        h = slots.h + d * jnp.minimum(1, stride / jnp.maximum(length, 1e-30))[:, None]
        q = 0.5 * jnp.sum(residual(h) ** 2, axis=-1)
        better = q < slots.best_q
        best, best_q = jnp.where(better[:, None], h, slots.best), jnp.where(better, q, slots.best_q)
        return _Converging(h, best, best_q), (best, best_q), best_q <= 1e-24

    return _through_slots(begin, advance, starts, n_starts, _CONVERGING_SLOTS, max_steps)


def rms_radius(points: Float[Any, "P N"]) -> float:
    """Root-mean-square distance of the points from their mean: the unit of distances in state space."""
    return float(np.sqrt(np.mean(np.sum((points - points.mean(axis=0)) ** 2, axis=-1))))


def groups_within(points: Float[Any, "P N"], within: float) -> np.ndarray:
    """For each point the index of the point that stands for it, [P].

    In order, a point that nothing stands for yet stands for itself and for all later ones closer than
    `within`. So the unique values are a subset in which no two lie closer, and earlier points win.
    """
    points = np.asarray(points, np.float64)
    leaders = np.full(len(points), -1)
    if not len(points):
        return leaders
    # Squared distances by products of a block with all: in hundreds of dimensions no tree is faster.
    centred = points - points.mean(axis=0)
    squares = np.sum(centred**2, axis=1)
    left = np.arange(len(points))
    while len(left):
        block = left[:_AT_ONCE]
        sums = squares[block, None] + squares[left]
        near = sums - 2 * centred[block] @ centred[left].T <= within**2 + _ROUNDING * sums
        for i, close in zip(block, near, strict=True):
            if leaders[i] < 0:
                leaders[left[close & (leaders[left] < 0)]] = i
                leaders[i] = i
        left = left[leaders[left] < 0]
    return leaders
