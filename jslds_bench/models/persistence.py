"""Control: nothing changes."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jslds_bench.entries.registry import MODELS
from jslds_bench.types.core import Carry, LocalLinear, Network, Progress, Trials, silent
from jslds_bench.types.networks import Task


@partial(jax.tree_util.register_dataclass, data_fields=[], meta_fields=[])
@dataclasses.dataclass(frozen=True)
class Still:
    """ĥ_t = h_{t−1}: A = I, B = 0."""

    def init(self, h0: Any, u_star: Any) -> Carry:
        return ()

    def step(self, carry: Carry, h: Any, u: Any, u_star: Any) -> tuple[Carry, Any]:
        return carry, h

    def local(self, h: Any, u: Any, u_star: Any) -> LocalLinear:
        n = h.shape[0]
        return LocalLinear(h, u_star, jnp.eye(n), jnp.zeros((n, u.shape[0])), h)

    def n_numbers(self) -> int:
        """None: nothing is fitted."""
        return 0

    def fixed_points(self, u_star: Any) -> None:
        return None


@MODELS.register("persistence")
@dataclasses.dataclass(frozen=True)
class Persistence:
    """Control: the state stays where it is. A model that does no better has explained nothing."""

    def fit(
        self, task: Task, network: Network, trials: Trials, key: jax.Array, progress: Progress = silent
    ) -> Still:
        return Still()
