"""Control: one linear system for everything."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jslds_bench.entries.registry import MODELS
from jslds_bench.errors import UsageError
from jslds_bench.models._shared.states import fit_states
from jslds_bench.types.core import Carry, LocalLinear, Network, Progress, Trials, silent
from jslds_bench.types.networks import Task


@partial(jax.tree_util.register_dataclass, data_fields=["a", "b", "offset", "mean"], meta_fields=[])
@dataclasses.dataclass(frozen=True)
class GlobalLinear:
    """ĥ_t = A h_{t−1} + B u_t + b, the same everywhere."""

    a: jax.Array  # A, [N, N]
    b: jax.Array  # B, [N, U]
    offset: jax.Array  # b, [N]
    mean: jax.Array  # of the states that it was fitted to, [N]: where `local` expands

    def init(self, h0: Any, u_star: Any) -> Carry:
        return ()

    def step(self, carry: Carry, h: Any, u: Any, u_star: Any) -> tuple[Carry, Any]:
        return carry, self.a @ h + self.b @ u + self.offset

    def local(self, h: Any, u: Any, u_star: Any) -> LocalLinear:
        at_mean = self.a @ self.mean + self.b @ u_star + self.offset
        return LocalLinear(self.mean, u_star, self.a, self.b, at_mean)

    def n_numbers(self) -> int:
        """A, B and b."""
        return self.a.size + self.b.size + self.offset.size

    def fixed_points(self, u_star: Any) -> jax.Array:
        """The solution of h = A h + B u* + b, [1, N] (of least norm, should I − A be singular)."""
        eye = jnp.eye(self.a.shape[0])
        return jnp.linalg.lstsq(eye - self.a, self.b @ u_star + self.offset)[0][None]


@MODELS.register("dmdc")
@dataclasses.dataclass(frozen=True)
class DMDc:
    """Control: one global linear fit, dynamic mode decomposition with control.

    A, B and b minimise Σ‖h_t − A h_{t−1} − B u_t − b‖² + ρ(‖A‖² + ‖B‖²) over all steps of the fit's trials,
    in float64; ρ is `ridge` times the regressors' mean sum of squares about their means. A method that
    switches between linear systems should do better than the best single one.
    Reference: Proctor, Brunton and Kutz (2016), SIAM J. Appl. Dyn. Syst. 15(1).

    Attributes:
        ridge: the strength of the penalty.
    """

    ridge: float = 1e-6

    def __post_init__(self) -> None:
        if self.ridge < 0:
            raise UsageError(f"dmdc needs ridge ≥ 0, got {self.ridge}")

    def fit(
        self, task: Task, network: Network, trials: Trials, key: jax.Array, progress: Progress = silent
    ) -> GlobalLinear:
        n, states = network.n_state, fit_states(network, trials)
        x = np.concatenate([states[:, :-1], trials.inputs], axis=-1).reshape(-1, n + network.n_inputs)
        y = states[:, 1:].reshape(-1, n)
        mean_x, mean_y = x.mean(axis=0), y.mean(axis=0)
        gram = (x - mean_x).T @ (x - mean_x)
        gram += self.ridge * np.trace(gram) / len(gram) * np.eye(len(gram))
        # lstsq, since inputs that sum to a constant leave the Gram matrix singular at ridge = 0
        weights = np.linalg.lstsq(gram, (x - mean_x).T @ (y - mean_y), rcond=None)[0]
        offset = mean_y - mean_x @ weights
        arrays = (weights[:n].T, weights[n:].T, offset, mean_x[:n])
        return GlobalLinear(*(jnp.asarray(array, jnp.float32) for array in arrays))
