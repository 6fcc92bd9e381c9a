"""The rules for a task that is spiking data: shapes, counts, what is held out, determined by the key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from jslds_bench.types.spikes import SpikeTask, SpikeTrials


def is_spiking(task: Any) -> bool:
    """Whether a task is spiking data."""
    return isinstance(task, SpikeTask)


def shape_faults(task: SpikeTask) -> Iterator[str]:
    """Arrays have the promised shapes and belong together; counts are whole numbers."""
    parts = task.spikes(jax.random.key(0))
    for what, part in zip(("fit", "held-out"), parts, strict=True):
        if part.counts.ndim != 3 or 0 in part.counts.shape:
            yield f"the {what} counts have shape {part.counts.shape}, expected three axes, [B, T, N]"
            continue
        b, t, n = part.counts.shape
        expected = {"held_out_units": (n,), "conditions": (b,), "rates": (b, t, n), "velocity": (b, t, 2)}
        for field, shape in expected.items():
            array = getattr(part, field)
            if array is not None and array.shape != shape:
                yield f"the {what} {field} have shape {array.shape}, expected {shape}"
            elif array is not None and not np.isfinite(array).all():
                yield f"the {what} {field} are not finite"
        if not (part.counts >= 0).all() or not (part.counts == np.round(part.counts)).all():
            yield f"the {what} counts are no whole numbers of at least 0"
        if part.held_out_units.dtype != bool or part.held_out_units.all():
            yield f"the {what} held_out_units must be booleans and leave a unit to see"
    if not np.array_equal(parts[0].held_out_units, parts[1].held_out_units):
        yield "the fit and held-out trials hold out different units"
    if task.n_latent < 1:
        yield f"its n_latent is {task.n_latent}, expected at least 1"


def seed_faults(task: SpikeTask) -> Iterator[str]:
    """One key gives one set of trials, another key another; no trial is both to fit to and held out."""
    fit, held_out = task.spikes(jax.random.key(0))
    if not _same(fit, task.spikes(jax.random.key(0))[0]):
        yield "a key gives other trials the second time"
    if _same(fit, task.spikes(jax.random.key(1))[0]):
        yield "another key gives the same trials"
    fitted = {trial.tobytes() for trial in fit.counts if trial.any()}
    if any(trial.tobytes() in fitted for trial in held_out.counts):
        yield "a held-out trial is among those to fit to"


def _same(one: SpikeTrials, other: SpikeTrials) -> bool:
    return np.array_equal(one.counts, other.counts)


RULES: dict[str, Callable[[SpikeTask], Iterator[str]]] = {"shapes": shape_faults, "seeds": seed_faults}
