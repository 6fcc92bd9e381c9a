"""A network's fixed points by a search of its own: what models are held to where no truth is known.

Whatever decides which points are found differs from `fixed_points.locate`, which models search with: the
starts are drawn at random from a region and are no visited states, the algorithm is Levenberg–Marquardt on
the formed Jacobian, in float64 throughout, and how often each point was met says how many were missed. Only
the definition of a point is the same: `SearchSettings`' tolerances, merging radius and region.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy
from jaxtyping import Bool, Float, Int

from jslds_bench.dynamics.fixed_points import SearchSettings, groups_within, rms_radius
from jslds_bench.dynamics.linearize import jacobians
from jslds_bench.dynamics.spectrum import eigenvalues
from jslds_bench.types.core import Cell, CellParams, FixedPoints, Network

N_STARTS = 192
"""Starts of one search; there are two of them."""
_BLOCK = 16
"""Starts that descend together: few, so that their Jacobians stay in the cache and few wait for the last."""
_STRETCH, _OFF, _WIDER = 1.25, 0.3, 1.5
"""How far beyond the visited states starts lie (see `random_starts`)."""
_SETTLE, _CONVERGE = (1e-4, 20), (1e-16, 40)
"""Floor of the damping and most steps: across the flow alone, and then wherever q falls."""


def random_starts(states: Float[Any, "P N"], n_starts: int, rng: np.random.Generator) -> Float[Any, "M N"]:
    """Starts about the visited states, none of them visited, [n_starts, N].

    Half are mixtures of three random states, Dirichlet(1, 1, 1), stretched by a quarter about the mean: there
    lie saddles between attractors, which states themselves avoid. A quarter are such mixtures moved by 0.3
    RMS radii in random directions of all N dimensions, and a quarter are normal with the states' covariance
    times 1.5². Starts from all over a box in N dimensions lead to where no trial comes near.
    """
    mean, n_mixed, n_normal = states.mean(axis=0), n_starts - n_starts // 4, n_starts // 4
    weights = rng.dirichlet(np.ones(3), n_mixed)
    mixed = np.einsum("mk,mkn->mn", weights, states[rng.integers(0, len(states), (n_mixed, 3))])
    mixed = mean + _STRETCH * (mixed - mean)
    directions = rng.normal(size=(n_starts // 4, states.shape[1]))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    mixed[: len(directions)] += _OFF * rms_radius(states) * directions
    draws = rng.normal(size=(n_normal, min(len(states), 4096)))
    some = states[rng.permutation(len(states))[: draws.shape[1]]] - mean
    normal = mean + _WIDER * draws @ some / draws.shape[1] ** 0.5
    return np.concatenate([mixed, normal])


@partial(jax.jit, static_argnames=("cell",))
def _descend(
    cell: Cell,
    params: CellParams,
    u_star: jax.Array,
    starts: jax.Array,
    stride: jax.Array,
    floor: jax.Array,
    max_steps: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """Where Levenberg–Marquardt on q leads from every start, and q there.

    Steps solve (JᵀJ + μI) d = −Jᵀg with g = F − h and J = ∂F/∂h − I, cut to the stride, and are taken where q
    falls; μ falls by 5 then, down to the floor, and else grows by 5. Reference: Marquardt (1963).
    """
    eye = jnp.eye(starts.shape[-1], dtype=starts.dtype)

    def residual(h: jax.Array) -> jax.Array:
        return cell.step(params, h, u_star) - h

    def half_square(g: jax.Array) -> jax.Array:
        return 0.5 * jnp.sum(g**2, axis=-1)

    def body(carry: Any) -> Any:
        h, q, damping, done, k = carry
        g = residual(h)
        j = jacobians(cell, params, h, jnp.broadcast_to(u_star, (len(h), *u_star.shape))) - eye
        normal = jnp.einsum("pji,pjk->pik", j, j) + damping[:, None, None] * eye
        factor = jax.scipy.linalg.cholesky(normal)
        d = -jax.scipy.linalg.cho_solve((factor, False), jnp.einsum("pji,pj->pi", j, g)[..., None])[..., 0]
        length = jnp.linalg.norm(d, axis=-1)
        trial = h + d * jnp.minimum(1, stride / jnp.maximum(length, 1e-300))[:, None]
        q_trial = half_square(residual(trial))
        better = (q_trial < q) & ~done
        stalled = better & (q_trial > 0.9 * q) & (damping <= floor) & (length < stride)
        h = jnp.where(better[:, None], trial, h)
        q = jnp.where(better, q_trial, q)
        damping = jnp.where(better, jnp.maximum(damping / 5, floor), damping * 5)
        return h, q, damping, done | stalled | (q <= 1e-28) | (damping > 1e6), k + 1

    q, none = half_square(residual(starts)), jnp.zeros(len(starts), bool)
    start = (starts, q, jnp.full(len(starts), 1e-1, starts.dtype), none, 0)
    h, q, *_ = jax.lax.while_loop(lambda c: (c[4] < max_steps) & ~jnp.all(c[3]), body, start)
    return h, q


def search(
    network: Network,
    states: Float[Any, "P N"],
    u_star: Float[Any, " U"],
    seeds: tuple[int, int],
    n_starts: int = N_STARTS,
) -> FixedPoints:
    """The network's fixed and slow points under u*, and how complete they are.

    Two searches from `n_starts` random starts each. Every start settles across the flow; on a continuum of
    slow points (see `isolated`) it stays there, else it goes on to a minimum of q = ½‖F(h, u*) − h‖². Points
    above the slow tolerance, or further than 1 RMS radius from every visited state, are left out; on a
    continuum, which goes on where no trial does, those beyond the range of the states.

    Args:
        states: visited states, which say where to look.
        seeds: of the two searches.

    Returns:
        The points by rising q, with their spectra; `completeness` is None where any lies on a continuum.
    """
    states = np.asarray(states, np.float64)
    radius = rms_radius(states)
    settings = SearchSettings()
    starts = np.concatenate([random_starts(states, n_starts, np.random.default_rng(s)) for s in seeds])
    points, q = _run(network, starts, u_star, settings.stride * radius, *_SETTLE)
    going = (q > settings.slow_tolerance) | isolated(network, points, u_star)
    if going.any():
        further = _run(network, points[going], u_star, settings.stride * radius, *_CONVERGE)
        points[going], q[going] = further
    gaps = np.asarray(scipy.spatial.cKDTree(states).query(points)[0])
    kept = np.flatnonzero((q <= settings.slow_tolerance) & (gaps <= settings.outlier * radius))
    kept = kept[np.argsort(q[kept], kind="stable")]
    alone = isolated(network, points[kept], u_star)
    met = alone | _met(points[kept], states, settings.reach * radius)
    kept, alone = kept[met], alone[met]
    leaders, which = np.unique(groups_within(points[kept], settings.merge * radius), return_inverse=True)
    found = kept[leaders]
    counts = np.zeros((2, len(found)), int)
    np.add.at(counts, (kept // n_starts, which), 1)
    values = eigenvalues(_jacobians_at(network, points[found], u_star))
    countable = len(found) > 0 and alone[leaders].all()
    return FixedPoints(
        points[found],
        q[found],
        values,
        (np.abs(values) > 1 + 1e-3).sum(axis=-1),
        np.asarray(u_star),
        len(starts),
        len(starts) - len(kept),
        completeness(counts) if countable else None,
    )


def _met(points: Float[Any, "P N"], states: Float[Any, "S N"], margin: float) -> Bool[np.ndarray, " P"]:
    """Whether each point lies in the range of the states along the axes that have 1 % of their variance."""
    mean = states.mean(axis=0)
    variances, axes = np.linalg.eigh(np.atleast_2d(np.cov((states - mean).T)))
    wide = axes[:, variances > 0.01 * variances.sum()]
    along, range_ = (points - mean) @ wide, (states - mean) @ wide
    return ((along >= range_.min(axis=0) - margin) & (along <= range_.max(axis=0) + margin)).all(axis=1)


def isolated(network: Network, points: Float[Any, "P N"], u_star: Float[Any, " U"]) -> Bool[np.ndarray, " P"]:
    """Whether no continuum of slow points goes through each: all singular values of ∂F/∂h − I are above 0.01.

    Along the direction of a smaller one a step covers less than a hundredth of the way, and settling, by the
    floor of its damping, does not move: how many points are found there says how finely one looked.
    """
    none = np.zeros(0, bool)
    return np.concatenate([none, *_in_blocks(_all_above, network, points, u_star)])[: len(points)]


def _all_above(cell: Cell, params: CellParams, points: jax.Array, us: jax.Array) -> jax.Array:
    """Whether JᵀJ − 10⁻⁴ I has a Cholesky factor, with J = ∂F/∂h − I: so without one singular value."""
    eye = jnp.eye(points.shape[-1])
    gap = jacobians(cell, params, points, us) - eye
    factor = jnp.linalg.cholesky(jnp.swapaxes(gap, 1, 2) @ gap - _SETTLE[0] * eye)
    return jnp.isfinite(factor).all(axis=(1, 2))


def completeness(counts: Int[Any, "2 P"]) -> float:
    """The estimated share of all points that are among the P found; how many starts of each search met each?

    P/N̂, with N̂ the greater of two estimates of capture and recapture: Chapman's from what the two searches
    have in common, (n_1 + 1)(n_2 + 1)/(m + 1) − 1, and Chao's from how many points were met once and twice,
    P + f_1(f_1 − 1)/(2(f_2 + 1)), which is a lower bound where some points are harder to find than others.
    With few starts it is too high: of 27 points by 0.13 with 16 in each search, by 0.01 with 64. 1 where
    there are no points. Reference: Chapman (1951); Chao (1984), in its bias-corrected form.
    """
    n_found = counts.shape[1]
    first, second = (counts > 0).sum(axis=1)
    both = (counts > 0).all(axis=0).sum()
    once, twice = ((counts.sum(axis=0) == k).sum() for k in (1, 2))
    chapman = (first + 1) * (second + 1) / (both + 1) - 1
    chao = n_found + once * (once - 1) / (2 * (twice + 1))
    return float(n_found / max(chapman, chao)) if n_found else 1.0


def _run(
    network: Network, starts: Float[Any, "P N"], u_star: Any, stride: float, floor: float, max_steps: int
) -> tuple[Float[Any, "P N"], Float[Any, " P"]]:
    """`_descend` from all starts, block by block."""
    n = len(starts)
    filled = np.concatenate([starts, np.repeat(starts[:1], -n % _BLOCK, axis=0)])
    ends, qs = [], []
    with jax.enable_x64(True):
        params, u = _as_float64((network.params, u_star))
        for i in range(0, len(filled), _BLOCK):
            h, q = _descend(network.cell, params, u, filled[i : i + _BLOCK], stride, floor, max_steps)
            ends.append(np.asarray(h))
            qs.append(np.asarray(q))
    return np.concatenate(ends)[:n], np.concatenate(qs)[:n]


def _jacobians_at(network: Network, points: Float[Any, "P N"], u_star: Any) -> Float[Any, "P N N"]:
    """∂F/∂h at the points under u*."""
    none = np.zeros((0, network.n_state, network.n_state))
    return np.concatenate([none, *_in_blocks(jacobians, network, points, u_star)])[: len(points)]


def _in_blocks(function: Any, network: Network, points: Float[Any, "P N"], u_star: Any) -> list[np.ndarray]:
    """``function(cell, params, points, inputs)`` at the points under u*, in float64, block by block."""
    filled = np.concatenate([points, np.zeros((-len(points) % _BLOCK, network.n_state))])
    with jax.enable_x64(True):
        params, u = _as_float64((network.params, u_star))
        us = jnp.broadcast_to(u, (_BLOCK, *u.shape))
        return [
            np.asarray(_JITTED[function](network.cell, params, filled[i : i + _BLOCK], us))
            for i in range(0, len(filled), _BLOCK)
        ]


def _as_float64(tree: Any) -> Any:
    return jax.tree.map(lambda x: jnp.asarray(np.asarray(x, np.float64)), tree)


_JITTED = {function: jax.jit(function, static_argnums=0) for function in (jacobians, _all_above)}
