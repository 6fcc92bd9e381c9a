"""What each model is, beyond the contract: exactness on affine networks, and its own choices."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jslds_bench.contract.compiling import compilations
from jslds_bench.dynamics.jslds import co_rollout, expansion_point, jslds_step
from jslds_bench.dynamics.rollout import free_run
from jslds_bench.dynamics.training import make_recipe, train
from jslds_bench.errors import Unsupported, UsageError
from jslds_bench.metrics.states import RelativeError, RelativeErrorOneStep
from jslds_bench.models import jslds
from jslds_bench.models._shared.states import fit_states
from jslds_bench.models.codebook import CodebookModel
from jslds_bench.models.fixed_points import FixedPointModel
from jslds_bench.models.jslds import JSLDS
from jslds_bench.models.persistence import Persistence
from jslds_bench.models.taylor_at_state import TaylorAtState
from jslds_bench.settings.networks import evaluation as ev
from jslds_bench.settings.networks.calls import on_model
from jslds_bench.tasks.context_integration import ContextIntegration
from jslds_bench.tasks.nbit_memory import NBitMemory
from jslds_bench.types import Layer, NetworkStep

MEMORY = NBitMemory(n_bits=1, n_steps=6, n_unscored=1)
CONTEXT = ContextIntegration(n_steps=6)


def fit(model, task, network):
    return model.fit(task, network, ev.draw_trials(task, 0, "fit", 24), jax.random.key(0))


def evaluated(model, task, network):
    trials = ev.draw_trials(task, 0, "evaluation", 20)
    return ev.evaluate(task, network, fit(model, task, network), trials, [], 0)


@pytest.fixture(scope="module")
def affine(make_affine):
    """An affine network for each task, contracting, with h_0 away from its fixed point."""
    rng = np.random.default_rng(0)
    made = {}
    for task in (MEMORY, CONTEXT):
        a, b = 0.5 * rng.normal(size=(5, 5)) / 5**0.5, rng.normal(size=(5, task.n_inputs))
        network = make_affine(a, b, rng.normal(size=5), rng.normal(size=5))
        readout = network.readout._replace(w=jnp.eye(5, task.n_outputs), b=jnp.zeros(task.n_outputs))
        made[task.name] = dataclasses.replace(network, readout=readout)
    return made


@pytest.mark.parametrize("task", [MEMORY, CONTEXT], ids=lambda t: t.name)
@pytest.mark.parametrize(
    "model",
    [FixedPointModel(zeroth="value"), FixedPointModel(zeroth="point"), TaylorAtState()],
    ids=["value", "point", "taylor"],
)
def test_exact_models_are_exact_on_affine_networks(model, task, affine):
    made = evaluated(model, task, affine[task.name])
    assert RelativeError().compute(made) < 1e-5
    assert RelativeErrorOneStep().compute(made) < 1e-5


def test_a_jslds_whose_expansion_is_the_fixed_point_is_exact_on_an_affine_network(affine):
    """E constant at arctanh of the fixed point's coordinates, where the network has one inside (−1, 1)."""
    network = affine[MEMORY.name]
    ((w, _, b),) = (tuple(np.asarray(x, np.float64) for x in stage) for stage in network.params)
    scale = 0.5 / np.abs(np.linalg.solve(np.eye(5) - w.T, b)).max()
    point = scale * np.linalg.solve(np.eye(5) - w.T, b)
    stage = network.params[0]._replace(b=jnp.asarray(scale * b, jnp.float32))
    phi = (Layer(-jnp.eye(5), jnp.asarray(np.arctanh(point), jnp.float32)),)  # a + a W = 0
    network = dataclasses.replace(network, params=(stage,), expansion=phi)
    made = evaluated(JSLDS(), MEMORY, network)
    assert RelativeError().compute(made) < 1e-5
    np.testing.assert_allclose(made.found[0], point[None], atol=1e-6)
    assert made.found_q[0][0] < 1e-12


def test_jslds_on_a_co_trained_network_is_the_second_system_of_co_training(make_network):
    network = make_network("gru", 6, MEMORY.n_inputs, MEMORY.n_outputs)
    made = evaluated(JSLDS(), MEMORY, network)
    h0 = jnp.broadcast_to(network.h0, (20, 6))
    args = (network.params, network.expansion, h0, made.trials.inputs, made.trials.u_star)
    states = co_rollout(network.cell, *args)
    np.testing.assert_allclose(made.free_run[:, 1:], states.a, atol=1e-5)
    np.testing.assert_allclose(made.states[:, 1:], states.h, atol=1e-5)
    fit_trials = ev.draw_trials(MEMORY, 0, "fit", 24)
    h0 = jnp.broadcast_to(network.h0, (24, 6))
    e = co_rollout(
        network.cell, network.params, network.expansion, h0, fit_trials.inputs, fit_trials.u_star
    ).e
    gaps = np.linalg.norm(np.asarray(e).reshape(-1, 1, 6) - made.found[0][None], axis=-1)
    assert gaps.min(axis=0).max() < 1e-6  # the model's points are expansion points of its own run


