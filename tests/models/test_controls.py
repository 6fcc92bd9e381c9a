"""The controls that a method has to beat: one global linear fit, and blended fixed points."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jslds_bench.dynamics.linearize import apply_local, expansion_step
from jslds_bench.dynamics.rollout import trajectories
from jslds_bench.errors import Unsupported, UsageError
from jslds_bench.metrics.states import RelativeError
from jslds_bench.models.dmdc import DMDc
from jslds_bench.models.fixed_points import BlendedFixedPoints, FixedPointModel
from jslds_bench.networks.analytic import Analytic
from jslds_bench.settings.networks import evaluation as ev
from jslds_bench.tasks.perturbations import Perturbations

TASK = Perturbations(n_steps=12)


def fit(model, network, n_trials=256):
    return model.fit(TASK, network, ev.draw_trials(TASK, 0, "fit", n_trials), jax.random.key(0))


@pytest.fixture(scope="module")
def affine():
    return Analytic("affine", n_state=4).build(TASK, jax.random.key(0))


def test_dmdc_recovers_an_affine_network(affine):
    model = fit(DMDc(ridge=1e-12), affine)
    np.testing.assert_allclose(model.a, affine.params[0].w.T, atol=1e-4)
    trials = ev.draw_trials(TASK, 0, "evaluation", 20)
    made = ev.evaluate(TASK, affine, model, trials, ev.reference_points(TASK, affine, 0), 0)
    assert RelativeError().compute(made) < 1e-4
    for found, truth in zip(made.found, affine.truth, strict=True):
        np.testing.assert_allclose(found, truth.points, atol=1e-3)


@pytest.mark.parametrize("ridge", [0.0, 1e-3, 10.0])
def test_dmdc_is_the_ridge_solution(flip_flop, ridge):
    """The gradient of Σ‖y − A x − B u − b‖² + ρ(‖A‖² + ‖B‖²) vanishes at the fit."""
    trials = ev.draw_trials(TASK, 0, "fit", 64)
    model = DMDc(ridge=ridge).fit(TASK, flip_flop, trials, jax.random.key(0))
    states = np.asarray(trajectories(flip_flop, trials.inputs), np.float64)
    x = np.concatenate([states[:, :-1], trials.inputs], axis=-1).reshape(-1, 8)
    weights = np.concatenate([model.a, model.b], axis=1).astype(np.float64).T
    residual = states[:, 1:].reshape(-1, 4) - x @ weights - np.asarray(model.offset, np.float64)
    centred = x - x.mean(axis=0)
    penalty = ridge * np.sum(centred**2) / 8
    scale = len(x) * 1e-5 * max(1, ridge)
    np.testing.assert_allclose(residual.sum(axis=0), 0, atol=scale)
    np.testing.assert_allclose(centred.T @ residual, penalty * weights, atol=scale)


def test_dmdc_refuses_what_it_cannot_fit(affine):
    with pytest.raises(UsageError, match="dmdc needs ridge ≥ 0, got -1"):
        DMDc(ridge=-1.0)
    (stage,) = affine.params
    wild = dataclasses.replace(affine, params=(stage._replace(w=1e9 * stage.w),))
    with pytest.raises(Unsupported, match="states are not finite"):
        fit(DMDc(), wild, 8)


@pytest.fixture(scope="module")
def blended(flip_flop):
    model = fit(FixedPointModel(n_nearest=3), flip_flop)
    assert isinstance(model, BlendedFixedPoints)
    return model


def test_the_blend_is_the_weighted_mean_of_the_expansions(blended, flip_flop):
    """Three nearest points, weights 1/d², by hand; the step, the local system and the sum are one."""
    rng = np.random.default_rng(0)
    star = jnp.asarray(TASK.expansion_inputs()[1])
    points = np.asarray(blended.fixed_points(star))
    assert len(points) == 9

    @jax.jit
    def about(point, h, u):
        return expansion_step(flip_flop.cell, flip_flop.params, point, star, h, u, "value")

    @jax.jit
    def blend(h, u):
        return blended.step((), h, u, star)[1], apply_local(blended.local(h, u, star), h, u)

    for h in jnp.asarray(0.7 * rng.normal(size=(8, 4)), jnp.float32):
        u = jnp.asarray(rng.normal(size=4), jnp.float32)
        squares = np.sum((points - np.asarray(h)) ** 2, axis=1)
        nearest = np.argsort(squares)[:3]
        weights = 1 / squares[nearest]
        expected = (weights / weights.sum()) @ np.array([about(points[i], h, u) for i in nearest])
        for found in blend(h, u):
            np.testing.assert_allclose(found, expected, atol=1e-5)


def test_at_a_point_the_blend_is_that_point_s_expansion_alone(blended):
    star = jnp.asarray(TASK.expansion_inputs()[0])

    @jax.jit
    def at(point):
        of_both = [model.local(point, star, star).A for model in (blended, blended.nearest)]
        return *of_both, blended.step((), point, star, star)[1]

    for point in blended.fixed_points(star):
        local, alone, after = at(point)
        np.testing.assert_allclose(local, alone, atol=1e-5)
        np.testing.assert_allclose(after, point, atol=1e-5)


def test_fewer_points_than_neighbours_are_all_blended_and_padding_is_not(blended):
    """With one point in a context the blend is its expansion, whatever the other context has."""
    points = blended.nearest.points.at[1, 1:].set(1e6)
    halves = 0.5 * jnp.sum(points**2, axis=-1)
    inner = dataclasses.replace(blended.nearest, counts=jnp.array([9, 1]), points=points, half_squares=halves)
    squeezed = BlendedFixedPoints(20, inner)
    star = jnp.asarray(TASK.expansion_inputs()[1])
    h, u = jnp.full(4, 0.3), jnp.full(4, 0.1)
    near, weights = squeezed.neighbours(h, star)
    assert near.shape == (20, 4)
    assert weights.tolist() == [1.0] + [0.0] * 19
    expected = expansion_step(inner.cell, inner.params, points[1, 0], star, h, u, "value")
    np.testing.assert_allclose(squeezed.step((), h, u, star)[1], expected, atol=1e-6)


@pytest.mark.parametrize("parameters", [{"n_nearest": 0}, {"merge": 0.0}])
def test_no_neighbour_and_no_resolution_are_refused(parameters):
    with pytest.raises(UsageError, match="merge > 0 and n_nearest ≥ 1, got 64, "):
        FixedPointModel(**parameters)
