"""Which steps of trials are looked at where those near h_0 would mislead. No JAX."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, Float

SETTLED = 2
"""Steps at the start that are left out, as in the paper's Fig. 3: states come from h_0 there."""


def settled(mask: Float[Any, " T"], n_trials: int) -> Bool[np.ndarray, " M"]:
    """Which steps of `n_trials`, one trial after the other, are scored and not among the first; else all."""
    late = (np.asarray(mask) > 0) & (np.arange(len(mask)) >= SETTLED)
    return np.tile(late if late.any() else np.ones(len(mask), bool), n_trials)