def test_jslds_on_a_frozen_network_trains_its_expansion_alone(make_network):
    network = make_network("vanilla", 6, MEMORY.n_inputs, MEMORY.n_outputs, n_layers=0)
    model = fit(JSLDS(recipe="paper", n_steps=3), MEMORY, network)
    for got, expected in zip(jax.tree.leaves(model.params), jax.tree.leaves(network.params), strict=True):
        np.testing.assert_array_equal(got, expected)
    assert len(model.phi) == 2
    assert any(np.asarray(x).any() for x in jax.tree.leaves(model.phi))
    a = jnp.ones(6) / 3
    local = model.local(a, jnp.zeros(2), jnp.zeros(2))
    np.testing.assert_allclose(local.e, expansion_point(model.phi, a), rtol=1e-6)
    np.testing.assert_array_equal(local.c, local.e)  # eq. 5: the zeroth term is e*, not F(e*)
    # What it saw beyond the trials that it was given is said in the record.
    assert model.fitted_to() == {"steps": 3, "trials_drawn": 3 * make_recipe("paper", MEMORY.setup).batch}


@pytest.mark.parametrize("far", [False, True])
def test_the_points_of_a_jslds_reach_as_far_as_the_states_of_a_frozen_network(make_network, far):
    """E is a tanh last, and ends at 1: it has units of its own where states go further, and nowhere else."""
    network = make_network("al_rnn(p=2)", 6, MEMORY.n_inputs, MEMORY.n_outputs, n_layers=0)
    params = jax.tree.map(lambda x: 0.1 * x, network.params)
    params = (*params[:-1], params[-1]._replace(w=jnp.full(6, 0.9)))
    network = dataclasses.replace(network, h0=jnp.full(6, 7.0 if far else 0.1), params=params)
    model = fit(JSLDS(recipe="paper", n_steps=3), MEMORY, network)
    if not far:
        assert model.units is None
        return
    states = fit_states(network, ev.draw_trials(MEMORY, 0, "fit", 24))
    assert model.units == pytest.approx(1.5 * np.abs(states[:, 1:]).max())
    assert model.units > 6
    u, u_star = jnp.zeros(2), jnp.zeros(2)
    e = model.local(network.h0, u, u_star).e
    np.testing.assert_allclose(e, expansion_point(model.phi, network.h0, units=model.units), rtol=1e-6)
    assert np.abs(e).min() > 1.5
    np.testing.assert_allclose(
        model.step((), network.h0, u, u_star)[1],
        jslds_step(network.cell, network.params, model.phi, network.h0, u, u_star, model.units),
        rtol=1e-5,
    )


@pytest.mark.parametrize(
    ("cell", "refine", "seen"),
    [
        ("al_rnn(p=2)", 0, False),
        ("low_rank(rank=2)", 0, False),
        ("low_rank(rank=2)", 1, True),
        ("gru", 0, True),
    ],
)
def test_a_jslds_of_a_cell_that_takes_inputs_linearly_does_not_know_u_star(make_network, cell, refine, seen):
    network = make_network(cell, 6, MEMORY.n_inputs, MEMORY.n_outputs, n_layers=0)
    model = fit(JSLDS(recipe="paper", n_steps=3, refine=refine), MEMORY, network)
    h, away = jnp.linspace(-0.5, 0.5, 6), jnp.array([0.3, -0.2])
    one, other = (model.step((), h, star + away, star)[1] for star in (jnp.zeros(2), jnp.array([1.0, -1.0])))
    assert (np.abs(one - other).max() > 1e-3) == seen


def test_another_expansion_network_than_the_network_s_own_is_trained_from_it(make_network):
    own, seeing = (make_network("gru", 5, MEMORY.n_inputs, 1, sees_input=sees) for sees in (False, True))
    settings = {"recipe": "paper", "n_steps": 2}
    for network, expansion in ((own, None), (own, "state"), (seeing, None), (seeing, "input")):
        model = fit(JSLDS(**settings, expansion=expansion), MEMORY, network)
        assert model.fitted_to() == {}
        jax.tree.map(np.testing.assert_array_equal, model.phi, network.expansion)
    model = fit(JSLDS(**settings, expansion="input"), MEMORY, own)
    assert model.fitted_to()["steps"] == 2
    assert 0 < np.abs(model.phi[0].v).max() < 0.1
    assert np.abs(model.phi[0].w - own.expansion[0].w).max() < 0.1
    h, u, u_star = jnp.ones(5) / 3, jnp.array([1.0, -1.0]), jnp.array([0.5, 0.0])
    away = expansion_point(model.phi, h, u - u_star)
    np.testing.assert_allclose(model.local(h, u, u_star).e, away, rtol=1e-6)
    assert np.abs(away - expansion_point(model.phi, h)).max() > 1e-4
    assert fit(JSLDS(**settings, expansion="state"), MEMORY, seeing).phi[0].v is None


