"""A surrogate network of low rank, and the linear systems and fixed points that it has."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np

from jslds_bench.entries.registry import MODELS
from jslds_bench.errors import Unsupported, UsageError
from jslds_bench.models._shared import roots
from jslds_bench.models._shared.states import fit_states
from jslds_bench.models._shared.variable_projection import chosen, climb, solver, some
from jslds_bench.switching.initialise import RANK, pca
from jslds_bench.types.core import Carry, LocalLinear, Network, Progress, Trials, silent
from jslds_bench.types.networks import Task

_N_STARTS = 192
"""Visited states from which fixed points are sought."""
_FAR = 1e9
"""Where a point stands that is none, so that all u* have as many: no state is near it."""

Function = Literal["relu", "tanh"]
About = Literal["state", "points"]


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["mean", "loadings", "scale", "hidden", "weights"],
    meta_fields=["function"],
    drop_fields=["visited"],
)
@dataclasses.dataclass(frozen=True)
class Surrogate:
    """ĥ_t = C x_{t−1} + D u_t + c + N φ(M x_{t−1} + S u_t + b), x = Wᵀ(h − h̄) of R numbers."""

    function: Function
    mean: Any  # arrays all; h̄, [N]
    loadings: Any  # W, [N, R]
    scale: Any  # RMS radius of the states: hidden units see x in it
    hidden: Any  # (M S b), [R + U + 1, P]
    weights: Any  # (C D c N), [R + U + 1 + P, N]
    visited: Any = None  # some of the fit's states, [S, R]

    def init(self, h0: Any, u_star: Any) -> Carry:
        return ()

    def step(self, carry: Carry, h: Any, u: Any, u_star: Any) -> tuple[Carry, Any]:
        return carry, self.next((h - self.mean) @ self.loadings, u)

    def next(self, x: Any, u: Any) -> jax.Array:
        """h, [N], that follows x [R]."""
        row = jnp.concatenate([x / self.scale, u, jnp.ones_like(x[:1])])[None]
        return (_LIFTS[self.function](jnp, self.hidden, row) @ self.weights)[0]

    def ahead(self, x: Any, u: Any) -> jax.Array:
        """The next x: what fixed points are of."""
        return (self.next(x, u) - self.mean) @ self.loadings

    def expanded(self, h: Any, u: Any) -> LocalLinear:
        """The surrogate's Jacobians at (h, u)."""
        x = (h - self.mean) @ self.loadings
        by_x, by_u = jax.jacfwd(self.next, argnums=(0, 1))(x, u)
        return LocalLinear(h, u, by_x @ self.loadings.T, by_u, self.next(x, u))

    def local(self, h: Any, u: Any, u_star: Any) -> LocalLinear:
        """The Jacobians at the state and its input: with φ = relu the system of their region, exactly."""
        return self.expanded(h, u)

    def n_numbers(self) -> int:
        """M, S, b, C, D, c, N, and the components."""
        return self.hidden.size + self.weights.size + self.mean.size + self.loadings.size

    def fixed_points(self, u_star: Any) -> jax.Array:
        """The surrogate's own, near visited states, [P, N]; P is 0 where none is found."""
        return roots.fixed_states(self, self.visited, u_star)


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["surrogate", "u_stars", "points"],
    meta_fields=[],
    drop_fields=["counts"],
)
@dataclasses.dataclass(frozen=True)
class AboutPoints:
    """ĥ_t = e + J (h_{t−1} − e) + B (u_t − u*), e the surrogate's fixed point under u* nearest to h_{t−1}."""

    surrogate: Surrogate
    u_stars: jax.Array  # [K, U]
    points: jax.Array  # [K, P, N]
    counts: tuple[int, ...] = ()

    def init(self, h0: Any, u_star: Any) -> Carry:
        return ()

    def step(self, carry: Carry, h: Any, u: Any, u_star: Any) -> tuple[Carry, Any]:
        e = self._nearest(h, u_star)
        value, tangent = jax.jvp(
            lambda h, u: self.surrogate.step((), h, u, u)[1], (e, u_star), (h - e, u - u_star)
        )
        return carry, value + tangent

    def local(self, h: Any, u: Any, u_star: Any) -> LocalLinear:
        return self.surrogate.expanded(self._nearest(h, u_star), u_star)

    def _context(self, u_star: Any) -> jax.Array:
        return jnp.argmin(jnp.sum((self.u_stars - u_star) ** 2, axis=-1))

    def _nearest(self, h: Any, u_star: Any) -> jax.Array:
        points = self.points[self._context(u_star)]
        return points[jnp.argmin(jnp.sum((points - h) ** 2, axis=-1))]

    def n_numbers(self) -> int:
        """The surrogate's."""
        return self.surrogate.n_numbers()

    def fixed_points(self, u_star: Any) -> jax.Array:
        at = int(self._context(u_star))
        return self.points[at, : self.counts[at]]


