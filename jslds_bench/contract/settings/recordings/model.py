"""The rules for a model fitted to a recording: shapes, finiteness, each trial by itself, nothing foreseen."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from jslds_bench.contract.fitted import alone_faults, finite_faults, kept_faults, key_faults
from jslds_bench.contract.fitting import Case, Subject, missing
from jslds_bench.contract.instances import SEED, smoke
from jslds_bench.contract.peeking import peeking_faults
from jslds_bench.settings.draws import mapped, purpose_key, read_only
from jslds_bench.settings.recordings import SETTING
from jslds_bench.settings.recordings.evaluation import shown
from jslds_bench.types.core import silent
from jslds_bench.types.recordings import RecordedEvaluation, Recording

N_TRIALS = 48
"""To fit to, and as many held out: short ones, enough to tell whether they have been seen."""
SAME = 1e-2
"""Relative gap of what is said of a trial that inference makes which ends for all trials together."""
PER_TRIAL = ("observations", "inputs", "states", "modes", "expected")
MEMBERS = ("explain", "forecast", "mode_points", "expected", "by_mode", "iteration", "fit_series")


@functools.cache
def small_case() -> Case:
    """A tiny system whose held-out trials are like further ones."""
    task = smoke("tasks", "known_switching", n_trials=N_TRIALS, n_held_out=N_TRIALS)

    def unseen(secret: int) -> Recording:
        # As many as `record` draws: the programs that draw them are compiled already.
        drawn = task.further(purpose_key(SEED, "recording"), jax.random.key(secret), 2 * N_TRIALS)
        few: Any = {field: getattr(drawn, field)[:N_TRIALS] for field in PER_TRIAL}
        return read_only(dataclasses.replace(drawn, **few))

    return Case("recording", SETTING, SETTING.prepare(task, None, SEED, silent), unseen)


def shape_faults(subject: Subject) -> Iterator[str]:
    """What it answers has the promised shapes; its modes belong together."""
    model, recording = subject.fitted, shown(subject.held_out)
    if lacking := missing(model, MEMBERS):
        yield from lacking
        return
    found = model.explain(recording)
    b, t, n = recording.observations.shape
    d = np.shape(found.states)[-1] if np.ndim(found.states) == 3 else 0
    shapes = {"log_likelihood": (b,), "states": (b, t, d), "modes": (b, t), "expected": (b, t, n)}
    for name, shape in shapes.items():
        yield from _shaped(f"{name} of `explain`", getattr(found, name), shape)
    points = model.mode_points()
    k = len(points.points)
    yield from _shaped("points of `mode_points`", points.points, (k, d))
    yield from _shaped("real of `mode_points`", points.real, (k,))
    if np.shape(points.eigenvalues)[:1] != (k,):
        yield f"eigenvalues of `mode_points` have shape {np.shape(points.eigenvalues)}, expected ({k}, D)"
    modes = np.asarray(found.modes)
    if modes.dtype.kind != "i" or not 0 <= modes.min() <= modes.max() < k:
        yield f"modes of `explain` must be whole numbers of 0 … {k - 1}: `mode_points` has {k} modes"
    yield from _shaped("what `expected` returns", model.expected(found.states[0]), (t, n))
    ahead, chosen = model.by_mode(found.states[0])
    yield from _shaped("states of `by_mode`", ahead, (k, t, d))
    if chosen is not None:
        yield from _shaped("modes of `by_mode`", chosen, (t,))
    steps = recording.inputs[:, 1:4]
    forecast = model.forecast(found.states[:, 0], modes[:, 0], steps)
    yield from _shaped("what `forecast` returns", forecast, (b, steps.shape[1], n))


def _shaped(what: str, array: Any, shape: tuple[int, ...]) -> Iterator[str]:
    if np.shape(array) != shape:
        yield f"{what} has shape {np.shape(array)}, expected {shape}"


def answer_faults(subject: Subject) -> Iterator[str]:
    """Everything that it says of trials is finite, of those that it was fitted to and of others."""
    made: RecordedEvaluation = subject.evaluation
    yield from finite_faults(subject)
    for what, explained in (("fitted", made.explained), ("held-out", made.explained_held_out)):
        for name, array in explained._asdict().items():
            if not np.isfinite(array).all():
                yield f"{name} of the {what} trials are not finite"
    if not np.isfinite(made.forecast).all():
        yield "its forecasts are not finite"


def isolation_faults(subject: Subject) -> Iterator[str]:
    """See `fitted.alone_faults`."""

    def answers(recording: Recording) -> dict[str, Any]:
        said = subject.fitted.explain(recording)
        return {"states": said.states, "expected": said.expected, "log_likelihood": said.log_likelihood}

    yield from alone_faults(
        answers, shown(subject.held_out), lambda recording, i: mapped(lambda x: x[i], recording), SAME
    )


def unseen_faults(subject: Subject) -> Iterator[str]:
    """Likelihoods and forecasts of trials are as good, whoever could know the trials."""
    known, unseen = subject.evaluation, subject.evaluated(subject.fitted, subject.unseen)
    losses = [-np.asarray(made.explained_held_out.log_likelihood) for made in (known, unseen)]
    yield from peeking_faults("its median −log p is", *losses, likelihood=True)
    yield from peeking_faults("its median error of forecasts is", *map(_forecast_errors, (known, unseen)))


def _forecast_errors(made: RecordedEvaluation) -> Float[np.ndarray, " B"]:
    """Each held-out trial's root mean square: windows follow each other, in each of which trials do."""
    squares = (made.forecast - made.forecast_true) ** 2
    n_trials = len(made.held_out.observations)
    return np.sqrt(squares.reshape(-1, n_trials, *squares.shape[1:]).mean(axis=(0, 2, 3)))


RULES: dict[str, Callable[[Subject], Iterator[str]]] = {
    "shapes": shape_faults,
    "finite": answer_faults,
    "isolation": isolation_faults,
    "run": kept_faults,
    "deterministic": key_faults,
    "unseen trials": unseen_faults,
}
