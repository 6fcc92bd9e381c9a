"""Loss and gradient of a large batch, a part at a time, against the whole at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jslds_bench.dynamics import batches
from jslds_bench.dynamics.batches import AT_ONCE, Fresh, Noisy, NoisyTrials, value_and_grad
from jslds_bench.dynamics.cells import get_cell
from jslds_bench.dynamics.training import (
    co_training_loss,
    expansion_loss,
    make_recipe,
    network_loss,
    train,
)
from jslds_bench.networks._shared.modules import initial_parameters
from jslds_bench.tasks.context_integration import ContextIntegration
from jslds_bench.types.networks import LossWeights

TASK = ContextIntegration()
WEIGHTS = LossWeights(e=3.0, a=2.0, l2=0.01)


@pytest.fixture(autouse=True)
def one_core(monkeypatch):
    monkeypatch.setattr(batches, "on_one_core", lambda: True)


def parameters(cell, expansion=True):
    return initial_parameters(cell, TASK.n_inputs, 6, TASK.n_outputs, jax.random.key(0), expansion=expansion)


def trials(n, noise=False):
    drawn = NoisyTrials(TASK.sample, 6, 0.2) if noise else TASK.sample
    return drawn(jax.random.key(1), n)


def spied(loss):
    """The loss, and how many trials each call of it was given."""
    sizes = []

    def seen(p, data, *besides):
        sizes.append(len(batches.trials_and_noise(data)[0].inputs))
        return loss(p, data, *besides)

    return batches.mean_over_trials(seen), sizes


def compare(loss, params, data, *besides):
    whole = jax.jit(jax.value_and_grad(loss, has_aux=True))(params, data, *besides)
    parts = jax.jit(value_and_grad(loss))(params, data, *besides)
    assert jax.tree.structure(whole) == jax.tree.structure(parts)
    for one, other in zip(jax.tree.leaves(whole), jax.tree.leaves(parts), strict=True):
        scale = max(1e-3, np.abs(one).max())
        np.testing.assert_allclose(other, one, atol=1e-5 * scale)


@pytest.mark.parametrize("noise", [False, True])
@pytest.mark.parametrize("cell", ["gru", "vanilla"])
@pytest.mark.parametrize("make", [co_training_loss, network_loss])
def test_losses_and_gradients_in_parts_are_those_of_the_whole(make, cell, noise):
    compare(make(get_cell(cell), WEIGHTS, True), parameters(cell), trials(3 * AT_ONCE, noise))


def test_so_are_those_of_an_expansion_network_on_a_frozen_one():
    p = parameters("gru")
    given = p._replace(phi=None), jnp.asarray(0.7)
    compare(expansion_loss(get_cell("gru"), WEIGHTS), p.phi, trials(2 * AT_ONCE), given)


@pytest.mark.parametrize(
    ("n", "called_with"), [(AT_ONCE, AT_ONCE), (2 * AT_ONCE, AT_ONCE), (2 * AT_ONCE + 1, 2 * AT_ONCE + 1)]
)
def test_only_a_multiple_is_cut_up(n, called_with):
    loss, sizes = spied(network_loss(get_cell("gru"), WEIGHTS))
    value_and_grad(loss)(parameters("gru"), trials(n))
    assert sizes[-1] == called_with


def test_a_loss_that_is_not_said_to_be_a_mean_sees_the_whole_batch():
    def spread(p, data):
        return jnp.var(data.inputs) * jnp.sum(p.h0), {}

    whole, _ = jax.value_and_grad(spread, has_aux=True)(parameters("gru"), trials(4 * AT_ONCE))
    assert value_and_grad(spread)(parameters("gru"), trials(4 * AT_ONCE))[0] == whole


@pytest.mark.parametrize(
    ("where", "name", "answer"), [(jax, "default_backend", "gpu"), (batches, "on_one_core", False)]
)
def test_on_an_accelerator_or_several_cores_batches_stay_whole(where, name, answer, monkeypatch):
    loss, sizes = spied(network_loss(get_cell("gru"), WEIGHTS))
    monkeypatch.setattr(where, name, lambda: answer)
    value_and_grad(loss)(parameters("gru"), trials(2 * AT_ONCE))
    assert sizes == [2 * AT_ONCE]


def test_data_of_another_kind_stay_whole():
    @batches.mean_over_trials
    def of_arrays(p, x):
        return jnp.mean(x) * p, {}

    assert value_and_grad(of_arrays)(2.0, jnp.ones(2 * AT_ONCE))[0][0] == 2


def test_the_papers_recipe_is_cut_up():
    recipe = make_recipe("paper", TASK.setup)
    drawn = Fresh(NoisyTrials(TASK.sample, 6, 0.1), recipe.batch)(jax.random.key(0), 0)
    assert isinstance(drawn, Noisy)
    assert batches._parts(drawn)[0].shape[:2] == (recipe.batch // AT_ONCE, AT_ONCE)


def test_training_by_the_papers_recipe_is_in_parts_and_comes_to_the_same(monkeypatch):
    trained, sizes = [], []
    for answer in (True, False):
        monkeypatch.setattr(batches, "on_one_core", lambda answer=answer: answer)
        # a loss of its own for each: what was traced for one is not traced again
        loss, seen = spied(co_training_loss(get_cell("gru"), WEIGHTS, True))
        recipe = make_recipe("paper", TASK.setup, 3)
        trained.append(train(loss, parameters("gru"), TASK.sample, recipe, jax.random.key(2))[0])
        sizes.append(seen[-1])
    assert sizes == [AT_ONCE, 256]
    for one, other in zip(*map(jax.tree.leaves, trained), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
