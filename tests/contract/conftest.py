"""Every registered entry and every rule as a parameter; models fitted and evaluated once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from jslds_bench.contract import metric
from jslds_bench.contract.fitting import Case, Subject, fit_to
from jslds_bench.contract.instances import smoke, smoke_reading
from jslds_bench.contract.settings import every, homes, of
from jslds_bench.contract.settings.networks import cell
from jslds_bench.contract.settings.networks.cases import CASES, small_case
from jslds_bench.contract.settings.networks.metric import evaluation_of
from jslds_bench.contract.words import Refused
from jslds_bench.dynamics.cells import cell_of
from jslds_bench.suite import registries

SECRET = 1729  # a draw that makes the tests the same from run to run
# Each compiles EM for half a minute; lds, slds and rslds are the same but for their gate.
SLOW = {("recordings", "lds"), ("recordings", "slds"), ("spikes", "slds")}

ON_TAPE = {"vanilla", "gru", "leaky", "al_rnn", "low_rank"}  # dynamics/test_against_reference.py


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for one of `names` runs for every registered name.

    `a_task`, `a_model` and `a_metric` are of networks; of recordings and spikes `a_recorded_task` and so on.
    Those that end in `_rule` come with the rule, and where there are several with the case, of every setting.
    """
    names: dict[str, list[Any]] = {
        "a_network": registries()["networks"].registered(),
        "a_cell_rule": list(cell_rules()),
    }
    for prefix, setting in (("a", "networks"), ("a_recorded", "recordings"), ("a_spike", "spikes")):
        for kind in ("tasks", "models", "metrics"):
            names[f"{prefix}_{kind[:-1]}"] = [
                marked(setting, name) if kind == "models" else name for name in of_setting(kind, setting)
            ]
    for kind in ("task", "model", "metric"):
        names[f"a_{kind}_rule"] = list(rules(kind))
    for argument, values in names.items():
        if argument in metafunc.fixturenames:
            metafunc.parametrize(argument, values, scope="session")


def of_setting(kind: str, setting: str) -> list[str]:
    registry = registries()[kind]
    mine = of(setting)
    return [name for name in registry.registered() if mine in homes(kind, smoke_reading(kind, name))]


def marked(setting: str, name: str, *more: Any) -> Any:
    """A parameter, slow where it takes long; with `more`, a tuple of all."""
    values = (setting, name, *more) if more else name
    marks = pytest.mark.slow if (setting, name) in SLOW else ()
    return pytest.param(values, marks=marks, id="-".join([name, *more]) if more else name)


def rules(kind: str) -> Iterator[Any]:
    """(setting, entry, case and evaluated model where there are some, rule), of every setting.

    Metrics of networks are not among them: they are looked at on the evaluations of all models.
    """
    for contract in every():
        setting = contract.setting.name
        if kind == "task":
            places, found = [()], contract.task_rules
        elif kind == "model":
            places, found = [(case,) for case in contract.cases()], contract.model_rules
        else:
            made = contract.evaluations() if setting != "networks" else {}
            places, found = [(case, model) for case, models in made.items() for model in models], metric.RULES
        for name in of_setting(f"{kind}s", setting):
            for place in places:
                for rule in found:
                    yield marked(setting, name, *place, rule)


def cell_rules() -> Iterator[Any]:
    """(cell, rule); of the tape only cells that no other test holds to it, or that are not trained."""
    for name in registries()["cells"].registered():
        late = name in ON_TAPE or cell_of(smoke("cells", name)).frozen
        for rule in cell.RULES:
            marks = pytest.mark.slow if rule == "tape" and late else ()
            yield pytest.param((name, rule), marks=marks, id=f"{name}-{rule}")


@pytest.fixture(scope="session", params=CASES)
def case(request) -> Case:
    return small_case(request.param)


@pytest.fixture(scope="session")
def subject():
    """(model name, case) → the model fitted under watch, once; skips where it declares itself unsupported."""
    kept: dict[Any, Subject | Refused] = {}

    def get(model: str, case: Case) -> Subject:
        key = (model, case.name)
        if key not in kept:
            kept[key] = fit_to(smoke("models", model), case, SECRET)
        found = kept[key]
        if isinstance(found, Refused):
            pytest.skip(f"unsupported: {found.why}")
        return found

    return get


@pytest.fixture(scope="session")
def evaluated():
    """(model name, case) → its evaluation, made once, with made-up timings."""
    kept: dict[Any, Any] = {}

    def get(model: str, case: Case) -> Any:
        key = (model, case.name)
        if key not in kept:
            kept[key] = metric.timed(evaluation_of(model, case.name))
        return kept[key]

    return get
