"""Sine waves whose frequency a static input sets (Sussillo and Barak, 2013)."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from jslds_bench.entries.registry import TASKS
from jslds_bench.errors import UsageError
from jslds_bench.types.core import Trials
from jslds_bench.types.networks import LossWeights, Setup


@TASKS.register("sine_generator")
@dataclasses.dataclass(frozen=True)
class SineGenerator:
    """Oscillate at the frequency that a static input stands for: no point where the network works is at rest.

    The input of frequency k = 0 … K − 1 is 0.25 + k/K throughout, the target sin(2π f_k t), the f_k evenly
    spaced. u* is the trial's input, so there are K, and trials of one u* differ in nothing: what is to be
    explained is how a cycle depends on the input. Reference: Sussillo and Barak (2013), Neural Comput. 25.

    Attributes:
        n_frequencies: K.
        n_steps: T.
        slowest, fastest: the range of f_k, in cycles per step.
    """

    n_frequencies: int = 8
    n_steps: int = 60
    slowest: float = 0.03
    fastest: float = 0.09

    origin: ClassVar[str] = "synthetic"
    SMOKE: ClassVar[dict[str, Any]] = {"n_frequencies": 2, "n_steps": 12}

    def __post_init__(self) -> None:
        if self.n_frequencies < 1 or self.n_steps < 1 or not 0 < self.slowest <= self.fastest <= 0.5:
            raise UsageError(
                "sine_generator needs n_frequencies ≥ 1, n_steps ≥ 1 and 0 < slowest ≤ fastest ≤ 0.5, got "
                f"{self.n_frequencies}, {self.n_steps}, {self.slowest} and {self.fastest}"
            )

    @property
    def n_inputs(self) -> int:
        return 1

    @property
    def n_outputs(self) -> int:
        return 1

    @property
    def setup(self) -> Setup:
        weights = LossWeights(rnn=1, jslds=1, e=100, a=10)
        return Setup("gru", 100, weights, paper_steps=20_000, fast_steps=4_000, fast_steps_alone=6_000)

    def sample(self, key: PRNGKeyArray, n_trials: int) -> Trials:
        which = jax.random.randint(key, (n_trials,), 0, self.n_frequencies)
        frequencies = jnp.linspace(self.slowest, self.fastest, self.n_frequencies)
        phase = 2 * jnp.pi * frequencies[which][:, None] * jnp.arange(1, self.n_steps + 1)
        u_star = self.expansion_inputs()[which]
        return Trials(
            inputs=jnp.broadcast_to(u_star[:, None], (n_trials, self.n_steps, 1)),
            targets=jnp.sin(phase)[..., None],
            mask=jnp.ones(self.n_steps),
            u_star=u_star,
        )

    def expansion_inputs(self) -> Float[Array, "K U"]:
        return 0.25 + jnp.arange(self.n_frequencies)[:, None] / self.n_frequencies
