"""How well a model fitted to recorded data explains it, and finds the modes that made it."""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar

import numpy as np

from jslds_bench.dynamics.spectrum import matched_distance
from jslds_bench.entries.registry import METRICS
from jslds_bench.errors import Unsupported
from jslds_bench.metrics._shared.declared import Error, Seconds
from jslds_bench.metrics.states import squared_distance
from jslds_bench.switching.scoring import bits_per_spike
from jslds_bench.types.recordings import Explanation, RecordedEvaluation


@METRICS.register("state_accuracy")
@dataclasses.dataclass(frozen=True)
class StateAccuracy:
    """Share of the fitted steps whose most likely mode is the true one, after the best relabelling."""

    unit: ClassVar[str] = "1"
    better: ClassVar[str] = "higher"
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    timing: ClassVar[bool] = False
    reads: ClassVar[type] = RecordedEvaluation

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
class ModeEigenvalueError(Error):
    """Greatest over true modes of mean |λ̂ − λ| / mean |λ|, eigenvalues matched at least cost."""

    reads: ClassVar[type] = RecordedEvaluation

    def compute(self, evaluation: RecordedEvaluation) -> float:
        pairs, true = _matched(evaluation), evaluation.recording.mode_eigenvalues
        assert true is not None
        found = evaluation.mode_eigenvalues
        if not np.isfinite(found).all():
            return math.inf
        return max(float(matched_distance(true[k], found[j]) / np.abs(true[k]).mean()) for k, j in pairs)


@METRICS.register("mode_point_error")
@dataclasses.dataclass(frozen=True)
class ModePointError(Error):
    """Greatest over true modes of ‖ŷ* − y*‖/‖y*‖: fixed points at u = 0, as expected observations.

    A true mode with an eigenvalue of 1 (a car on a straight road) has no fixed point and does not count.
    """

    reads: ClassVar[type] = RecordedEvaluation

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


def _likelihood(explained: Explanation) -> float:
    """Nats of all trials; −∞ where one of them was lost."""
    total = float(explained.log_likelihood.sum())
    return -math.inf if math.isnan(total) else total


@METRICS.register("elbo_per_step")
@dataclasses.dataclass(frozen=True)
class ElboPerStep:
    """Lower bound on the log-likelihood of the fitted trials, per step and trial."""

    unit: ClassVar[str] = "nats"
    better: ClassVar[str] = "higher"
    bounds: ClassVar[tuple[float, float]] = (-math.inf, math.inf)
    timing: ClassVar[bool] = False
    reads: ClassVar[type] = RecordedEvaluation

    def compute(self, evaluation: RecordedEvaluation) -> float:
        n_steps = np.prod(evaluation.recording.observations.shape[:2])
        return _likelihood(evaluation.explained) / float(n_steps)


@METRICS.register("held_out_elbo_per_step")
@dataclasses.dataclass(frozen=True)
class HeldOutElboPerStep:
    """Lower bound on the log-likelihood of held-out trials, parameters frozen, per step and trial."""

    unit: ClassVar[str] = "nats"
    better: ClassVar[str] = "higher"
    bounds: ClassVar[tuple[float, float]] = (-math.inf, math.inf)
    timing: ClassVar[bool] = False
    reads: ClassVar[type] = RecordedEvaluation

    def compute(self, evaluation: RecordedEvaluation) -> float:
        n_steps = np.prod(evaluation.held_out.observations.shape[:2])
        return _likelihood(evaluation.explained_held_out) / float(n_steps)


@METRICS.register("held_out_bits_per_spike")
@dataclasses.dataclass(frozen=True)
class HeldOutBitsPerSpike:
    """Held-out bound above that of constant rates (the fitted trials' means), in bits per spike.

    Reference: Pei et al. (2021), eq. 4, there for co-smoothing.
    """

    unit: ClassVar[str] = "bits"
    better: ClassVar[str] = "higher"
    bounds: ClassVar[tuple[float, float]] = (-math.inf, math.inf)
    timing: ClassVar[bool] = False
    reads: ClassVar[type] = RecordedEvaluation

    def compute(self, evaluation: RecordedEvaluation) -> float:
        counts = evaluation.held_out.observations
        if evaluation.held_out.emissions != "poisson":
            raise Unsupported("the observations are no counts")
        rates = evaluation.recording.observations.mean(axis=(0, 1))
        total = _likelihood(evaluation.explained_held_out)
        return bits_per_spike(total, counts, np.ones(counts.shape[:2]), rates)


@METRICS.register("forecast_error")
@dataclasses.dataclass(frozen=True)
class ForecastError(Error):
    """Σ‖ŷ − E y‖² / Σ‖E y − mean‖² over 25 steps ahead from held-out states that the model inferred.

    The states are inferred from the whole trial: a score of the dynamics, not of what could be foretold.
    """

    reads: ClassVar[type] = RecordedEvaluation

    def compute(self, evaluation: RecordedEvaluation) -> float:
        true = evaluation.forecast_true
        scale = float(np.sum((true - true.mean(axis=(0, 1))) ** 2))
        return squared_distance(evaluation.forecast, true) / scale


@METRICS.register("seconds_per_iteration")
@dataclasses.dataclass(frozen=True)
class SecondsPerIteration(Seconds):
    """Seconds of one EM iteration on the fitted trials, compiled and warmed, on the worker's one core."""

    reads: ClassVar[type] = RecordedEvaluation

    def compute(self, evaluation: RecordedEvaluation) -> float:
        if "seconds_per_iteration" not in evaluation.timings:
            raise Unsupported("not timed")
        return evaluation.timings["seconds_per_iteration"]
