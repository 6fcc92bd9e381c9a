"""Jacobians learned from trajectories alone, and the map that they integrate to."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import scipy

from jslds_bench.entries.registry import MODELS
from jslds_bench.errors import UsageError
from jslds_bench.models._shared.states import distances_to_next, distinct_means, fit_states
from jslds_bench.models._shared.variable_projection import chosen, solver
from jslds_bench.switching.initialise import pca
from jslds_bench.types.core import Carry, LocalLinear, Network, Progress, Trials, silent
from jslds_bench.types.networks import Task

_MOST_ROWS = 20000
"""Transitions that are fitted to; of more, some drawn alike."""
_N_PATHS = 4096
"""Pairs of visited z between which J is integrated besides."""


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["centre", "basis", "centres", "width", "before", "after", "weights"],
    meta_fields=["n_nodes"],
)
@dataclasses.dataclass(frozen=True)
class Integrated:
    """ĥ_t = h_b⁺ + ∫₀¹ J(z_b + s (z − z_b)) ds (z − z_b), z = (h_{t−1}, u_t): z_b → h_b⁺ is known.

    J(z) = M_0 + Σ_k φ_k(v) M_k Gᵀ with v = Gᵀ(z − z̄), and φ Gaussian bumps that add up to 1. Arrays are of
    NumPy's float64 in a fit.
    """

    n_nodes: int
    centre: Any  # z̄, [N + U]
    basis: Any  # G: of what J depends on, in units of its standard deviation, [N + U, D]
    centres: Any  # of the bumps, [K, D]
    width: Any  # of each, [K]
    before: Any  # z_b, [M, N + U]
    after: Any  # h_b⁺, [M, N]
    weights: Any  # (M_0 M_1 …)ᵀ, [N + U + K D, N]

    def init(self, h0: Any, u_star: Any) -> Carry:
        return ()

    def step(self, carry: Carry, h: Any, u: Any, u_star: Any) -> tuple[Carry, Any]:
        z = jnp.concatenate([h, u])
        b = jnp.argmin(jnp.sum(((self.before - z) @ self.basis) ** 2, axis=-1))
        return carry, self.after[b] + integrals(jnp, self, self.before[b][None], z[None])[0] @ self.weights

    def local(self, h: Any, u: Any, u_star: Any) -> LocalLinear:
        """The learned Jacobians at the state and its input: near the step's own derivatives, not these."""
        z = jnp.concatenate([h, u])
        n, d = len(z), self.basis.shape[1]
        bumps = _bumps(jnp, self, ((z - self.centre) @ self.basis)[None])[0]
        mixed = jnp.einsum("k,kdn->dn", bumps, self.weights[n:].reshape(-1, d, len(h)))
        jacobian = (self.weights[:n] + self.basis @ mixed).T
        return LocalLinear(h, u, jacobian[:, : len(h)], jacobian[:, len(h) :], self.step((), h, u, u_star)[1])

    def n_numbers(self) -> int:
        """The weights, what J depends on, and the known transitions."""
        return sum(leaf.size for leaf in jax.tree.leaves(self))

    def fixed_points(self, u_star: Any) -> None:
        return None


def _bumps(xp: Any, model: Integrated, v: Any) -> Any:
    """φ, [*, K], at v [*, D]."""
    heights = -0.5 * xp.sum((v[..., None, :] - model.centres) ** 2, axis=-1) / model.width**2
    made = xp.exp(heights - heights.max(axis=-1, keepdims=True))
    return made / made.sum(axis=-1, keepdims=True)


def integrals(xp: Any, model: Integrated, start: Any, end: Any) -> Any:
    """What the weights multiply to ∫ J dz along straight lines, [*, F]; by Gauss and Legendre's rule.

    `xp` is `jax.numpy` for a step, NumPy for a fit in float64; `start` and `end` are [*, N + U].
    """
    nodes, parts = np.polynomial.legendre.leggauss(model.n_nodes)
    v, along = (start - model.centre) @ model.basis, (end - start) @ model.basis
    each = [0.5 * w * _bumps(xp, model, v + 0.5 * (s + 1) * along) for s, w in zip(nodes, parts, strict=True)]
    mixed = sum(each[1:], each[0])
    products = (mixed[..., :, None] * along[..., None, :]).reshape(*mixed.shape[:-1], -1)
    return xp.concatenate([end - start, products], axis=-1)


