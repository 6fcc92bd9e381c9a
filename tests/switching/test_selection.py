"""The choice of K."""

import dataclasses

import jax
import numpy as np
import pytest

from jslds_bench.analysis.choice import least_adequate, least_of_ridges
from jslds_bench.errors import UsageError
from jslds_bench.switching import model, selection
from jslds_bench.switching.model import FitSettings, Spec

FEW = FitSettings(max_iterations=20)


def ahead_of(system, n_held_out):
    """Error of the free run on the last trials, as a share of their variance."""
    y, u = system.observations[-n_held_out:], system.inputs[-n_held_out:]

    def error(fitted):
        run = model.forecast(fitted, y[:, 0], u[:, 1:]).observations
        return float(np.sum((run - y[:, 1:]) ** 2) / np.sum((y - y.mean((0, 1))) ** 2))

    return error


def test_the_true_number_of_modes_is_chosen_and_fitted_to_all_trials(known):
    system, _ = known
    key = jax.random.key(1)
    data = system.observations, system.inputs
    part = tuple(x[:-5] for x in data)
    fitted, curve = selection.select_modes(
        Spec(1), [3, 1], part, data, ahead_of(system, 5), key=key, settings=FEW
    )
    assert curve.n_modes.tolist() == [1, 3]
    assert curve.error[1] < 0.5 * curve.error[0]
    assert fitted.spec.n_modes == 3
    assert fitted.occupancy.sum() == pytest.approx(len(data[0]) * (data[0].shape[1] - 1))
    before = model.fit(Spec(3), *part, key=key, settings=FEW)
    alike = model.forecast(before, data[0][:, 0], data[1][:, 1:]).modes
    assert np.mean(model.forecast(fitted, data[0][:, 0], data[1][:, 1:]).modes == alike) > 0.9


@pytest.mark.parametrize(
    ("errors", "chosen"),
    [
        ([1.0, 0.30, 0.29, 0.295], 1),
        ([1.0, 0.31, 0.29, 0.295], 2),
        ([np.inf, 0.5, np.inf], 1),
        ([np.inf, np.inf], 0),
        ([1e-12, 0.0], 0),
    ],
)
def test_the_least_adequate_is_chosen(errors, chosen):
    assert least_adequate(errors) == chosen


def test_of_equal_errors_the_largest_ridge_is_chosen():
    assert least_of_ridges([0.3, 0.1, 0.2], [1e-3, 1e-2, 1e-1]) == 1
    assert least_of_ridges([np.inf, np.inf, np.inf], [1e-1, 1.0, 1e-2]) == 1


def test_negative_errors_are_compared_as_they_are():
    assert least_adequate([-0.1, -0.2, -0.201], within=1) == 2


@pytest.mark.parametrize(
    ("errors", "tried"),
    [
        ([0.9, 0.5, 0.6, 0.7, 0.1], 5),
        ([0.9, 0.5, 0.6, 0.7, 0.8, 0.1], 5),
        ([0.134, 0.168, 0.136, 0.03], 4),
        ([0.2, np.inf, 0.3, np.inf, 0.1], 5),
        ([0.2, 1e12, 116.0, 0.1, 0.3], 5),
        ([np.inf, np.inf, np.inf, 0.2], 4),
        ([0.9, 0.8, 0.7, 0.6], 4),
    ],
)
def test_the_ladder_ends_where_finite_errors_no_longer_fall(known, errors, tried, monkeypatch):
    system, given = known
    left = iter(errors)
    monkeypatch.setattr(selection, "fit", lambda spec, *_, **__: given)
    monkeypatch.setattr(selection, "refine", lambda fitted, *_, **__: fitted)
    ladder = [1, 2, 4, 8, 16, 32][: len(errors)]
    data = system.observations, system.inputs
    _, curve = selection.select_modes(
        Spec(1), ladder, data, data, lambda _: next(left), key=jax.random.key(0)
    )
    assert curve.n_modes.tolist() == ladder[:tried]


def test_the_ridge_of_least_error_is_chosen_with_each_k(known, monkeypatch):
    system, given = known
    monkeypatch.setattr(selection, "fit", lambda spec, *_, **__: dataclasses.replace(given, spec=spec))
    monkeypatch.setattr(selection, "refine", lambda fitted, *_, **__: fitted)
    errors = {
        (1, 0.01): 0.9,
        (1, 1.0): 0.8,
        (2, 0.01): np.inf,
        (2, 1.0): 0.2,
        (4, 0.01): np.inf,
        (4, 1.0): np.inf,
    }
    data = system.observations, system.inputs
    fitted, curve = selection.select_modes(
        Spec(1),
        [1, 2, 4],
        data,
        data,
        lambda found: errors[found.spec.n_modes, found.spec.ridge],
        ridges=(0.01, 1.0),
        key=jax.random.key(0),
    )
    assert curve.error.tolist() == [0.8, 0.2, np.inf]
    assert curve.ridge.tolist() == [1.0, 1.0, 1.0]  # where both diverge, the larger
    assert (fitted.spec.n_modes, fitted.spec.ridge) == (2, 1.0)
    assert curve.series()["n_modes_ridge"] == [1.0, 1.0, 1.0]


def test_nothing_to_try_is_refused():
    with pytest.raises(
        UsageError, match=r"n_modes is \[\] and ridge \[0.01\], expected at least one of each"
    ):
        selection.select_modes(Spec(1), [], (None, None), (None, None), lambda _: 0.0, key=jax.random.key(0))


@pytest.mark.parametrize(("after", "taken"), [(0.104, True), (0.11, False), (np.inf, False)])
def test_a_fit_to_all_that_follows_worse_is_not_taken(known, after, taken, monkeypatch):
    system, given = known
    refit = dataclasses.replace(given, elbo=given.elbo + 1)
    monkeypatch.setattr(selection, "fit", lambda spec, *_, **__: given)
    monkeypatch.setattr(selection, "refine", lambda fitted, *_, **__: refit)
    data = system.observations, system.inputs
    got, _ = selection.select_modes(
        Spec(1),
        [1, 2],
        data,
        data,
        lambda _: 0.1,
        error_of_whole=lambda fitted: after if fitted.elbo == refit.elbo else 0.1,
        key=jax.random.key(0),
    )
    assert (got.elbo == refit.elbo) == taken
    assert taken or "three quarters" in got.notes[-1]
