"""What holds for every task that is recorded data, for models fitted to one, and for metrics of such fits."""

import dataclasses
import math

import jax
import numpy as np
import pytest
import scipy.stats
from jslds_bench.contract.cases import smoke
from jslds_bench.contract.recording import RULES

from jslds_bench.errors import Unsupported
from jslds_bench.settings.recordings import SETTING
from jslds_bench.settings.recordings.evaluation import evaluate_recorded, recorded_arrays
from jslds_bench.suite import registries
from jslds_bench.types.recordings import FitsRecordings, RecordedModel

KINDS = ("gaussian", "poisson")


def fits_recordings(name):
    return issubclass(registries()["models"].get(name), FitsRecordings)


@pytest.mark.parametrize("rule", RULES)
def test_a_recording_keeps_the_contract(rule, a_recording):
    assert list(RULES[rule](a_recording)) == []


def test_recordings_are_read_only(a_recording):
    for part in SETTING.parts(smoke("tasks", a_recording), 0):
        for array in vars(part).values():
            if isinstance(array, np.ndarray):
                with pytest.raises(ValueError, match="read-only"):
                    array[...] = 0


@pytest.mark.parametrize("kind", KINDS)
def test_observations_scatter_about_what_is_expected(a_recording, kind):
    task = dataclasses.replace(smoke("tasks", a_recording), emissions=kind, n_trials=30)
    fit, _ = task.record(jax.random.key(0))
    gaps = fit.observations - fit.expected
    spread = np.sqrt(fit.expected) if kind == "poisson" else 0.1
    scores = (gaps / spread).ravel()
    assert abs(scores.mean()) < 5 / math.sqrt(scores.size)
    assert abs(scores.std() - 1) < 0.1
    if kind == "poisson":
        assert (fit.observations == np.round(fit.observations)).all()


MODELS = [name for name in registries()["models"].registered() if fits_recordings(name)]


@pytest.fixture(scope="module")
def fitted():
    """Model → it fitted to a tiny known system, once, and its evaluation."""
    kept = {}

    def get(model):
        if model not in kept:
            entry = smoke("tasks", "known_switching")
            fit, held_out = SETTING.parts(entry, 0)
            made = smoke("models", model).fit_recording(entry, fit, jax.random.key(0))
            kept[model] = made, evaluate_recorded(made, fit, held_out)
        return kept[model]

    return get


@pytest.fixture(params=[m if m == "rslds" else pytest.param(m, marks=pytest.mark.slow) for m in MODELS])
def a_fit(request, fitted):
    """Every model that fits recordings; slow, since each compiles EM for half a minute, but for one."""
    return fitted(request.param)


def test_a_fit_explains_and_forecasts(a_fit):
    model, evaluation = a_fit
    assert isinstance(model, RecordedModel)
    for recording, explained in (
        (evaluation.recording, evaluation.explained),
        (evaluation.held_out, evaluation.explained_held_out),
    ):
        assert explained.log_likelihood.shape == recording.observations.shape[:1]
        assert explained.expected.shape == recording.observations.shape
        assert explained.modes.shape == recording.observations.shape[:2]
        assert np.isfinite(explained.expected).all()
    assert evaluation.forecast.shape == evaluation.forecast_true.shape
    k = len(evaluation.mode_points)
    assert evaluation.mode_eigenvalues.shape[0] == k
    before = model.fitted.params.linear.a.copy()
    model.iteration()()
    np.testing.assert_array_equal(model.fitted.params.linear.a, before)


def test_the_arrays_for_figures_belong_together(a_fit):
    model, evaluation = a_fit
    arrays = recorded_arrays(model, evaluation)
    n_modes, grid = len(evaluation.mode_points), arrays["flow_at"]
    assert arrays["flow"].shape == (n_modes, *grid.shape)
    assert arrays["mode_points"].shape == (n_modes, 2)
    assert arrays["modes_path"].shape == arrays["modes_inferred_path"].shape
    assert arrays["modes_path"].shape[:2] == arrays["modes_true"].shape == arrays["modes_inferred"].shape
    # At a mode's own fixed point its flow is nil: so it is, interpolated, on an affine flow.
    design = np.concatenate([grid, np.ones((len(grid), 1))], axis=1)
    for k in range(n_modes):
        slope = np.linalg.lstsq(design, arrays["flow"][k], rcond=None)[0]
        rest = np.append(arrays["mode_points"][k], 1) @ slope
        assert np.abs(rest).max() < 1e-3 * max(1, np.abs(slope).max())


def of_counts(evaluation):
    """An evaluation as of a model that knows the rates of counts, which no test has the time to fit."""
    parts = SETTING.parts(smoke("tasks", "known_switching", emissions="poisson"), 0)

    def explained(explanation, part):
        likelihood = scipy.stats.poisson.logpmf(part.observations, part.expected).sum(axis=(1, 2))
        return explanation._replace(log_likelihood=likelihood, expected=part.expected, modes=part.modes)

    return dataclasses.replace(
        evaluation,
        recording=parts[0],
        held_out=parts[1],
        explained=explained(evaluation.explained, parts[0]),
        explained_held_out=explained(evaluation.explained_held_out, parts[1]),
    )


def values_of(name, evaluation):
    """The metric on the evaluation and on one of counts, where it has a value; each lies within bounds."""
    metric, values = registries()["metrics"].make(name, {}), []
    for made in (evaluation, of_counts(evaluation)):
        timed = dataclasses.replace(made, timings={"fit_seconds": 1.0, "seconds_per_iteration": 1.0})
        try:
            values.append(metric.compute(timed))
        except Unsupported as error:
            reason = str(error)
            assert reason
    assert all(metric.bounds[0] <= value <= metric.bounds[1] for value in values), values
    return values


def test_metrics_of_fits_lie_within_bounds_or_say_why_not(a_recorded_metric, a_fit):
    values_of(a_recorded_metric, a_fit[1])


def test_every_metric_of_recordings_has_a_value_somewhere(a_recorded_metric, fitted):
    assert values_of(a_recorded_metric, fitted("rslds")[1])


def test_known_rates_explain_counts_better_than_constant_ones(fitted):
    (value,) = values_of("held_out_bits_per_spike", fitted("rslds")[1])
    assert value > 0


def test_the_true_system_has_perfect_scores(fitted):
    _, evaluation = fitted("rslds")
    truth = evaluation.recording
    best = dataclasses.replace(
        evaluation,
        explained=evaluation.explained._replace(modes=truth.modes),
        order=np.arange(len(truth.mode_points)),
        mode_points=truth.mode_points,
        mode_eigenvalues=truth.mode_eigenvalues,
        forecast=evaluation.forecast_true,
    )
    perfect = {"mode_accuracy": 1, "mode_eigenvalue_error": 0, "mode_point_error": 0, "forecast_error": 0}
    for name, expected in perfect.items():
        assert registries()["metrics"].make(name, {}).compute(best) == pytest.approx(expected, abs=1e-12), (
            name
        )
