"""What `lds`, `slds` and `rslds` are: exact on systems of their own kind, and one model in all answers."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jslds_bench.dynamics.rollout import free_run
from jslds_bench.errors import UsageError
from jslds_bench.metrics.states import (
    ProjectionError,
    RelativeError,
    RelativeErrorOneStep,
    RelativeErrorOracle,
)
from jslds_bench.models._shared.switching_system import _from_zero
from jslds_bench.models.switching import LDS, SLDS, RecurrentSLDS
from jslds_bench.settings.networks import evaluation as ev
from jslds_bench.settings.networks.calls import on_model
from jslds_bench.switching import arhmm, hmm
from jslds_bench.switching import model as switching
from jslds_bench.switching.float64 import enable_float64
from jslds_bench.switching.parameters import Data
from jslds_bench.tasks.nbit_memory import NBitMemory
from jslds_bench.types import Affine, Cell, Network, Readout

TASK = NBitMemory(n_bits=1, n_steps=20, n_unscored=1)
FOLD = Cell("fold", (1,), (lambda h, zs: h,), lambda h, zs: jnp.abs(zs[0]) - 1.0)
"""h' = |h W + u V + b| − 1: linear on each side of a plane, and so a switching system of known modes."""


def network(cell, w, v, b, h0):
    affine = Affine(*(jnp.asarray(x, jnp.float32) for x in (w, v, b)))
    readout = Readout(jnp.ones((len(b), TASK.n_outputs)), jnp.zeros(TASK.n_outputs))
    return Network(cell, (affine,), jnp.asarray(h0, jnp.float32), readout, None, "analytic")


def fold(slope=0.9):
    """One unit that folds about 0.9 h + u V + 0.25 = 0, on both sides of which it lives."""
    return network(FOLD, [[slope]], [[0.2], [-0.3]], [0.25], [0.5])


def evaluated(model, net, n_trials=200):
    fitted = model.fit(TASK, net, ev.draw_trials(TASK, 0, "fit", n_trials), jax.random.key(0))
    return fitted, ev.evaluate(TASK, net, fitted, ev.draw_trials(TASK, 0, "evaluation", 50), [], 0)


@pytest.fixture(scope="module")
def affine(make_affine):
    rng = np.random.default_rng(0)
    made = make_affine(
        0.4 * rng.normal(size=(5, 5)), rng.normal(size=(5, 2)), rng.normal(size=5), rng.normal(size=5)
    )
    readout = Readout(jnp.eye(5, TASK.n_outputs), jnp.zeros(TASK.n_outputs))
    return dataclasses.replace(made, readout=readout)


def test_an_lds_is_exact_on_an_affine_network(affine):
    fitted, made = evaluated(LDS(), affine)
    assert RelativeError().compute(made) < 2e-3  # the ridge's doing
    assert ProjectionError().compute(made) < 1e-6
    assert made.oracle_run is None
    exact = np.linalg.solve(np.eye(5) - np.asarray(affine.params[0].w).T, np.asarray(affine.params[0].b))
    np.testing.assert_allclose(fitted.fixed_points(jnp.zeros(2))[0], exact, atol=5e-3 * np.abs(exact).max())
    np.testing.assert_allclose(made.local[0], np.asarray(affine.params[0].w).T, atol=5e-3)


def test_fewer_dimensions_leave_a_floor(affine):
    _, made = evaluated(LDS(n_latent=2), affine)
    floor = ProjectionError().compute(made)
    assert floor > 0.01
    assert RelativeErrorOneStep().compute(made) > 0.9 * floor


def test_directions_in_which_nothing_varies_are_left_out(affine):
    """States in a plane of a larger space: regressing on what is only rounding would give any answer."""
    w = np.zeros((6, 6))
    w[:2, :2] = [[0.8, 0.1], [-0.1, 0.7]]
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(6, 6)))[0]
    v = np.random.default_rng(1).normal(size=(2, 6)) * np.array([1, 1, 0, 0, 0, 0])
    net = network(affine.cell, turn.T @ w @ turn, v @ turn, v[0] @ turn, 2 * v[1] @ turn)
    fitted, made = evaluated(LDS(n_latent=5), net)
    assert fitted.loadings.shape == (6, 2)
    assert RelativeError().compute(made) < 5e-3


def test_a_recurrent_gate_finds_the_two_sides_of_a_fold():
    fitted, made = evaluated(RecurrentSLDS(n_modes=(2,)), fold())
    _, line = evaluated(LDS(), fold())
    assert RelativeErrorOneStep().compute(made) < 0.2 * RelativeErrorOneStep().compute(line)
    assert RelativeErrorOracle().compute(made) < 0.2 * RelativeError().compute(line)
    slopes = sorted(fitted.fitted.params.linear.a.ravel())
    np.testing.assert_allclose(slopes, [-0.9, 0.9], atol=0.02)
    # |0.9 h + 0.25| − 1 rests at −7.5 (virtual: there 0.9 h + 0.25 < 0) and, folded, at −1.25 / 1.9 (real)
    found = fitted.mode_points(jnp.zeros(2))
    np.testing.assert_allclose(sorted(found.points.ravel()), [-7.5, -1.25 / 1.9], rtol=0.1)
    assert found.real.tolist() == (found.points.ravel() > -1).tolist()
    np.testing.assert_allclose(fitted.fixed_points(jnp.zeros(2)), [[-1.25 / 1.9]], rtol=0.05)


