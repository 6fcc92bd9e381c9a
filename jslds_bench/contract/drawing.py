"""What holds for every task whose key gives trials to fit to and trials that are held out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import numpy as np

from jslds_bench.contract.instances import SEED
from jslds_bench.settings.draws import fingerprint

PARTS = ("fit", "held-out")


def array_faults(
    what: str, part: Any, shapes: Mapping[str, tuple[int, ...]], gaps: Collection[str] = ()
) -> Iterator[str]:
    """The arrays of one part, where it has them, are finite host arrays of these shapes.

    Args:
        what: one of `PARTS`.
        gaps: fields that may hold NaN.
    """
    for field, shape in shapes.items():
        array = getattr(part, field)
        if array is None:
            continue
        if not isinstance(array, np.ndarray):
            yield f"the {what} {field} are of type {type(array).__name__}, expected an array on the host"
        elif array.shape != shape:
            yield f"the {what} {field} have shape {array.shape}, expected {shape}"
        elif field not in gaps and not np.isfinite(array).all():
            yield f"the {what} {field} are not finite"


def seed_faults(draw: Callable[[int], tuple[Any, Any]], data: Callable[[Any], np.ndarray]) -> Iterator[str]:
    """One seed gives one set of trials, another seed another; no trial is both to fit to and held out.

    Args:
        draw: seed → trials to fit to, and held-out ones.
        data: what was observed of such trials, [B, …].
    """
    fit, held_out = draw(SEED)
    if fingerprint((fit, held_out)) != fingerprint(draw(SEED)):
        yield "a seed gives other trials the second time"
    if np.array_equal(data(fit), data(draw(SEED + 1)[0])):
        yield "another seed gives the same trials"
    if not len(data(held_out)):
        yield "it holds no trial out"
    known = {trial.tobytes() for trial in data(fit) if trial.any()}
    if any(trial.tobytes() in known for trial in data(held_out)):
        yield "a held-out trial is among those to fit to"
