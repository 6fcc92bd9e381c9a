"""How far the model's states are from the network's, free-running and one step ahead.

All of these are over the same trials, the same steps t = 1 … T and the same h_0 for every model. A model
whose prediction is not finite anywhere has an infinite error: nothing is averaged away.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from jslds_bench.entries.registry import METRICS
from jslds_bench.errors import Unsupported
from jslds_bench.metrics._shared.declared import Error, Score
from jslds_bench.types.networks import Evaluation
from jslds_bench.types.spikes import SpikeEvaluation

_TRIALS_AT_ONCE = 32


class StateError(Error):
    """An error of the model's states."""

    family: ClassVar[str] = "states"


class StateScore(Score):
    """A score of the model's states."""

    family: ClassVar[str] = "states"


def _by_trials(function: Callable[..., Any], *arrays: Float[Any, "*shape"]) -> np.ndarray:
    """``function`` of a few trials at a time, in float64: its temporaries stay in the cache."""
    blocks = [slice(i, i + _TRIALS_AT_ONCE) for i in range(0, len(arrays[0]), _TRIALS_AT_ONCE)]
    return np.concatenate([function(*(np.asarray(x[b], np.float64) for x in arrays)) for b in blocks])


def _distances(one: Float[Any, "B T N"], other: Float[Any, "B T N"]) -> Float[np.ndarray, "B T"]:
    """‖x_t − y_t‖."""
    with np.errstate(invalid="ignore", over="ignore"):
        return _by_trials(lambda x, y: np.linalg.norm(x - y, axis=-1), one, other)


def relative_errors(predicted: Float[Any, "B T N"], true: Float[Any, "B T N"]) -> Float[Any, "B T"]:
    """‖ĥ_t − h_t‖ / ‖h_t‖ in float64; 0 where both are 0, inf where the prediction is not finite."""
    gaps = _distances(predicted, true)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        errors = gaps / _by_trials(lambda x: np.linalg.norm(x, axis=-1), true)
    return np.where(gaps == 0, 0.0, np.where(np.isfinite(errors), errors, np.inf))


def squared_distance(predicted: Float[Any, "*shape"], true: Float[Any, "*shape"]) -> float:
    """Σ‖ĥ − h‖² in float64, inf where the prediction is not finite."""
    with np.errstate(invalid="ignore", over="ignore"):
        squares = _by_trials(lambda x, y: np.sum((x - y) ** 2, axis=-1), predicted, true)
        total = float(np.sum(squares))
    return total if math.isfinite(total) else math.inf


def _share(error: float, scale: float) -> float:
    """error / scale; where the scale is 0, a right prediction has 0 and any other inf."""
    if scale > 0:
        return error / scale
    return 0.0 if error == 0 else math.inf


def spread(states: Float[Any, "B T1 N"]) -> float:
    """Root of the mean of ‖h − h̄‖² over trials and t ≥ 1, h̄ being the mean over both."""
    later = states[:, 1:]
    mean = np.mean(later, axis=(0, 1), dtype=np.float64)
    return float(np.sqrt(np.mean(_by_trials(lambda x: np.sum((x - mean) ** 2, axis=-1), later))))


@METRICS.register("relative_error")
@dataclasses.dataclass(frozen=True)
class RelativeError(StateError):
    """Mean over trials and t ≥ 1 of ‖ĥ_t − h_t‖/‖h_t‖, free-running: ĥ_t = G(ĥ_{t−1}, u_t) from h_0.

    It depends on where the origin of h lies; read it beside `skill` and `nrmse`. Of models of spikes: the
    JSLDS branch, or expansions about fixed points, against the generator, both from the same g_0.
    Reference: Smith et al. (2021), section 4.
    """

    order: ClassVar[int] = 0
    headline: ClassVar[bool] = True
    reads: ClassVar[Any] = (Evaluation, SpikeEvaluation)

    def compute(self, evaluation: Evaluation | SpikeEvaluation) -> float:
        run, states = evaluation.linear_run, evaluation.states
        if states is None:
            raise Unsupported("the model has no generator network")
        if run is None:
            raise Unsupported("no fixed point of the generator was found to expand about")
        return float(np.mean(relative_errors(run[:, 1:], states[:, 1:])))


@METRICS.register("relative_error_one_step")
@dataclasses.dataclass(frozen=True)
class RelativeErrorOneStep(StateError):
    """The same one step ahead: ĥ_t = G(h_{t−1}, u_t) from the network's own previous state."""

    order: ClassVar[int] = 1
    headline: ClassVar[bool] = True

    def compute(self, evaluation: Evaluation) -> float:
        return float(np.mean(relative_errors(evaluation.one_step, evaluation.states[:, 1:])))


@METRICS.register("skill")
@dataclasses.dataclass(frozen=True)
class Skill(StateScore):
    """1 − Σ‖ĥ_t − h_t‖² / Σ‖h_0 − h_t‖², free-running: 1 is perfect, 0 is no better than staying at h_0."""

    order: ClassVar[int] = 2
    headline: ClassVar[bool] = True

    def compute(self, evaluation: Evaluation) -> float:
        true = evaluation.states[:, 1:]
        base = squared_distance(np.broadcast_to(evaluation.states[:, :1], true.shape), true)
        return 1 - _share(squared_distance(evaluation.free_run[:, 1:], true), base)


