"""What controls on spikes share: they have rates and no states."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import numpy as np

from jslds_bench.errors import UsageError


class Stateless:
    """The answers of a model of spikes that has rates and no dynamics."""

    def systems(self, states: object) -> None:
        return None

    def loadings(self) -> None:
        return None

    def fixed_points(self) -> None:
        return None


def quarter_out(key: jax.Array, n_trials: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of three quarters of the trials, and of the quarter that chooses between settings.

    Raises:
        UsageError: fewer than four trials.
    """
    if n_trials < 4:
        raise UsageError(
            f"{n_trials} trials to fit to, expected at least 4: a quarter of them chooses the smoothing"
        )
    order = np.asarray(jax.random.permutation(key, n_trials))
    return np.sort(order[n_trials // 4 :]), np.sort(order[: n_trials // 4])


def check_positive(name: str, values: tuple[float, ...]) -> None:
    """Raises a UsageError unless there are `values`, all above 0."""
    if not values or not all(value > 0 for value in values):
        raise UsageError(f"{name} are {list(values)}, expected at least one number, all above 0")


def columns(names: tuple[str, ...], rows: Sequence[tuple[float, ...]]) -> dict[str, list[float]]:
    """The settings that were tried and what they scored, by name."""
    return {name: [float(row[i]) for row in rows] for i, name in enumerate(names)}
