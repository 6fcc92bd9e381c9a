"""What holds for every registered task, network, model and metric, and for tasks and networks in use."""

import pytest

from jslds_bench.contract import network, spiking, task
from jslds_bench.contract.cases import checkpoint_file, smoke
from jslds_bench.contract.entry import entry_faults
from jslds_bench.suite import registries

ENTRIES = [(kind, name) for kind, registry in registries().items() for name in registry.registered()]


@pytest.mark.parametrize(("kind", "name"), ENTRIES, ids=lambda x: str(x))
def test_an_entry_is_a_documented_frozen_dataclass(kind, name):
    assert registries()[kind].get(name).name == name
    assert list(entry_faults(kind, name)) == []


@pytest.mark.parametrize("rule", task.RULES)
def test_a_task_keeps_the_contract(rule, a_task):
    assert list(task.RULES[rule](a_task)) == []


@pytest.mark.parametrize("rule", spiking.RULES)
def test_a_spike_task_keeps_the_contract(rule, a_spike_task, tiny_nwb):
    assert list(spiking.RULES[rule](smoke("tasks", a_spike_task, path=str(tiny_nwb)))) == []


@pytest.fixture(scope="module")
def built(a_network, tmp_path_factory):
    return network.build(a_network, str(checkpoint_file(tmp_path_factory.mktemp("checkpoint"))))


@pytest.mark.parametrize("rule", network.RULES)
def test_a_network_keeps_the_contract(rule, built):
    assert list(network.RULES[rule](built)) == []
