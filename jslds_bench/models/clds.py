"""One linear system for each condition, tied together by how alike the conditions are."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy

from jslds_bench.entries.registry import MODELS
from jslds_bench.errors import Unsupported, UsageError
from jslds_bench.models._shared.states import fit_states
from jslds_bench.types.core import Carry, LocalLinear, Network, Progress, Trials, silent
from jslds_bench.types.networks import Task

_ROUNDING = 1e-9
"""Added to the variance of each condition: the matrix of the kernel has a root."""
MOST_CONDITIONS = 32
"""Beyond so many the closed form takes gigabytes; u* that vary from trial to trial are no conditions."""


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["conditions", "own", "dual", "mean", "scale"],
    meta_fields=["n_state", "length", "shared"],
)
@dataclasses.dataclass(frozen=True)
class ConditionalLinear:
    """ĥ_t = A(u*) h_{t−1} + V(u*) u_t + b(u*), with (A V b)(u*) = Σ_c k(u*, c) dual_c over the conditions.

    Under a u* that was seen that is `own`, as it came out of the fit: where conditions are alike, the sum is
    one of large numbers of either sign.
    """

    n_state: int
    length: float
    shared: float
    conditions: jax.Array  # the distinct u* of the fit, [C, U]
    own: jax.Array  # (A V b) of each, [C, N, N + U + 1]
    dual: jax.Array  # [C, N, N + U + 1]
    mean: jax.Array  # of the states that it was fitted to, [N]: where `local` expands
    scale: jax.Array  # of each input in the distance of conditions, [U]

    def _system(self, u_star: Any) -> tuple[jax.Array, jax.Array, jax.Array]:
        near = _kernel(jnp, u_star[None], self.conditions, self.scale, self.length, self.shared)[0]
        seen = jnp.all(u_star == self.conditions, axis=-1)
        made = jnp.where(seen.any(), self.own[jnp.argmax(seen)], jnp.tensordot(near, self.dual, axes=1))
        n = self.n_state
        return made[:, :n], made[:, n:-1], made[:, -1]

    def init(self, h0: Any, u_star: Any) -> Carry:
        """The system of the trial's condition, made once."""
        return self._system(u_star)

    def step(self, carry: Carry, h: Any, u: Any, u_star: Any) -> tuple[Carry, Any]:
        a, v, b = carry
        return carry, a @ h + v @ u + b

    def local(self, h: Any, u: Any, u_star: Any) -> LocalLinear:
        a, v, b = self._system(u_star)
        return LocalLinear(self.mean, u_star, a, v, a @ self.mean + v @ u_star + b)

    def n_numbers(self) -> int:
        """A, V and b of every condition."""
        return self.own.size

    def fixed_points(self, u_star: Any) -> jax.Array:
        """The solution of h = A h + V u* + b, [1, N] (of least norm, should I − A be singular)."""
        a, v, b = self._system(u_star)
        return jnp.linalg.lstsq(jnp.eye(self.n_state) - a, v @ u_star + b)[0][None]


