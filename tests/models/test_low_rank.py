"""Surrogates of low rank: one of their own kind is recovered, and its systems and points are exact."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jslds_bench.dynamics.cells import get_cell
from jslds_bench.dynamics.linearize import apply_local, recurrent_jacobian
from jslds_bench.dynamics.rollout import free_run_error, trajectories
from jslds_bench.errors import Unsupported, UsageError
from jslds_bench.models.low_rank import AboutPoints, LowRank
from jslds_bench.networks.analytic import Analytic
from jslds_bench.settings.networks import evaluation as ev
from jslds_bench.tasks.perturbations import Perturbations
from jslds_bench.types.core import Affine, Network, Readout

TASK = Perturbations(n_steps=12)
KEY = jax.random.key(0)
N = 4
STAR = jnp.asarray(TASK.expansion_inputs()[0])


@pytest.fixture(scope="module")
def planted():
    """An almost-linear network of two rectified units: max(0, h_i) drives the other three."""
    rng = np.random.default_rng(3)
    v = 0.5 * rng.normal(size=(TASK.n_inputs, N))
    v[TASK.n_channels :] = 0
    w = np.zeros((N, N))
    w[2:] = np.array([[0.5, -0.3, 0.0, -0.6], [-0.4, 0.5, -0.6, 0.0]])
    gain = Affine(jnp.full(N, 0.6), jnp.zeros((TASK.n_inputs, 0)), jnp.zeros(0))
    dense = Affine(*(jnp.asarray(x, jnp.float32) for x in (w, v, np.array([0.1, 0.0, 0.3, 0.3]))))
    return Network(
        get_cell("al_rnn(p=2)"),
        (dense, gain),
        jnp.zeros(N),
        Readout(jnp.zeros((N, 1)), jnp.zeros(1)),
        None,
        "x",
    )


@pytest.fixture(scope="module")
def trials():
    return ev.draw_trials(TASK, 0, "fit", 256)


@pytest.fixture(scope="module")
def fitted(planted, trials):
    return LowRank(rank=(N,), n_units=4, ridge=(1e-9,)).fit(TASK, planted, trials, KEY)


def test_a_planted_surrogate_is_recovered_with_its_jacobians(planted, fitted):
    unseen = ev.draw_trials(TASK, 0, "evaluation", 32)
    states = trajectories(planted, unseen.inputs)
    assert free_run_error(fitted, planted, unseen, states) < 1e-8
    h, u = jnp.asarray(states[:, 5]), jnp.asarray(unseen.inputs[:, 5])
    found = jax.vmap(lambda h, u: fitted.local(h, u, u).A)(h, u)
    truth = jax.vmap(lambda h, u: recurrent_jacobian(planted.cell, planted.params, h, u))(h, u)
    wrong = np.abs(np.asarray(found - truth)).max(axis=(1, 2)) > 1e-3
    assert wrong.mean() < 0.1  # but for states that are next to a border


def test_its_points_are_the_network_s(planted, fitted):
    truth = planted.cell.points(planted.params, np.asarray(STAR))
    points = np.asarray(fitted.fixed_points(STAR))
    assert len(points) == len(truth) > 0
    gaps = np.linalg.norm(points[:, None] - truth, axis=-1)
    assert gaps.min(axis=1).max() < 1e-3


def test_about_points_it_is_the_expansion_about_the_nearest(planted, fitted):
    one, other = np.asarray(fitted.fixed_points(STAR))[0], np.full(N, 5.0)
    points = jnp.asarray(np.stack([one, other])[None], jnp.float32)
    model = AboutPoints(fitted, STAR[None], points, (2,))
    h, u = jnp.asarray(one) + 0.1, STAR + 0.2
    local = model.local(h, u, STAR)
    np.testing.assert_array_equal(local.e, points[0, 0])
    np.testing.assert_allclose(apply_local(local, h, u), model.step((), h, u, STAR)[1], atol=1e-5)
    np.testing.assert_allclose(local.c, local.e, atol=1e-4)
    assert model.fixed_points(STAR).shape == (2, N)


def test_the_least_rank_that_does_is_chosen(trials):
    affine = Analytic("affine", n_state=4).build(TASK, KEY)
    model = LowRank(rank=(1, 4), n_units=1, n_iterations=3, ridge=(1e-9,)).fit(TASK, affine, trials, KEY)
    assert model.loadings.shape == (4, 4)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"rank": ()}, "needs rank, n_units and n_iterations of at least 1"),
        ({"ridge": (0.0,)}, "needs precision and ridge > 0"),
        ({"about": "mean"}, "about \"state\" or \"points\", got 'relu' and 'mean'"),
    ],
)
def test_it_refuses_what_means_nothing(parameters, expected):
    with pytest.raises(UsageError, match=expected):
        LowRank(**parameters)


def test_without_a_point_there_is_nothing_to_expand_about(planted, trials, monkeypatch):
    monkeypatch.setattr("jslds_bench.models._shared.roots.TOLERANCE", -1.0)
    model = LowRank(rank=(2,), n_units=1, n_iterations=1, ridge=(1e-3,), about="points")
    with pytest.raises(Unsupported, match="has no fixed point under 2 of 2"):
        model.fit(TASK, planted, trials.part(slice(0, 16)), KEY)
