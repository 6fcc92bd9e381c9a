"""How well a model fitted to recorded data explains it, and finds the modes that made it."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar

import numpy as np

from jslds_bench.analysis.spikes import bits_per_spike
from jslds_bench.dynamics.spectrum import matched_distance
from jslds_bench.entries.registry import METRICS
from jslds_bench.errors import Unsupported
from jslds_bench.metrics._shared.declared import Error, Score, Seconds, Share
from jslds_bench.metrics.states import squared_distance
from jslds_bench.metrics.timings import measured
from jslds_bench.types.recordings import RecordedEvaluation


class OfRecordings:
    """Read from the evaluation of a model that is fitted to a recording."""

    family: ClassVar[str] = "modes"
    headline: ClassVar[bool] = True
    reads: ClassVar[type] = RecordedEvaluation


class Likelihood(OfRecordings, Score):
    """A likelihood, or a bound of it, per step."""

    unit: ClassVar[str] = "nats"
    bounds: ClassVar[tuple[float, float]] = (-math.inf, math.inf)


def _total(log_likelihood: Any) -> float:
    """Nats of all trials; −∞ where one of them was lost."""
    total = float(log_likelihood.sum())
    return -math.inf if math.isnan(total) else total


def _per_step(log_likelihood: Any, observations: Any) -> float:
    return _total(log_likelihood) / float(np.prod(observations.shape[:2]))


@METRICS.register("mode_accuracy")
@dataclasses.dataclass(frozen=True)
class ModeAccuracy(OfRecordings, Share):
    """Share of the fitted steps whose most likely mode is the true one, after the best relabelling."""

    order: ClassVar[int] = 400

    def compute(self, evaluation: RecordedEvaluation) -> float:
        true, order = evaluation.recording.modes, evaluation.order
        if true is None or order is None:
            raise Unsupported("the recording has no true modes")
        return float(np.mean(order[true] == evaluation.explained.modes))


def _matched(evaluation: RecordedEvaluation) -> list[tuple[int, int]]:
    """(true, fitted) modes that were matched; a true mode without one has no error that could be given."""
    if evaluation.recording.mode_eigenvalues is None or evaluation.order is None:
        raise Unsupported("no known switching system made this recording")
    n = len(evaluation.recording.mode_eigenvalues)
    pairs = [(k, int(j)) for k, j in enumerate(evaluation.order) if j >= 0]
    if len(pairs) < n:
        raise Unsupported(f"{n - len(pairs)} of {n} true modes have no fitted mode")
    return pairs


@METRICS.register("mode_eigenvalue_error")
@dataclasses.dataclass(frozen=True)
class ModeEigenvalueError(OfRecordings, Error):
    """Greatest over true modes of mean |λ̂ − λ| / mean |λ|, eigenvalues matched at least cost."""

    order: ClassVar[int] = 401

    def compute(self, evaluation: RecordedEvaluation) -> float:
        pairs, true = _matched(evaluation), evaluation.recording.mode_eigenvalues
        assert true is not None
        found = evaluation.mode_eigenvalues
        if not np.isfinite(found).all():
            return math.inf
        return max(float(matched_distance(true[k], found[j]) / np.abs(true[k]).mean()) for k, j in pairs)


@METRICS.register("mode_point_error")
@dataclasses.dataclass(frozen=True)
class ModePointError(OfRecordings, Error):
    """Greatest over true modes of ‖ŷ* − y*‖/‖y*‖: fixed points at u = 0, as expected observations.

    A true mode with an eigenvalue of 1 (a car on a straight road) has no fixed point and does not count.
    """

    order: ClassVar[int] = 402

    def compute(self, evaluation: RecordedEvaluation) -> float:
        pairs, true = _matched(evaluation), evaluation.recording.mode_points
        assert true is not None
        found = evaluation.mode_points
        gaps = [
            float(np.linalg.norm(found[j] - true[k]) / np.linalg.norm(true[k]))
            for k, j in pairs
            if np.isfinite(true[k]).all()
        ]
        if not gaps:
            raise Unsupported("no true mode has a fixed point")
        return max(gaps) if np.isfinite(gaps).all() else math.inf


@METRICS.register("elbo_per_step")
@dataclasses.dataclass(frozen=True)
class ElboPerStep(Likelihood):
    """Lower bound on the log-likelihood of the fitted trials, per step and trial."""

    order: ClassVar[int] = 404
    headline: ClassVar[bool] = False

    def compute(self, evaluation: RecordedEvaluation) -> float:
        return _per_step(evaluation.explained.log_likelihood, evaluation.recording.observations)


@METRICS.register("held_out_elbo_per_step")
@dataclasses.dataclass(frozen=True)
class HeldOutElboPerStep(Likelihood):
    """Lower bound on the log-likelihood of held-out trials, parameters frozen, per step and trial."""

    order: ClassVar[int] = 405

    def compute(self, evaluation: RecordedEvaluation) -> float:
        return _per_step(evaluation.explained_held_out.log_likelihood, evaluation.held_out.observations)


@METRICS.register("held_out_bits_per_spike")
@dataclasses.dataclass(frozen=True)
class HeldOutBitsPerSpike(Likelihood):
    """Held-out bound above that of constant rates (the fitted trials' means), in bits per spike.

    Reference: Pei et al. (2021), eq. 4, there for co-smoothing.
    """

    order: ClassVar[int] = 406
    unit: ClassVar[str] = "bits"

    def compute(self, evaluation: RecordedEvaluation) -> float:
        counts = evaluation.held_out.observations
        if evaluation.held_out.emissions != "poisson":
            raise Unsupported("the observations are no counts")
        rates = evaluation.recording.observations.mean(axis=(0, 1))
        total = _total(evaluation.explained_held_out.log_likelihood)
        return bits_per_spike(total, counts, np.ones(counts.shape[:2]), rates)


@METRICS.register("forecast_error")
@dataclasses.dataclass(frozen=True)
class ForecastError(OfRecordings, Error):
    """Σ‖ŷ − E y‖² / Σ‖E y − mean‖² over 25 steps ahead from held-out states that the model inferred.

    The states are inferred from the whole trial: a score of the dynamics, not of what could be foretold.
    """

    order: ClassVar[int] = 403

    def compute(self, evaluation: RecordedEvaluation) -> float:
        true = evaluation.forecast_true
        scale = float(np.sum((true - true.mean(axis=(0, 1))) ** 2))
        return squared_distance(evaluation.forecast, true) / scale


@METRICS.register("seconds_per_iteration")
@dataclasses.dataclass(frozen=True)
class SecondsPerIteration(Seconds, OfRecordings):
    """Seconds of one EM iteration on the fitted trials, compiled and warmed, on the worker's one core."""

    order: ClassVar[int] = 700

    def compute(self, evaluation: RecordedEvaluation) -> float:
        return measured(evaluation, "seconds_per_iteration")
