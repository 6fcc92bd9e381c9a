"""What holds for every task that is recorded data, and for models fitted to one, beside the contract."""

import dataclasses
import math

import jax
import numpy as np
import pytest

from jslds_bench.contract.instances import smoke
from jslds_bench.contract.settings.recordings import metric
from jslds_bench.contract.settings.recordings.model import small_case
from jslds_bench.errors import Unsupported
from jslds_bench.settings.recordings import SETTING as RECORDINGS
from jslds_bench.settings.recordings.evaluation import recorded_arrays
from jslds_bench.suite import registries
from jslds_bench.types import RecordedModel

KINDS = ("gaussian", "poisson")


def test_recordings_are_read_only(a_recorded_task):
    for part in RECORDINGS.parts(smoke("tasks", a_recorded_task), 0):
        for array in vars(part).values():
            if isinstance(array, np.ndarray):
                with pytest.raises(ValueError, match="read-only"):
                    array[...] = 0


@pytest.mark.parametrize("kind", KINDS)
def test_observations_scatter_about_what_is_expected(a_recorded_task, kind):
    task = dataclasses.replace(smoke("tasks", a_recorded_task), emissions=kind, n_trials=30)
    fit, _ = task.record(jax.random.key(0))
    gaps = fit.observations - fit.expected
    spread = np.sqrt(fit.expected) if kind == "poisson" else 0.1
    scores = (gaps / spread).ravel()
    assert abs(scores.mean()) < 5 / math.sqrt(scores.size)
    assert abs(scores.std() - 1) < 0.1
    if kind == "poisson":
        assert (fit.observations == np.round(fit.observations)).all()


@pytest.fixture
def a_fit(a_recorded_model, subject):
    """Every model that fits recordings, fitted to a tiny known system, and its evaluation."""
    found = subject(a_recorded_model, small_case())
    return found.fitted, found.evaluation


def test_a_fit_explains_and_forecasts(a_fit):
    model, evaluation = a_fit
    assert isinstance(model, RecordedModel)
    assert evaluation.explained.expected.shape == evaluation.recording.observations.shape
    assert evaluation.explained_held_out.expected.shape == evaluation.held_out.observations.shape
    assert evaluation.forecast.shape == evaluation.forecast_true.shape
    assert evaluation.mode_eigenvalues.shape[0] == len(evaluation.mode_points)


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


def test_metrics_of_fits_lie_within_bounds_or_say_why_not(a_recorded_metric, a_fit):
    _, evaluation = a_fit
    metric = registries()["metrics"].make(a_recorded_metric, {})
    evaluation = dataclasses.replace(evaluation, timings={"fit_seconds": 1.0, "seconds_per_iteration": 1.0})
    try:
        value = metric.compute(evaluation)
    except Unsupported as error:
        reason = str(error)
        assert reason
        return
    assert metric.bounds[0] <= value <= metric.bounds[1]


def test_the_true_system_has_perfect_scores():
    best = metric.perfect(metric.guess("gaussian"))
    perfect = {"mode_accuracy": 1, "mode_eigenvalue_error": 0, "mode_point_error": 0, "forecast_error": 0}
    for name, expected in perfect.items():
        assert smoke("metrics", name).compute(best) == pytest.approx(expected, abs=1e-12), name


def test_a_lost_trial_is_not_averaged_away():
    made = metric.guess("poisson")
    lost = made.explained_held_out._replace(log_likelihood=np.full(len(made.held_out.observations), np.nan))
    made = dataclasses.replace(made, explained=lost, explained_held_out=lost)
    for name in ("elbo_per_step", "held_out_elbo_per_step", "held_out_bits_per_spike"):
        assert smoke("metrics", name).compute(made) == -math.inf
    made = dataclasses.replace(made, mode_eigenvalues=made.mode_eigenvalues * np.nan)
    assert smoke("metrics", "mode_eigenvalue_error").compute(made) == math.inf
