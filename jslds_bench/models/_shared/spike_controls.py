"""What controls on spikes share: they have rates and no states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from jslds_bench.analysis.spikes import rate_bits_per_spike
from jslds_bench.errors import UsageError


class Stateless:
    """The answers of a model of spikes that has rates and no dynamics."""

    series: dict[str, list[float]]

    def systems(self, states: object) -> None:
        return None

    def loadings(self) -> None:
        return None

    def fixed_points(self) -> None:
        return None

    def fit_series(self) -> dict[str, list[float]]:
        return self.series


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


def validation_bits(counts: Any, rates: Any) -> float:
    """Bits per spike; 0 where there is no spike to explain, so that one setting is as good as another."""
    return rate_bits_per_spike(counts, rates) if counts.any() else 0.0


def columns(other: str, tried: Sequence[tuple[float, float, float]]) -> dict[str, list[float]]:
    """What was tried, (bits per spike, kernel width, `other`) each, by name."""
    names = (f"validation_{name}" for name in ("bits_per_spike", "width_seconds", other))
    return dict(zip(names, np.transpose(tried).tolist(), strict=True))
