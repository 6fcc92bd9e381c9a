"""The rules for a model fitted to spikes: shapes, rates, each trial by itself, nothing foreseen."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
import scipy.special
from jaxtyping import Float

from jslds_bench.contract.fitted import alone_faults, finite_faults, kept_faults, key_faults
from jslds_bench.contract.fitting import Case, Subject, missing
from jslds_bench.contract.instances import SEED, smoke
from jslds_bench.contract.peeking import peeking_faults
from jslds_bench.settings.draws import purpose_key, read_only
from jslds_bench.settings.spikes import SETTING
from jslds_bench.types.core import silent
from jslds_bench.types.spikes import Inferred, SpikeEvaluation, SpikeTrials

N_TRIALS = 48
"""To fit to, and as many held out: short ones, enough to tell whether they have been seen."""
SAME = 1e-2
"""Relative gap of rates that inference makes which ends for all trials together."""
MEMBERS = ("infer", "systems", "loadings", "fixed_points", "fit_series")


@functools.cache
def small_case() -> Case:
    """A few units whose held-out trials are like further ones."""
    task = smoke("tasks", "spiking_rotations", n_trials=N_TRIALS, n_held_out=N_TRIALS)

    def unseen(secret: int) -> SpikeTrials:
        return read_only(task.further(purpose_key(SEED, "recording"), jax.random.key(secret), N_TRIALS))

    return Case("spikes", SETTING, SETTING.prepare(task, None, SEED, silent), unseen)


def inferred(subject: Subject, held_in: Any, conditions: Any) -> Inferred:
    """What the fitted model makes of trials, by one key."""
    return subject.fitted.infer(*read_only((held_in, conditions)), jax.random.key(SEED))


def shape_faults(subject: Subject) -> Iterator[str]:
    """What `infer` returns has the promised shapes; linear systems and loadings belong to its states."""
    if lacking := missing(subject.fitted, MEMBERS):
        yield from lacking
        return
    trials = subject.held_out
    found = inferred(subject, trials.held_in, trials.conditions)
    b, t, n = trials.counts.shape
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
    systems, loadings = subject.fitted.systems(found.visited[0]), subject.fitted.loadings()
    if systems is not None and systems.shape != (t, g, g):
        yield f"`systems` of {t} states has shape {systems.shape}, expected {(t, g, g)}"
    if loadings is not None and loadings.shape != (g, n):
        yield f"`loadings` has shape {loadings.shape}, expected {(g, n)}"
    points = subject.fitted.fixed_points()
    if points is not None and np.shape(points)[1:] != (g,):
        yield f"`fixed_points` has shape {np.shape(points)}, expected (P, {g})"


def rate_faults(subject: Subject) -> Iterator[str]:
    """Rates are finite and above 0: a spike where none was possible would cost an infinity."""
    yield from finite_faults(subject)
    made: SpikeEvaluation = subject.evaluation
    for what, rates in (("fitted", made.inferred_fit.rates), ("held-out", made.inferred.rates)):
        if not np.isfinite(rates).all():
            yield f"{int((~np.isfinite(rates)).sum())} rates of {what} trials are not finite"
        elif not (rates > 0).all():
            yield f"{int((rates <= 0).sum())} rates of {what} trials are 0 or less"


def isolation_faults(subject: Subject) -> Iterator[str]:
    """See `fitted.alone_faults`."""

    def taken(trials: tuple[Any, Any], i: Any) -> tuple[Any, Any]:
        held_in, conditions = trials
        return held_in[i], None if conditions is None else conditions[i]

    trials = subject.held_out.held_in, subject.held_out.conditions
    yield from alone_faults(lambda x: {"rates": inferred(subject, *x).rates}, trials, taken, SAME)


def unseen_faults(subject: Subject) -> Iterator[str]:
    """Rates of trials are as good, whoever could know the trials."""
    both = subject.evaluation, subject.evaluated(subject.fitted, subject.unseen)
    yield from peeking_faults("its median −log p is", *map(_surprise, both), likelihood=True)
    if subject.held_out.rates is not None:
        yield from peeking_faults("its median error of rates is", *map(_rate_errors, both))


def _surprise(made: SpikeEvaluation) -> Float[np.ndarray, " B"]:
    """−log p of each held-out trial's counts, up to a constant, of units that the model did not see."""
    hidden = made.held_out.held_out_units
    counts, rates = made.held_out.counts[..., hidden], made.inferred.rates[..., hidden]
    return (rates - scipy.special.xlogy(counts, rates)).sum(axis=(1, 2))


def _rate_errors(made: SpikeEvaluation) -> Float[np.ndarray, " B"]:
    """Root mean square of each held-out trial."""
    return np.sqrt(((made.inferred.rates - made.held_out.rates) ** 2).mean(axis=(1, 2)))


RULES: dict[str, Callable[[Subject], Iterator[str]]] = {
    "shapes": shape_faults,
    "rates": rate_faults,
    "isolation": isolation_faults,
    "run": kept_faults,
    "deterministic": key_faults,
    "unseen trials": unseen_faults,
}
