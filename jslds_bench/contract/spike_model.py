"""The rules for a model fitted to spikes: shapes, rates, each trial by itself, determined by the key."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from jslds_bench.contract.cases import SEED, smoke
from jslds_bench.settings.spikes import SETTING
from jslds_bench.types.spikes import FitsSpikes, Inferred, SpikeModel, SpikeTrials

SAME = 1e-4
"""Relative gap of rates that rounding may make, where batches differ in shape."""


@dataclasses.dataclass(frozen=True)
class SpikeSubject:
    """A model fitted to a tiny set of spikes.

    Attributes:
        model: the fit.
        again: the same fit made anew.
        fit, held_out: the trials, read-only.
    """

    model: SpikeModel
    again: SpikeModel
    fit: SpikeTrials
    held_out: SpikeTrials

    def infer(self, model: SpikeModel, held_in: Any, conditions: Any) -> Inferred:
        """What `model` makes of trials, by one key."""
        return model.infer(held_in, conditions, jax.random.key(SEED))

    def rates(self, model: SpikeModel) -> Any:
        """Of the held-out trials."""
        return self.infer(model, self.held_out.held_in, self.held_out.conditions).rates


def fits_spikes(model: Any) -> bool:
    """Whether a model entry, or an instance, can be fitted to spikes."""
    return issubclass(model if isinstance(model, type) else type(model), FitsSpikes)


def fit_to_spikes(name: str) -> SpikeSubject:
    """The tiny instance of a model on the tiny set of synthetic spikes, fitted twice."""
    task = smoke("tasks", "spiking_rotations")
    fit, held_out = SETTING.parts(task, SEED)
    made = smoke("models", name)
    first, second = (made.fit_spikes(task, fit, jax.random.key(SEED)) for _ in range(2))
    return SpikeSubject(first, second, fit, held_out)


def shape_faults(subject: SpikeSubject) -> Iterator[str]:
    """What `infer` returns has the promised shapes; linear systems and loadings belong to its states."""
    found = subject.infer(subject.model, subject.held_out.held_in, subject.held_out.conditions)
    b, t, n = subject.held_out.counts.shape
    for name in ("rates", "jslds_rates"):
        rates = getattr(found, name)
        if rates is not None and np.shape(rates) != (b, t, n):
            yield f"{name} have shape {np.shape(rates)}, expected {(b, t, n)}"
    steps = {"states": t + 1, "linear_states": t + 1, "expansion_points": t, "visited": t}
    for name, expected in steps.items():
        array = getattr(found, name)
        if array is not None and np.shape(array)[:2] != (b, expected):
            yield f"{name} have shape {np.shape(array)}, expected ({b}, {expected}, G)"
    if found.visited is None:
        return
    g = found.visited.shape[-1]
    systems, loadings = subject.model.systems(found.visited[0]), subject.model.loadings()
    if systems is not None and systems.shape != (t, g, g):
        yield f"`systems` of {t} states has shape {systems.shape}, expected {(t, g, g)}"
    if loadings is not None and loadings.shape != (g, n):
        yield f"`loadings` has shape {loadings.shape}, expected {(g, n)}"


def rate_faults(subject: SpikeSubject) -> Iterator[str]:
    """Rates are finite and above 0: a spike where none was possible would cost an infinity."""
    rates = subject.rates(subject.model)
    if not np.isfinite(rates).all():
        yield f"{int((~np.isfinite(rates)).sum())} rates are not finite"
    elif not (rates > 0).all():
        yield f"{int((rates <= 0).sum())} rates are 0 or less"


def isolation_faults(subject: SpikeSubject) -> Iterator[str]:
    """A trial's rates come from that trial alone, and its counts are not written to."""
    held_in, conditions = subject.held_out.held_in, subject.held_out.conditions
    whole = subject.infer(subject.model, held_in, conditions).rates
    others = np.concatenate([held_in[:1], held_in[1:][::-1]])
    labels = None if conditions is None else np.concatenate([conditions[:1], conditions[1:][::-1]])
    after = subject.infer(subject.model, others, labels).rates
    if not np.allclose(after[0], whole[0], rtol=SAME):
        yield "a trial's rates change with the trials beside it"


def key_faults(subject: SpikeSubject) -> Iterator[str]:
    """One key gives one fit, and one inference."""
    rates = subject.rates(subject.model)
    if not np.array_equal(rates, subject.rates(subject.model)):
        yield "the same trials with the same key get other rates the second time"
    if not np.array_equal(rates, subject.rates(subject.again)):
        yield "a fit made anew with the same key gives other rates"


RULES: dict[str, Callable[[SpikeSubject], Iterator[str]]] = {
    "shapes": shape_faults,
    "rates": rate_faults,
    "isolation": isolation_faults,
    "keys": key_faults,
}