@MODELS.register("low_rank")
@dataclasses.dataclass(frozen=True)
class LowRank:
    """A recurrent network of low rank fitted to the states of the one to be explained.

    h_t = C x_{t−1} + D u_t + c + N φ(M x_{t−1} + S u_t + b), x the R leading principal components of h: only
    R numbers pass from step to step. Read off at x it is a network of P units of which the recurrent matrix
    M Wᵀ N has rank R, with a linear part. With φ = relu it is piecewise linear: each region has one linear
    system, and fixed points solve those of their own region. M, S and b are the maximum a posteriori of the
    next step, C, D, c and N being their regression (variable projection, L-BFGS in float64), from random
    directions whose borders go through visited states. R is chosen by the free run.

    Its local systems are those of the region at the state (`about` = "state"): they follow the network, and
    fixed points stand beside. With `about` = "points" they are expansions about the surrogate's own fixed
    points under u*, the nearest at each step: few systems, which explain as `fixed_points` does, and like
    these lose the network between points.

    References: Valente, Pillow and Ostojic (2022), NeurIPS 35; Pals, Sağtekin, Pei, Gloeckler and Macke
    (2024), arXiv 2406.16749. There surrogates are trained through time; known states make that regression.

    Attributes:
        rank: R; of several, the least whose free-run error on the last quarter of the fit's trials is within
            5 % of the best, then fitted to all.
        n_units: P.
        function: φ, "relu" or "tanh".
        about: what the local systems are expanded about, "state" or "points".
        precision: of the normal prior of M, S and b.
        ridge: of the regression, relative to the regressors' mean sum of squares; M, S and b are fitted with
            the least of them, and of several one is chosen as R is.
        n_iterations: of L-BFGS, at most.
    """

    rank: tuple[int, ...] = (2, 4, 8, 16)
    n_units: int = 32
    function: Function = "relu"
    about: About = "state"
    precision: float = 1e-2
    ridge: tuple[float, ...] = (1e-6, 1e-4, 1e-2)
    n_iterations: int = 150

    SMOKE: ClassVar[dict[str, Any]] = {"rank": (2,), "n_units": 4, "n_iterations": 5, "ridge": (1e-4,)}

    def __post_init__(self) -> None:
        sizes = (*self.rank, self.n_units, self.n_iterations)
        if not self.rank or min(sizes) < 1:
            raise UsageError(
                "low_rank needs rank, n_units and n_iterations of at least 1, "
                f"got {list(self.rank)}, {self.n_units} and {self.n_iterations}"
            )
        if not (self.precision > 0 and min(self.ridge, default=0) > 0):
            raise UsageError(
                f"low_rank needs precision and ridge > 0, got {self.precision} and {list(self.ridge)}"
            )
        if self.function not in _LIFTS or self.about not in ("state", "points"):
            raise UsageError(
                'low_rank needs function "relu" or "tanh" and about "state" or "points", '
                f"got {self.function!r} and {self.about!r}"
            )

    def fit(
        self, task: Task, network: Network, trials: Trials, key: jax.Array, progress: Progress = silent
    ) -> Surrogate | AboutPoints:
        states = fit_states(network, trials)
        seed = int(jax.random.randint(key, (), 0, 2**31 - 1))
        all_rows = states.reshape(-1, network.n_state)
        variances = pca(all_rows, 1).variances
        most = max(int(np.sum(variances > RANK * variances.max())), 1)
        basis = pca(all_rows, most)
        radius = max(float(np.sqrt(variances.sum())), 1e-12)

        def make(rank: int, part: slice, start: Surrogate | None) -> Callable[[float], Surrogate]:
            loadings = basis.loadings[:, :rank]
            of_part, u = states[part], np.asarray(trials.inputs[part], np.float64)
            x = (of_part[:, :-1] - basis.mean) @ loadings / radius
            rows = np.concatenate([x, u, np.ones((*u.shape[:2], 1))], axis=-1).reshape(
                -1, x.shape[2] + u.shape[2] + 1
            )
            after = of_part[:, 1:].reshape(len(rows), -1)
            hidden = self._start(rows, seed) if start is None else np.asarray(start.hidden, np.float64)
            hidden = self._hidden(rows, (after - basis.mean) @ loadings, hidden)
            visited = radius * rows[some(len(rows))[:_N_STARTS], : loadings.shape[1]]
            blank = Surrogate(self.function, basis.mean, loadings, np.asarray(radius), hidden, None, visited)
            return self._weights(blank, rows, after)

        fitted = chosen(self.rank, self.ridge, make, network, trials, states, progress)
        return fitted if self.about == "state" else _about_points(fitted, task)

    def _start(self, rows: np.ndarray, seed: int) -> np.ndarray:
        """Random directions, of unit length, with borders that go through visited rows; [R + U + 1, P]."""
        rng = np.random.default_rng(seed)
        directions = rng.normal(size=(rows.shape[1] - 1, self.n_units)) * rows[:, :-1].std(axis=0)[:, None]
        directions /= np.maximum(np.linalg.norm(directions, axis=0), 1e-12)
        through = rows[rng.integers(len(rows), size=self.n_units), :-1]
        return np.concatenate([directions, -np.sum(through.T * directions, axis=0)[None]])

    def _hidden(self, rows: np.ndarray, targets: np.ndarray, start: np.ndarray) -> np.ndarray:
        which, lift = some(len(rows)), _LIFTS[self.function]
        penalty = _penalty(lift(np, start, rows[which]), min(self.ridge))
        return climb(lift, start, rows[which], targets[which], penalty, self.precision, self.n_iterations)

    def _weights(self, blank: Surrogate, rows: np.ndarray, after: np.ndarray) -> Callable[[float], Surrogate]:
        """ridge → the surrogate with the weights that go with its hidden units."""
        lifted = _LIFTS[self.function](np, blank.hidden, rows)
        solved = solver(lifted, after)

        def made(ridge: float) -> Surrogate:
            full = dataclasses.replace(blank, weights=solved(_penalty(lifted, ridge)))
            single = jax.tree.map(lambda a: jnp.asarray(a, jnp.float32), full)
            return dataclasses.replace(single, visited=blank.visited)

        return made


