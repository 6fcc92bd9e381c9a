"""my_entry: report the running mean of a noisy input. A start: make it yours."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from jslds_bench.types import TASKS, LossWeights, Setup, Trials


@TASKS.register("my_entry")
@dataclasses.dataclass(frozen=True)
class MyEntry:
    """The running mean of one noisy input; u* = 0. Fields are parameters that suites may set.

    Attributes:
        n_steps: T.
    """

    n_steps: int = 25

    SMOKE: ClassVar[dict[str, Any]] = {"n_steps": 6}  # the tiny version for checks

    @property
    def n_inputs(self) -> int:
        return 1

    @property
    def n_outputs(self) -> int:
        return 1

    @property
    def setup(self) -> Setup:
        """The reference cell, size, loss weights and training lengths."""
        return Setup("gru", 64, LossWeights(), paper_steps=10_000, fast_steps=1_000, fast_steps_alone=2_000)

    def sample(self, key: jax.Array, n_trials: int) -> Trials:
        inputs = jax.random.normal(key, (n_trials, self.n_steps, 1))
        means = jnp.cumsum(inputs, axis=1) / jnp.arange(1, self.n_steps + 1)[:, None]
        return Trials(inputs, means, jnp.ones(self.n_steps), jnp.zeros((n_trials, 1)))

    def expansion_inputs(self) -> jax.Array:
        return jnp.zeros((1, 1))

    # If it reads a file: what the trials rest on besides code and parameters, or a change goes unnoticed.
    # def sources(self) -> dict[str, Any]:
    #     return {"sha256": hashlib.sha256(Path(self.path).read_bytes()).hexdigest()}
