"""Smoothly switching linear systems: planted ones are recovered, with their fixed points."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jslds_bench.dynamics.linearize import apply_local
from jslds_bench.dynamics.rollout import free_run_error, trajectories
from jslds_bench.errors import Unsupported, UsageError
from jslds_bench.models.dmdc import DMDc
from jslds_bench.models.smooth_switching import SmoothSwitching
from jslds_bench.networks.analytic import Analytic
from jslds_bench.settings.networks import evaluation as ev
from jslds_bench.tasks.perturbations import Perturbations
from jslds_bench.types.core import IDENTITY, SIGMOID, Affine, Cell, Network, Readout

TASK = Perturbations(n_steps=12)
KEY = jax.random.key(0)
N = 3
PLAIN = {"n_features": 0, "n_latent": N, "ridge": (1e-9,)}

MIXTURE = Cell(
    name="mixture",
    widths=(1, 1, 1),
    lefts=(lambda h, zs: h, lambda h, zs: h, lambda h, zs: h),
    output=lambda h, zs: zs[0] * zs[1] + (1 - zs[0]) * zs[2],
    activations=(SIGMOID, IDENTITY, IDENTITY),
)
"""h' = π ∘ (h A_1 + u B_1 + b_1) + (1 − π) ∘ (h A_2 + u B_2 + b_2): π is one number, in all units."""


@pytest.fixture(scope="module")
def planted():
    """Two systems, each with a stable point on its own side of a plane across the first axis."""
    rng, u = np.random.default_rng(0), TASK.n_inputs
    gate = Affine(np.outer([4.0, 0, 0], np.ones(N)), np.zeros((u, N)), np.zeros(N))
    systems = []
    for side, angle in ((1.0, 0.5), (-1.0, -0.8)):
        a = 0.8 * np.eye(N)
        a[1:, 1:] = 0.8 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        point = np.array([side, 0.3, -0.2])
        v = 0.5 * rng.normal(size=(u, N))
        v[TASK.n_channels :] = 0  # contexts, which are always on, would move the points
        systems.append(Affine(a, v, point @ (np.eye(N) - a)))
    params = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), (gate, *systems))
    readout = Readout(jnp.zeros((N, 1)), jnp.zeros(1))
    return Network(MIXTURE, params, jnp.array([0.1, 0.0, 0.0]), readout, None, "analytic")


@pytest.fixture(scope="module")
def trials():
    return ev.draw_trials(TASK, 0, "fit", 256)


@pytest.fixture(scope="module")
def fitted(planted, trials):
    return SmoothSwitching(n_modes=(2,), sees="state", **PLAIN).fit(TASK, planted, trials, KEY)


def test_planted_systems_are_recovered(planted, fitted, trials):
    unseen = ev.draw_trials(TASK, 0, "evaluation", 32)
    assert free_run_error(fitted, planted, unseen, trajectories(planted, unseen.inputs)) < 1e-5
    found = [np.asarray(fitted.loadings @ system[:N]) for system in fitted.systems]
    truth = [np.asarray(stage.w) for stage in planted.params[1:]]
    gaps = [
        max(np.abs(f - t).max() for f, t in zip(found, order, strict=True)) for order in (truth, truth[::-1])
    ]
    assert min(gaps) < 0.03


def test_its_fixed_points_are_those_of_the_whole_mixture(planted, fitted):
    star = jnp.asarray(TASK.expansion_inputs()[0])
    points = np.asarray(fitted.fixed_points(star))
    assert len(points) == 3  # one for each system, and the saddle that the gate makes between them
    np.testing.assert_allclose(jax.vmap(lambda h: planted.step(h, star))(points), points, atol=5e-3)


def test_local_is_the_mixture_without_the_gate_s_slope(fitted):
    rng = np.random.default_rng(1)
    for h in jnp.asarray(rng.normal(size=(1, N)), jnp.float32):
        u = jnp.asarray(rng.normal(size=TASK.n_inputs), jnp.float32)
        local, other = fitted.local(h, u, u), fitted.local(h, 3 * u, u)
        np.testing.assert_allclose(apply_local(local, h, u), fitted.step((), h, u, u)[1], atol=1e-5)
        np.testing.assert_array_equal(local.A, other.A)  # the gate sees the state alone
        x = (h - fitted.mean) @ fitted.loadings
        weights = jax.nn.softmax(jnp.concatenate([jnp.ones(1), x / fitted.scale]) @ fitted.gate)
        systems = [(fitted.loadings @ s[:N]).T for s in fitted.systems]
        expected = sum(p * a for p, a in zip(weights, systems, strict=True))
        np.testing.assert_allclose(local.A, expected, atol=1e-5)


def test_one_mode_is_the_linear_fit_and_held_out_trials_choose_it(trials):
    affine = Analytic("affine", n_state=4).build(TASK, KEY)
    model = SmoothSwitching(n_modes=(1, 2), n_latent=4, n_iterations=5, ridge=(1e-9,))
    fitted = model.fit(TASK, affine, trials, KEY)
    linear = DMDc(ridge=1e-9).fit(TASK, affine, trials, KEY)
    assert fitted.gate.shape[1] == 1
    h, u = jnp.full(4, 0.3), jnp.full(TASK.n_inputs, 0.1)
    np.testing.assert_allclose(fitted.local(h, u, u).A, linear.a, atol=1e-3)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"n_modes": ()}, "needs n_modes, n_latent, n_gate and n_iterations of at least 1"),
        ({"ridge": ()}, "needs length, gate_precision and ridge > 0"),
        ({"sees": "future"}, 'needs sees "state" or "input", got \'future\''),
    ],
)
def test_it_refuses_what_means_nothing(parameters, expected):
    with pytest.raises(UsageError, match=expected):
        SmoothSwitching(**parameters)


def test_states_that_are_not_finite_are_refused(planted, trials):
    gate, *systems = planted.params
    wild = dataclasses.replace(planted, params=(gate, *(s._replace(w=1e9 * s.w) for s in systems)))
    with pytest.raises(Unsupported, match="states are not finite"):
        SmoothSwitching(n_modes=(2,), **PLAIN).fit(TASK, wild, trials.part(slice(0, 8)), KEY)
