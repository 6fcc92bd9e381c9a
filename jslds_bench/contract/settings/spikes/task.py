"""The rules for a task that is spiking data: shapes, counts, what is held out, determined by the seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from jslds_bench.contract import drawing
from jslds_bench.contract.instances import SEED
from jslds_bench.contract.reading import unnamed_faults
from jslds_bench.settings.spikes import SETTING
from jslds_bench.types.spikes import SpikeTask


def source_faults(task: SpikeTask) -> Iterator[str]:
    """See `reading.unnamed_faults`."""
    yield from unnamed_faults(task, lambda made: SETTING.parts(made, SEED))


def shape_faults(task: SpikeTask) -> Iterator[str]:
    """Arrays have the promised shapes and belong together; counts are whole numbers."""
    parts = SETTING.parts(task, SEED)
    for what, part in zip(drawing.PARTS, parts, strict=True):
        if part.counts.ndim != 3 or 0 in part.counts.shape:
            yield f"the {what} counts have shape {part.counts.shape}, expected three axes, [B, T, N]"
            return
        b, t, n = part.counts.shape
        shapes = {
            "counts": (b, t, n),
            "held_out_units": (n,),
            "conditions": (b,),
            "rates": (b, t, n),
            "velocity": (b, t, 2),
        }
        yield from drawing.array_faults(what, part, shapes)
        if part.regimes is not None and part.regimes.at.shape != (b, t):
            yield f"the {what} regimes are told at {part.regimes.at.shape}, expected {(b, t)}"
        if not (part.counts >= 0).all() or not (part.counts == np.round(part.counts)).all():
            yield f"the {what} counts are no whole numbers of at least 0"
        if part.held_out_units.dtype != bool or part.held_out_units.all():
            yield f"the {what} held_out_units must be booleans and leave a unit to see"
        if not part.bin_seconds > 0:
            yield f"the {what} bin_seconds are {part.bin_seconds!r}, expected a time above 0"
    if not np.array_equal(parts[0].held_out_units, parts[1].held_out_units):
        yield "the fit and held-out trials hold out different units"
    if task.n_latent < 1:
        yield f"its n_latent is {task.n_latent}, expected at least 1"


def seed_faults(task: SpikeTask) -> Iterator[str]:
    """See `drawing.seed_faults`."""
    yield from drawing.seed_faults(partial(SETTING.parts, task), lambda part: part.counts)


RULES: dict[str, Callable[[SpikeTask], Iterator[str]]] = {
    "sources": source_faults,  # first: what is read once is heard of once
    "shapes": shape_faults,
    "seeds": seed_faults,
}