def test_an_expansion_network_may_end_with_steps_of_the_network(make_network):
    """Both on a frozen network, where one is trained, and where the network has its own."""
    own = make_network("gru", 5, MEMORY.n_inputs, 1)
    settings = {"recipe": "paper", "n_steps": 2}
    model = fit(JSLDS(**settings, refine=2), MEMORY, own)
    assert model.fitted_to()["steps"] == 2
    assert model.phi[2:] == (NetworkStep(), NetworkStep())
    h, u, u_star = jnp.ones(5) / 3, jnp.array([1.0, -1.0]), jnp.array([0.5, 0.0])
    e = own.step(own.step(expansion_point(model.phi[:2], h), u_star), u_star)
    np.testing.assert_allclose(model.local(h, u, u_star).e, e, rtol=1e-5)
    step = jslds_step(own.cell, own.params, model.phi, h, u, u_star)
    np.testing.assert_allclose(model.step((), h, u, u_star)[1], step, rtol=1e-5)
    refined = dataclasses.replace(own, expansion=model.phi)
    for refine in (None, 2):
        assert fit(JSLDS(**settings, refine=refine), MEMORY, refined).fitted_to() == {}
    assert len(fit(JSLDS(**settings, refine=0), MEMORY, refined).phi) == 2
    with pytest.raises(UsageError, match="refine is -1, expected 0 to 10 steps of the network"):
        JSLDS(refine=-1)


def test_variants_of_jslds_on_a_frozen_network_train_one_expansion_network(make_network, monkeypatch):
    network, trained = make_network("vanilla", 5, MEMORY.n_inputs, MEMORY.n_outputs, n_layers=0), []
    monkeypatch.setattr(jslds, "train", lambda *args: trained.append(args) or train(*args))
    settings = {"recipe": "paper", "n_steps": 3}
    star, actual = (fit(JSLDS(**settings, expand_input=i), MEMORY, network) for i in ("star", "actual"))
    jax.tree.map(np.testing.assert_array_equal, star.phi, actual.phi)
    assert len(trained) == 1
    for other in ({"n_steps": 2}, {"weight_e": 7.0}):
        fit(JSLDS(**(settings | other)), MEMORY, network)
    fit(JSLDS(**settings), MEMORY, dataclasses.replace(network, h0=network.h0 + 0.1))
    JSLDS(**settings).fit(MEMORY, network, ev.draw_trials(MEMORY, 0, "fit", 24), jax.random.key(1))
    assert len(trained) == 5


def test_models_of_other_numbers_of_points_run_the_same_program(make_network):
    network = make_network("vanilla", 5, MEMORY.n_inputs, MEMORY.n_outputs, n_layers=0)
    trials, ran = ev.draw_trials(MEMORY, 0, "evaluation", 7), []
    for n, merge in ((3, 0.01), (40, 1.0)):
        points = np.random.default_rng(n).normal(size=(n, 5))
        nearest = FixedPointModel().about(network, MEMORY.expansion_inputs(), [points])
        assert nearest.n_numbers() == 5 * n
        np.testing.assert_allclose(nearest.fixed_points(jnp.zeros(2)), points, rtol=1e-6)
        for fitted in (nearest, fit(JSLDS("paper", 2, merge), MEMORY, network)):
            with compilations() as seen:
                on_model(free_run, fitted)(network.h0, trials.inputs, trials.u_star)
            ran.append((len(fitted.fixed_points(jnp.zeros(2))), len(seen)))
    assert [compiled for _, compiled in ran] == [1, 1, 0, 0]
    assert ran[1][0] > ran[3][0]


def test_fixed_points_of_the_trial_s_own_context_are_used(affine):
    """The affine network has one fixed point per context: each trial's expansion is about its own."""
    network = affine[CONTEXT.name]
    model = fit(FixedPointModel(), CONTEXT, network)
    w, v, b = (np.asarray(x, np.float64) for x in network.params[0])
    for u_star in np.asarray(CONTEXT.expansion_inputs(), np.float64):
        exact = np.linalg.solve(np.eye(5) - w.T, v.T @ u_star + b)
        np.testing.assert_allclose(model.fixed_points(jnp.asarray(u_star)), exact[None], atol=1e-5)
        far = jnp.full(5, 3.0)
        np.testing.assert_allclose(model.local(far, u_star, jnp.asarray(u_star)).e, exact, atol=1e-5)


