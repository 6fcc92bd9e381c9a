"""The rules for a task that is recorded data: shapes, what is held out, determined by the seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import get_args, get_type_hints

import numpy as np

from jslds_bench.contract import drawing
from jslds_bench.contract.instances import SEED
from jslds_bench.contract.reading import unnamed_faults
from jslds_bench.settings.recordings import SETTING
from jslds_bench.types.recordings import ObservedTask, Recording

EMISSIONS = get_args(get_type_hints(Recording)["emissions"])


def source_faults(task: ObservedTask) -> Iterator[str]:
    """See `reading.unnamed_faults`."""
    yield from unnamed_faults(task, lambda made: SETTING.parts(made, SEED))


def shape_faults(task: ObservedTask) -> Iterator[str]:
    """Arrays have the promised shapes, are finite, and belong together."""
    parts = SETTING.parts(task, SEED)
    setup = task.setup
    for what, part in zip(drawing.PARTS, parts, strict=True):
        if part.observations.ndim != 3 or part.inputs.ndim != 3:
            yield f"the {what} observations or inputs have other than three axes, [B, T, N] and [B, T, U]"
            return
        b, t, n = part.observations.shape
        shapes = {
            "observations": (b, t, n),
            "inputs": (b, t, part.inputs.shape[2]),
            "states": (b, t, setup.n_latent),
            "modes": (b, t),
            "expected": (b, t, n),
            "mode_points": (setup.n_modes, n),
            "mode_eigenvalues": (setup.n_modes, setup.n_latent),
        }
        yield from drawing.array_faults(what, part, shapes, gaps=("mode_points",))
        if part.modes is not None and not 0 <= part.modes.min() <= part.modes.max() < setup.n_modes:
            yield f"the {what} modes leave 0 … {setup.n_modes - 1}, the K of its set-up"
        if part.emissions not in EMISSIONS:
            yield f"the {what} emissions are {part.emissions!r}, expected one of {', '.join(EMISSIONS)}"
        counts = (part.observations >= 0).all() and (part.observations == np.round(part.observations)).all()
        if part.emissions == "poisson" and not counts:
            yield f"the {what} observations are no counts, but its emissions are poisson"
    fit, held_out = parts
    if fit.observations.shape[2] != held_out.observations.shape[2] or fit.emissions != held_out.emissions:
        yield "the fit and held-out trials have other units or emissions"


def seed_faults(task: ObservedTask) -> Iterator[str]:
    """See `drawing.seed_faults`."""
    yield from drawing.seed_faults(partial(SETTING.parts, task), lambda part: part.observations)


RULES: dict[str, Callable[[ObservedTask], Iterator[str]]] = {
    "sources": source_faults,  # first: what is read once is heard of once
    "shapes": shape_faults,
    "seeds": seed_faults,
}
