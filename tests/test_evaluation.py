"""Evaluation: the same draws for every model, keys by purpose, series and figure arrays."""

import dataclasses

import jax
import numpy as np
import pytest

from jslds_bench.analysis.decomposition import decompose
from jslds_bench.dynamics.rollout import free_run, trajectories
from jslds_bench.models.fixed_points import FixedPointModel
from jslds_bench.models.persistence import Persistence
from jslds_bench.settings.draws import purpose_key
from jslds_bench.settings.networks import SETTING, Shared
from jslds_bench.settings.networks import arrays as fa
from jslds_bench.settings.networks import evaluation as ev
from jslds_bench.settings.networks.calls import compile_anew, timed_call
from jslds_bench.settings.networks.portrait import N_SYSTEMS
from jslds_bench.settings.settling import settled
from jslds_bench.tasks.context_integration import ContextIntegration
from jslds_bench.tasks.sine_generator import SineGenerator

TASK = ContextIntegration(n_steps=6)


@pytest.fixture(scope="module")
def network(make_network):
    return make_network("vanilla", 5, 4, 1, gain=0.5)


@pytest.fixture(scope="module")
def reference(network):
    return ev.reference_points(TASK, network, 0)


@pytest.fixture(scope="module")
def evaluated(network, reference):
    def make(model):
        fitted = model.fit(TASK, network, ev.draw_trials(TASK, 0, "fit", 24), jax.random.key(0))
        return fitted, ev.evaluate(
            TASK, network, fitted, ev.draw_trials(TASK, 0, "evaluation", 20), reference, 0
        )

    return {model.name: make(model) for model in (Persistence(), FixedPointModel())}


def test_every_purpose_and_seed_has_its_own_draws():
    draws = [
        ev.draw_trials(TASK, seed, purpose, 3).inputs for seed in (0, 1) for purpose in ("evaluation", "fit")
    ]
    for i, one in enumerate(draws):
        for other in draws[:i]:
            assert not np.array_equal(one, other)
    again = ev.draw_trials(TASK, 0, "evaluation", 3)
    np.testing.assert_array_equal(draws[0], again.inputs)
    with pytest.raises(ValueError, match="read-only"):
        again.inputs[0] = 0


def test_models_meet_the_same_trials_states_and_samples(evaluated):
    one, other = (evaluated[name][1] for name in ("persistence", "fixed_points"))
    for field in ("states", "jacobians", "sample_u_star", "u_stars"):
        np.testing.assert_array_equal(getattr(one, field), getattr(other, field))
    for x, y in zip(one.trials, other.trials, strict=True):
        np.testing.assert_array_equal(x, y)


def test_jacobians_are_those_of_the_network_at_visited_states(evaluated, network):
    _, made = evaluated["fixed_points"]
    h, u, _, contexts = ev.samples(made.trials, made.states, made.u_stars, 0)
    np.testing.assert_array_equal(contexts, made.sample_u_star)
    visited = {row.tobytes() for row in made.states[:, :-1].reshape(-1, 5)}
    assert all(row.tobytes() in visited for row in np.ascontiguousarray(h))
    slopes = 1 - np.asarray(network.step(h, u)) ** 2
    expected = slopes[:, :, None] * np.asarray(network.params[0].w).T
    np.testing.assert_allclose(made.jacobians, expected, atol=1e-6)


def test_reference_points_belong_to_their_context(reference, network):
    assert len(reference) == 2
    for found, u_star in zip(reference, np.asarray(TASK.expansion_inputs()), strict=True):
        np.testing.assert_array_equal(found.u_star, u_star)
        assert len(found.points)
        gaps = np.asarray(network.step(found.points.astype(np.float32), u_star)) - found.points
        np.testing.assert_allclose(gaps, 0, atol=1e-6)


def test_context_of_is_the_index_of_each_u_star():
    u_stars = np.array([[0.0, 1], [1, 0], [1, 1]])
    np.testing.assert_array_equal(ev.context_of(u_stars, u_stars[[2, 0, 1, 1]]), [2, 0, 1, 1])


