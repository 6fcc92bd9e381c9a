"""Keeping track of a heading from angular velocity: what ring attractors are for."""

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


@TASKS.register("path_integration")
@dataclasses.dataclass(frozen=True)
class PathIntegration:
    """Head direction: integrate angular velocity on a circle, from a heading that is shown once.

    Inputs are (ω_t / speed, cos θ_0, sin θ_0), the last two at the first step alone. With standard normal n_t
    ω_t = s ω_{t−1} + √(1 − s²) speed n_t from ω_0 = (s + √(1 − s²)) speed n_0, which is not shown: at s = 0.8
    its standard deviation falls from 1.27 to 1.01 times `speed` over the first eight steps, and then is that.
    Targets are (cos θ_t, sin θ_t) with θ_t = θ_{t−1} + ω_t. u* = 0: with nothing to integrate every heading
    should rest, so the points are a ring.
    Reference: Cueva, Wang, Chin and Wei (2020), ICLR, in one dimension.

    Attributes:
        n_steps: T.
        speed: of the head, radians per step.
        smoothness: s, the correlation of ω from step to step.
    """

    n_steps: int = 40
    speed: float = 0.2
    smoothness: float = 0.8

    origin: ClassVar[str] = "synthetic"
    SMOKE: ClassVar[dict[str, Any]] = {"n_steps": 12}

    def __post_init__(self) -> None:
        if self.n_steps < 1 or self.speed <= 0 or not 0 <= self.smoothness < 1:
            raise UsageError(
                "path_integration needs n_steps ≥ 1, speed > 0 and 0 ≤ smoothness < 1, got "
                f"{self.n_steps}, {self.speed} and {self.smoothness}"
            )

    @property
    def n_inputs(self) -> int:
        return 3

    @property
    def n_outputs(self) -> int:
        return 2

    @property
    def setup(self) -> Setup:
        weights = LossWeights(rnn=1, jslds=1, e=100, a=10)
        return Setup("gru", 100, weights, paper_steps=20_000, fast_steps=4_000, fast_steps_alone=6_000)

    def sample(self, key: PRNGKeyArray, n_trials: int) -> Trials:
        key_start, key_heading = jax.random.split(key)
        start = jax.random.uniform(key_start, (n_trials, 1), maxval=2 * jnp.pi)
        noise = jax.random.normal(key_heading, (self.n_steps, n_trials))
        fresh = (1 - self.smoothness**2) ** 0.5

        def turn(omega: jax.Array, e: jax.Array) -> tuple[jax.Array, jax.Array]:
            omega = self.smoothness * omega + fresh * e
            return omega, omega

        _, turns = jax.lax.scan(turn, noise[0], noise)
        turns = turns.T.at[:, 0].set(0.0)  # while the heading is shown
        heading = start + self.speed * jnp.cumsum(turns, axis=1)
        shown = (
            jnp.zeros((n_trials, self.n_steps, 2))
            .at[:, 0]
            .set(jnp.concatenate([jnp.cos(start), jnp.sin(start)], axis=1))
        )
        return Trials(
            inputs=jnp.concatenate([turns[..., None], shown], axis=-1),
            targets=jnp.stack([jnp.cos(heading), jnp.sin(heading)], axis=-1),
            mask=jnp.ones(self.n_steps),
            u_star=jnp.zeros((n_trials, 3)),
        )

    def expansion_inputs(self) -> Float[Array, "1 U"]:
        return jnp.zeros((1, 3))
