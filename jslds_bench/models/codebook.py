"""The obvious rival: no fixed points, but expansions about typical states."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np

from jslds_bench.analysis.choice import least_adequate
from jslds_bench.dynamics.linearize import expand, expansion_step
from jslds_bench.dynamics.rollout import free_run_error
from jslds_bench.entries.registry import MODELS
from jslds_bench.errors import UsageError
from jslds_bench.models._shared.states import fit_states, means
from jslds_bench.types.core import Carry, Cell, CellParams, LocalLinear, Network, Progress, Trials, silent
from jslds_bench.types.networks import Task

MOST_INPUTS = 64
"""Distinct inputs beyond which they count as continuous."""


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["params", "inputs", "centres", "half_squares"],
    meta_fields=["cell", "by"],
)
@dataclasses.dataclass(frozen=True)
class Codebook:
    """ĥ_t = F(c, u_t) + ∂F/∂h(c, u_t)(h_{t−1} − c), c the nearest of the centres for u_t, or for u*."""

    cell: Cell
    by: Literal["input", "star"]
    params: CellParams
    inputs: jax.Array  # [G, U]: what a set of centres is for
    centres: jax.Array  # [G, K, N]
    half_squares: jax.Array  # ½‖c‖², [G, K]

    def nearest(self, h: Any, u: Any, u_star: Any) -> jax.Array:
        """c, [N]."""
        key = u if self.by == "input" else u_star
        group = jnp.argmin(jnp.sum((self.inputs - key) ** 2, axis=-1))
        return self.centres[group, jnp.argmin(self.half_squares[group] - self.centres[group] @ h)]

    def init(self, h0: Any, u_star: Any) -> Carry:
        return ()

    def step(self, carry: Carry, h: Any, u: Any, u_star: Any) -> tuple[Carry, Any]:
        c = self.nearest(h, u, u_star)
        return carry, expansion_step(self.cell, self.params, c, u, h, u, "value")

    def local(self, h: Any, u: Any, u_star: Any) -> LocalLinear:
        return expand(self.cell, self.params, self.nearest(h, u, u_star), u, "value")

    def n_numbers(self) -> int:
        """The coordinates of all centres."""
        return self.centres.size

    def fixed_points(self, u_star: Any) -> None:
        return None


@MODELS.register("codebook")
@dataclasses.dataclass(frozen=True)
class CodebookModel:
    """Expansions of F about K centres of the visited states (k-means), for each distinct input or u*.

    A description by many local systems, none of which need rest anywhere: what a method that looks for
    fixed points has to beat at as few systems.

    Attributes:
        n_centres: K; of several, the least whose free-run error on the last quarter of the fit's trials is
            within 5 % of the best, fitted to all trials afterwards.
        by: "input": centres for each distinct u_t, of the states that it acts on (where there are at most 64
            of them, else as for "star"); "star": for each u*. The expansion is about u_t in both.
    """

    n_centres: tuple[int, ...] = (1, 2, 4, 8, 16)
    by: Literal["input", "star"] = "input"

    SMOKE: ClassVar[dict[str, Any]] = {"n_centres": (2,)}

    def __post_init__(self) -> None:
        if not self.n_centres or min(self.n_centres) < 1:
            raise UsageError(f"codebook needs n_centres of at least 1, got {list(self.n_centres)}")

    def fit(
        self, task: Task, network: Network, trials: Trials, key: jax.Array, progress: Progress = silent
    ) -> Codebook:
        states = fit_states(network, trials)
        seed = int(jax.random.randint(key, (), 0, 2**31 - 1))
        if len(self.n_centres) == 1:
            return self._fitted(network, trials, states, self.n_centres[0], seed)
        cut = len(states) - len(states) // 4
        fit, unseen = (trials.part(part) for part in (slice(None, cut), slice(cut, None)))
        ladder, errors = sorted(self.n_centres), []
        for i, k in enumerate(ladder):
            progress(i, len(ladder), f"K = {k}")
            tried = self._fitted(network, fit, states[:cut], k, seed)
            errors.append(free_run_error(tried, network, unseen, states[cut:]))
        return self._fitted(network, trials, states, ladder[least_adequate(errors)], seed)

    def _fitted(self, network: Network, trials: Trials, states: Any, k: int, seed: int) -> Codebook:
        by, inputs, labels = self._groups(trials)
        before = states[:, :-1].reshape(-1, network.n_state)
        centres = np.stack([_centres(before[labels == g], k, seed + g) for g in range(len(inputs))])
        points = jnp.asarray(centres, jnp.float32)
        half = 0.5 * jnp.sum(points**2, axis=-1)
        return Codebook(network.cell, by, network.params, jnp.asarray(inputs), points, half)

    def _groups(self, trials: Trials) -> tuple[Literal["input", "star"], np.ndarray, np.ndarray]:
        """What sets of centres are for, [G, U], and the one that each step belongs to, [B·T]."""
        n_steps = trials.inputs.shape[1]
        if self.by == "input":
            inputs, labels = np.unique(
                trials.inputs.reshape(-1, trials.inputs.shape[2]), axis=0, return_inverse=True
            )
            if len(inputs) <= MOST_INPUTS:
                return "input", inputs, labels.reshape(-1)
        inputs, labels = np.unique(trials.u_star, axis=0, return_inverse=True)
        return "star", inputs, np.repeat(labels.reshape(-1), n_steps)


def _centres(states: np.ndarray, k: int, seed: int) -> np.ndarray:
    """K centres of the states, [K, N]; of fewer states themselves, some of them twice."""
    if len(states) <= k:
        return states[np.arange(k) % len(states)]
    return means(states, k, seed)
