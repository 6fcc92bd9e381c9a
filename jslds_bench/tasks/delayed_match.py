"""Delayed match to sample: is the second thing the first one again?"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from jslds_bench.entries.registry import TASKS
from jslds_bench.errors import UsageError
from jslds_bench.tasks._shared.held_out import OfCombinations
from jslds_bench.types.core import Trials
from jslds_bench.types.networks import LossWeights, Setup

_SHOWN = 3
"""Steps that a sample and a test are shown for."""


@TASKS.register("delayed_match")
@dataclasses.dataclass(frozen=True)
class DelayedMatch(OfCombinations):
    """A sample, a delay of random length, a test; then 1 if they are the same and −1 if not.

    Sample and test are one-hot, for three steps each; half of the tests match. The target is 0 until the test
    has begun. u* = 0: a memory of the sample has to rest without input, so that there should be a stable
    point for each. Of the combinations of sample, test and delay a fifth is held out: networks and models are
    scored on those, and trained on the others (`_shared.held_out`).
    Reference: Miyashita (1988), Nature 335; the `dms` task of Yang et al. (2019), Nat. Neurosci. 22.

    Attributes:
        n_stimuli: K.
        shortest, longest: the delay, in steps.
        n_response: steps after the test.
    """

    n_stimuli: int = 4
    shortest: int = 5
    longest: int = 20
    n_response: int = 8

    origin: ClassVar[str] = "synthetic"
    SMOKE: ClassVar[dict[str, Any]] = {"n_stimuli": 2, "shortest": 1, "longest": 4, "n_response": 3}

    def __post_init__(self) -> None:
        if self.n_stimuli < 2 or not 1 <= self.shortest <= self.longest or self.n_response < 1:
            raise UsageError(
                "delayed_match needs n_stimuli ≥ 2, 1 ≤ shortest ≤ longest and n_response ≥ 1, got "
                f"{self.n_stimuli}, {self.shortest}, {self.longest} and {self.n_response}"
            )

    @property
    def n_steps(self) -> int:
        return 2 * _SHOWN + self.longest + self.n_response

    @property
    def n_inputs(self) -> int:
        return self.n_stimuli

    @property
    def n_outputs(self) -> int:
        return 1

    @property
    def setup(self) -> Setup:
        weights = LossWeights(rnn=1, jslds=1, e=100, a=10)
        return Setup("gru", 100, weights, paper_steps=20_000, fast_steps=4_000, fast_steps_alone=6_000)

    def _combinations(self) -> tuple[Int[np.ndarray, "C 3"], Bool[np.ndarray, " C"]]:
        """(sample, test, delay), of two kinds: match or not."""
        sizes = (self.n_stimuli, self.n_stimuli, self.longest + 1 - self.shortest)
        combinations = np.indices(sizes).reshape(3, -1).T + np.array([0, 0, self.shortest])
        return combinations, combinations[:, 0] == combinations[:, 1]

    def _drawn(self, combinations: Int[np.ndarray, "C 3"], key: PRNGKeyArray, n_trials: int) -> Trials:
        matching = combinations[:, 0] == combinations[:, 1]
        key_match, key_same, key_other = jax.random.split(key, 3)

        def some(of: Int[np.ndarray, "E 3"], key: PRNGKeyArray) -> Int[Array, "B 3"]:
            return jnp.asarray(of)[jax.random.randint(key, (n_trials,), 0, len(of))]

        match = jax.random.bernoulli(key_match, 0.5, (n_trials, 1))
        same, other = some(combinations[matching], key_same), some(combinations[~matching], key_other)
        rows = jnp.where(match, same, other)
        sample, test, delay = rows[:, :1], rows[:, 1:2], rows[:, 2:]
        t, begun = jnp.arange(self.n_steps), _SHOWN + delay
        first, second = t < _SHOWN, (t >= begun) & (t < begun + _SHOWN)
        shown = [jax.nn.one_hot(x[:, 0], self.n_stimuli) for x in (sample, test)]
        inputs = first[None, :, None] * shown[0][:, None] + second[..., None] * shown[1][:, None]
        answer = jnp.where(match, 1.0, -1.0) * (t > begun)  # the step after the first that shows the test
        return Trials(
            inputs=inputs,
            targets=answer[..., None],
            mask=jnp.ones(self.n_steps),
            u_star=jnp.zeros((n_trials, self.n_stimuli)),
        )

    def expansion_inputs(self) -> Float[Array, "1 U"]:
        return jnp.zeros((1, self.n_stimuli))
