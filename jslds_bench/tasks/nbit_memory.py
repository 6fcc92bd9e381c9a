"""The n-bit memory task (paper, section 4.1 and A.3; Sussillo and Barak, 2013, in two-input form)."""

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


@TASKS.register("nbit_memory")
@dataclasses.dataclass(frozen=True)
class NBitMemory:
    """Remember the last non-zero symbol of each channel.

    At every step each channel receives one of [1, 0], [0, 0], [0, 1] (for −1, 0, +1), drawn uniformly;
    its target is the last non-zero symbol so far, starting at −1. The first `n_unscored` steps are not
    scored. u* = 0. Reference: Smith et al. (2021), section A.3 and the authors' code.

    Attributes:
        n_bits: channels; U = 2 n_bits, O = n_bits.
        n_steps: T.
        n_unscored: steps at the start that the loss leaves out.
    """

    n_bits: int = 3
    n_steps: int = 25
    n_unscored: int = 5

    origin: ClassVar[str] = "synthetic"
    SMOKE: ClassVar[dict[str, Any]] = {"n_bits": 2, "n_steps": 12, "n_unscored": 2}

    def __post_init__(self) -> None:
        if self.n_bits < 1 or not 0 <= self.n_unscored < self.n_steps:
            raise UsageError(
                f"nbit_memory needs n_bits ≥ 1 and 0 ≤ n_unscored < n_steps, got n_bits={self.n_bits}, "
                f"n_unscored={self.n_unscored}, n_steps={self.n_steps}"
            )

    @property
    def n_inputs(self) -> int:
        return 2 * self.n_bits

    @property
    def n_outputs(self) -> int:
        return self.n_bits

    @property
    def setup(self) -> Setup:
        weights = LossWeights(rnn=3, jslds=1, e=100, a=10, l2=0)
        return Setup(
            "gru",
            100,
            weights,
            paper_steps=40_000,
            fast_steps=2_000,
            fast_steps_alone=4_000,
            fast_steps_first=2_000,
        )

    def sample(self, key: PRNGKeyArray, n_trials: int) -> Trials:
        symbols = jax.random.randint(key, (n_trials, self.n_steps, self.n_bits), -1, 2)
        pairs = jnp.stack([symbols == -1, symbols == 1], axis=-1).astype(jnp.float32)

        def remember(last: jax.Array, new: jax.Array) -> tuple[jax.Array, jax.Array]:
            last = jnp.where(new != 0, new, last)
            return last, last

        start = jnp.full((n_trials, self.n_bits), -1)
        _, targets = jax.lax.scan(remember, start, jnp.swapaxes(symbols, 0, 1))
        return Trials(
            inputs=pairs.reshape(n_trials, self.n_steps, self.n_inputs),
            targets=jnp.swapaxes(targets, 0, 1).astype(jnp.float32),
            mask=(jnp.arange(self.n_steps) >= self.n_unscored).astype(jnp.float32),
            u_star=jnp.zeros((n_trials, self.n_inputs)),
        )

    def expansion_inputs(self) -> Float[Array, "1 U"]:
        return jnp.zeros((1, self.n_inputs))