@MODELS.register("clds")
@dataclasses.dataclass(frozen=True)
class ConditionalLDS:
    """Conditionally linear dynamics: one linear system for each u*, smooth in u*.

    h_t = A(u*) h_{t−1} + V(u*) u_t + b(u*) + noise, every entry of (A, V, b) a Gaussian process over u* with
    covariance shared + exp(−½ ‖(u* − u*')/(length · s)‖²), s the standard deviation of each input of u* over
    the conditions. On known states the posterior mean is ridge regression on features ⊗ kernel features, in
    closed form and float64.

    Right for contexts that each have dynamics of their own, which are linear within a context. Within one
    context it is `dmdc`: no use for a network that holds several memories under one u* (3-bit).

    Reference: Geadah, Nejatbakhsh, Lipshutz, Pillow and Williams (2025), arXiv 2502.18347, with the states
    known.

    Attributes:
        length: of the kernel, in standard deviations of the conditions.
        shared: variance of what all conditions have in common, against 1 of what is their own. Where it is
            large, a u* between conditions has a system between theirs.
        ridge: the strength of the prior, times the regressors' mean sum of squares about their means.
    """

    length: float = 1.0
    shared: float = 100.0
    ridge: float = 1e-6

    def __post_init__(self) -> None:
        if not (self.length > 0 and self.shared >= 0 and self.ridge > 0):
            raise UsageError(
                "clds needs length > 0, shared ≥ 0 and ridge > 0, "
                f"got {self.length}, {self.shared} and {self.ridge}"
            )

    def fit(
        self, task: Task, network: Network, trials: Trials, key: jax.Array, progress: Progress = silent
    ) -> ConditionalLinear:
        states = fit_states(network, trials)
        (n_trials, n_steps, n_inputs), n = trials.inputs.shape, network.n_state
        conditions, which = np.unique(np.asarray(trials.u_star, np.float64), axis=0, return_inverse=True)
        if len(conditions) > MOST_CONDITIONS:
            raise Unsupported(f"clds has a system for each u*, at most {MOST_CONDITIONS}: {len(conditions)}")
        spread = conditions.std(axis=0)
        scale = np.where(spread > 0, spread, 1.0)
        kernel = _kernel(np, conditions, conditions, scale, self.length, self.shared)
        root = np.linalg.cholesky(kernel + _ROUNDING * np.eye(len(conditions)))

        x = np.concatenate([states[:, :-1], trials.inputs, np.ones((n_trials, n_steps, 1))], axis=-1)
        mean = x[..., :-1].mean(axis=(0, 1))
        # About the mean the penalty leaves the level alone, but for what differs between conditions.
        centred = x - np.append(mean, 0.0)
        rate = self.ridge * np.sum(centred[..., :-1] ** 2) / (n + n_inputs)
        grams, moments = [], []
        for c in range(len(conditions)):
            rows, after = (a[which.ravel() == c].reshape(-1, a.shape[-1]) for a in (centred, states[:, 1:]))
            grams.append(rows.T @ rows)
            moments.append(rows.T @ after)
        # Weights of condition c are Σ_j root[c, j] W_j, with the same penalty on all W_j.
        c_axis, width = len(conditions), n + n_inputs + 1
        gram = np.einsum("ci,cj,cab->iajb", root, root, np.stack(grams)).reshape(c_axis * width, -1)
        moment = np.einsum("ci,cab->iab", root, np.stack(moments)).reshape(c_axis * width, n)
        penalty = np.tile(np.append(np.full(width - 1, rate), rate * 1e-6), c_axis)
        weights = scipy.linalg.solve(gram + np.diag(penalty), moment, assume_a="pos")
        weights = weights.reshape(c_axis, width, n)
        # The same in terms of the kernel, root = kernel · rootᵀ⁻¹, so that u* between conditions are served.
        own, dual = root @ weights.reshape(c_axis, -1), np.linalg.solve(root.T, weights.reshape(c_axis, -1))
        own, dual = (made.reshape(c_axis, width, n) for made in (own, dual))
        for made in (own, dual):
            made[:, -1] -= np.einsum("a,cab->cb", mean, made[:, :-1])
        arrays = (conditions, *(np.swapaxes(made, 1, 2) for made in (own, dual)), mean[:n], scale)
        return ConditionalLinear(
            n, self.length, self.shared, *(jnp.asarray(array, jnp.float32) for array in arrays)
        )


def _kernel(xp: Any, one: Any, other: Any, scale: Any, length: float, shared: float) -> Any:
    """shared + exp(−½ ‖(a − b)/(length · scale)‖²), [A, B]."""
    gaps = (one[:, None] - other[None]) / (length * scale)
    return shared + xp.exp(-0.5 * xp.sum(gaps**2, axis=-1))