def test_a_model_that_is_no_pytree_is_closed_over(evaluated, network):
    """The two ways of compiling a model give the same numbers."""
    fitted, made = evaluated["fixed_points"]

    class Opaque:
        init, step, local, fixed_points = fitted.init, fitted.step, fitted.local, fitted.fixed_points

    opaque = ev.evaluate(TASK, network, Opaque(), made.trials, made.reference, 0)
    np.testing.assert_allclose(opaque.free_run, made.free_run, atol=1e-6)
    np.testing.assert_allclose(opaque.local, made.local, atol=1e-6)
    args = (network.h0, made.trials.inputs, made.trials.u_star)
    for model in (Opaque(), fitted):
        run = compile_anew(free_run, model, *args)
        np.testing.assert_allclose(run(model, *args), made.free_run[:, 1:], atol=1e-6)


def test_a_program_is_compiled_for_its_time_once(evaluated):
    """Of a model that is no pytree each time; of pytrees once for a shape, by whatever the clock says."""
    fitted, made = evaluated["fixed_points"]
    moved, taken = dataclasses.replace(fitted, points=fitted.points + 1), iter(range(100))

    class Clock:
        def once(self, call):
            return call(), next(taken)

    def seconds(model, n_trials):
        inputs, stars = made.trials.inputs[:n_trials], made.trials.u_star[:n_trials]
        run, seconds = timed_call(free_run, model, (made.states[:n_trials, 0], inputs, stars), Clock())
        np.testing.assert_allclose(
            run(), free_run(model, made.states[:n_trials, 0], inputs, stars), atol=1e-6
        )
        return seconds

    assert [seconds(fitted, 3), seconds(moved, 3), seconds(fitted, 2), seconds(moved, 3)] == [0, 0, 1, 0]

    class Opaque:
        init, step = fitted.init, fitted.step

    assert [seconds(Opaque(), 3), seconds(Opaque(), 3)] == [2, 3]


def test_series_by_step_average_to_the_metric(evaluated):
    from jslds_bench.metrics.states import RelativeError, RelativeErrorOneStep

    for _, made in evaluated.values():
        series = fa.series(None, made)
        assert np.mean(series["horizon_free_run"]) == pytest.approx(RelativeError().compute(made))
        assert np.mean(series["horizon_one_step"]) == pytest.approx(RelativeErrorOneStep().compute(made))
        assert len(series["horizon_free_run"]) == TASK.n_steps
    recall = series["recall_by_epsilon"]
    assert len(recall) == len(series["epsilon"]) == len(series["precision_by_epsilon"])
    assert recall == sorted(recall)  # a wider ε cannot match less


def test_diverged_trials_are_counted(evaluated):
    _, made = evaluated["persistence"]
    assert SETTING.diverged(made).sum() == 0
    run = np.array(made.free_run)
    run[[2, 7], -1, 0] = [np.nan, np.inf]
    assert np.flatnonzero(SETTING.diverged(dataclasses.replace(made, free_run=run))).tolist() == [2, 7]


def test_figure_arrays_are_small_plain_and_labelled(evaluated, network):
    for name, (fitted, made) in evaluated.items():
        arrays = fa.figure_arrays(TASK, network, fitted, made)
        assert all(a.dtype.kind in "fciub" and a.dtype.itemsize <= 8 for a in arrays.values())
        assert len(arrays["network_points"]) == len(arrays["network_points_u_star"])
        axes = arrays["pca_axes"]
        np.testing.assert_allclose(axes @ axes.T, np.eye(len(axes)), atol=1e-5)
        assert ("model_points" in arrays) == (name == "fixed_points")
        if "expansion" in arrays:
            assert len(arrays["expansion"]) == len(arrays["expansion_u_star"])


def test_principal_axes_are_by_falling_variance_with_a_fixed_sign(evaluated):
    _, made = evaluated["persistence"]
    mean, axes = fa._principal_axes(made.states)
    flat = made.states[:, 1:].reshape(-1, 5)
    np.testing.assert_allclose(mean, flat.mean(axis=0), atol=1e-5)
    variances = ((flat - mean) @ axes.T).var(axis=0)
    assert (np.diff(variances) <= 0).all()
    assert variances[0] == pytest.approx(np.linalg.eigvalsh(np.cov(flat.T))[-1], rel=0.05)
    assert all(axis[np.abs(axis).argmax()] > 0 for axis in axes)


