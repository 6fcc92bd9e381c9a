"""The optimisers of the recipes, each for a number of steps; `training.make_recipe` says what each is for."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import optax


def paper(n_steps: int) -> optax.GradientTransformation:
    """Adam as the authors' code has it."""
    rate = optax.exponential_decay(0.02, transition_steps=1, decay_rate=0.9999)
    return optax.chain(optax.clip_by_global_norm(10.0), optax.adam(rate, b1=0.9, b2=0.999, eps=0.1))


def fast_alone(n_steps: int) -> optax.GradientTransformation:
    """For a network on its task alone."""
    return Adam(1e-3, 1.0)(n_steps)


def fast(n_steps: int) -> optax.GradientTransformation:
    """Muon on the matrices, Adam on the rest: for co-training."""

    def chosen(x: jax.Array) -> Any:
        # Input and readout matrices have too few rows to orthogonalise: they are left to Adam.
        return optax.contrib.MuonDimensionNumbers() if x.ndim == 2 and min(x.shape) > 8 else None

    muon = optax.contrib.muon(
        _line(5e-3, n_steps),
        beta=0.98,
        adam_learning_rate=_line(2.5e-3, n_steps),
        muon_weight_dimension_numbers=lambda params: jax.tree.map(chosen, params),
    )
    return optax.chain(optax.clip_by_global_norm(1.0), muon)


@dataclasses.dataclass(frozen=True)
class Adam:
    """Adam along a cosine, the gradient's norm clipped.

    Equal, and compiled for once, where both numbers are.
    """

    peak: float
    clip: float

    def __call__(self, n_steps: int) -> optax.GradientTransformation:
        return optax.chain(optax.clip_by_global_norm(self.clip), optax.adam(_cosine(self.peak, n_steps)))


def _cosine(peak: float, n_steps: int) -> optax.Schedule:
    """From a tenth of `peak` up to it within at most 100 steps, then along a cosine to zero at `n_steps`."""
    warm_up = _warm_up(n_steps)
    return optax.warmup_cosine_decay_schedule(peak / 10, peak, warm_up, max(n_steps, warm_up + 1))


def _line(peak: float, n_steps: int) -> optax.Schedule:
    """The same along a line."""
    warm_up = _warm_up(n_steps)
    up = optax.linear_schedule(peak / 10, peak, warm_up)
    return optax.join_schedules([up, optax.linear_schedule(peak, 0.0, max(n_steps - warm_up, 1))], [warm_up])


def _warm_up(n_steps: int) -> int:
    return min(100, max(1, n_steps // 10))