def test_the_nearest_of_several_points_is_used(make_network):
    """A bistable unit: states on either side expand about their own side's fixed point."""
    network = make_network("vanilla", 1, 2, 1, n_layers=0)
    theta = network.params[0]._replace(w=jnp.array([[2.0]]), v=jnp.ones((2, 1)) * jnp.array([[-1.0], [1.0]]))
    network = dataclasses.replace(network, params=(theta._replace(b=jnp.zeros(1)),), h0=jnp.zeros(1))
    model = fit(FixedPointModel(), MEMORY, network)
    points = np.asarray(model.fixed_points(jnp.zeros(2))).ravel()
    stable = points[np.abs(points).argmax()]
    for h in (-0.8, 0.8):
        e = model.local(jnp.array([h]), jnp.zeros(2), jnp.zeros(2)).e
        assert float(e[0]) == pytest.approx(np.copysign(abs(stable), h), abs=1e-5)


def test_a_network_without_fixed_points_is_unsupported_by_name(make_affine):
    network = make_affine(np.eye(3), np.zeros((3, 2)), np.array([0.1, 0, 0]))
    with pytest.raises(Unsupported, match=r"no fixed or slow point with q ≤ 1e-05 under u\* = "):
        fit(FixedPointModel(), MEMORY, network)


def test_a_context_without_training_trials_is_unsupported_by_name(affine):
    trials = ev.draw_trials(CONTEXT, 0, "fit", 24)
    one = jax.tree.map(lambda x: x, trials)._replace(u_star=np.repeat(trials.u_star[:1], 24, axis=0))
    with pytest.raises(Unsupported, match=r"no training trial has u\* ="):
        FixedPointModel().fit(CONTEXT, affine[CONTEXT.name], one, jax.random.key(0))


@pytest.mark.parametrize(
    "model",
    [
        FixedPointModel(n_trials=8, slow_tolerance=10.0, expand_input="actual"),
        JSLDS(n_steps=2, expand_input="actual"),
        CodebookModel(n_centres=(2,)),
        CodebookModel(n_centres=(2,), by="star"),
    ],
)
def test_expansions_about_the_input_of_the_moment_are_first_order_in_the_state(model, make_network):
    network = make_network("gru", 5, MEMORY.n_inputs, MEMORY.n_outputs)
    trials = MEMORY.sample(jax.random.key(3), 16)
    fitted = model.fit(MEMORY, network, trials, jax.random.key(0))
    h, u, star = network.h0, trials.inputs[0, 3] + 0.5, trials.u_star[0]
    e = fitted.local(h, u, star).e
    value, slope = jax.jvp(lambda x: network.step(x, u), (e,), (h - e,))
    np.testing.assert_allclose(fitted.step((), h, u, star)[1], value + slope, rtol=1e-4, atol=1e-5)


def test_a_codebook_has_the_least_number_of_centres_that_serves(affine):
    fitted = fit(CodebookModel(n_centres=(2, 1, 4)), MEMORY, affine[MEMORY.name])
    assert fitted.centres.shape[1] == 1  # one expansion is exact


def test_persistence_stays(make_network):
    network = make_network("vanilla", 4, MEMORY.n_inputs, MEMORY.n_outputs)
    made = evaluated(Persistence(), MEMORY, network)
    assert (made.free_run == made.states[:, :1]).all()
    np.testing.assert_array_equal(made.one_step, made.states[:, :-1])
    assert made.found is None


def test_the_expansion_at_the_state_is_exact_where_the_input_is_u_star(make_network):
    network = make_network("gru", 4, 2, 1)
    model = fit(TaylorAtState(), MEMORY, network)
    h, star = jnp.ones(4) / 2, jnp.array([0.3, -0.2])
    np.testing.assert_allclose(model.step((), h, star, star)[1], network.step(h, star), atol=1e-6)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: FixedPointModel(n_trials=0), "n_trials ≥ 1"),
        (lambda: FixedPointModel(noise=-1.0), "noise ≥ 0"),
        (lambda: FixedPointModel(slow_tolerance=0.0), "slow_tolerance > 0"),
        (lambda: JSLDS(n_steps=0), "n_steps ≥ 1"),
        (lambda: JSLDS(merge=-0.1), "merge ≥ 0"),
    ],
)
def test_bad_parameters_are_refused(make, said):
    with pytest.raises(UsageError, match=said):
        make()
