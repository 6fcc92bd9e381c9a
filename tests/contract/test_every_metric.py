"""Every metric on every model: bounds, perfection, and predictions that are not numbers."""

import dataclasses
import functools

import numpy as np
import pytest

from jslds_bench.contract import metric
from jslds_bench.contract.instances import smoke
from jslds_bench.contract.settings import of
from jslds_bench.contract.settings.networks.metric import perfect, predicted
from jslds_bench.contract.words import Refused
from jslds_bench.suite import registries
from jslds_bench.types import Evaluation
from jslds_bench.types.networks import reads


@pytest.mark.parametrize("rule", metric.RULES)
def test_a_metric_keeps_the_contract(rule, a_metric, a_model, case, evaluated):
    measured = metric.Measured(smoke("metrics", a_metric), evaluated(a_model, case), perfect, predicted)
    assert list(metric.RULES[rule](measured)) == []


@functools.cache
def made(setting, case, model):
    return of(setting).evaluations()[case][model]()


def test_a_metric_of_other_data_keeps_the_contract(a_metric_rule):
    setting, name, case, model, rule = a_metric_rule
    mine = of(setting)
    measured = metric.measured(
        smoke("metrics", name), made(setting, case, model), mine.perfect, mine.predicted
    )
    if isinstance(measured, Refused):
        pytest.skip(measured.why)
    assert list(metric.RULES[rule](measured)) == []


def value_of(name, evaluation):
    return metric.value_of(smoke("metrics", name), evaluation)


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
        "jacobian_error_actual": 0,
        "eigenvalue_unmatched": 0,
        "input_dsa": 0,
        "relative_error_oracle": 0,
        "projection_error": 0,
    }


def test_the_perfect_model_has_perfect_values(case, evaluated):
    best = perfect(evaluated("persistence", case))
    for name, expected in perfect_values(case.shared.task.n_steps).items():
        assert value_of(name, best) == pytest.approx(expected, abs=1e-12), name
    assert value_of("task_error_model", best) == value_of("task_error_network", best)


def test_the_run_from_h_1_is_perfect_and_spoilt_with_the_rest(case, evaluated):
    evaluation = evaluated("persistence", case)
    assert np.array_equal(perfect(evaluation).late_run, evaluation.states[:, 1:])
    assert np.isnan(predicted(evaluation, lambda x: x * np.nan).late_run).all()


def test_unsupported_metrics_say_why(case, evaluated):
    made = dataclasses.replace(
        evaluated("persistence", case), found=None, found_q=None, local=None, timings={}
    )
    of_systems = ("eigenvalue_error", "eigenvalue_unmatched", "jacobian_error", "jacobian_error_actual")
    special = (*of_systems, "relative_error_oracle", "projection_error")
    for name in registries()["metrics"].registered():
        if not reads(registries()["metrics"].get(name), Evaluation):
            continue
        needs = name.startswith("fixed_point_") or registries()["metrics"].get(name).timing
        if needs or name in special:
            assert value_of(name, made) is None
        else:
            assert value_of(name, made) is not None
    none = [without_points(r) for r in evaluated("fixed_points", case).reference]
    made = dataclasses.replace(evaluated("fixed_points", case), reference=none)
    of_points = ("fixed_point_precision", "fixed_point_recall", "fixed_point_chamfer")
    for name in (*of_points, "reference_completeness", "eigenvalue_error", "eigenvalue_unmatched"):
        assert value_of(name, made) is None


def without_points(found):
    return found._replace(points=found.points[:0], q=found.q[:0], eigenvalues=found.eigenvalues[:0])
