"""Levels to hold, told by their jumps: inputs that drive a network through its state space and leave it."""

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


@TASKS.register("perturbations")
@dataclasses.dataclass(frozen=True)
class Perturbations:
    """Each channel has a level in [−1, 1], drawn anew at random steps; its input is the jump, 0 in between.

    The level starts at 0, jumps at t = 1, and then with probability `p_jump` at every step, to a value
    drawn uniformly. Inputs are (jumps, context one-hot); the target is the level, an analog memory. u* is the
    trial's context without jumps. Jumps reach from one side of the state space to the other and their sum
    stays bounded, so the task serves the `analytic` networks as a source of kicks and pauses.

    Attributes:
        n_channels: levels; O = n_channels.
        n_contexts: static one-hot channels, U = n_channels + n_contexts; 0: none, and u* = 0.
        n_steps: T.
        p_jump: probability of a jump per channel and step.
    """

    n_channels: int = 2
    n_contexts: int = 2
    n_steps: int = 25
    p_jump: float = 0.2

    origin: ClassVar[str] = "synthetic"
    SMOKE: ClassVar[dict[str, Any]] = {"n_steps": 12}

    def __post_init__(self) -> None:
        if self.n_channels < 1 or self.n_contexts < 0 or self.n_steps < 1 or not 0 <= self.p_jump <= 1:
            raise UsageError(
                "perturbations needs n_channels ≥ 1, n_contexts ≥ 0, n_steps ≥ 1 and 0 ≤ p_jump ≤ 1, got "
                f"{self.n_channels}, {self.n_contexts}, {self.n_steps} and {self.p_jump}"
            )

    @property
    def n_inputs(self) -> int:
        return self.n_channels + self.n_contexts

    @property
    def n_outputs(self) -> int:
        return self.n_channels

    @property
    def setup(self) -> Setup:
        # Analytic networks do not put out the levels, and a JSLDS is to follow its network, not the task.
        weights = LossWeights(rnn=3, jslds=0, e=100, a=10, l2=0)
        return Setup("gru", 64, weights, paper_steps=20_000, fast_steps=3_000, fast_steps_alone=4_000)

    def sample(self, key: PRNGKeyArray, n_trials: int) -> Trials:
        key_jump, key_level, key_context = jax.random.split(key, 3)
        shape = (n_trials, self.n_steps, self.n_channels)
        jumps = jax.random.bernoulli(key_jump, self.p_jump, shape).at[:, 0].set(True)
        latest = jax.lax.cummax(jnp.where(jumps, jnp.arange(self.n_steps)[:, None], 0), axis=1)
        levels = jnp.take_along_axis(
            jax.random.uniform(key_level, shape, minval=-1, maxval=1), latest, axis=1
        )
        context = jax.random.randint(key_context, (n_trials,), 0, max(1, self.n_contexts))
        u_star = self.expansion_inputs()[context]
        pulses = jnp.diff(levels, axis=1, prepend=jnp.zeros((n_trials, 1, self.n_channels)))
        static = jnp.broadcast_to(
            u_star[:, None, self.n_channels :], (n_trials, self.n_steps, self.n_contexts)
        )
        return Trials(jnp.concatenate([pulses, static], axis=-1), levels, jnp.ones(self.n_steps), u_star)

    def expansion_inputs(self) -> Float[Array, "K U"]:
        contexts = jnp.eye(max(1, self.n_contexts), self.n_contexts)
        return jnp.pad(contexts, ((0, 0), (self.n_channels, 0)))
