"""Linear systems that pass smoothly into each other as the state moves."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jslds_bench.entries.registry import MODELS
from jslds_bench.errors import UsageError
from jslds_bench.models._shared import roots
from jslds_bench.models._shared.states import fit_states, means
from jslds_bench.models._shared.variable_projection import chosen, climb, solver, some
from jslds_bench.switching.initialise import RANK, pca
from jslds_bench.types.core import Carry, LocalLinear, Network, Progress, Trials, silent
from jslds_bench.types.networks import Task

_N_STARTS = 192
"""Visited states from which fixed points are sought."""

Sees = Literal["state", "input"]


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["mean", "loadings", "scale", "frequencies", "phases", "gate", "systems"],
    meta_fields=["sees"],
    drop_fields=["visited"],
)
@dataclasses.dataclass(frozen=True)
class SmoothMixture:
    """ĥ_t = Σ_j π_j (A_j x_{t−1} + B_j u_t + b_j), x = Wᵀ(h − h̄), π = softmax(G φ(x_{t−1}, u_t)).

    W holds the leading principal components of the states; the A_j lead from these to all N units.
    """

    sees: Sees
    mean: Any  # arrays all: of NumPy's float64 in a fit; h̄, [N]
    loadings: Any  # W, [N, D]
    scale: Any  # standard deviations of the components that the gate sees, [E]
    frequencies: Any  # of the random features, [E, M]
    phases: Any  # [M]
    gate: Any  # G, [F, K]
    systems: Any  # (A_j B_j b_j), [K, D + U + 1, N]
    visited: Any = None  # some of the fit's states, [S, D]

    def mixture(self, x: Any, u: Any) -> jax.Array:
        """Σ_j π_j (A_j B_j b_j), [D + U + 1, N]."""
        return jnp.tensordot(jax.nn.softmax(features(jnp, self, x, u) @ self.gate), self.systems, axes=1)

    def init(self, h0: Any, u_star: Any) -> Carry:
        return ()

    def step(self, carry: Carry, h: Any, u: Any, u_star: Any) -> tuple[Carry, Any]:
        x = (h - self.mean) @ self.loadings
        return carry, jnp.concatenate([x, u, jnp.ones_like(x[:1])]) @ self.mixture(x, u)

    def local(self, h: Any, u: Any, u_star: Any) -> LocalLinear:
        """The mixture that is in force at h, A = Σ_j π_j A_j Wᵀ and B = Σ_j π_j B_j.

        That is the system which the model says it follows there; its Jacobian has Σ_j (A_j x + B_j u + b_j)
        ∂π_j/∂h besides: how the weights change is not part of any of the linear systems, just as `rslds`
        leaves out that another mode may be next.
        """
        x = (h - self.mean) @ self.loadings
        made, d = self.mixture(x, u), x.shape[0]
        a, b = self.loadings @ made[:d], made[d:-1]
        return LocalLinear(h, u, a.T, b.T, x @ made[:d] + u @ b + made[-1])

    def ahead(self, x: Any, u: Any) -> jax.Array:
        """The next x: what fixed points are of."""
        made = jnp.concatenate([x, u, jnp.ones_like(x[:1])]) @ self.mixture(x, u)
        return (made - self.mean) @ self.loadings

    def n_numbers(self) -> int:
        """Those of all systems, of the gate, and of the components; random features are drawn, not chosen."""
        return self.systems.size + self.gate.size + self.mean.size + self.loadings.size

    def fixed_points(self, u_star: Any) -> jax.Array:
        """Solutions of x = f(x, u*), π included, near visited states, [P, N]; P is 0 where none is found."""
        return roots.fixed_states(self, self.visited, u_star)


class _Rows(NamedTuple):
    """The steps of a fit: regressors (x, u, 1), what the gate reads, and the states that follow."""

    x: np.ndarray  # [R, D + U + 1]
    phi: np.ndarray  # [R, F]
    after: np.ndarray  # [R, N]


@MODELS.register("smooth_switching")
@dataclasses.dataclass(frozen=True)
class SmoothSwitching:
    """Smoothly switching linear dynamics (the dynamics of the gpSLDS), on known states.

    h_t = Σ_j π_j(x_{t−1}, u_t) (A_j x_{t−1} + B_j u_t + b_j), x the D leading principal components and π a
    softmax of functions of state and input (`sees`), each a Gaussian process: linear in what it sees, plus
    random Fourier features of a squared-exponential kernel, with normal weights. Given π the prior on A_j,
    B_j, b_j makes h_t a Gaussian process of the smoothly switching linear kernel, Σ_j π_j π_j' times
    (x u 1)·(x' u' 1), and its posterior mean is ridge regression on π ⊗ (x, u, 1). The gate is the maximum a
    posteriori with this regression solved at each step (variable projection, L-BFGS in float64) and the
    noise's variance as it comes out; it starts as soft k-means. On known states no posterior over states is
    needed.

    Right for dynamics that are linear in places and change gradually between them. Each state has a mixture
    of its own: look at `n_systems_effective` beside the errors. K systems can be read only where the weights
    are near 0 or 1.

    Reference: Hu, Zoltowski, Nair, Anderson, Duncker and Linderman (2024), arXiv 2408.03330; Golub and
    Pereyra (1973).

    Attributes:
        n_modes: K; of several, the least whose free-run error on the last quarter of the fit's trials is
            within 5 % of the best, then fitted to all.
        n_latent: D.
        n_gate: how many of these the gate sees.
        n_features: random Fourier features of the gate; 0: logits are linear in the state.
        length: of their kernel, in standard deviations of the components, times √`n_gate`.
        sees: whether the gate reads the "state" alone, as in the reference, or the "input" too, as that of
            `rslds` does: inputs that saturate units change the system within a step.
        gate_precision: of the normal prior of the gate's weights.
        ridge: of the regression, relative to the regressors' mean sum of squares. The gate is fitted with the
            least of them; of several one is chosen, as K is, by the free run: systems that cancel each other
            on visited states run off elsewhere.
        n_iterations: of L-BFGS, at most.
    """

    n_modes: tuple[int, ...] = (1, 2, 4, 8)
    n_latent: int = 20
    n_gate: int = 10
    n_features: int = 50
    length: float = 1.0
    sees: Sees = "input"
    gate_precision: float = 1e-2
    ridge: tuple[float, ...] = (1e-6, 1e-4, 1e-2)
    n_iterations: int = 60

    SMOKE: ClassVar[dict[str, Any]] = {
        "n_modes": (2,),
        "n_latent": 3,
        "n_features": 4,
        "n_iterations": 5,
        "ridge": (1e-4,),
    }

    def __post_init__(self) -> None:
        sizes = (*self.n_modes, self.n_latent, self.n_gate, self.n_iterations)
        if not self.n_modes or min(sizes) < 1 or self.n_features < 0:
            raise UsageError(
                "smooth_switching needs n_modes, n_latent, n_gate and n_iterations of at least 1 and "
                f"n_features ≥ 0, got {list(self.n_modes)}, {sizes[-3:]} and {self.n_features}"
            )
        if not (self.length > 0 and self.gate_precision > 0 and min(self.ridge, default=0) > 0):
            raise UsageError(
                "smooth_switching needs length, gate_precision and ridge > 0, "
                f"got {self.length}, {self.gate_precision} and {list(self.ridge)}"
            )
        if self.sees not in ("state", "input"):
            raise UsageError(f'smooth_switching needs sees "state" or "input", got {self.sees!r}')

    def fit(
        self, task: Task, network: Network, trials: Trials, key: jax.Array, progress: Progress = silent
    ) -> SmoothMixture:
        states = fit_states(network, trials)
        rng = np.random.default_rng(int(jax.random.randint(key, (), 0, 2**31 - 1)))
        blank = self._blank(states.reshape(-1, network.n_state), rng)
        seed = int(rng.integers(2**31 - 1))

        def make(k: int, part: slice, start: SmoothMixture | None) -> Callable[[float], SmoothMixture]:
            rows = _rows(blank, states[part], trials.inputs[part])
            gate = self._start(blank, rows, k, seed) if start is None else np.asarray(start.gate, np.float64)
            return self._systems(blank, rows, self._gate(blank, rows, gate))

        return chosen(self.n_modes, self.ridge, make, network, trials, states, progress)

    def _blank(self, rows: np.ndarray, rng: np.random.Generator) -> SmoothMixture:
        """The model without gate and systems, in float64."""
        basis = pca(rows, self.n_latent)
        variances = basis.variances[: self.n_latent]
        varies = variances > RANK * variances.max()
        varies[0] = True
        scale = np.sqrt(np.maximum(variances[varies][: self.n_gate], 1e-12))
        frequencies = rng.normal(size=(len(scale), self.n_features)) / (self.length * np.sqrt(len(scale)))
        phases = rng.uniform(0, 2 * np.pi, self.n_features)
        loadings, none = basis.loadings[:, varies], np.zeros(0)
        visited = (rows[rng.permutation(len(rows))[:_N_STARTS]] - basis.mean) @ loadings
        return SmoothMixture(
            self.sees, basis.mean, loadings, scale, frequencies, phases, none, none, visited=visited
        )

    def _start(self, blank: SmoothMixture, rows: _Rows, k: int, seed: int) -> np.ndarray:
        """G of soft k-means on what the gate reads: −½‖z − c‖²/s² is linear in z, but for what all share."""
        gate = np.zeros((rows.phi.shape[1], k))
        linear = np.r_[1 : 1 + len(blank.scale), 1 + len(blank.scale) + self.n_features : len(gate)]
        z = rows.phi[some(len(rows.phi))][:, linear]
        centres = means(z, min(k, len(z)), seed)
        centres = centres[np.arange(k) % len(centres)]
        gaps = np.sum((z[:, None] - centres) ** 2, axis=-1).min(axis=1)
        width = gaps.mean() + 1e-9
        gate[0], gate[linear] = -0.5 * np.sum(centres**2, axis=1) / width, centres.T / width
        return gate - gate.mean(axis=1, keepdims=True)

    def _gate(self, blank: SmoothMixture, rows: _Rows, start: np.ndarray) -> np.ndarray:
        """G that a climb from `start` ends at."""
        k, which = start.shape[1], some(len(rows.x))
        if k == 1:
            return start
        x, targets = rows.x[which], (rows.after[which] - blank.mean) @ blank.loadings
        penalty = np.tile(_penalty(x, min(self.ridge)), k)
        given = (rows.phi[which], x)
        return climb(_lifted, start, given, targets, penalty, self.gate_precision, self.n_iterations)

    def _systems(
        self, blank: SmoothMixture, rows: _Rows, gate: np.ndarray
    ) -> Callable[[float], SmoothMixture]:
        """ridge → the gate with the systems that go with it."""
        solved, k = solver(_lifted(np, gate, (rows.phi, rows.x)), rows.after), gate.shape[1]

        def made(ridge: float) -> SmoothMixture:
            systems = solved(np.tile(_penalty(rows.x, ridge), k))
            shaped = systems.reshape(k, rows.x.shape[1], -1)
            return _as_float32(dataclasses.replace(blank, gate=gate, systems=shaped))

        return made


def _lifted(xp: Any, gate: Any, given: Any) -> Any:
    """π ⊗ (x, u, 1), [R, K (D + U + 1)]."""
    phi, x = given
    z = phi @ gate
    weights = xp.exp(z - z.max(axis=1, keepdims=True))
    weights = weights / weights.sum(axis=1, keepdims=True)
    return (weights[:, :, None] * x[:, None]).reshape(len(x), -1)


def _penalty(x: np.ndarray, ridge: float) -> np.ndarray:
    """Of each regressor, [D + U + 1]."""
    penalty = np.full(x.shape[1], ridge * np.sum(x[:, :-1] ** 2) / (x.shape[1] - 1))
    penalty[-1] *= 1e-6  # the level is hardly held
    return penalty


def features(xp: Any, model: SmoothMixture, x: Any, u: Any) -> Any:
    """φ, [*, F]: 1, the leading components in their standard deviations, cosines of them, and u if seen."""
    z = x[..., : model.scale.shape[0]] / model.scale
    n_random = model.frequencies.shape[1]
    waves = xp.cos(z @ model.frequencies + model.phases) * np.sqrt(2 / max(n_random, 1))
    parts = [xp.ones_like(z[..., :1]), z, waves]
    return xp.concatenate([*parts, u] if model.sees == "input" else parts, axis=-1)


def _rows(blank: SmoothMixture, states: np.ndarray, inputs: Any) -> _Rows:
    u = np.asarray(inputs, np.float64).reshape(-1, inputs.shape[2])
    x = ((states[:, :-1] - blank.mean) @ blank.loadings).reshape(len(u), -1)
    ones = np.ones((len(u), 1))
    after = states[:, 1:].reshape(len(u), -1)
    return _Rows(np.concatenate([x, u, ones], axis=1), features(np, blank, x, u), after)


def _as_float32(model: SmoothMixture) -> SmoothMixture:
    """As it is used; `visited`, which is no leaf, is put back."""
    made = jax.tree.map(lambda a: jnp.asarray(a, jnp.float32), model)
    return dataclasses.replace(made, visited=model.visited)
