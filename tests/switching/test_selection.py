"""The choice of K."""

import jax
import numpy as np
import pytest

from jslds_bench.errors import UsageError
from jslds_bench.switching import model, selection, systems
from jslds_bench.switching.model import FitSettings, Spec


def test_the_curve_prefers_the_true_number_of_modes(known):
    system, _ = known
    other = systems.known_switching(jax.random.key(9), n_trials=20, n_steps=50)
    curve = selection.select_modes(
        Spec(1),
        [1, 3],
        (system.observations, system.inputs),
        (other.observations, other.inputs),
        key=jax.random.key(1),
        settings=FitSettings(max_iterations=20),
    )
    assert curve.best.spec.n_modes == 3
    assert curve.free_run_error[1] < 0.5 * curve.free_run_error[0]
    assert curve.likelihood[1] > curve.likelihood[0] + 10 * curve.likelihood_error[1]


def test_the_least_adequate_k_is_chosen():
    error, likelihood, spread = (
        np.array([1.0, 0.30, 0.29, 0.295]),
        np.array([0, 4.9, 5.0, 5.0]),
        np.full(4, 0.2),
    )
    assert selection._choose([1, 2, 3, 4], error, likelihood, spread) == 1
    assert selection._choose([1, 2, 3, 4], error, likelihood, np.full(4, 0.01)) == 2
    assert selection._choose([1, 2], np.array([0.1, 0.9]), np.array([0.0, 5.0]), np.zeros(2)) == 0


def test_free_run_error_is_zero_for_a_noise_free_truth(known):
    """The fitted model's own forecast, taken as data, is free of error."""
    system, fitted = known
    paths = model.forecast(fitted, system.states[:, 0], system.inputs[:, 1:])
    y = np.concatenate([system.states[:, :1], paths.states], axis=1)
    assert selection.free_run_error(fitted, y, system.inputs) < 1e-20
    assert selection.free_run_error(fitted, system.observations, system.inputs) > 1e-6


def test_nothing_to_try_is_refused():
    with pytest.raises(UsageError, match="n_modes is empty"):
        selection.select_modes(Spec(1), [], (None, None), (None, None), key=jax.random.key(0))
