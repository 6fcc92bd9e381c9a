"""my_entry: F expanded about the mean of the states that the network visits. A start: make it yours."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jslds_bench.dynamics.linearize import expand, expansion_step
from jslds_bench.dynamics.rollout import rollout
from jslds_bench.types import MODELS, Cell, CellParams, LocalLinear, Network, Task, Trials, silent


@partial(jax.tree_util.register_dataclass, data_fields=["params", "points"], meta_fields=["cell"])
@dataclasses.dataclass(frozen=True)
class MyEntryFitted:
    """h' = F(e, u*) + ∂F/∂h (h − e) + ∂F/∂u (u − u*) at (e, u*), e the nearest of the points, [P, N]."""

    cell: Cell
    params: CellParams
    points: jax.Array

    def nearest(self, h: Any) -> jax.Array:
        return self.points[jnp.argmin(jnp.sum((self.points - h) ** 2, axis=1))]

    def init(self, h0: Any, u_star: Any) -> Any:
        return ()  # what it remembers from step to step: nothing

    def step(self, carry: Any, h: Any, u: Any, u_star: Any) -> tuple[Any, Any]:
        return carry, expansion_step(self.cell, self.params, self.nearest(h), u_star, h, u, "value")

    def local(self, h: Any, u: Any, u_star: Any) -> LocalLinear:
        return expand(self.cell, self.params, self.nearest(h), u_star, "value")

    def fixed_points(self, u_star: Any) -> None:
        return None  # or the points that it takes for fixed, [P, N]


@MODELS.register("my_entry")
@dataclasses.dataclass(frozen=True)
class MyEntry:
    """F expanded about the mean visited state. Fields, explained here, are parameters that suites may set."""

    def unsupported(self, task: Task, network: Any) -> str | None:
        return None  # or in one line why it cannot serve this pair

    def fit(
        self, task: Task, network: Network, trials: Trials, key: jax.Array, progress: Any = silent
    ) -> MyEntryFitted:
        h0 = jnp.broadcast_to(network.h0, (len(trials.inputs), network.n_state))
        states = rollout(network.cell, network.params, h0, trials.inputs).reshape(-1, network.n_state)
        return MyEntryFitted(network.cell, network.params, states.mean(axis=0, keepdims=True))

    # If it reads a file: what the fit rests on besides code and parameters, or a change goes unnoticed.
    # def sources(self) -> dict[str, Any]:
    #     return {"sha256": hashlib.sha256(Path(self.path).read_bytes()).hexdigest()}
