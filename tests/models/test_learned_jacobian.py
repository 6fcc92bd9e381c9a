"""Jacobians learned from states: exact where there is one, integrated to the map, near its derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jslds_bench.dynamics.linearize import recurrent_jacobian
from jslds_bench.dynamics.rollout import free_run_error, one_step, trajectories
from jslds_bench.errors import Unsupported, UsageError
from jslds_bench.models.dmdc import DMDc
from jslds_bench.models.learned_jacobian import LearnedJacobian, integrals
from jslds_bench.settings.networks import evaluation as ev
from jslds_bench.tasks.perturbations import Perturbations

TASK = Perturbations(n_steps=12)
KEY = jax.random.key(0)
STAR = jnp.zeros(4)


@pytest.fixture(scope="module")
def unseen():
    return ev.draw_trials(TASK, 0, "evaluation", 64)


@pytest.fixture(scope="module")
def fitted(flip_flop, trials):
    return LearnedJacobian(n_latent=4, paths=0.1).fit(TASK, flip_flop, trials, KEY)


def jacobian_error(model, network, trials):
    states = trajectories(network, trials.inputs)
    h, u = (jnp.asarray(x.reshape(-1, x.shape[2])) for x in (states[:, :-1], trials.inputs))
    truth = jax.vmap(lambda h, u: recurrent_jacobian(network.cell, network.params, h, u))(h, u)
    found = jax.vmap(lambda h, u: model.local(h, u, u).A)(h, u)
    return float(jnp.linalg.norm(found - truth) / jnp.linalg.norm(truth))


def test_of_an_affine_network_it_is_the_one_that_there_is(make_affine, trials, unseen):
    rng = np.random.default_rng(1)
    a, b, c = 0.5 * rng.normal(size=(3, 3)) / np.sqrt(3), rng.normal(size=(3, 4)), rng.normal(size=3)
    network = make_affine(a, b, c)
    model = LearnedJacobian(ridge=(1e-10,)).fit(TASK, network, trials, KEY)
    h = jnp.array([0.3, -0.2, 0.5])
    local = model.local(h, jnp.asarray(trials.inputs[0, 3]), STAR)
    np.testing.assert_allclose(local.A, a, atol=1e-4)
    # Of contexts only the difference is told: one of them is always on.
    told = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, -1]])
    np.testing.assert_allclose(local.B @ told, b @ told, atol=1e-4)
    assert free_run_error(model, network, unseen, trajectories(network, unseen.inputs)) < 1e-8


def test_its_jacobians_and_steps_are_nearer_than_one_system_s(flip_flop, trials, unseen, fitted):
    states = trajectories(flip_flop, unseen.inputs)
    plain = DMDc().fit(TASK, flip_flop, trials, KEY)
    squares = [
        np.mean((one_step(m, states, unseen.inputs, unseen.u_star) - states[:, 1:]) ** 2)
        for m in (fitted, plain)
    ]
    assert squares[0] < 0.2 * squares[1]
    assert jacobian_error(fitted, flip_flop, unseen) < 0.5 * jacobian_error(plain, flip_flop, unseen)


def test_known_transitions_are_met_exactly(fitted):
    for z, after in zip(fitted.before[:5], fitted.after[:5], strict=True):
        np.testing.assert_allclose(fitted.step((), z[:4], z[4:], STAR)[1], after, atol=1e-6)


def test_integrals_are_those_of_the_jacobian(fitted):
    """By the trapezoid along the same line, of `local`."""
    z = np.asarray(fitted.before, np.float32)
    start, end = z[0], z[0] + 0.3 * (z[1] - z[0])
    steps = np.linspace(0, 1, 401)[:, None]
    at = jnp.asarray(start + steps * (end - start))
    local = jax.vmap(lambda z: fitted.local(z[:4], z[4:], STAR))(at)
    slopes = np.concatenate([local.A, local.B], axis=2) @ (end - start)
    expected = np.trapezoid(slopes, steps[:, 0], axis=0)
    got = integrals(jnp, fitted, jnp.asarray(start)[None], jnp.asarray(end)[None])[0] @ fitted.weights
    assert fitted.n_nodes == LearnedJacobian().n_nodes
    np.testing.assert_allclose(got, expected, atol=2e-3)


def test_long_paths_bring_the_jacobians_to_the_derivatives_of_the_step(flip_flop, trials, unseen):
    states = trajectories(flip_flop, unseen.inputs)
    h, u = (jnp.asarray(x.reshape(-1, x.shape[2])[::7]) for x in (states[:, :-1], unseen.inputs))

    def gap(paths: float) -> float:
        model = LearnedJacobian(4, 40, paths=paths, ridge=(1e-6,)).fit(TASK, flip_flop, trials, KEY)
        derivative = jax.vmap(jax.jacfwd(lambda h, u: model.step((), h, u, STAR)[1]))(h, u)
        learned = jax.vmap(lambda h, u: model.local(h, u, STAR).A)(h, u)
        return float(jnp.linalg.norm(derivative - learned) / jnp.linalg.norm(derivative))

    assert gap(1.0) < 0.7 * gap(0.0)


def test_it_serves_states_that_do_not_move_and_refuses_what_means_nothing(make_affine, trials):
    still = make_affine(np.zeros((2, 2)), np.zeros((2, 4)), np.ones(2), np.ones(2))
    model = LearnedJacobian().fit(TASK, still, trials, KEY)
    np.testing.assert_allclose(model.step((), jnp.ones(2), STAR, STAR)[1], np.ones(2), atol=1e-5)
    runs_off = make_affine(1e30 * np.eye(2), np.zeros((2, 4)), np.ones(2))
    with pytest.raises(Unsupported, match="states are not finite"):
        LearnedJacobian().fit(TASK, runs_off, trials, KEY)
    for wrong in ({"n_bases": 0}, {"paths": -1.0}, {"ridge": ()}, {"ridge": (0.0,)}):
        with pytest.raises(UsageError, match="learned_jacobian needs"):
            LearnedJacobian(**wrong)
