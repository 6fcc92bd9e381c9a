"""What tasks that draw spikes of Poisson units share: their sizes, their randomness, who is held out."""

from __future__ import annotations

import jax
import numpy as np
from jaxtyping import Bool, PRNGKeyArray

from jslds_bench.errors import UsageError


def check_sizes(
    name: str, *, n_trials: int, n_held_out: int, n_conditions: int, n_units: int, n_steps: int, share: float
) -> None:
    """Raises UsageError for sizes below 1 (units and steps: 2), or a share that holds out none or all."""
    sizes = (n_trials, n_held_out, n_conditions)
    if min(sizes) < 1 or n_units < 2 or n_steps < 2:
        raise UsageError(
            f"{name} needs n_trials, n_held_out and n_conditions ≥ 1, n_units and n_steps ≥ 2, "
            f"got {', '.join(map(str, sizes))}, {n_units} and {n_steps}"
        )
    if not 0 < round(share * n_units) < n_units:
        raise UsageError(
            f"held_out_units is a share of the {n_units} units that leaves some on both sides, got {share}"
        )


def generator(key: PRNGKeyArray) -> np.random.Generator:
    """NumPy's generator, seeded by a key."""
    return np.random.default_rng(np.asarray(jax.random.key_data(key)).tolist())


def held_out_units(rng: np.random.Generator, n_units: int, share: float) -> Bool[np.ndarray, " N"]:
    """Which units models do not see on trials that they are scored on."""
    held_out = np.zeros(n_units, bool)
    held_out[rng.permutation(n_units)[: round(share * n_units)]] = True
    return held_out
