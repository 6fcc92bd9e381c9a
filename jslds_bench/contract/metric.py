"""The rules for a metric: bounds, the perfect model is not beaten, and what is not a number is never good."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from jslds_bench.contract.cases import SEED, Case, smoke
from jslds_bench.contract.words import one_line
from jslds_bench.errors import Unsupported
from jslds_bench.settings.networks import evaluation as ev
from jslds_bench.suite import registries
from jslds_bench.types.networks import Evaluation

N_TRIALS = 20
OTHER_AIM = ("eigenvalue_error", "task_error_model")
"""Metrics that do not compare with the network at the same states: its own states may score worse."""


def evaluation_of(model: str, case: Case) -> Evaluation:
    """A model's evaluation on a case, with made-up timings."""
    fitted = smoke("models", model).fit(case.task, case.network, case.trials, jax.random.key(0))
    trials = ev.draw_trials(case.task, SEED, "evaluation", N_TRIALS)
    made = ev.evaluate(case.task, case.network, fitted, trials, case.reference, SEED)
    metrics = registries()["metrics"]
    timings = {name: 1.0 for name in metrics.registered() if metrics.get(name).timing}
    return dataclasses.replace(made, timings=timings)


def value_of(name: str, evaluation: Evaluation) -> float | None:
    """The metric's value, or None where it is unsupported, for a reason of one line."""
    try:
        value = smoke("metrics", name).compute(evaluation)
    except Unsupported as error:
        if not one_line(str(error)):
            raise ValueError("its reason for being unsupported is not one line of text") from error
        return None
    if not isinstance(value, float):
        raise TypeError(f"it returned {type(value).__name__}, expected float")
    return value


def worse_or_equal(name: str, value: float, other: float) -> bool:
    """Whether `value` is no better than `other`, by the metric's own direction."""
    sign = {"lower": 1, "higher": -1, "none": 0}[registries()["metrics"].get(name).better]
    return sign == 0 or bool(sign * value >= sign * other - 1e-9)


def bound_faults(name: str, made: Evaluation) -> Iterator[str]:
    """Values lie within the declared bounds and do not change."""
    value = value_of(name, made)
    low, high = registries()["metrics"].get(name).bounds
    if value is not None and not low <= value <= high:
        yield f"its value {value:.6g} lies outside its bounds ({low:g}, {high:g})"
    if value != value_of(name, made):
        yield "it gives another value for the same evaluation"


def perfection_faults(name: str, made: Evaluation) -> Iterator[str]:
    """No model beats the one that is right about everything."""
    if name in OTHER_AIM:
        return
    best, value = value_of(name, perfect(made)), value_of(name, made)
    if best is None:
        yield "it is unsupported for a model that is right about everything"
    elif value is not None and not worse_or_equal(name, value, best):
        yield f"a perfect model has {best:.6g}, and this one {value:.6g}, which is better"


def number_faults(name: str, made: Evaluation) -> Iterator[str]:
    """Predictions that are not finite, in one trial or in all, never give NaN and never a better value."""
    whole = value_of(name, made)
    for which in ("one", "all"):
        broken = value_of(name, spoilt(made, which))
        if (broken is None) != (whole is None):
            yield f"with {which} of the predictions lost it is {_word(broken)}, and {_word(whole)} otherwise"
        elif broken is not None and whole is not None:
            if math.isnan(broken):
                yield f"with {which} of the predictions lost it is NaN: expected an infinity"
            elif not worse_or_equal(name, broken, whole):
                yield f"with {which} of the predictions lost it is {broken:.6g}, better than {whole:.6g}"
    for size in (1e3, 1e25):
        run = np.array(made.free_run, np.float32)
        run[:, 1:] *= np.float32(size)
        value = value_of(name, dataclasses.replace(made, free_run=run, one_step=run[:, 1:]))
        if value is not None and math.isnan(value):
            yield f"predictions of the size {size:g} make it NaN"


RULES: dict[str, Callable[[str, Evaluation], Iterator[str]]] = {
    "bounds": bound_faults,
    "perfection": perfection_faults,
    "not a number": number_faults,
}


def perfect(evaluation: Evaluation) -> Evaluation:
    """The evaluation of a model that is right about everything."""
    fixed = [r.points for r in evaluation.reference]
    return dataclasses.replace(
        evaluation,
        free_run=evaluation.states,
        one_step=evaluation.states[:, 1:],
        found=fixed,
        found_q=[0 * r.q for r in evaluation.reference],
        local=evaluation.jacobians,
        local_e=np.stack([fixed[k][0] for k in evaluation.sample_u_star]),
        projected=evaluation.states,
        oracle_run=evaluation.states,
    )


def spoilt(evaluation: Evaluation, which: str) -> Evaluation:
    """What models predict, with numbers lost: in one trial or sample ("one") or everywhere ("all")."""

    def spoil(array: Any) -> Any:
        if array is None:
            return None
        array = np.array(array, np.float64)
        array[slice(0, 1) if which == "one" else slice(None)] = np.nan
        return array

    def each(arrays: Any) -> Any:
        return None if arrays is None else [spoil(a) for a in arrays]

    return dataclasses.replace(
        evaluation,
        free_run=spoil(evaluation.free_run),
        one_step=spoil(evaluation.one_step),
        found=each(evaluation.found),
        found_q=each(evaluation.found_q),
        local=spoil(evaluation.local),
        local_e=spoil(evaluation.local_e),
        projected=spoil(evaluation.projected),
        oracle_run=spoil(evaluation.oracle_run),
    )


def _word(value: float | None) -> str:
    return "unsupported" if value is None else f"{value:.6g}"
