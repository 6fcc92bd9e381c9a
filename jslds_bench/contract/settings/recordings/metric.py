"""What metrics of recordings are computed from: guesses near the truth, and the truth."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import numpy as np
import scipy.stats

from jslds_bench.contract.instances import SEED, smoke
from jslds_bench.settings.recordings import SETTING
from jslds_bench.settings.recordings.evaluation import shown
from jslds_bench.types.recordings import Explanation, RecordedEvaluation

HORIZON = 10
NOISE = 0.3
"""Of guesses, relative."""
WRONG = 0.2
"""The share of modes that are guessed wrong."""
SD = 0.1
"""Of the observations about what is expected, where they are no counts."""


def guess(emissions: Literal["gaussian", "poisson"]) -> RecordedEvaluation:
    """A model that is not far off."""
    parts: Any = SETTING.parts(smoke("tasks", "known_switching", emissions=emissions), SEED)
    fit, held_out = parts
    rng = np.random.default_rng(SEED)

    def near(x: Any) -> Any:
        return x * rng.lognormal(0, NOISE, x.shape)

    true = held_out.expected[:, 1 : HORIZON + 1]
    return RecordedEvaluation(
        fit,
        held_out,
        explained=_explained(fit, near, WRONG),
        explained_held_out=_explained(held_out, near, WRONG),
        order=np.arange(len(fit.mode_points)),
        mode_points=near(fit.mode_points),
        mode_eigenvalues=near(fit.mode_eigenvalues),
        forecast=near(true),
        forecast_true=true,
    )


def guess_without_truth() -> RecordedEvaluation:
    """The same where nobody knows the system."""
    made = guess("poisson")
    fit, held_out = map(shown, (made.recording, made.held_out))
    true = held_out.observations[:, 1 : HORIZON + 1]
    return dataclasses.replace(made, recording=fit, held_out=held_out, order=None, forecast_true=true)


def perfect(made: RecordedEvaluation) -> RecordedEvaluation | None:
    """The evaluation of a model that knows the system."""
    fit = made.recording
    if fit.mode_points is None or fit.mode_eigenvalues is None:
        return None
    return dataclasses.replace(
        made,
        explained=_explained(fit),
        explained_held_out=_explained(made.held_out),
        order=np.arange(len(fit.mode_points)),
        mode_points=fit.mode_points,
        mode_eigenvalues=fit.mode_eigenvalues,
        forecast=made.forecast_true,
    )


def predicted(made: RecordedEvaluation, change: Callable[[Any], Any]) -> RecordedEvaluation:
    """`made` with `change` made to all that the model was asked for."""
    return dataclasses.replace(
        made,
        explained=Explanation(*map(change, made.explained)),
        explained_held_out=Explanation(*map(change, made.explained_held_out)),
        mode_points=change(made.mode_points),
        mode_eigenvalues=change(made.mode_eigenvalues),
        forecast=change(made.forecast),
    )


EVALUATIONS: dict[str, Callable[[], RecordedEvaluation]] = {
    "a guess at observations": partial(guess, "gaussian"),
    "a guess at counts": partial(guess, "poisson"),
    "a guess without truth": guess_without_truth,
}


def _explained(recording: Any, near: Callable[[Any], Any] = np.asarray, wrong: float = 0.0) -> Explanation:
    """The truth, or what is `near` it and a share of modes `wrong`; how likely is what was observed."""
    y, modes, expected = recording.observations, recording.modes, near(recording.expected)
    missed = np.random.default_rng(SEED).random(modes.shape) < wrong
    modes = np.where(missed, (modes + 1) % len(recording.mode_points), modes)
    poisson = recording.emissions == "poisson"
    log_p = scipy.stats.poisson.logpmf(y, expected) if poisson else scipy.stats.norm.logpdf(y, expected, SD)
    return Explanation(log_p.sum(axis=(1, 2)), near(recording.states), modes, expected)