@METRICS.register("skill_one_step")
@dataclasses.dataclass(frozen=True)
class SkillOneStep(StateScore):
    """1 − Σ‖ĥ_t − h_t‖² / Σ‖h_{t−1} − h_t‖², one step ahead: 0 is no better than persistence."""

    order: ClassVar[int] = 3

    def compute(self, evaluation: Evaluation) -> float:
        true = evaluation.states[:, 1:]
        base = squared_distance(evaluation.states[:, :-1], true)
        return 1 - _share(squared_distance(evaluation.one_step, true), base)


@METRICS.register("nrmse")
@dataclasses.dataclass(frozen=True)
class NRMSE(StateError):
    """√(Σ‖ĥ_t − h_t‖² / Σ‖h_t − h̄‖²), free-running: free of the origin; 1 is as good as the mean state."""

    order: ClassVar[int] = 4

    def compute(self, evaluation: Evaluation) -> float:
        true = evaluation.states[:, 1:]
        count = true.shape[0] * true.shape[1]
        scale = count**0.5 * spread(evaluation.states)
        return _share(squared_distance(evaluation.free_run[:, 1:], true) ** 0.5, scale)


@METRICS.register("valid_prediction_time")
@dataclasses.dataclass(frozen=True)
class ValidPredictionTime(StateScore):
    """Mean over trials of the steps before ‖ĥ_t − h_t‖ first exceeds 0.4 of the spread; T if it never does.

    The spread is √(mean ‖h − h̄‖²) over trials and steps.
    """

    order: ClassVar[int] = 5
    unit: ClassVar[str] = "steps"
    bounds: ClassVar[tuple[float, float]] = (0.0, math.inf)
    THRESHOLD: ClassVar[float] = 0.4

    def compute(self, evaluation: Evaluation) -> float:
        run, true = evaluation.free_run[:, 1:], evaluation.states[:, 1:]
        return self._steps(run, true, spread(evaluation.states))

    def _steps(self, run: Float[Any, "B T N"], true: Float[Any, "B T N"], unit: float) -> float:
        valid = _distances(run, true) <= self.THRESHOLD * unit  # False for NaN
        return float(np.mean(np.cumprod(valid, axis=1).sum(axis=1)))


def _late(evaluation: Evaluation) -> tuple[Float[Any, "B T N"], Float[Any, "B T N"]]:
    """The free run from h_1 and the network's states, t = 2 … T."""
    if evaluation.late_run is None or evaluation.late_run.shape[1] < 2:
        raise Unsupported("trials of a single step have nothing after it")
    return evaluation.late_run[:, 1:], evaluation.states[:, 2:]


@METRICS.register("relative_error_from_h1")
@dataclasses.dataclass(frozen=True)
class RelativeErrorFromH1(StateError):
    """`relative_error` of a free run that starts at the network's own h_1, over t ≥ 2: a burn-in of one step.

    A trained h_0 may lie where no trial comes again, and then the first step alone can decide a whole run.
    """

    order: ClassVar[int] = 8

    def compute(self, evaluation: Evaluation) -> float:
        return float(relative_errors(*_late(evaluation)).mean())


@METRICS.register("relative_error_one_step_from_h1")
@dataclasses.dataclass(frozen=True)
class RelativeErrorOneStepFromH1(StateError):
    """`relative_error_one_step` over t ≥ 2: the step out of h_0 left out."""

    order: ClassVar[int] = 9

    def compute(self, evaluation: Evaluation) -> float:
        _, true = _late(evaluation)
        return float(relative_errors(evaluation.one_step[:, 1:], true).mean())


@METRICS.register("valid_prediction_time_from_h1")
@dataclasses.dataclass(frozen=True)
class ValidPredictionTimeFromH1(ValidPredictionTime):
    """`valid_prediction_time` of the free run that starts at the network's own h_1, in steps after that."""

    order: ClassVar[int] = 10

    def compute(self, evaluation: Evaluation) -> float:
        return self._steps(*_late(evaluation), spread(evaluation.states))


@METRICS.register("relative_error_oracle")
@dataclasses.dataclass(frozen=True)
class RelativeErrorOracle(StateError):
    """`relative_error` of a free run along the modes inferred from the network's own states, future included.

    An oracle, not a prediction: what a switching model would reach if it always knew its mode.
    """

    order: ClassVar[int] = 6

    def compute(self, evaluation: Evaluation) -> float:
        if evaluation.oracle_run is None:
            raise Unsupported("this model has no modes to be told")
        return float(relative_errors(evaluation.oracle_run[:, 1:], evaluation.states[:, 1:]).mean())


@METRICS.register("projection_error")
@dataclasses.dataclass(frozen=True)
class ProjectionError(StateError):
    """Mean over trials and t ≥ 1 of ‖P(h_t) − h_t‖/‖h_t‖, P(h) the nearest state that the model has.

    The floor of both relative errors for a model of fewer dimensions than the network.
    """

    order: ClassVar[int] = 7

    def compute(self, evaluation: Evaluation) -> float:
        if evaluation.projected is None:
            raise Unsupported("this model represents every state of the network")
        return float(relative_errors(evaluation.projected[:, 1:], evaluation.states[:, 1:]).mean())
