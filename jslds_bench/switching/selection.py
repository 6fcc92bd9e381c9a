"""How many modes: held-out free-run error and held-out likelihood along a curve of K."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, PRNGKeyArray

from jslds_bench.errors import UsageError
from jslds_bench.switching import model
from jslds_bench.switching.model import DEFAULT_SETTINGS, Fit, FitSettings
from jslds_bench.switching.parameters import Spec
from jslds_bench.types.core import Progress, silent


class Curve(NamedTuple):
    """Held-out scores against the number of modes.

    Attributes:
        n_modes: the K tried, [C].
        free_run_error: NRMSE² of the noise-free course from the first state, trials pooled; inf where
            it left the finite numbers, [C].
        likelihood: held-out ELBO (log-likelihood for known states), nats per step, [C].
        likelihood_error: standard error of the latter over trials, [C].
        fits: the fitted models.
        chosen: index into the curve.
    """

    n_modes: Int[Any, " C"]
    free_run_error: Float[Any, " C"]
    likelihood: Float[Any, " C"]
    likelihood_error: Float[Any, " C"]
    fits: tuple[Fit, ...]
    chosen: int

    @property
    def best(self) -> Fit:
        return self.fits[self.chosen]


def free_run_error(
    fitted: Fit, observations: Float[Any, "B T N"], inputs: Float[Any, "B T U"], lengths: Any = None
) -> float:
    """Σ ‖ŷ_t − y_t‖² / Σ ‖y_t − ȳ‖² over t ≥ 1, ŷ from the first state alone under the inputs.

    The first state is the data's for known states, and elsewhere E x_0 given the whole trial: then this
    is a score of the dynamics, not of a forecast that could be made at t = 0.
    """
    found = model.infer(fitted, observations, inputs, lengths)
    paths = model.forecast(fitted, found.mean[:, 0], np.asarray(inputs)[:, 1:], found.modes[:, 0])
    y = np.asarray(observations, np.float64)
    keep = found.mask > 0
    spread = np.sum((y[keep] - y[keep].mean(0)) ** 2) * keep[:, 1:].sum() / keep.sum()
    with np.errstate(over="ignore", invalid="ignore"):
        error = np.sum((paths.observations - y[:, 1:])[keep[:, 1:]] ** 2) / spread
    return float(error) if np.isfinite(error) else float("inf")


def select_modes(
    spec: Spec,
    n_modes: Sequence[int],
    train: tuple[Any, Any],
    held_out: tuple[Any, Any],
    *,
    key: PRNGKeyArray,
    settings: FitSettings = DEFAULT_SETTINGS,
    progress: Progress = silent,
) -> Curve:
    """Fit every K on `train` and score it on `held_out`, each a pair (observations, inputs).

    Chosen is the least K whose free-run error is within 5 % of the best, among those whose likelihood is
    within one standard error of the best; where none is both, the best free-run error decides.
    """
    if not n_modes:
        raise UsageError("n_modes is empty, expected at least one K to try")
    fits: list[Fit] = []
    scores = []
    for i, k in enumerate(n_modes):

        def report(done: int, total: int, text: str, i: int = i, k: int = k) -> None:
            progress(i * total + done, len(n_modes) * total, f"K = {k}, {text}")

        one = dataclasses.replace(spec, n_modes=k)
        fitted = model.fit(one, *train, key=key, settings=settings, progress=report)
        found = model.infer(fitted, *held_out)
        per_step = found.elbo / found.mask.sum(axis=1)
        scores.append(
            (free_run_error(fitted, *held_out), found.elbo_per_step, per_step.std() / np.sqrt(len(per_step)))
        )
        fits.append(fitted)
    error, likelihood, spread = np.array(scores).T
    return Curve(
        np.array(n_modes), error, likelihood, spread, tuple(fits), _choose(n_modes, error, likelihood, spread)
    )


def _choose(n_modes: Sequence[int], error: Any, likelihood: Any, spread: Any) -> int:
    best = likelihood.argmax()
    good = (error <= 1.05 * error.min()) & (likelihood >= likelihood[best] - spread[best])
    if not good.any():
        return int(error.argmin())
    return int(np.where(good, np.asarray(n_modes), np.inf).argmin())
