"""Which of a task's few combinations nothing is trained on."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int

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
