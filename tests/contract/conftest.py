"""Every registered entry as a parameter, and small networks for the models to be fitted to."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from entries import REGISTRIES, Case, fit, reads, smoke

from jslds_bench import evaluation as ev
from jslds_bench.networks.format import network_bytes
from jslds_bench.types import Evaluation, FitsRecordings, RecordedEvaluation, RecordedTask


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for `a_task`, `a_network`, `a_model` or `a_metric` runs for every registered name.

    Tasks that are recorded data are `a_recording`, the models that fit them `a_recorded_model`, and the
    metrics of such fits `a_recorded_metric`.
    """
    names = {f"a_{kind[:-1]}": registry.names() for kind, registry in REGISTRIES.items()}
    models, metrics = REGISTRIES["models"], REGISTRIES["metrics"]
    names["a_recording"] = [n for n in names["a_task"] if isinstance(smoke("tasks", n), RecordedTask)]
    names["a_task"] = [n for n in names["a_task"] if n not in names["a_recording"]]
    names["a_recorded_model"] = [n for n in names["a_model"] if issubclass(models.get(n), FitsRecordings)]
    names["a_recorded_metric"] = [n for n in names["a_metric"] if reads(metrics.get(n), RecordedEvaluation)]
    names["a_metric"] = [n for n in names["a_metric"] if reads(metrics.get(n), Evaluation)]
    for argument, values in names.items():
        if argument in metafunc.fixturenames:
            metafunc.parametrize(argument, values, scope="session")


CASES = {"frozen vanilla": ("nbit_memory", "vanilla", 0), "co-trained gru": ("context_integration", "gru", 2)}


@pytest.fixture(scope="session")
def cases(make_network) -> dict[str, Case]:
    made = {}
    for name, (task_name, cell, n_layers) in CASES.items():
        task = smoke("tasks", task_name)
        network = make_network(cell, 6, task.n_inputs, task.n_outputs, n_layers, gain=0.5)
        trials = ev.draw_trials(task, 0, "fit", 24)
        made[name] = Case(task, network, trials, ev.reference_points(task, network, 0))
    return made


@pytest.fixture(scope="session", params=CASES)
def case(request, cases) -> Case:
    return cases[request.param]


@pytest.fixture(scope="session")
def fitted(cases):
    """(model name, case) → the fitted model, fitted once."""
    kept: dict[Any, Any] = {}

    def get(model: str, case: Case) -> Any:
        key = (model, id(case))
        if key not in kept:
            kept[key] = fit(model, case)
        return kept[key]

    return get


@pytest.fixture(scope="session")
def evaluated(fitted):
    """(model name, case) → its evaluation, made once, with made-up timings."""
    kept: dict[Any, Any] = {}

    def get(model: str, case: Case) -> Any:
        key = (model, id(case))
        if key not in kept:
            trials = ev.draw_trials(case.task, 0, "evaluation", 20)
            made = ev.evaluate(case.task, case.network, fitted(model, case), trials, case.reference, 0)
            timings = {name: 1.0 for name in REGISTRIES["metrics"] if REGISTRIES["metrics"].get(name).timing}
            kept[key] = dataclasses.replace(made, timings=timings)
        return kept[key]

    return get


@pytest.fixture(scope="session")
def a_file(tmp_path_factory, make_network) -> Path:
    """A checkpoint that fits the smoke size of nbit_memory."""
    task = smoke("tasks", "nbit_memory")
    path = tmp_path_factory.mktemp("checkpoint") / "network.npz"
    path.write_bytes(network_bytes(make_network("gru", 6, task.n_inputs, task.n_outputs)))
    return path