def _lift(function: Function) -> Callable[..., Any]:
    """(x/radius, u, 1) → the same with φ of the hidden units before the 1, [R, F]."""

    def lift(xp: Any, hidden: Any, rows: Any) -> Any:
        z = rows @ hidden
        units = xp.maximum(z, 0) if function == "relu" else xp.tanh(z)
        return xp.concatenate([rows[:, :-1], units, rows[:, -1:]], axis=1)

    return lift


_LIFTS = {"relu": _lift("relu"), "tanh": _lift("tanh")}


def _penalty(lifted: np.ndarray, ridge: float) -> np.ndarray:
    """Of each feature; the level is hardly held."""
    penalty = np.full(lifted.shape[1], ridge * np.sum(lifted[:, :-1] ** 2) / (lifted.shape[1] - 1))
    penalty[-1] *= 1e-6
    return penalty


def _about_points(surrogate: Surrogate, task: Task) -> AboutPoints:
    u_stars = np.asarray(task.expansion_inputs())
    found = [np.asarray(surrogate.fixed_points(u_star)) for u_star in u_stars]
    if missing := sum(not len(points) for points in found):
        raise Unsupported(f"the surrogate has no fixed point under {missing} of {len(found)} u*")
    counts = tuple(len(points) for points in found)
    points = np.full((len(found), max(counts), found[0].shape[1]), _FAR, np.float32)
    for i, some_points in enumerate(found):
        points[i, : counts[i]] = some_points
    return AboutPoints(surrogate, jnp.asarray(u_stars), jnp.asarray(points), counts)
