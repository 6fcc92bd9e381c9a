"""Choosing among models, by size or by ridge, by their error on data that they were not fitted to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

WITHIN = 1.05
"""A smaller model is preferred whose error is within this factor of the least."""
ROUNDING = 1e-8
"""A share of the variance below which errors are float32's rounding, and one model is as good as another."""


def least_adequate(errors: Sequence[float], within: float = WITHIN) -> int:
    """Index of the first error of at most `within` times the least; of none that is finite, of the first.

    Args:
        errors: from the smallest model to the largest, as shares of the variance; inf for what diverged.
        within: 1 where errors may be negative.
    """
    finite = [e for e in errors if np.isfinite(e)]
    if not finite:
        return 0
    enough = within * min(finite) + ROUNDING
    return next(i for i, e in enumerate(errors) if e <= enough)


def least_of_ridges(errors: Sequence[float], ridges: Sequence[float]) -> int:
    """Index of the least error, or of the largest ridge among those that have it.

    Where all diverge they tie, and the largest ridge is the likeliest to do less harm.
    """
    return min(range(len(errors)), key=lambda i: (errors[i], -ridges[i]))
