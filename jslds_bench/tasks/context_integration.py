"""Context-dependent integration (paper, section 4.2 and A.4; Mante et al., 2013)."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from jslds_bench.entries.registry import TASKS
from jslds_bench.errors import UsageError
from jslds_bench.types.core import Trials
from jslds_bench.types.networks import Conditions, LossWeights, Setup


@TASKS.register("context_integration")
@dataclasses.dataclass(frozen=True)
class ContextIntegration:
    """Integrate the cued one of two noisy streams and ignore the other.

    Inputs are (motion, color, context one-hot). Each stream is a bias, 0.02 (N(0, 1) − 0.5) once per
    trial, plus white noise of standard deviation noise/√dt at every step, dt = 1/n_steps. The target is the
    running sum of the cued stream. u* is the trial's context with zero streams, so there are two.
    Reference: Smith et al. (2021), section A.4 and the authors' code.

    Attributes:
        n_steps: T.
        noise: the noise before division by √dt (0.025 gives 0.125 per step at T = 25).
        bias: the scale of the biases.
    """

    n_steps: int = 25
    noise: float = 0.025
    bias: float = 0.02

    origin: ClassVar[str] = "synthetic"
    u_star_names: ClassVar[tuple[str, ...]] = ("motion context", "color context")
    SMOKE: ClassVar[dict[str, Any]] = {"n_steps": 12}

    def __post_init__(self) -> None:
        if self.n_steps < 1 or self.noise < 0:
            raise UsageError(
                f"context_integration needs n_steps ≥ 1 and noise ≥ 0, got n_steps={self.n_steps}, "
                f"noise={self.noise}"
            )

    @property
    def n_inputs(self) -> int:
        return 4

    @property
    def n_outputs(self) -> int:
        return 1

    @property
    def setup(self) -> Setup:
        weights = LossWeights(rnn=1, jslds=1, e=100, a=10, l2=1e-5)
        return Setup("vanilla", 128, weights, paper_steps=50_000, fast_steps=2_500, fast_steps_alone=10_000)

    def sample(self, key: PRNGKeyArray, n_trials: int) -> Trials:
        key_bias, key_noise, key_context = jax.random.split(key, 3)
        bias = self.bias * (jax.random.normal(key_bias, (n_trials, 1, 2)) - 0.5)
        noise = self.noise * self.n_steps**0.5 * jax.random.normal(key_noise, (n_trials, self.n_steps, 2))
        streams = bias + noise
        context = jax.nn.one_hot(jax.random.randint(key_context, (n_trials,), 0, 2), 2)
        static = jnp.broadcast_to(context[:, None], streams.shape)
        return Trials(
            inputs=jnp.concatenate([streams, static], axis=-1),
            targets=jnp.cumsum(jnp.sum(streams * static, axis=-1, keepdims=True), axis=1),
            mask=jnp.ones(self.n_steps),
            u_star=jnp.concatenate([jnp.zeros((n_trials, 2)), context], axis=-1),
        )

    def conditions(self, key: PRNGKeyArray, n_trials: int) -> Conditions:
        """Every pair of biases ±0.009, ±0.02, ±0.04 of the streams in either context: 72 (Fig. 3 D–I).

        The noise of all conditions is the same, and each second trial has that of the one before it with the
        other sign: means by condition then differ by the biases, and not by the draw.
        """
        strengths = np.array([-0.04, -0.02, -0.009, 0.009, 0.02, 0.04])
        pairs = np.stack(np.meshgrid(strengths, strengths, indexing="ij"), axis=-1).reshape(-1, 2)
        evidence, contexts = np.tile(pairs, (2, 1)), np.repeat([0, 1], len(pairs))
        n_each = max(2, n_trials // len(evidence))
        half = self.noise * self.n_steps**0.5 * jax.random.normal(key, ((n_each + 1) // 2, self.n_steps, 2))
        noise = np.stack([half, -half], axis=1).reshape(-1, self.n_steps, 2)[:n_each]
        streams = (evidence[:, None, None] + noise[None]).reshape(-1, self.n_steps, 2).astype(np.float32)
        condition = np.repeat(np.arange(len(evidence)), n_each)
        context = np.eye(2, dtype=np.float32)[contexts[condition]]
        static = np.broadcast_to(context[:, None], streams.shape)
        given = (
            np.concatenate([streams, static], axis=-1),
            np.cumsum(np.sum(streams * static, axis=-1, keepdims=True), axis=1),
            np.ones(self.n_steps),
            np.concatenate([np.zeros_like(context), context], axis=-1),
        )
        return Conditions(
            Trials(*(jnp.asarray(x, jnp.float32) for x in given)),
            condition,
            evidence,
            contexts,
            streams=(0, 1),
            relevant=(0, 1),
            names=("motion", "color"),
        )

    def expansion_inputs(self) -> Float[Array, "2 U"]:
        return jnp.concatenate([jnp.zeros((2, 2)), jnp.eye(2)], axis=-1)
