"""Every metric on every model: bounds, perfection, and predictions that are not numbers."""

import dataclasses
import math

import numpy as np
import pytest
from entries import REGISTRIES, reads

from jslds_bench.errors import Unsupported
from jslds_bench.types import Evaluation


def compute(name, evaluation):
    """The metric's value, or None with a reason checked."""
    try:
        value = REGISTRIES["metrics"].make(name, {}).compute(evaluation)
    except Unsupported as error:
        reason = str(error)
    else:
        assert isinstance(value, float)
        return value
    assert reason
    assert "\n" not in reason
    return None


def perfect(evaluation):
    """The evaluation of a model that is right about everything."""
    fixed = [r.points for r in evaluation.reference]
    local_e = np.stack([fixed[k][0] for k in evaluation.sample_u_star])
    return dataclasses.replace(
        evaluation,
        free_run=evaluation.states,
        one_step=evaluation.states[:, 1:],
        found=fixed,
        found_q=[0 * r.q for r in evaluation.reference],
        local=evaluation.jacobians,
        local_e=local_e,
        projected=evaluation.states,
        oracle_run=evaluation.states,
    )


def not_better(name, value, other):
    sign = {"lower": 1, "higher": -1, "none": 0}[REGISTRIES["metrics"].get(name).better]
    return sign * value >= sign * other - 1e-9


def test_values_lie_within_the_declared_bounds(a_metric, a_model, case, evaluated):
    value = compute(a_metric, evaluated(a_model, case))
    low, high = REGISTRIES["metrics"].get(a_metric).bounds
    assert value is None or low <= value <= high
    again = compute(a_metric, evaluated(a_model, case))
    assert value == again


def test_no_model_beats_the_perfect_one(a_metric, a_model, case, evaluated):
    if a_metric in ("eigenvalue_error", "task_error_model"):
        pytest.skip("not a comparison with the network at the same states")
    best = compute(a_metric, perfect(evaluated("persistence", case)))
    value = compute(a_metric, evaluated(a_model, case))
    assert best is not None
    assert value is None or not_better(a_metric, value, best)


def perfect_values(n_steps):
    return {
        "relative_error": 0,
        "relative_error_one_step": 0,
        "skill": 1,
        "skill_one_step": 1,
        "nrmse": 0,
        "valid_prediction_time": n_steps,
        "fixed_point_speed": 0,
        "fixed_point_precision": 1,
        "fixed_point_recall": 1,
        "fixed_point_chamfer": 0,
        "jacobian_error": 0,
        "relative_error_oracle": 0,
        "projection_error": 0,
    }


def test_the_perfect_model_has_perfect_values(case, evaluated):
    best = perfect(evaluated("persistence", case))
    for name, expected in perfect_values(case.task.n_steps).items():
        assert compute(name, best) == pytest.approx(expected, abs=1e-12), name
    assert compute("task_error_model", best) == compute("task_error_network", best)


def spoilt(evaluation, which):
    """What models predict, with numbers lost: in one trial or sample ("one") or everywhere ("all")."""

    def spoil(array):
        if array is None:
            return None
        array = np.array(array, np.float64)
        array[slice(0, 1) if which == "one" else slice(None)] = np.nan
        return array

    def each(arrays):
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


@pytest.mark.parametrize("which", ["one", "all"])
def test_what_is_not_a_number_is_never_nan_and_never_better(which, a_metric, a_model, case, evaluated):
    whole = compute(a_metric, evaluated(a_model, case))
    broken = compute(a_metric, spoilt(evaluated(a_model, case), which))
    assert (broken is None) == (whole is None)
    if broken is not None:
        assert not math.isnan(broken)
        assert not_better(a_metric, broken, whole)


@pytest.mark.parametrize("size", [1e3, 1e25], ids=str)
def test_huge_predictions_are_bad_not_errors(size, a_metric, case, evaluated):
    made = evaluated("fixed_points", case)
    run = np.array(made.free_run, np.float32)
    run[:, 1:] *= np.float32(size)
    value = compute(a_metric, dataclasses.replace(made, free_run=run, one_step=run[:, 1:]))
    assert value is None or not math.isnan(value)


def test_unsupported_metrics_say_why(case, evaluated):
    made = dataclasses.replace(
        evaluated("persistence", case), found=None, found_q=None, local=None, timings={}
    )
    for name in network_metrics():
        needs = name.startswith("fixed_point_") or REGISTRIES["metrics"].get(name).timing
        if needs or name in (
            "eigenvalue_error",
            "jacobian_error",
            "relative_error_oracle",
            "projection_error",
        ):
            assert compute(name, made) is None
        else:
            assert compute(name, made) is not None
    none = [without_points(r) for r in evaluated("fixed_points", case).reference]
    made = dataclasses.replace(evaluated("fixed_points", case), reference=none)
    for name in ("fixed_point_precision", "fixed_point_recall", "fixed_point_chamfer", "eigenvalue_error"):
        assert compute(name, made) is None


def network_metrics():
    metrics = REGISTRIES["metrics"]
    return [n for n in metrics.names() if reads(metrics.get(n), Evaluation)]


def without_points(found):
    return found._replace(points=found.points[:0], q=found.q[:0], eigenvalues=found.eigenvalues[:0])
