"""my_entry: a vanilla network with random weights, untrained. A start: make it yours."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from jslds_bench.dynamics.cells import get_cell
from jslds_bench.types import NETWORKS, Affine, Network, Progress, Readout, Task, silent


@NETWORKS.register("my_entry")
@dataclasses.dataclass(frozen=True)
class MyEntry:
    """h' = tanh(h W + u V) with W ~ N(0, gain²/N), V ~ N(0, 1). Fields are parameters that suites may set.

    Attributes:
        n_state: N.
        gain: above 1, a large network is chaotic.
    """

    n_state: int = 16
    gain: float = 0.9

    def build(self, task: Task, key: jax.Array, progress: Progress = silent) -> Network:
        n, keys = self.n_state, jax.random.split(key, 3)
        w = jax.random.normal(keys[0], (n, n)) * self.gain / n**0.5
        v = jax.random.normal(keys[1], (task.n_inputs, n))
        readout = Readout(jax.random.normal(keys[2], (n, task.n_outputs)), jnp.zeros(task.n_outputs))
        theta = (Affine(w, v, jnp.zeros(n)),)
        return Network(get_cell("vanilla"), theta, jnp.full(n, 0.1), readout, None, "analytic")

    def sources(self) -> dict[str, Any]:
        return {}  # what else decides the network: the hash of a file, say