def test_a_scalar_network_is_drawn_in_a_plane():
    states = np.random.default_rng(0).normal(size=(4, 6, 1))
    _, axes = fa._principal_axes(states)
    np.testing.assert_array_equal(axes, [[1], [0]])


def test_systems_are_the_networks_own_at_points_far_apart(evaluated, network):
    fitted, made = evaluated["fixed_points"]
    arrays = fa.figure_arrays(TASK, network, fitted, made)
    assert set(arrays["systems_u_star"]) == {0, 1}
    assert len(arrays["systems_e"]) <= N_SYSTEMS
    known = {row.tobytes() for row in np.ascontiguousarray(arrays["expansion"])}
    stars = np.asarray(TASK.expansion_inputs())[arrays["systems_u_star"]]
    for k, (e, star) in enumerate(zip(arrays["systems_e"], stars, strict=True)):
        assert np.ascontiguousarray(e).tobytes() in known
        a, b = jax.jacobian(network.step, argnums=(0, 1))(e, star)
        np.testing.assert_allclose(arrays["systems_b"][k], b, atol=1e-5)
        modes = decompose(np.asarray(a), 5)
        np.testing.assert_allclose(np.abs(arrays["systems_values"][k]), np.abs(modes.values), atol=1e-4)
        left, right = arrays["systems_left"][k], arrays["systems_right"][k]
        np.testing.assert_allclose(left @ right.T, np.eye(len(left)), atol=1e-3)


def test_evidence_is_the_same_for_the_network_and_its_model(evaluated, network):
    fitted, made = evaluated["fixed_points"]
    arrays = fa.figure_arrays(TASK, network, fitted, made)
    n = len(arrays["choice_evidence"])
    assert arrays["choice_states"].shape == arrays["choice_run"].shape == (n, 7, 3)
    np.testing.assert_array_equal(arrays["choice_states"][:, 0], arrays["choice_run"][:, 0])
    np.testing.assert_allclose(arrays["choice_axes"] @ arrays["choice_axes"].T, np.eye(3), atol=1e-5)
    chosen = TASK.conditions(purpose_key(0, "conditions"), len(made.states))
    own = np.flatnonzero(chosen.condition == 3)
    states = trajectories(network, chosen.trials.inputs)[own].mean(axis=0)
    np.testing.assert_allclose(arrays["choice_states"][3], states @ arrays["choice_axes"].T, atol=1e-5)


def test_eigenvalues_along_a_trial_are_those_of_the_systems_in_force(evaluated, network):
    fitted, made = evaluated["fixed_points"]
    values = fa.figure_arrays(TASK, network, fitted, made)["trial_values"]
    assert values.shape == (6, 5)
    for t, h in enumerate(made.free_run[0, :-1]):
        a = fitted.local(h, made.trials.inputs[0, t], made.trials.u_star[0]).A
        np.testing.assert_allclose(
            np.sort(np.abs(values[t])), np.sort(np.abs(np.linalg.eigvals(np.asarray(a)))), atol=1e-4
        )


def test_first_steps_and_those_that_are_not_scored_are_left_out():
    np.testing.assert_array_equal(settled(np.ones(4), 2), [False, False, True, True] * 2)
    np.testing.assert_array_equal(settled(np.array([0, 0, 0, 1]), 1), [False, False, False, True])
    np.testing.assert_array_equal(settled(np.array([1, 1]), 1), [True, True])


def test_trials_that_were_fitted_to_are_counted(evaluated, network, reference):
    """Two draws of a task of two trials are the same ones; of one with noise none are."""
    few = SineGenerator(n_frequencies=2, n_steps=4)
    for task, count in ((few, 20), (TASK, 0)):
        fit, scored = (ev.draw_trials(task, 0, purpose, 20) for purpose in ("fit", "evaluation"))
        assert ev.seen_before(scored, fit) == count
    assert ev.seen_before(ev.draw_trials(few, 0, "fit", 20), ev.draw_trials(few, 0, "fit", 1)) < 20
    _, evaluation = evaluated["persistence"]
    for trials, count in ((ev.draw_trials(TASK, 0, "fit", 24), 0), (evaluation.trials, 20)):
        detail = SETTING.detail(Shared(TASK, network, trials, reference), evaluation)
        assert detail["n_scored_seen"] == count
