"""Networks trained as one program are those that are trained one by one."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jslds_bench.dynamics import training
from jslds_bench.dynamics.training import co_training_loss, make_recipe, network_loss, train, train_many
from jslds_bench.errors import Diverged
from jslds_bench.networks._shared.modules import initial_parameters
from jslds_bench.networks.cotrained import CoTrained
from jslds_bench.networks.standard import Standard
from jslds_bench.tasks.context_integration import ContextIntegration
from jslds_bench.tasks.nbit_memory import NBitMemory
from jslds_bench.types.core import Network

TASK = NBitMemory(n_bits=1, n_steps=5, n_unscored=1)
KEYS = [jax.random.key(seed) for seed in (3, 4, 5)]


def assert_close(got, expected, tolerance=2e-5):
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    for g, e in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        assert g.shape == e.shape
        np.testing.assert_allclose(g, e, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("cell", "recipe", "phi"), [("gru", "fast", True), ("vanilla", "paper", True), ("vanilla", "fast", False)]
)
def test_each_is_the_one_trained_alone(make_network, monkeypatch, cell, recipe, phi):
    """Muon or Adam, with the tape's reverse pass: N is above 8, so that Muon has its matrices."""
    monkeypatch.setattr(training, "CHUNK", 4)
    make = co_training_loss if phi else network_loss
    loss = make(make_network(cell).cell, TASK.setup.weights._replace(l2=1e-3))
    plan = make_recipe(recipe, TASK.setup, 8, alone=not phi)
    keys, seen = KEYS[:2], []
    starts = [initial_parameters(cell, 2, 10, 1, key, expansion=phi) for key in keys]
    made = train_many(loss, starts, TASK.sample, plan, keys, lambda *said: seen.append(said))
    assert [said[:2] for said in seen] == [(4, 8), (8, 8)]
    assert all(said[2].endswith("of 2 networks") for said in seen)
    trained, history = train(loss, starts[1], TASK.sample, plan, keys[1])
    other, one = made
    assert_close(one[0], trained)
    assert one[1].keys() == history.keys()
    for name, values in history.items():
        np.testing.assert_allclose(one[1][name], values, rtol=2e-5)
    assert not np.allclose(other[0].theta[0].w, trained.theta[0].w, atol=1e-2)


def growing(p, trials):
    """Falls without end, until it is above 24.5: then there is no finite loss."""
    return jnp.where(p["x"] > 24.5, jnp.inf, -p["x"] * p["pace"]), {"rnn": p["x"]}


def trained_from(starts, monkeypatch):
    monkeypatch.setattr(training, "CHUNK", 10)
    recipe = training.Recipe(
        "fast", 40, 1, lambda n: optax.masked(optax.sgd(1.0), {"x": True, "pace": False})
    )
    params = [{"x": jnp.zeros(()), "pace": jnp.asarray(pace)} for pace in starts]
    stops = jax.tree.map(jax.lax.stop_gradient, params)
    seen = []

    def loss(p, trials):
        return growing({**p, "pace": jax.lax.stop_gradient(p["pace"])}, trials)

    return (
        train_many(loss, stops, TASK.sample, recipe, KEYS, lambda *said: seen.append(said)),
        seen,
        loss,
        recipe,
    )


def test_one_that_diverges_takes_no_other_with_it(monkeypatch):
    made, seen, loss, recipe = trained_from([0.1, 1.0, 0.01], monkeypatch)
    assert isinstance(made[1], Diverged)
    assert str(made[1]).startswith("training diverged within steps 21–30: loss inf, rnn")
    with pytest.raises(Diverged) as alone:
        train(loss, {"x": jnp.zeros(()), "pace": jnp.asarray(1.0)}, TASK.sample, recipe, KEYS[1])
    assert str(alone.value) == str(made[1])
    for i, pace in ((0, 0.1), (2, 0.01)):
        assert float(made[i][0]["x"]) == pytest.approx(40 * pace, rel=1e-5)
        assert made[i][1]["step"].tolist() == [10, 20, 30, 40]
    assert [said[2].rpartition("of ")[2] for said in seen] == 2 * ["3 networks"] + 2 * ["2 networks"]
    assert all("nan" not in said[2] and "inf" not in said[2] for said in seen)


def test_training_ends_when_all_have_diverged(monkeypatch):
    made, seen, *_ = trained_from([1.0, 2.0, 3.0], monkeypatch)
    assert all(isinstance(one, Diverged) for one in made)
    assert len(seen) == 2


SOURCES = {
    "standard": Standard(n_state=6, n_steps=4),
    "alone first": CoTrained(n_state=6, n_steps=4),
    "matched": Standard(n_state=6, n_steps=4, matched=True),
    "cotrained": CoTrained(n_state=6, n_steps=4),
    "from standard": CoTrained(recipe="paper", initial="standard", n_state=6, n_steps=4),
}


def arrays_of(network):
    return network.params, network.h0, network.readout, network.expansion


@pytest.mark.parametrize("name", SOURCES)
def test_networks_of_several_keys_are_those_of_each(name):
    twice, seen = name in ("from standard", "alone first", "matched"), []
    source = SOURCES[name]
    task = NBitMemory(1, 4, 1) if name in ("alone first", "matched") else ContextIntegration(n_steps=4)
    made = source.build_many(task, KEYS[:2], lambda *said: seen.append(said[:2]))
    assert all(isinstance(network, Network) for network in made)
    network, alone = made[1], source.build(task, KEYS[1])
    assert (network.kind, network.cell) == (alone.kind, alone.cell)
    assert_close(arrays_of(network), arrays_of(alone))
    assert network.history.keys() == alone.history.keys()
    assert seen == ([(4, 8), (8, 8)] if twice else [(4, 4)])


@pytest.mark.parametrize("lost", [{1}, {0, 1, 2}])
def test_what_diverged_before_co_training_is_left_out_of_it(monkeypatch, lost):
    source, task, whole = SOURCES["from standard"], ContextIntegration(n_steps=4), Standard.build_many

    def some_lost(*args):
        return [Diverged(str(i)) if i in lost else one for i, one in enumerate(whole(*args))]

    expected = {} if len(lost) == 3 else dict(enumerate(source.build_many(task, KEYS)))
    monkeypatch.setattr(Standard, "build_many", some_lost)
    made = source.build_many(task, KEYS)
    assert [isinstance(one, Diverged) and int(str(one)) == i for i, one in enumerate(made)] == [
        i in lost for i in range(3)
    ]
    for i in {0, 1, 2} - lost:
        assert_close(arrays_of(made[i]), arrays_of(expected[i]))
