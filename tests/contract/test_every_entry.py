"""What holds for every registered task, network, cell, model and metric, and for tasks and networks."""

import dataclasses

import numpy as np
import pytest

from jslds_bench.contract.entry import entry_faults
from jslds_bench.contract.instances import smoke
from jslds_bench.contract.settings import of
from jslds_bench.contract.settings.networks import cell, network
from jslds_bench.contract.settings.networks.task import expansion_faults
from jslds_bench.models.persistence import Persistence
from jslds_bench.suite import registries
from jslds_bench.tasks.sine_generator import SineGenerator
from jslds_bench.types import MODELS

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


def test_a_parameter_is_explained_by_its_own_name_not_by_a_word_that_holds_it(monkeypatch):
    monkeypatch.setattr(MODELS, "_entries", dict(MODELS._entries))

    @MODELS.register("short")
    @dataclasses.dataclass(frozen=True)
    class Short(Persistence):
        """Nothing is said of how many."""

        n: int = 1

    assert "its docstring does not explain n: list them under `Attributes:`" in list(
        entry_faults("models", "short")
    )


def test_a_task_of_many_contexts_is_not_blamed_for_those_that_few_trials_miss():
    task = SineGenerator(n_frequencies=24)
    assert list(expansion_faults(task)) == []

    class Inventing(SineGenerator):
        def expansion_inputs(self):
            return np.concatenate([super().expansion_inputs(), -np.ones((1, 1), np.float32)])

    assert "are not those of `expansion_inputs`" in " ".join(expansion_faults(Inventing(n_frequencies=24)))
