"""Which of a task's few combinations nothing is trained on, and the two draws of such a task."""

from __future__ import annotations

import abc

import numpy as np
from jaxtyping import Bool, Int, PRNGKeyArray

from jslds_bench.errors import UsageError
from jslds_bench.types.core import Trials

ONE_IN = 5
"""How many combinations there are to one that is held out."""


def held_out(combinations: Int[np.ndarray, "C F"], kinds: Int[np.ndarray, " C"]) -> Bool[np.ndarray, " C"]:
    """A fifth of the combinations: those of which five divides Σ_f f·x_f, factors x_1 … x_F.

    What is left has each onset, delay or stimulus with most of the others, so that trials that are held out
    ask for nothing unknown but the combination: weights 1 … F, so that it is no sum either, as the moment of
    a second pulse is of an onset and an interval. Where a value would be lost to what is trained on, or a
    kind of trial to either side, for there are too few, nothing is held out.

    Args:
        combinations: each one's factors, whole numbers.
        kinds: of each combination; both sides have all kinds.
    """
    apart = combinations @ np.arange(1, combinations.shape[1] + 1) % ONE_IN == 0
    left = [np.isin(column, column[~apart]).all() for column in combinations.T]
    both = [np.isin(kinds, kinds[side]).all() for side in (apart, ~apart)]
    return apart if all(left) and all(both) else np.zeros_like(apart)


class OfCombinations(abc.ABC):
    """A task whose trials are few combinations of factors: a fifth of them is kept for scoring."""

    @abc.abstractmethod
    def _combinations(self) -> tuple[Int[np.ndarray, "C F"], Int[np.ndarray, " C"]]:
        """All combinations, and the kind of each, as `held_out` takes them."""

    @abc.abstractmethod
    def _drawn(self, combinations: Int[np.ndarray, "C F"], key: PRNGKeyArray, n_trials: int) -> Trials:
        """Trials of some of the combinations."""

    def sample(self, key: PRNGKeyArray, n_trials: int) -> Trials:
        combinations, kinds = self._combinations()
        return self._drawn(combinations[~held_out(combinations, kinds)], key, n_trials)

    def sample_held_out(self, key: PRNGKeyArray, n_trials: int) -> Trials:
        combinations, kinds = self._combinations()
        if not self.holds_out:
            raise UsageError(f"{self} has too few combinations ({len(combinations)}) to hold any out")
        return self._drawn(combinations[held_out(combinations, kinds)], key, n_trials)

    @property
    def holds_out(self) -> bool:
        return bool(held_out(*self._combinations()).any())
