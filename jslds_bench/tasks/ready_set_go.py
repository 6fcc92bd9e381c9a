"""Producing an interval that was measured before (Jazayeri and Shadlen, 2010)."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from jslds_bench.entries.registry import TASKS
from jslds_bench.errors import UsageError
from jslds_bench.tasks._shared.held_out import OfCombinations
from jslds_bench.types.core import Trials
from jslds_bench.types.networks import LossWeights, Setup


@TASKS.register("ready_set_go")
@dataclasses.dataclass(frozen=True)
class ReadySetGo(OfCombinations):
    """Two pulses, Ready and Set, an interval t_s apart; a ramp that ends as long after Set again.

    Inputs are the two pulses, one step each; Ready comes at a random one of the first steps. The target is 0
    until Set, (t − t_set)/t_s until it reaches 1, and 1 from then on: the speed of a trajectory, not where it
    rests, is what has to be remembered. u* = 0. Of the pairs of onset and interval a fifth is held out:
    networks and models are scored on those, and trained on the others (`_shared.held_out`).
    Reference: Jazayeri and Shadlen (2010), Nat. Neurosci. 13; the ramp of Remington et al. (2018), Neuron 98.

    Attributes:
        shortest, longest: the interval t_s, in steps.
        n_before: of how many first steps Ready takes one.
        n_after: steps after the latest possible end of the ramp.
    """

    shortest: int = 6
    longest: int = 15
    n_before: int = 5
    n_after: int = 5

    origin: ClassVar[str] = "synthetic"
    SMOKE: ClassVar[dict[str, Any]] = {"shortest": 2, "longest": 4, "n_before": 2, "n_after": 1}

    def __post_init__(self) -> None:
        if not 1 <= self.shortest <= self.longest or self.n_before < 1 or self.n_after < 0:
            raise UsageError(
                "ready_set_go needs 1 ≤ shortest ≤ longest, n_before ≥ 1 and n_after ≥ 0, got "
                f"{self.shortest}, {self.longest}, {self.n_before} and {self.n_after}"
            )

    @property
    def n_steps(self) -> int:
        return self.n_before + 2 * self.longest + self.n_after

    @property
    def n_inputs(self) -> int:
        return 2

    @property
    def n_outputs(self) -> int:
        return 1

    @property
    def setup(self) -> Setup:
        weights = LossWeights(rnn=1, jslds=1, e=100, a=10)
        return Setup("gru", 100, weights, paper_steps=20_000, fast_steps=4_000, fast_steps_alone=6_000)

    def _combinations(self) -> tuple[Int[np.ndarray, "C 2"], Int[np.ndarray, " C"]]:
        """(ready, interval), all of one kind."""
        intervals = range(self.shortest, self.longest + 1)
        pairs = np.array([(ready, interval) for ready in range(self.n_before) for interval in intervals])
        return pairs, np.zeros(len(pairs), int)

    def _drawn(self, pairs: Int[np.ndarray, "C 2"], key: PRNGKeyArray, n_trials: int) -> Trials:
        rows = jnp.asarray(pairs)[jax.random.randint(key, (n_trials,), 0, len(pairs))]
        ready, interval = rows[:, :1], rows[:, 1:]
        t = jnp.arange(self.n_steps)
        pulses = jnp.stack([t == ready, t == ready + interval], axis=-1).astype(jnp.float32)
        ramp = jnp.clip((t - ready - interval) / interval, 0.0, 1.0)
        return Trials(
            inputs=pulses,
            targets=ramp[..., None],
            mask=jnp.ones(self.n_steps),
            u_star=jnp.zeros((n_trials, 2)),
        )

    def expansion_inputs(self) -> Float[Array, "1 U"]:
        return jnp.zeros((1, 2))