@pytest.mark.parametrize(
    "model",
    [LDS(), SLDS(n_modes=(2,), max_iterations=10), RecurrentSLDS(n_modes=(2,), max_iterations=10)],
    ids=lambda m: m.name,
)
def test_all_that_a_switching_model_answers_is_one_model(model):
    """A gate of the state runs along its own modes, a chain along the mean over them, in either precision."""
    net = fold()
    fitted, made = evaluated(model, net)
    trials = made.trials
    weights = fitted.free_modes(net.h0, trials.inputs)
    np.testing.assert_allclose(weights.sum(axis=-1), 1)
    run = np.asarray(on_model(free_run, fitted)(net.h0, trials.inputs, trials.u_star))
    along = fitted.follow(net.h0, trials.inputs, weights.argmax(axis=-1))
    if fitted._chain:
        assert not np.allclose(run, along, atol=1e-3)
        x0 = np.tile(fitted._latent(net.h0), (len(run), 1))
        along = fitted._states(switching.forecast(fitted.fitted, x0, trials.inputs).states)
    same = np.isclose(run, along, atol=1e-3).all(axis=(1, 2))
    assert same.mean() > 0.95  # float32 and float64 may part where the gate is undecided
    np.testing.assert_allclose(fitted.project(made.states), made.projected)
    np.testing.assert_allclose(fitted.project(made.projected), made.projected, atol=1e-6)
    ahead, chosen = fitted.by_mode(made.states[:, 0], trials.inputs[0, 0])
    assert ahead.shape == (len(fitted.mode_points(trials.u_star[0]).real), *made.states[:, 0].shape)
    if chosen is not None:
        step = fitted.step(
            fitted.init(net.h0, trials.u_star[0]), made.states[3, 0], trials.inputs[0, 0], trials.u_star[0]
        )[1]
        np.testing.assert_allclose(ahead[chosen[3], 3], step, atol=1e-5)


def test_one_step_ahead_a_chain_goes_by_its_filtered_belief():
    """The modes of step t are weighed as h_0 … h_{t−1} say: the forward pass of the HMM, in float64."""
    fitted, made = evaluated(SLDS(n_modes=(2,), max_iterations=20), fold(slope=-0.2))
    with enable_float64():
        params, x = fitted.fitted.params, fitted._latent(made.states)
        u = _from_zero(made.trials.inputs)
        mask = np.ones(x.shape[:2])
        pot = arhmm.potentials(params, Data(x, u, mask))
        _, alphas = jax.vmap(hmm.forward, in_axes=(None, 0, 0, 0))(
            params.initial.log_pi, pot.log_trans, pot.log_lik, mask
        )
        belief = np.einsum("bti,btij->btj", np.exp(alphas[:, :-1]), np.exp(pot.log_trans))
    linear = params.linear
    assert set(np.unique(belief.argmax(axis=-1))) == {0, 1}
    each = np.einsum("kij,btj->btki", linear.a, x[:, :-1]) + linear.b
    each += np.einsum("kij,btj->btki", linear.v, u[:, 1:])
    ahead = np.einsum("btk,btki->bti", belief, each)
    np.testing.assert_allclose(fitted._states(ahead), made.one_step, atol=1e-3)


def test_the_number_of_modes_is_chosen_on_held_out_trials():
    fitted, _ = evaluated(RecurrentSLDS(n_modes=(1, 2), max_iterations=20), fold())
    series = fitted.fit_series()
    assert series["n_modes_tried"] == [1, 2]
    assert series["n_modes_chosen"] == [2]
    assert series["n_modes_error"][1] < series["n_modes_error"][0]
    assert np.diff(series["objective"]).min() > -1e-9


def test_the_ridge_is_chosen_on_held_out_trials_too():
    told = []
    trials = ev.draw_trials(TASK, 0, "fit", 40)
    model = LDS(max_iterations=4, ridge=(0.01, 1e5))
    fitted = model.fit(TASK, fold(), trials, jax.random.key(0), lambda *of: told.append(of))
    series = fitted.fit_series()
    assert (series["n_modes_tried"], series["n_modes_ridge"]) == ([1], [0.01])
    assert fitted._fit.spec.ridge == 0.01
    assert {text.split(",")[1] for *_, text in told if "K = 1" in text} == {" ridge 0.01", " ridge 100000"}
    assert all(done <= total for done, total, _ in told)


@pytest.mark.parametrize("wrong", [(), (-1.0,), (np.nan,)])
def test_a_ridge_is_a_number_of_at_least_0(wrong):
    with pytest.raises(UsageError, match="ridge must be numbers of at least 0"):
        LDS(ridge=wrong)


def test_records_hold_these_parameters_in_this_order():
    sizes = {"n_latent": 20, "max_iterations": 60, "ridge": (0.01,)}
    assert list(dataclasses.asdict(LDS()).items()) == [*sizes.items(), ("n_modes", (1,)), ("restarts", 1)]
    several = [("n_modes", (1, 2, 4, 8, 16, 32)), ("n_latent", 20), ("restarts", 1)]
    for entry in (SLDS(), RecurrentSLDS()):
        assert list(dataclasses.asdict(entry).items()) == [*several, *list(sizes.items())[1:]]
    assert SLDS() != RecurrentSLDS()


@pytest.mark.parametrize("wrong", [{"n_modes": ()}, {"n_modes": (0,)}, {"n_latent": 0}, {"restarts": 0}])
def test_numbers_that_mean_nothing_are_refused(wrong):
    with pytest.raises(UsageError, match="at least 1"):
        RecurrentSLDS(**wrong)
