"""What holds for every registered task, network, cell, model and metric, and for tasks and networks."""

import pytest

from jslds_bench.contract.entry import entry_faults
from jslds_bench.contract.instances import smoke
from jslds_bench.contract.settings import of
from jslds_bench.contract.settings.networks import cell, network
from jslds_bench.suite import registries

ENTRIES = [(kind, name) for kind, registry in registries().items() for name in registry.registered()]


@pytest.mark.parametrize(("kind", "name"), ENTRIES, ids=lambda x: str(x))
def test_an_entry_is_a_documented_frozen_dataclass(kind, name):
    assert registries()[kind].get(name).name == name
    assert list(entry_faults(kind, name)) == []


def test_a_task_keeps_the_contract(a_task_rule, tiny_nwb):
    setting, name, rule = a_task_rule
    assert list(of(setting).task_rules[rule](smoke("tasks", name, path=str(tiny_nwb)))) == []


def test_a_cell_keeps_the_contract(a_cell_rule):
    name, rule = a_cell_rule
    assert list(cell.RULES[rule](cell.build(name))) == []


@pytest.fixture(scope="module")
def built(a_network):
    return network.build(a_network)


@pytest.mark.parametrize("rule", network.RULES)
def test_a_network_keeps_the_contract(rule, built):
    assert list(network.RULES[rule](built)) == []
