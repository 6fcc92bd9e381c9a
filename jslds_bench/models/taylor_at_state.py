"""Control: the expansion at the state itself, the best that a first-order expansion about (h, u*) can do."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

import jax

from jslds_bench.dynamics.linearize import expand, expansion_step
from jslds_bench.entries.registry import MODELS
from jslds_bench.types.core import Carry, Cell, CellParams, LocalLinear, Network, Progress, Trials, silent
from jslds_bench.types.networks import Task


@partial(jax.tree_util.register_dataclass, data_fields=["params"], meta_fields=["cell"])
@dataclasses.dataclass(frozen=True)
class ExpansionAtState:
    """ĥ_t = F(h_{t−1}, u*) + ∂F/∂u(h_{t−1}, u*) (u_t − u*)."""

    cell: Cell
    params: CellParams

    def init(self, h0: Any, u_star: Any) -> Carry:
        return ()

    def step(self, carry: Carry, h: Any, u: Any, u_star: Any) -> tuple[Carry, Any]:
        return carry, expansion_step(self.cell, self.params, h, u_star, h, u, "value")

    def local(self, h: Any, u: Any, u_star: Any) -> LocalLinear:
        return expand(self.cell, self.params, h, u_star, "value")

    def n_numbers(self) -> int:
        """None: nothing is fitted."""
        return 0

    def fixed_points(self, u_star: Any) -> None:
        return None


@MODELS.register("taylor_at_state")
@dataclasses.dataclass(frozen=True)
class TaylorAtState:
    """Control: F expanded in the input alone, at the current state.

    It keeps the whole non-linearity in the state, so it explains nothing; it shows how much of an error is
    due to expanding in the input about u*. A linearisation in the state rarely beats it one step ahead.
    """

    def fit(
        self, task: Task, network: Network, trials: Trials, key: jax.Array, progress: Progress = silent
    ) -> ExpansionAtState:
        return ExpansionAtState(network.cell, network.params)
