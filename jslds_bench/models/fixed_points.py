"""The classical way: find the network's fixed points numerically, linearise about the nearest one."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np

from jslds_bench.dynamics.fixed_points import SearchSettings, locate, search_starts, size_class
from jslds_bench.dynamics.linearize import ExpandInput, expand, expansion_step
from jslds_bench.dynamics.once import once
from jslds_bench.dynamics.rollout import trajectories
from jslds_bench.entries.registry import MODELS
from jslds_bench.errors import Unsupported, UsageError
from jslds_bench.types.core import Carry, Cell, CellParams, LocalLinear, Network, Progress, Trials, silent
from jslds_bench.types.networks import Task

_FAR = 1e6  # coordinate of the padding of point sets of unequal size: never the nearest
_TINY = 1e-12  # squared distance under which a state lies on a point


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["params", "u_stars", "points", "half_squares", "counts"],
    meta_fields=["cell", "zeroth", "expand_input"],
)
@dataclasses.dataclass(frozen=True)
class NearestFixedPoint:
    """F expanded about the fixed or slow point h* nearest to the state, of the trial's own u*.

    ĥ_t = c + ∂F/∂h(h*, u°)(h_{t−1} − h*) + ∂F/∂u(h*, u°)(u_t − u°), with c = F(h*, u°) or c = h*; u° is
    u*, or u_t where `expand_input` is "actual".
    """

    cell: Cell
    zeroth: Literal["value", "point"]
    expand_input: ExpandInput
    params: CellParams
    u_stars: jax.Array  # [K, U]
    points: jax.Array  # [K, P, N], padded with _FAR
    half_squares: jax.Array  # ½‖p‖², [K, P]
    counts: jax.Array  # of the points that are no padding, [K]

    def costs(self, h: Any, u_star: Any) -> tuple[jax.Array, jax.Array]:
        """The context of `u_star`, and ½‖p‖² − p·h of its points, [P]: ½‖p − h‖² but for a constant.

        Of the points of all contexts, so that it is one product with one matrix for all trials, when vmapped;
        those of each trial's own would be copied for each trial and step.
        """
        context = jnp.argmin(jnp.sum((self.u_stars - u_star) ** 2, axis=-1))
        products = self.points.reshape(-1, h.shape[-1]) @ h
        return context, (self.half_squares - products.reshape(self.half_squares.shape))[context]

    def nearest(self, h: Any, u_star: Any) -> jax.Array:
        """h*, [N]: the nearest of the points that belong to `u_star`."""
        context, cost = self.costs(h, u_star)
        return self.points[context, jnp.argmin(cost)]

    def init(self, h0: Any, u_star: Any) -> Carry:
        return ()

    def step(self, carry: Carry, h: Any, u: Any, u_star: Any) -> tuple[Carry, Any]:
        e, at = self.nearest(h, u_star), self.about(u, u_star)
        return carry, expansion_step(self.cell, self.params, e, at, h, u, self.zeroth)

    def about(self, u: Any, u_star: Any) -> Any:
        """u°, the input that is expanded about."""
        return u if self.expand_input == "actual" else u_star

    def local(self, h: Any, u: Any, u_star: Any) -> LocalLinear:
        return expand(self.cell, self.params, self.nearest(h, u_star), self.about(u, u_star), self.zeroth)

    def n_numbers(self) -> int:
        """The coordinates of all points."""
        return int(np.sum(self.counts)) * self.points.shape[-1]

    def fixed_points(self, u_star: Any) -> jax.Array:
        context = int(jnp.argmin(jnp.sum((self.u_stars - u_star) ** 2, axis=-1)))
        return jnp.asarray(np.asarray(self.points)[context, : int(self.counts[context])])  # not compiled


@partial(jax.tree_util.register_dataclass, data_fields=["nearest"], meta_fields=["n_nearest"])
@dataclasses.dataclass(frozen=True)
class BlendedFixedPoints:
    """The expansions f_i about the k nearest points h*_i, weighted by inverse squared distance.

    ĥ_t = Σ w_i(h_{t−1}) f_i(h_{t−1}, u_t) with w_i ∝ 1/‖h_{t−1} − h*_i‖², Σ w_i = 1. Since each f_i is
    c_i + A_i (h − h*_i) + B_i (u − u*), this is the local system with e = Σ w_i h*_i, A = Σ w_i A_i,
    B = Σ w_i B_i and c = Σ w_i (c_i + A_i (e − h*_i)). Reference: Shepard (1968) for the weights.
    """

    n_nearest: int
    nearest: NearestFixedPoint

    def neighbours(self, h: Any, u_star: Any) -> tuple[jax.Array, jax.Array]:
        """h*_i, [k, N], and w_i, [k]; where a context has fewer points its nearest again, with weight 0."""
        context, cost = self.nearest.costs(h, u_star)
        least = []
        for _ in range(min(self.n_nearest, cost.shape[0])):  # top_k would sort them all
            least.append(jnp.argmin(cost))
            cost = cost.at[least[-1]].set(jnp.inf)
        order = jnp.stack(least)
        real = order < self.nearest.counts[context]
        points = self.nearest.points[context, jnp.where(real, order, order[0])]
        squares = jnp.sum((points - h) ** 2, axis=-1)
        # Relative to the least distance, so that a state on a point neither divides by 0 nor feels the rest.
        weights = jnp.where(real, (squares[0] + _TINY) / (squares + _TINY), 0)
        return points, weights / jnp.sum(weights)

    def init(self, h0: Any, u_star: Any) -> Carry:
        return ()

    def step(self, carry: Carry, h: Any, u: Any, u_star: Any) -> tuple[Carry, Any]:
        points, weights = self.neighbours(h, u_star)
        model = self.nearest
        at = model.about(u, u_star)
        ahead = jax.vmap(lambda e: expansion_step(model.cell, model.params, e, at, h, u, model.zeroth))(
            points
        )
        return carry, weights @ ahead

    def local(self, h: Any, u: Any, u_star: Any) -> LocalLinear:
        points, weights = self.neighbours(h, u_star)
        model = self.nearest
        at = model.about(u, u_star)
        each = jax.vmap(lambda e: expand(model.cell, model.params, e, at, model.zeroth))(points)
        e = weights @ points
        moved = each.c + jnp.einsum("kij,kj->ki", each.A, e - points)
        a, b = (jnp.tensordot(weights, x, 1) for x in (each.A, each.B))
        return LocalLinear(e, at, a, b, weights @ moved)

    def n_numbers(self) -> int:
        """The coordinates of all points."""
        return self.nearest.n_numbers()

    def fixed_points(self, u_star: Any) -> jax.Array:
        return self.nearest.fixed_points(u_star)


@MODELS.register("fixed_points")
@dataclasses.dataclass(frozen=True)
class FixedPointModel:
    """Numerical fixed and slow points of the trained network, and the expansion about the nearest of them.

    Attributes:
        zeroth: the constant term: "value", F(h*, u°) as the paper's code has it, or "point", h* (eq. 4).
        expand_input: u°, the input to expand about: "star" is u* (the paper's), "actual" is u_t, with which a
            gate that reads u_t, as that of `rslds` does, is to be compared.
        n_trials: training trials whose visited states are the candidates.
        from_expansion: whether E of these states, where the network has an expansion network, are candidates
            too, as in the authors' code: not where the points are to say whether E tells the truth.
        noise: standard deviation of the noise added to a copy of them.
        slow_tolerance: q = ½‖F − h‖² under which a point is kept.
        merge: points closer than this, in RMS radii of the candidates, are one; a continuum's grain.
        n_nearest: how many of the nearest points' expansions are blended (see `BlendedFixedPoints`).
        start_point: whether h_0 is one more point to expand about. It is no fixed point and not counted among
            them, but often so far from all visited states that no other expansion serves it.
    """

    zeroth: Literal["value", "point"] = "value"
    expand_input: ExpandInput = "star"
    n_trials: int = 64
    from_expansion: bool = True
    noise: float = 0.01
    slow_tolerance: float = SearchSettings.slow_tolerance
    merge: float = SearchSettings.merge
    n_nearest: int = 1
    start_point: bool = False

    SMOKE: ClassVar[dict[str, Any]] = {"n_trials": 16}

    def __post_init__(self) -> None:
        too_few = self.n_trials < 1 or self.n_nearest < 1
        if too_few or self.noise < 0 or self.slow_tolerance <= 0 or self.merge <= 0:
            raise UsageError(
                "fixed_points needs n_trials ≥ 1, noise ≥ 0, slow_tolerance > 0, merge > 0 and "
                f"n_nearest ≥ 1, got {self.n_trials}, {self.noise}, {self.slow_tolerance}, {self.merge} and "
                f"{self.n_nearest}"
            )
        if self.start_point and self.n_nearest > 1:
            raise UsageError("fixed_points takes h_0 for a point (start_point) only with n_nearest = 1")

    def fit(
        self, task: Task, network: Network, trials: Trials, key: jax.Array, progress: Progress = silent
    ) -> NearestFixedPoint | BlendedFixedPoints:
        settings = SearchSettings(slow_tolerance=self.slow_tolerance, merge=self.merge)
        u_stars = task.expansion_inputs()
        found = []
        for k, u_star in enumerate(u_stars):
            progress(k, len(u_stars), "fixed points")
            states = visited_states(network, trials, u_star, self.n_trials)
            if self.from_expansion:
                states = search_starts(network, states, u_star)
            noise = self.noise * jax.random.normal(jax.random.fold_in(key, k), states.shape)
            candidates = states + np.asarray(noise)
            # Variants differ in what they make of the points: the search is one.
            found.append(once(locate, network.cell, network.params, candidates, u_star, settings).points)
            if not len(found[-1]):
                raise Unsupported(
                    f"no fixed or slow point with q ≤ {self.slow_tolerance:g} under u* = {np.asarray(u_star)}"
                )
        return self.about(network, u_stars, found)

    def about(
        self, network: Network, u_stars: jax.Array, found: list[np.ndarray]
    ) -> NearestFixedPoint | BlendedFixedPoints:
        """The expansions about given points, [P_k, N] for each of the distinct `u_stars`."""
        counts = tuple(len(points) for points in found)
        extra = np.asarray(network.h0)[None] if self.start_point else np.empty((0, network.n_state))
        rows = size_class(max(counts) + len(extra))
        padded = np.full((len(found), rows, network.n_state), _FAR, np.float32)
        for row, points in zip(padded, found, strict=True):
            # h_0 stands beyond `counts`: it is expanded about, and is no fixed point.
            row[: len(points) + len(extra)] = np.concatenate([points, extra])
        half_squares = 0.5 * jnp.sum(jnp.asarray(padded) ** 2, axis=-1)
        nearest = NearestFixedPoint(
            network.cell,
            self.zeroth,
            self.expand_input,
            network.params,
            u_stars,
            jnp.asarray(padded),
            half_squares,
            jnp.asarray(counts),
        )
        return nearest if self.n_nearest == 1 else BlendedFixedPoints(self.n_nearest, nearest)


def visited_states(network: Network, trials: Trials, u_star: Any, n_trials: int) -> np.ndarray:
    """The states h_1 … h_T of the first `n_trials` trials that have this u*, [n_trials·T, N]."""
    matching = np.flatnonzero(np.all(np.isclose(trials.u_star, u_star), axis=-1))[:n_trials]
    if not len(matching):
        raise Unsupported(f"no training trial has u* = {np.asarray(u_star)}")
    return trajectories(network, trials.inputs[matching])[:, 1:].reshape(-1, network.n_state)