@MODELS.register("learned_jacobian")
@dataclasses.dataclass(frozen=True)
class LearnedJacobian:
    """The Jacobian as a function of state and input, learned from states alone by integrating it.

    h_t = h_b⁺ + ∫₀¹ J(z_b + s (z − z_b)) ds (z − z_b), z = (h_{t−1}, u_t), where z_b → h_b⁺ is the nearest of
    M known transitions. J is linear in its weights: M_0 + Σ_k φ_k(v) M_k Gᵀ, v = Gᵀ(z − z̄) the leading
    principal components of the states and the inputs, in units of their standard deviation, φ Gaussian bumps
    about k-means centres (as wide as it is to the next centre) that add up to 1. So they are a regression
    with a ridge, in float64, on all transitions from the nearest known ones, and on paths between any two
    that were visited, z and z', so that those around loops come back to where they began:

        mean ‖ĥ_t − h_t‖² + paths · mean ‖∫_z^z' J dz − (h'⁺ − h⁺)‖² + ridge

    Right where the network's equations may not be used and its Jacobians are asked for, and as a control of
    how much of them states alone tell: nothing of places and directions in which no state has moved. It has
    no linear systems of its own: each step integrates over many.

    Reference: Eisen et al. (2025), JacobianODE, arXiv 2507.01946: of flows without inputs, J a deep network
    trained along trajectories, integrals around loops penalised. Of maps, where all that follows a visited z
    is known, a J that is linear in its weights makes that a regression.

    Attributes:
        n_latent: principal components in v.
        n_centres: K.
        n_bases: M, those nearest to centres of k-means.
        n_nodes: of the quadrature (Gauss and Legendre's).
        paths: weight of paths between any two.
        ridge: its strength relative to the mean of the regressors' sums of squares, a hundredth of it for
            M_0; of several, the one whose free-run error on the last quarter of the fit's trials is least,
            then fitted to all unless the free run is lost by that.
    """

    n_latent: int = 8
    n_centres: int = 120
    n_bases: int = 64
    n_nodes: int = 4
    paths: float = 1e-2
    ridge: tuple[float, ...] = (1e-8, 1e-6, 1e-4)

    SMOKE: ClassVar[dict[str, Any]] = {"n_latent": 2, "n_centres": 4, "n_bases": 4, "ridge": (1e-4,)}

    def __post_init__(self) -> None:
        sizes = (self.n_latent, self.n_centres, self.n_bases, self.n_nodes)
        if min(sizes) < 1:
            raise UsageError(
                "learned_jacobian needs n_latent, n_centres, n_bases and n_nodes of at least 1, "
                f"got {', '.join(map(str, sizes))}"
            )
        if not (self.paths >= 0 and self.ridge and min(self.ridge) > 0):
            raise UsageError(
                f"learned_jacobian needs paths ≥ 0 and ridge > 0, got {self.paths} and {list(self.ridge)}"
            )

    def fit(
        self, task: Task, network: Network, trials: Trials, key: jax.Array, progress: Progress = silent
    ) -> Integrated:
        states = fit_states(network, trials)
        seed = int(jax.random.randint(key, (), 0, 2**31 - 1))
        inputs = np.asarray(trials.inputs, np.float64)

        def make(size: int, part: slice, start: Integrated | None) -> Callable[[float], Integrated]:
            z = np.concatenate([states[part, :-1], inputs[part]], axis=2)
            return self._regression(
                z.reshape(-1, z.shape[2]), states[part, 1:].reshape(-1, network.n_state), seed
            )

        return chosen((self.n_latent,), self.ridge, make, network, trials, states, progress)

    def _regression(self, z: np.ndarray, after: np.ndarray, seed: int) -> Callable[[float], Integrated]:
        """ridge → the model of transitions from z [R, N + U] to `after` [R, N]."""
        rng = np.random.default_rng(seed)
        which = rng.permutation(len(z))[:_MOST_ROWS]
        blank = self._blank(z, after, which, seed)
        nearest = scipy.spatial.cKDTree(blank.before @ blank.basis).query(z[which] @ blank.basis)[1]
        rows = integrals(np, blank, blank.before[nearest], z[which])
        targets = after[which] - blank.after[nearest]
        if self.paths:
            one, other = rng.integers(len(z), size=(2, _N_PATHS))
            weight = np.sqrt(self.paths * len(rows) / _N_PATHS)
            rows = np.concatenate([rows, weight * integrals(np, blank, z[one], z[other])])
            targets = np.concatenate([targets, weight * (after[other] - after[one])])
        penalty = np.full(rows.shape[1], np.sum(rows**2) / rows.shape[1])
        penalty[: z.shape[1]] *= 1e-2
        solved = solver(rows, targets)

        def made(ridge: float) -> Integrated:
            full = dataclasses.replace(blank, weights=solved(ridge * penalty))
            return jax.tree.map(lambda a: jnp.asarray(a, jnp.float32), full)

        return made

    def _blank(self, z: np.ndarray, after: np.ndarray, which: np.ndarray, seed: int) -> Integrated:
        """The model without its weights, in float64."""
        n = after.shape[1]
        states = pca(z[:, :n], min(self.n_latent, n))
        spread = z[:, n:].std(axis=0)
        scale = np.sqrt(np.concatenate([states.variances[: states.loadings.shape[1]], spread**2]))
        varies = scale > 1e-5 * max(float(scale.max()), 1e-12)
        basis = np.zeros((z.shape[1], len(scale)))
        basis[:n, : states.loadings.shape[1]] = states.loadings
        basis[n:, states.loadings.shape[1] :] = np.eye(len(spread))
        basis = basis[:, varies] / scale[varies] if varies.any() else basis[:, :1]
        centre = z.mean(axis=0)
        v = (z[which] - centre) @ basis
        centres = distinct_means(v, self.n_centres, seed)
        width = distances_to_next(centres)
        known = which[np.unique(scipy.spatial.cKDTree(v).query(distinct_means(v, self.n_bases, seed + 1))[1])]
        none = np.zeros((0, 0))
        return Integrated(self.n_nodes, centre, basis, centres, width, z[known], after[known], none)
