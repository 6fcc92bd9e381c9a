"""Where networks start, and how they are made."""

import dataclasses

import jax
import numpy as np
import pytest
from alike import arrays_of, assert_same

from jslds_bench.dynamics.cells import get_cell
from jslds_bench.dynamics.jslds import expansion_point
from jslds_bench.dynamics.training import Parameters, co_training_loss, make_recipe, network_loss, train
from jslds_bench.errors import UsageError
from jslds_bench.networks._shared.format import check_shapes, network_bytes
from jslds_bench.networks._shared.modules import (
    ExpansionNetwork,
    LinearReadout,
    RecurrentCell,
    initial_parameters,
)
from jslds_bench.networks.cotrained import CoTrained
from jslds_bench.networks.standard import Standard
from jslds_bench.tasks.nbit_memory import NBitMemory
from jslds_bench.types import NetworkStep

cells = pytest.mark.parametrize("cell", ["vanilla", "gru"])


@cells
def test_initial_parameters_have_the_paper_s_statistics(cell):
    n, u, o = 400, 30, 20
    p = initial_parameters(cell, u, n, o, jax.random.key(0), expansion=True)
    for stage, width in zip(p.theta, get_cell(cell).widths, strict=True):
        assert stage.w.shape == (n, width * n)
        assert np.std(stage.w) == pytest.approx(0.9 / n**0.5, rel=0.01)
        assert np.std(stage.v) == pytest.approx(1 / u**0.5, rel=0.03)
        assert abs(np.mean(stage.w)) < 4 * 0.9 / n**1.5
        assert not stage.b.any()
    assert np.std(p.h0) == pytest.approx(0.1, rel=0.15)
    assert np.std(p.readout.w) == pytest.approx(1 / n**0.5, rel=0.05)
    assert not p.readout.b.any()
    assert len(p.phi) == 2
    assert not any(x.any() for x in jax.tree.leaves(p.phi))


@cells
def test_a_network_starts_from_the_same_draw_with_or_without_expansion(cell):
    key = jax.random.key(5)
    plain = initial_parameters(cell, 4, 6, 2, key, expansion=False)
    both = initial_parameters(cell, 4, 6, 2, key, expansion=True)
    assert plain.phi is None
    assert_same(plain, both._replace(phi=None))
    seeing = initial_parameters(cell, 4, 6, 2, key, expansion=True, sees_input=True)
    assert_same(plain, seeing._replace(phi=None))
    assert seeing.phi[0].v.shape == (4, 6)
    assert not seeing.phi[0].v.any()
    assert seeing.phi[1].v is None
    other = initial_parameters(cell, 4, 6, 2, jax.random.key(6), expansion=False)
    assert not np.array_equal(plain.h0, other.h0)


@cells
def test_modules_are_the_pure_steps(cell):
    from flax import nnx

    rngs = nnx.Rngs(3)
    recurrent, readout = RecurrentCell(cell, 4, 6, rngs=rngs), LinearReadout(6, 2, rngs=rngs)
    expansion = ExpansionNetwork(6)
    for w, b in zip(expansion.w, expansion.b, strict=True):
        w[...], b[...] = jax.random.normal(rngs.params(), (6, 6)), jax.random.normal(rngs.params(), (6,))
    h, u = jax.random.normal(jax.random.key(0), (5, 6)), jax.random.normal(jax.random.key(1), (5, 4))
    np.testing.assert_array_equal(recurrent(h, u), get_cell(cell).step(recurrent.parameters, h, u))
    np.testing.assert_array_equal(expansion(h), expansion_point(expansion.parameters, h))
    np.testing.assert_array_equal(readout(h), h @ readout.w[...] + readout.b[...])
    assert len(jax.tree.leaves(nnx.state(recurrent, nnx.Param))) == 3 * len(get_cell(cell).widths) + 1


TASK = NBitMemory(n_bits=1, n_steps=4, n_unscored=1)


@pytest.fixture(scope="module")
def built():
    sources = {
        "standard": Standard("paper", cell="vanilla", n_state=4, n_steps=2),
        "cotrained": CoTrained("paper", cell="vanilla", n_state=4, n_steps=2),
        "from standard": CoTrained("paper", cell="vanilla", n_state=4, n_steps=2, initial="standard"),
        "seeing": CoTrained("paper", cell="vanilla", n_state=4, n_steps=2, expansion="input"),
        "refined": CoTrained("paper", cell="vanilla", n_state=4, n_steps=2, refine=1, weight_a=30.0),
    }
    made = {}
    for name, source in sources.items():
        seen: list[tuple[int, int]] = []
        network = source.build(TASK, jax.random.key(1), lambda done, n, _, seen=seen: seen.append((done, n)))
        made[name] = (source, network, seen)
    return made


@pytest.mark.parametrize("name", ["standard", "cotrained", "from standard", "seeing", "refined"])
def test_trained_networks(name, built):
    source, network, seen = built[name]
    assert network.cell.name == "vanilla"
    assert (network.n_state, network.n_inputs) == (4, 2)
    assert (network.expansion is None) == (name == "standard")
    assert network.kind == source.name
    assert network.history["step"].tolist() == ([4] if name == "from standard" else [2])
    check_shapes(network, name)
    assert source.sources() == {}
    assert seen == ([(2, 4), (4, 4)] if name == "from standard" else [(2, 2)])


