"""What holds for every registered task, network, model and metric, and for tasks and networks in use."""

import dataclasses
import inspect
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from entries import REGISTRIES, host, smoke

from jslds_bench.networks.format import check_shapes, network_bytes
from jslds_bench.types import Metric, Model, NetworkSource, RecordedTask, Setup, Task

PROTOCOLS = {"tasks": (Task, RecordedTask), "networks": NetworkSource, "models": Model, "metrics": Metric}
ENTRIES = [(kind, name) for kind, registry in REGISTRIES.items() for name in registry.names()]


@pytest.mark.parametrize(("kind", "name"), ENTRIES, ids=lambda x: str(x))
def test_an_entry_is_a_documented_frozen_dataclass(kind, name):
    entry = REGISTRIES[kind].get(name)
    assert entry.name == name
    assert entry.__dataclass_params__.frozen
    assert inspect.getdoc(entry)
    assert not entry.__doc__.startswith(f"{entry.__name__}(")  # what dataclass writes if nobody did
    for field in dataclasses.fields(entry):
        assert field.name in entry.__doc__, f"{field.name} is not explained"
    required = [f for f in dataclasses.fields(entry) if f.default is f.default_factory is dataclasses.MISSING]
    made = smoke(kind, name, **{f.name: "x" for f in required})
    assert isinstance(made, PROTOCOLS[kind])
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.anything = 1
    assert hash(made) == hash(smoke(kind, name, **{f.name: "x" for f in required}))


@pytest.mark.parametrize("name", REGISTRIES["metrics"].names())
def test_a_metric_declares_what_its_number_means(name):
    metric = REGISTRIES["metrics"].get(name)
    assert isinstance(metric.unit, str)
    assert metric.unit
    assert metric.better in ("lower", "higher", "none")
    low, high = metric.bounds
    assert -math.inf <= low < high <= math.inf
    assert isinstance(metric.timing, bool)


# Tasks


@pytest.fixture(scope="module")
def trials(a_task):
    return smoke("tasks", a_task).sample(jax.random.key(0), 40)


def test_trials_have_the_promised_shapes(a_task, trials):
    task = smoke("tasks", a_task)
    b, t, u, o = 40, task.n_steps, task.n_inputs, task.n_outputs
    assert [x.shape for x in trials] == [(b, t, u), (b, t, o), (t,), (b, u)]
    assert all(x.dtype == jnp.float32 for x in trials)
    assert all(bool(jnp.isfinite(x).all()) for x in trials)
    assert set(np.unique(trials.mask)) <= {0.0, 1.0}
    assert trials.mask.any()


def test_sampling_is_determined_by_the_key_and_pure(a_task, trials):
    task = smoke("tasks", a_task)
    jitted = jax.jit(task.sample, static_argnums=1)
    for got in (task.sample(jax.random.key(0), 40), jitted(jax.random.key(0), 40)):
        for x, y in zip(got, trials, strict=True):
            np.testing.assert_allclose(x, y, atol=1e-6)
    other = task.sample(jax.random.key(1), 40)
    assert not np.array_equal(other.inputs, trials.inputs)
    many = jax.vmap(lambda key: task.sample(key, 40))(jax.random.split(jax.random.key(0), 2))
    np.testing.assert_allclose(
        many.inputs[1], task.sample(jax.random.split(jax.random.key(0), 2)[1], 40).inputs, atol=1e-6
    )


def test_expansion_inputs_are_distinct_and_are_those_of_the_trials(a_task, trials):
    distinct = np.asarray(smoke("tasks", a_task).expansion_inputs())
    assert distinct.ndim == 2
    assert distinct.dtype == np.float32
    assert len(np.unique(distinct, axis=0)) == len(distinct) > 0
    assert {tuple(u) for u in np.asarray(trials.u_star)} == {tuple(u) for u in distinct}


def test_the_reference_set_up_is_complete(a_task):
    task = REGISTRIES["tasks"].make(a_task, {})
    setup = task.setup
    assert isinstance(setup, Setup)
    assert setup.n_state > 0
    assert 0 < setup.fast_steps <= setup.paper_steps
    assert 0 < setup.fast_steps_alone <= setup.paper_steps
    assert smoke("tasks", a_task).n_steps <= task.n_steps
    assert all(weight >= 0 for weight in setup.weights)


# Networks


@pytest.fixture(scope="module")
def built(a_network, a_file):
    task = smoke("tasks", "nbit_memory")
    source = smoke("networks", a_network, path=str(a_file))
    seen: list[tuple[int, int]] = []
    network = source.build(task, jax.random.key(0), lambda done, total, text: seen.append((done, total)))
    return task, source, network, seen


def test_a_built_network_fits_its_task(built):
    task, source, network, seen = built
    check_shapes(network, "it")  # finite, too
    assert network.n_inputs == task.n_inputs
    assert network.readout.b.shape == (task.n_outputs,)
    assert all(x.dtype == np.float32 for x in host((network.params, network.h0, network.readout)))
    assert network.kind in ("standard", "cotrained", "checkpoint", "analytic")
    assert isinstance(source.sources(), dict)
    assert all(0 <= done <= total for done, total in seen)
    assert seen == sorted(seen)
    for name, values in network.history.items():
        assert isinstance(values, np.ndarray), name
        assert values.shape == network.history["step"].shape


def test_a_network_steps_under_jit_and_vmap(built):
    _, _, network, _ = built
    rng = np.random.default_rng(0)
    h = jnp.asarray(rng.normal(size=(5, network.n_state)), jnp.float32)
    u = jnp.asarray(rng.normal(size=(5, network.n_inputs)), jnp.float32)
    expected = network.step(h, u)
    assert expected.shape == h.shape
    np.testing.assert_allclose(jax.jit(network.step)(h, u), expected, atol=1e-6)
    np.testing.assert_allclose(jax.vmap(network.step)(h, u), expected, atol=1e-6)


def test_building_is_determined_by_the_key(built):
    task, source, network, _ = built
    assert network_bytes(source.build(task, jax.random.key(0))) == network_bytes(network)
