"""One linear map of lifted states: extended dynamic mode decomposition with control."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np

from jslds_bench.entries.registry import MODELS
from jslds_bench.errors import UsageError
from jslds_bench.models._shared.states import distances_to_next, distinct_means, fit_states
from jslds_bench.models._shared.variable_projection import chosen, solver
from jslds_bench.switching.initialise import RANK, pca
from jslds_bench.types.core import Carry, LocalLinear, Network, Progress, Trials, silent
from jslds_bench.types.networks import Task

Lift = Literal["radial", "polynomial"]


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["mean", "basis", "centres", "width", "weights"],
    meta_fields=["lift", "degree", "bilinear"],
)
@dataclasses.dataclass(frozen=True)
class LiftedLinear:
    """ĥ_t = W (ψ(h_{t−1}), u_t, 1), ψ(h) = (h, lifted coordinates); `bilinear`: (ψ ⊗ (u_t, 1), u_t, 1)."""

    lift: Lift
    degree: int
    bilinear: bool
    mean: Any  # arrays all: of NumPy's float64 in a fit, [N]
    basis: Any  # of the coordinates that are lifted, in units of their standard deviation, [N, D]
    centres: Any  # of the radial functions, [M, D]
    width: Any  # of each, [M]
    weights: Any  # [F, N]

    def _features(self, h: Any, u: Any) -> jax.Array:
        return features(jnp, self, h, u)

    def init(self, h0: Any, u_star: Any) -> Carry:
        return ()

    def step(self, carry: Carry, h: Any, u: Any, u_star: Any) -> tuple[Carry, Any]:
        return carry, self._features(h, u) @ self.weights

    def local(self, h: Any, u: Any, u_star: Any) -> LocalLinear:
        """The first-order expansion at the state and input themselves: the map has no systems of its own."""

        def ahead(h: Any, u: Any) -> Any:
            return self.step((), h, u, u_star)[1]

        by_h, by_u = jax.jacfwd(ahead, argnums=(0, 1))(h, u)
        return LocalLinear(h, u, by_h, by_u, ahead(h, u))

    def n_numbers(self) -> int:
        """The weights, and what the lift is made of."""
        return self.weights.size + self.basis.size + self.centres.size + self.width.size

    def fixed_points(self, u_star: Any) -> None:
        return None


@MODELS.register("edmd")
@dataclasses.dataclass(frozen=True)
class EDMD:
    """Extended dynamic mode decomposition with control: linear in lifted states, not in states.

    h_t = W_ψ ψ(h_{t−1}) + W_u u_t + b, least squares with a ridge in float64. ψ is the state and functions of
    its leading principal components x, in units of their standard deviation: Gaussian bumps
    exp(−½ ‖x − c‖²/s²) about k-means centres, s the distance to the nearest other centre; or all monomials of
    degree 2 … `degree`. Each prediction is lifted anew.

    Right as a control of what smooth regression on states alone achieves, without the network's equations.
    It explains nothing by linear systems: by measure it is linear in neither (but in the input, unless
    bilinear), and its `local` is a Taylor expansion. Polynomials run off where the states do not go.

    References: Williams, Kevrekidis and Rowley (2015), J. Nonlinear Sci. 25; Korda and Mezić (2018),
    Automatica 93; with products of input and lift Bruder, Fu and Vasudevan (2021), IEEE RA-L 6(3).

    Attributes:
        lift: "radial" or "polynomial".
        n_latent: principal components that are lifted.
        n_centres: radial functions.
        degree: of the polynomials.
        bilinear: whether the input multiplies lifted coordinates too.
        ridge: its strength relative to the mean of the features' sums of squares; of several, the one whose
            free-run error on the last quarter of the fit's trials is least, then fitted to all unless the
            free run is lost by that.
    """

    lift: Lift = "radial"
    n_latent: int = 10
    n_centres: int = 200
    degree: int = 2
    bilinear: bool = True
    ridge: tuple[float, ...] = (1e-8, 1e-6, 1e-4, 1e-2)

    SMOKE: ClassVar[dict[str, Any]] = {"n_centres": 5, "n_latent": 2, "ridge": (1e-4,)}

    def __post_init__(self) -> None:
        if self.lift not in ("radial", "polynomial"):
            raise UsageError(f'edmd needs lift "radial" or "polynomial", got {self.lift!r}')
        if min(self.n_latent, self.n_centres) < 1 or self.degree < 2:
            raise UsageError(
                "edmd needs n_latent ≥ 1, n_centres ≥ 1 and degree ≥ 2, "
                f"got {self.n_latent}, {self.n_centres} and {self.degree}"
            )
        if not self.ridge or min(self.ridge) <= 0:
            raise UsageError(f"edmd needs ridge > 0, got {list(self.ridge)}")

    def fit(
        self, task: Task, network: Network, trials: Trials, key: jax.Array, progress: Progress = silent
    ) -> LiftedLinear:
        states, inputs = fit_states(network, trials), np.asarray(trials.inputs, np.float64)
        blank = self._lift(states.reshape(-1, network.n_state), key)

        def make(size: int, part: slice, start: LiftedLinear | None) -> Callable[[float], LiftedLinear]:
            before, u = states[part, :-1], inputs[part]
            rows = features(np, blank, before, u).reshape(before.shape[0] * before.shape[1], -1)
            penalty = np.full(rows.shape[1], np.sum(rows**2) / rows.shape[1])
            penalty[-1] *= 1e-6  # the level is hardly held
            solved = solver(rows, states[part, 1:].reshape(len(rows), -1))
            return lambda ridge: _as_float32(blank, solved(ridge * penalty))

        return chosen((self.n_latent,), self.ridge, make, network, trials, states, progress)

    def _lift(self, rows: np.ndarray, key: jax.Array) -> LiftedLinear:
        """The model without its weights, in float64."""
        mean, loadings, variances = pca(rows, self.n_latent)
        kept = variances[: loadings.shape[1]]
        varies = kept > RANK * variances.max()
        basis = loadings[:, varies] / np.sqrt(kept[varies])
        centres, width = np.zeros((0, basis.shape[1])), np.zeros(0)
        if self.lift == "radial":
            seed = int(jax.random.randint(key, (), 0, 2**31 - 1))
            centres = distinct_means((rows - mean) @ basis, self.n_centres, seed)
            width = distances_to_next(centres)
        return LiftedLinear(
            self.lift, self.degree, self.bilinear, mean, basis, centres, width, np.zeros((0, 0))
        )


def features(xp: Any, lifted: LiftedLinear, h: Any, u: Any) -> Any:
    """What W multiplies, [*, F]; `xp` is `jax.numpy` for a step, NumPy for a fit in float64."""
    x = (h - lifted.mean) @ lifted.basis
    if lifted.lift == "radial":
        gaps = x[..., None, :] - lifted.centres
        more = xp.exp(-0.5 * xp.sum(gaps**2, axis=-1) / lifted.width**2)
    else:
        more = _monomials(xp, x, lifted.degree)
    psi = xp.concatenate([h - lifted.mean, more], axis=-1)
    one = xp.ones_like(psi[..., :1])
    if not lifted.bilinear:
        return xp.concatenate([psi, u, one], axis=-1)
    products = (psi[..., :, None] * u[..., None, :]).reshape(*psi.shape[:-1], -1)
    return xp.concatenate([psi, products, u, one], axis=-1)


def _monomials(xp: Any, x: Any, degree: int) -> Any:
    """All products of 2 … `degree` coordinates, each once."""
    d = x.shape[-1]
    made, last = [], [(i, x[..., i]) for i in range(d)]
    for _ in range(degree - 1):
        last = [(j, y * x[..., j]) for i, y in last for j in range(i, d)]
        made += [y for _, y in last]
    return xp.stack(made, axis=-1)


def _as_float32(lifted: LiftedLinear, weights: np.ndarray) -> LiftedLinear:
    return jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), dataclasses.replace(lifted, weights=weights))