def test_an_expansion_network_that_sees_the_input_learns_from_it(built):
    phi = built["seeing"][1].expansion
    assert phi[0].v.shape == (2, 4)
    assert phi[0].v.any()
    assert phi[1].v is built["cotrained"][1].expansion[0].v is None


def test_a_refined_expansion_network_is_trained_through_the_network(built):
    phi = built["refined"][1].expansion
    assert phi[2] == NetworkStep()
    plain = built["cotrained"][1].expansion
    assert len(phi) == len(plain) + 1
    assert np.abs(phi[0].w - plain[0].w).max() > 0


def test_weights_and_steps_are_given_or_the_task_s():
    with pytest.raises(UsageError, match="weight_e ≥ 0, got -1"):
        CoTrained(weight_e=-1.0)
    with pytest.raises(UsageError, match="relative_steps > 0, got 0"):
        CoTrained(relative_steps=0.0)
    own = dataclasses.asdict(CoTrained("paper", cell="vanilla", n_state=4, n_steps=2))
    weights = TASK.setup.weights
    named = CoTrained(**(own | {"weight_e": weights.e, "weight_a": weights.a}))
    key = jax.random.key(1)
    halved = CoTrained(**(own | {"n_steps": 4, "relative_steps": 0.5})).build(TASK, jax.random.key(1))
    assert halved.history["step"].tolist() == [2]
    assert network_bytes(CoTrained(**own).build(TASK, key)) == network_bytes(named.build(TASK, key))


@pytest.mark.parametrize("alone", [False, True])
def test_the_fast_recipe_begins_on_the_task_alone_where_the_set_up_says_so(alone):
    """The first network is the standard one of so many steps; what follows is one training from it."""
    key, setup = jax.random.key(1), TASK.setup
    recipe = make_recipe("fast", setup, 6)
    assert 0 < recipe.n_first < 12
    first = Standard(n_steps=recipe.n_first, n_state=4).build(TASK, key)
    kwargs = {"n_state": 4, "n_steps": 6}
    source = Standard(**kwargs, matched=True) if alone else CoTrained(**kwargs)
    phi = None if alone else ExpansionNetwork(4).parameters
    loss = (network_loss if alone else co_training_loss)(first.cell, setup.weights)
    start = Parameters(first.params, first.h0, first.readout, phi)
    expected, _ = train(loss, start, TASK.sample, recipe, jax.random.fold_in(key, 2))
    network = source.build(TASK, key)
    assert_same(arrays_of(network), (expected.theta, expected.h0, expected.readout, expected.phi))
    assert network.history["step"].tolist() == [recipe.n_first + 6]


def test_random_weights_are_those_that_nothing_was_learned_from():
    key = jax.random.key(1)
    one, other = (
        CoTrained(n_state=4, n_steps=6, initial=initial).build(TASK, key) for initial in ("random", "recipe")
    )
    cell, recipe = get_cell(TASK.setup.cell), make_recipe("fast", TASK.setup, 6)
    start = initial_parameters("gru", 2, 4, 1, jax.random.split(key)[0], expansion=True)
    loss = co_training_loss(cell, TASK.setup.weights)
    expected, _ = train(loss, start, TASK.sample, recipe, jax.random.split(key)[1])
    assert_same(one.params, expected.theta)
    assert network_bytes(one) != network_bytes(other)


def test_what_learns_without_the_network_s_own_error_starts_at_random_weights():
    key, kwargs = jax.random.key(1), {"n_state": 4, "n_steps": 6, "weight_rnn": 0.0}
    one, other = (CoTrained(**kwargs, initial=initial).build(TASK, key) for initial in ("random", "recipe"))
    assert network_bytes(one) == network_bytes(other)


def test_trials_of_a_second_training_are_others():
    """The same key makes both networks, so that the first is that of its own seed."""
    seen = []

    class Watched(NBitMemory):
        def sample(self, key, n_trials):
            jax.debug.callback(lambda k: seen.append(tuple(np.asarray(k).ravel())), jax.random.key_data(key))
            return super().sample(key, n_trials)

    Standard("paper", n_state=4, n_steps=2, cell="vanilla").build(Watched(1, 4, 1), jax.random.key(1))
    jax.effects_barrier()
    first = set(seen)
    seen.clear()
    source = CoTrained("paper", n_state=4, n_steps=2, cell="vanilla", initial="standard")
    source.build(Watched(1, 4, 1), jax.random.key(1))
    jax.effects_barrier()
    assert len(first) == 2
    assert len(seen) == len(set(seen)) == 4
    assert first < set(seen)


def test_one_key_gives_one_network(built):
    source, network, _ = built["cotrained"]
    again = source.build(TASK, jax.random.key(1))
    assert network_bytes(network) == network_bytes(again)


@pytest.mark.parametrize("source", [Standard, CoTrained])
@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"cell": "gur"}, "unknown cell 'gur'; did you mean 'gru'?"),
        ({"n_state": 0}, "n_state is 0, expected at least 1"),
        ({"n_steps": -2}, "n_steps is -2, expected at least 1"),
    ],
)
def test_bad_sizes_are_refused(source, parameters, said):
    with pytest.raises(UsageError, match=said.replace("?", r"\?")):
        source(**parameters)


# The file format
