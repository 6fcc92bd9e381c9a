"""Which side clicked more often (Brunton, Botvinick and Brody, 2013)."""

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


@TASKS.register("poisson_clicks")
@dataclasses.dataclass(frozen=True)
class PoissonClicks:
    """Count clicks on two sides and tell, when asked, which had more: integration, then a decision.

    Inputs are (clicks left, clicks right, go). Clicks are Poisson, `rate` in sum, the log of the ratio right
    to left drawn of ±0.5, ±1.5, ±2.5; the last `n_response` steps have go = 1 and no clicks. The target is 0
    until then, and the sign of right minus left from then on (0 for as many). u* = 0.
    Reference: Brunton, Botvinick and Brody (2013), Science 340.

    Attributes:
        n_steps: T.
        n_response: steps of the answer.
        rate: clicks per step.
    """

    n_steps: int = 40
    n_response: int = 8
    rate: float = 0.8

    origin: ClassVar[str] = "synthetic"
    SMOKE: ClassVar[dict[str, Any]] = {"n_steps": 12, "n_response": 3}

    def __post_init__(self) -> None:
        if not 0 < self.n_response < self.n_steps or self.rate <= 0:
            raise UsageError(
                "poisson_clicks needs 0 < n_response < n_steps and rate > 0, got "
                f"{self.n_response}, {self.n_steps} and {self.rate}"
            )

    @property
    def n_inputs(self) -> int:
        return 3

    @property
    def n_outputs(self) -> int:
        return 1

    @property
    def setup(self) -> Setup:
        weights = LossWeights(rnn=1, jslds=1, e=100, a=10)
        return Setup("gru", 100, weights, paper_steps=20_000, fast_steps=4_000, fast_steps_alone=6_000)

    def sample(self, key: PRNGKeyArray, n_trials: int) -> Trials:
        key_ratio, key_clicks = jax.random.split(key)
        ratios = jnp.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5])
        ratio = jax.random.choice(key_ratio, ratios, (n_trials, 1))
        rates = self.rate * jnp.concatenate([jax.nn.sigmoid(-ratio), jax.nn.sigmoid(ratio)], axis=1)
        n_clicking = self.n_steps - self.n_response
        shape = (n_trials, n_clicking, 2)
        clicks = jax.random.poisson(key_clicks, rates[:, None], shape).astype(jnp.float32)
        more = jnp.sign(jnp.sum(clicks[..., 1] - clicks[..., 0], axis=1))
        go = jnp.arange(self.n_steps) >= n_clicking
        heard = jnp.pad(clicks, ((0, 0), (0, self.n_response), (0, 0)))
        cue = jnp.broadcast_to(go[:, None].astype(jnp.float32), (n_trials, self.n_steps, 1))
        return Trials(
            inputs=jnp.concatenate([heard, cue], axis=-1),
            targets=(more[:, None] * go)[..., None],
            mask=jnp.ones(self.n_steps),
            u_star=jnp.zeros((n_trials, 3)),
        )

    def expansion_inputs(self) -> Float[Array, "1 U"]:
        return jnp.zeros((1, 3))
