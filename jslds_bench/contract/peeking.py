"""Has a model seen what it is scored on? Then it does better there than on trials nobody could foresee."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import scipy.stats
from jaxtyping import Float

LEVEL = 1e-6
"""The chance of an honest model being called, per case and score, less the second condition."""
SHARE = 0.8


def peeking_faults(
    what: str, known: Float[np.ndarray, " B"], unseen: Float[np.ndarray, " C"], *, likelihood: bool = False
) -> Iterator[str]:
    """Errors of trials are drawn from one distribution, whoever could know the trials.

    A finding: the errors on the trials that it is scored on are smaller in rank than on others (one-sided
    Mann–Whitney, p < 1e-6) and their median is below 0.8 of the other; of −log p it is e^median that is.

    Args:
        what: is smaller, as in "its median error is".
        known, unseen: the errors, per trial; with `likelihood`, −log p in nats.
    """
    p = scipy.stats.mannwhitneyu(known, unseen, alternative="less").pvalue
    here, there = float(np.median(known)), float(np.median(unseen))
    limit = there + math.log(SHARE) if likelihood else there * SHARE
    if p < LEVEL and here < limit:
        yield (
            f"it has seen the trials that it is scored on: {what} {here:.3g} on them and {there:.3g} on "
            f"fresh trials of the same origin (p = {p:.1g})"
        )
