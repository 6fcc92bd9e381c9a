"""The rules for a metric: bounds, the perfect model is not beaten, and what is not a number is never good."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from jslds_bench.contract.words import Refused, one_line
from jslds_bench.errors import Unsupported
from jslds_bench.suite import registries

OTHER_AIM = ("eigenvalue_error", "task_error_model")
"""Metrics that do not compare with the network at the same states: its own states may score worse."""
SIZES = (1e3, 1e25)
"""What predictions are multiplied by: a model may go astray without leaving the finite numbers."""


@dataclasses.dataclass(frozen=True)
class Measured:
    """A metric, and an evaluation to compute it from.

    Attributes:
        perfect: evaluation → that of a model that is right about everything, or None.
        predicted: (evaluation, change) → the evaluation with `change` made to what the model predicted.
    """

    metric: Any
    evaluation: Any
    perfect: Callable[[Any], Any]
    predicted: Callable[[Any, Callable[[Any], Any]], Any]


def measured(metric: Any, evaluation: Any, perfect: Any, predicted: Any) -> Measured | Refused:
    """What the rules are looked at on, or why the metric is unsupported there, even for a perfect model."""
    on = Measured(metric, timed(evaluation), perfect, predicted)
    best = on.perfect(on.evaluation)
    if any(value_of(metric, e) is not None for e in (on.evaluation, best) if e is not None):
        return on
    try:
        metric.compute(on.evaluation)
    except Unsupported as error:
        return Refused(f"it says: {error}")
    return on


def timed(evaluation: Any) -> Any:
    """`evaluation` with made-up timings."""
    metrics = registries()["metrics"]
    timings = {name: 1.0 for name in metrics.registered() if metrics.get(name).timing}
    return dataclasses.replace(evaluation, timings=timings)


def value_of(metric: Any, evaluation: Any) -> float | None:
    """The metric's value, or None where it is unsupported, for a reason of one line."""
    try:
        value = metric.compute(evaluation)
    except Unsupported as error:
        if not one_line(str(error)):
            raise ValueError("its reason for being unsupported is not one line of text") from error
        return None
    if not isinstance(value, float):
        raise TypeError(f"it returned {type(value).__name__}, expected float")
    return value


def worse_or_equal(metric: Any, value: float, other: float) -> bool:
    """Whether `value` is no better than `other`, by the metric's own direction."""
    sign = {"lower": 1, "higher": -1, "none": 0}[metric.better]
    return sign == 0 or bool(sign * value >= sign * other - 1e-9)


def bound_faults(on: Measured) -> Iterator[str]:
    """Values lie within the declared bounds and do not change."""
    value = value_of(on.metric, on.evaluation)
    low, high = on.metric.bounds
    if value is not None and not low <= value <= high:
        yield f"its value {value:.6g} lies outside its bounds ({low:g}, {high:g})"
    if value != value_of(on.metric, on.evaluation):
        yield "it gives another value for the same evaluation"


def perfection_faults(on: Measured) -> Iterator[str]:
    """No model beats the one that is right about everything."""
    perfect = on.perfect(on.evaluation)
    if perfect is None or on.metric.name in OTHER_AIM:
        return
    best, value = value_of(on.metric, perfect), value_of(on.metric, on.evaluation)
    if best is None:
        yield "it is unsupported for a model that is right about everything"
    elif value is not None and not worse_or_equal(on.metric, value, best):
        yield f"a perfect model has {best:.6g}, and this one {value:.6g}, which is better"


def number_faults(on: Measured) -> Iterator[str]:
    """Predictions that are not finite, in one trial or in all, never give NaN and never a better value.

    A metric that is unsupported may become as bad as can be: nothing that matches is no error, divergence is.
    """
    whole = value_of(on.metric, on.evaluation)
    worst = {"lower": math.inf, "higher": -math.inf}.get(on.metric.better)
    for which in ("one", "all"):
        broken = value_of(on.metric, on.predicted(on.evaluation, partial(lost, which)))
        if (broken is None) != (whole is None) and not (whole is None and broken == worst):
            yield f"with {which} of the predictions lost it is {_word(broken)}, and {_word(whole)} otherwise"
        elif broken is not None and whole is not None:
            if math.isnan(broken):
                yield f"with {which} of the predictions lost it is NaN: expected an infinity"
            elif not worse_or_equal(on.metric, broken, whole):
                yield f"with {which} of the predictions lost it is {broken:.6g}, better than {whole:.6g}"
    for size in SIZES:
        value = value_of(on.metric, on.predicted(on.evaluation, partial(grown, size)))
        if value is not None and math.isnan(value):
            yield f"predictions of the size {size:g} make it NaN"


RULES: dict[str, Callable[[Measured], Iterator[str]]] = {
    "bounds": bound_faults,
    "perfection": perfection_faults,
    "not a number": number_faults,
}


def lost(which: str, array: Any) -> Any:
    """Numbers lost: along the first axis at its first place ("one") or everywhere ("all"). Labels stay."""
    if np.asarray(array).dtype.kind not in "fc":
        return array
    array = np.asarray(array) + np.float64(0)  # a copy, in which complex numbers stay complex
    array[slice(0, 1) if which == "one" else slice(None)] = np.nan
    return array


def grown(size: float, array: Any) -> Any:
    """Numbers as they are, but far too large."""
    array = np.asarray(array)
    return array * array.dtype.type(size) if array.dtype.kind in "fc" else array


def _word(value: float | None) -> str:
    return "unsupported" if value is None else f"{value:.6g}"
