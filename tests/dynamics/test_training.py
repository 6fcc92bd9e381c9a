"""The training loop, its recipes and its losses."""

import importlib

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jslds_bench.networks  # noqa: F401, importing registers them
from jslds_bench.contract.compiling import compilations
from jslds_bench.dynamics import training
from jslds_bench.dynamics.training import (
    Parameters,
    co_training_loss,
    expansion_loss,
    make_recipe,
    network_loss,
    task_error,
    train,
)
from jslds_bench.errors import Diverged, UsageError
from jslds_bench.networks._shared.modules import initial_parameters
from jslds_bench.tasks.context_integration import ContextIntegration
from jslds_bench.tasks.nbit_memory import NBitMemory
from jslds_bench.types import NETWORKS, LossWeights, Readout, Trials
from jslds_bench.types.networks import Setup


class Stopped(Exception):
    """Raised in place of training."""


TASK = NBitMemory(n_bits=1, n_steps=5, n_unscored=1)


@pytest.fixture(scope="module")
def start() -> Parameters:
    return initial_parameters("vanilla", 2, 4, 1, jax.random.key(0), expansion=True)


@pytest.fixture(scope="module")
def recipe():
    return make_recipe("paper", TASK.setup, 230)


@pytest.fixture(scope="module")
def trained(start, recipe, make_network):
    """Two runs of one key, with what they reported."""
    loss = co_training_loss(make_network("vanilla").cell, TASK.setup.weights)
    seen: list[tuple[int, int, str]] = []
    runs = [
        train(loss, start, TASK.sample, recipe, jax.random.key(1), lambda *args: seen.append(args))
        for _ in range(2)
    ]
    return runs, seen


# Recipes


def scalar_updates(optimizer, gradients, start=1.0):
    """The parameter after each of the updates of one scalar."""
    x = jnp.array(start)
    state, out = optimizer.init(x), []
    for g in gradients:
        step, state = optimizer.update(jnp.array(g), state, x)
        x = optax.apply_updates(x, step)
        out.append(float(x))
    return out


def test_the_paper_s_recipe_is_adam_with_its_decay_epsilon_and_clip():
    """Adam by hand: lr 0.02·0.9999^k, b1 0.9, b2 0.999, eps 0.1, gradients of norm over 10 scaled to 10."""
    gradients = [0.3, -20.0, 0.05, 10.0, 0.0]
    got = scalar_updates(make_recipe("paper", TASK.setup).optimizer(999), gradients)
    x, m, v = 1.0, 0.0, 0.0
    for k, g in enumerate(gradients):
        g = np.clip(g, -10, 10)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        m_hat, v_hat = m / (1 - 0.9 ** (k + 1)), v / (1 - 0.999 ** (k + 1))
        x -= 0.02 * 0.9999**k * m_hat / (v_hat**0.5 + 0.1)
        assert got[k] == pytest.approx(x, abs=1e-6)


def test_the_paper_s_rate_after_many_steps():
    optimizer = make_recipe("paper", TASK.setup).optimizer(1)
    state = optimizer.init(jnp.zeros(()))
    late = jax.tree.map(lambda x: jnp.full_like(x, 10_000) if x.dtype == jnp.int32 else x, state)
    late = jax.tree.map(lambda x: jnp.full_like(x, 10.0) if x.dtype == jnp.float32 else x, late)
    step, _ = optimizer.update(jnp.array(10.0), late)
    # With both moments settled at g = 10 the update is −rate·m/(√v + 0.1), v̂ = 10 here.
    m, v = 0.9 * 10 + 0.1 * 10, 0.999 * 10 + 0.001 * 100
    assert float(step) == pytest.approx(-0.02 * 0.9999**10_000 * m / (v**0.5 + 0.1), rel=1e-3)


def test_the_clip_is_of_the_global_norm():
    optimizer = make_recipe("paper", TASK.setup).optimizer(1)
    params = {"a": jnp.zeros(2), "b": jnp.zeros(1)}
    gradients = {"a": jnp.array([30.0, 0.0]), "b": jnp.array([40.0])}
    step, _ = optimizer.update(gradients, optimizer.init(params), params)
    # Norm 50 becomes 10: (6, 0, 8); Adam's first step is −lr·g/(|g| + 0.1).
    np.testing.assert_allclose(step["a"], [-0.02 * 6 / 6.1, 0], rtol=1e-5)
    np.testing.assert_allclose(step["b"], [-0.02 * 8 / 8.1], rtol=1e-5)


def test_lengths_and_batches():
    for task, steps in ((NBitMemory(), 40_000), (ContextIntegration(), 50_000)):
        recipe = make_recipe("paper", task.setup)
        assert (recipe.name, recipe.n_steps, recipe.batch) == ("paper", steps, 256)
        fast = make_recipe("fast", task.setup)
        assert fast.n_steps * fast.batch < recipe.n_steps * recipe.batch / 10
        assert make_recipe("fast", task.setup, 7).n_steps == 7
    assert not make_recipe("paper", TASK.setup).n_first
    assert not make_recipe("fast", TASK.setup, alone=True).n_first
    setup = TASK.setup._replace(fast_steps=1000, fast_steps_first=700)
    for n_steps, first in ((None, 700), (500, 400), (100, 70), (10, 7), (1, 1)):
        assert make_recipe("fast", setup, n_steps).n_first == first
    with pytest.raises(UsageError, match="n_steps is 0, expected at least 1"):
        make_recipe("fast", TASK.setup, 0)


