"""The rules for a task that is recorded data: shapes, what is held out, read-only, determined by the seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from jslds_bench.contract.cases import SEED, smoke
from jslds_bench.settings.recordings import SETTING
from jslds_bench.types.recordings import ObservedTask, Recording


def is_recorded(task: Any) -> bool:
    """Whether a task is recorded data."""
    return isinstance(task, ObservedTask)


def shape_faults(name: str) -> Iterator[str]:
    """Arrays have the promised shapes, are finite, and belong together."""
    task = smoke("tasks", name)
    for what, part in zip(("fit", "held-out"), SETTING.parts(task, SEED), strict=True):
        if part.observations.ndim != 3 or part.inputs.ndim != 3:
            yield f"the {what} observations or inputs have other than three axes, [B, T, N] and [B, T, U]"
            continue
        b, t, n = part.observations.shape
        expected = {
            "inputs": (b, t, part.inputs.shape[2]),
            "states": (b, t, task.setup.n_latent),
            "modes": (b, t),
            "expected": (b, t, n),
        }
        for field, shape in expected.items():
            array = getattr(part, field)
            if array is not None and array.shape != shape:
                yield f"the {what} {field} have shape {array.shape}, expected {shape}"
        if not np.isfinite(part.observations).all() or not np.isfinite(part.inputs).all():
            yield f"the {what} observations or inputs are not finite"
        if part.modes is not None and not 0 <= part.modes.min() <= part.modes.max() < task.setup.n_modes:
            yield f"the {what} modes leave 0 … {task.setup.n_modes - 1}, the K of its set-up"
        if part.emissions == "poisson" and not (part.observations == np.round(part.observations)).all():
            yield f"the {what} observations are no counts, but its emissions are poisson"


def seed_faults(name: str) -> Iterator[str]:
    """One seed gives one recording, another seed another; held-out trials are others than those to fit to."""
    task = smoke("tasks", name)
    fit, held_out = SETTING.parts(task, SEED)
    if not _same(fit, SETTING.parts(task, SEED)[0]):
        yield "a seed gives another recording the second time"
    if _same(fit, SETTING.parts(task, SEED + 1)[0]):
        yield "another seed gives the same recording"
    for trial in held_out.observations:
        if any(np.array_equal(trial, other) for other in fit.observations):
            yield "a held-out trial is among those to fit to"
            break


def _same(one: Recording, other: Recording) -> bool:
    return np.array_equal(one.observations, other.observations)


RULES: dict[str, Callable[[str], Iterator[str]]] = {"shapes": shape_faults, "seeds": seed_faults}