@pytest.mark.parametrize("n_steps", [1, 2, 50])
def test_the_fast_rate_warms_up_and_falls_to_nothing(n_steps):
    """Adam's first steps are as long as the rate, whatever the gradient's size."""
    x = scalar_updates(make_recipe("fast", TASK.setup, n_steps).optimizer(n_steps), [1e-2] * n_steps)
    rates = -np.diff([1.0, *x])
    assert np.isfinite(rates).all()
    assert (rates >= 0).all()
    assert rates.max() < 1.2 * 2.5e-3  # Nesterov's momentum overshoots a little
    if n_steps > 10:
        peak = rates.argmax()
        assert rates.max() == pytest.approx(2.5e-3, rel=0.1)
        assert 0 < peak < n_steps // 3
        assert rates[-1] == pytest.approx(2.5e-3 / (n_steps - n_steps // 10), rel=0.1)  # and zero after it
        assert (np.diff(rates[peak:]) < 0).all()


# Losses


def test_task_error_counts_scored_steps_only():
    readout = Readout(jnp.eye(2, 1), jnp.zeros(1))
    states = jnp.stack([jnp.array([[1.0, 9], [2, 9], [3, 9]]), jnp.array([[0.0, 9], [0, 9], [5, 9]])])
    trials = Trials(jnp.zeros((2, 3, 1)), jnp.zeros((2, 3, 1)), jnp.array([0.0, 1, 1]), jnp.zeros((2, 1)))
    assert float(task_error(readout, states, trials)) == pytest.approx((4 + 9 + 0 + 25) / 4)


def test_the_loss_is_the_weighted_sum_of_its_terms(start, make_network):
    cell, trials = make_network("vanilla").cell, TASK.sample(jax.random.key(2), 3)
    weights = LossWeights(2.0, 3.0, 5.0, 7.0, 0.5)
    total, terms = co_training_loss(cell, weights)(start, trials)
    squares = sum(float(jnp.sum(x**2)) for x in jax.tree.leaves((start.theta, start.phi)))
    expected = 2 * terms["rnn"] + 3 * terms["jslds"] + 5 * terms["e"] + 7 * terms["a"] + 0.5 * squares
    assert float(total) == pytest.approx(float(expected), rel=1e-5)
    total, terms = network_loss(cell, weights)(start._replace(phi=None), trials)
    squares = sum(float(jnp.sum(x**2)) for x in jax.tree.leaves(start.theta))
    assert terms.keys() == {"rnn"}
    assert float(total) == pytest.approx(float(terms["rnn"]) + 0.5 * squares, rel=1e-5)


def test_the_paper_s_recipe_penalises_all_parameters(start, make_network):
    """As the authors' code does: h_0 and the readout too. Sums of squares by hand, one term at a time."""
    cell, trials = make_network("vanilla").cell, TASK.sample(jax.random.key(2), 3)
    weights = LossWeights(2.0, 3.0, 5.0, 7.0, 0.5)
    p = start._replace(h0=jnp.array([1.0, 2, 0, 0]), readout=Readout(jnp.full((4, 1), 3.0), jnp.full(1, 4.0)))
    assert make_recipe("paper", TASK.setup).l2_on_all
    for alone in (False, True):
        assert not make_recipe("fast", TASK.setup, alone=alone).l2_on_all
    for loss, params in ((co_training_loss, p), (network_loss, p._replace(phi=None))):
        more = loss(cell, weights, True)(params, trials)[0] - loss(cell, weights)(params, trials)[0]
        assert float(more) == pytest.approx(0.5 * (1 + 4 + 4 * 9 + 16), rel=1e-4)


@pytest.mark.parametrize("name", ["standard", "cotrained"])
def test_networks_train_on_the_loss_of_their_recipe(name, monkeypatch):
    """What is passed on is the recipe's own choice of what the penalty is on."""
    asked = []

    def stop(loss, params, *rest):
        trials = TASK.sample(jax.random.key(2), 3)
        without = loss(params._replace(h0=0 * params.h0), trials)
        asked.append(float(loss(params, trials)[0] - without[0]))
        raise Stopped

    module = importlib.import_module("jslds_bench.networks._shared.trained")
    monkeypatch.setattr(module, "train", stop)
    big = LossWeights(0.0, 0.0, 0.0, 0.0, 1e6)
    monkeypatch.setattr(NBitMemory, "setup", property(lambda _: Setup("vanilla", 4, big, 1, 1, 1)))
    for recipe in ("fast", "paper"):
        with pytest.raises(Stopped):
            NETWORKS.make(name, {"recipe": recipe}).build(TASK, jax.random.key(0))
    fast, paper = asked
    assert abs(fast) < 1e3 < paper


def test_a_loss_that_is_never_finite_where_nothing_is_trained_on_is_a_divergence():
    recipe = make_recipe("fast", TASK.setup, n_steps=2)
    with pytest.raises(Diverged, match="was never finite"):
        training.train_batches(
            lambda params, batch: (jnp.sum(params["w"] ** 2), {}),
            {"w": jnp.ones(3)},
            lambda key, step: step,
            recipe,
            jax.random.key(0),
            validate=lambda params: jnp.float32(jnp.nan),
        )


def test_on_a_frozen_network_the_expansion_network_alone_learns(start, make_network):
    """The gradient by φ is that of the whole loss without the network's own terms, and θ is not asked."""
    cell, trials = make_network("vanilla").cell, TASK.sample(jax.random.key(2), 3)
    weights = LossWeights(2.0, 3.0, 5.0, 7.0, 0.0)
    phi = jax.tree.map(lambda x: x + 0.1, start.phi)
    loss = expansion_loss(cell, weights)
    (total, terms), by_phi = jax.value_and_grad(loss, has_aux=True)(
        phi, trials, (start._replace(phi=None), None)
    )
    whole = co_training_loss(cell, weights)
    by_all = jax.grad(lambda p: whole(p, trials)[0])(start._replace(phi=phi))
    for got, expected in zip(jax.tree.leaves(by_phi), jax.tree.leaves(by_all.phi), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)
    assert float(total) == pytest.approx(
        float(3 * terms["jslds"] + 5 * terms["e"] + 7 * terms["a"]), rel=1e-5
    )


# The loop


def test_trainings_of_one_shape_compile_once(start, recipe, make_network):
    """Other keys, other starts, other frozen networks: a seed more costs no compilation more."""
    cell, weights = make_network("vanilla").cell, TASK.setup.weights
    for loss, params, given in (
        (lambda: co_training_loss(cell, weights), start, None),
        (lambda: expansion_loss(cell, weights), start.phi, (start._replace(phi=None), None)),
    ):
        for seed in (0, 1):
            first, other = (jax.tree.map(lambda x: x + 0.01 * seed, tree) for tree in (params, given))  # noqa: B023
            with compilations() as seen:
                train(loss(), first, TASK.sample, recipe, jax.random.key(seed), given=other)
        assert seen == []


def test_one_key_gives_the_same_bits(trained):
    (first, history), (again, history_again) = trained[0]
    for x, y in zip(jax.tree.leaves(first), jax.tree.leaves(again), strict=True):
        assert np.asarray(x).tobytes() == np.asarray(y).tobytes()
    for name in history:
        np.testing.assert_array_equal(history[name], history_again[name])


def test_history_and_progress(trained, recipe):
    runs, seen = trained
    _, history = runs[0]
    assert history.keys() == {"step", "loss", "rnn", "jslds", "e", "a"}
    assert history["step"].tolist() == [100, 200, 230]
    assert all(values.shape == (3,) and np.isfinite(values).all() for values in history.values())
    assert [done[:2] for done in seen] == 2 * [(100, 230), (200, 230), (230, 230)]
    assert all(text.startswith("loss ") for *_, text in seen)


def test_the_loss_falls(trained):
    (_, history), _ = trained[0]
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    assert history["rnn"][-1] < history["rnn"][0]


def test_each_step_has_its_own_trials_and_all_parts_learn(trained, start):
    (first, _), _ = trained[0]
    for before, after in zip(jax.tree.leaves(start), jax.tree.leaves(first), strict=True):
        assert not np.array_equal(before, after)


def test_trials_of_step_i_are_drawn_from_fold_in_of_i(monkeypatch):
    monkeypatch.setattr(training, "CHUNK", 2)
    drawn = []

    def sample(key, n):
        jax.debug.callback(
            lambda data: drawn.append(tuple(data.tolist())), jax.random.key_data(key), ordered=True
        )
        return TASK.sample(key, n)

    key = jax.random.key(9)
    params = jnp.zeros(())
    recipe = training.Recipe("fast", 5, 2, lambda n: optax.sgd(0.1))
    _, history = train(lambda p, trials: (p**2, {}), params, sample, recipe, key)
    jax.effects_barrier()
    expected = [tuple(jax.random.key_data(jax.random.fold_in(key, i)).tolist()) for i in range(5)]
    assert drawn == expected
    assert history["step"].tolist() == [2, 4, 5]


def test_divergence_stops_training_and_names_the_steps(monkeypatch):
    monkeypatch.setattr(training, "CHUNK", 10)
    recipe = training.Recipe("fast", 1_000, 1, lambda n: optax.sgd(1.0))

    def loss(p, trials):
        return jnp.where(p > 24.5, jnp.inf, -p), {"rnn": p}

    seen = []
    with pytest.raises(Diverged, match="training diverged within steps 21–30: loss inf, rnn"):
        train(loss, jnp.zeros(()), TASK.sample, recipe, jax.random.key(0), lambda *args: seen.append(args[0]))
    assert seen == [10, 20]


def test_recipes_leave_the_starting_parameters_alone(start, trained):
    again = initial_parameters("vanilla", 2, 4, 1, jax.random.key(0), expansion=True)
    for x, y in zip(jax.tree.leaves(start), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(x, y)
