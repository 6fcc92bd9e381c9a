"""Every registered entry and every rule as a parameter; models fitted and evaluated once."""

from __future__ import annotations

from typing import Any

import pytest

from jslds_bench.contract import metric
from jslds_bench.contract.cases import CASES, Case, small_case, smoke
from jslds_bench.contract.fitting import Subject, fit_to
from jslds_bench.contract.recording import is_recorded
from jslds_bench.contract.spike_model import fits_spikes
from jslds_bench.contract.spiking import is_spiking
from jslds_bench.suite import registries
from jslds_bench.types import Evaluation, reads
from jslds_bench.types.recordings import RecordedEvaluation

SECRET = 1729  # a draw that makes the tests the same from run to run


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for `a_task`, `a_network`, `a_model` or `a_metric` runs for every registered name.

    Tasks that are recorded data are `a_recording`, and the metrics of fits to them `a_recorded_metric`; those
    that are spiking data are `a_spike_task`. `a_model` describes networks, `a_spike_model` spikes.
    """
    names: dict[str, list[Any]] = {
        f"a_{kind[:-1]}": registry.registered() for kind, registry in registries().items()
    }
    names["a_recording"] = [n for n in names["a_task"] if is_recorded(smoke("tasks", n))]
    names["a_spike_task"] = [n for n in names["a_task"] if is_spiking(smoke("tasks", n))]
    of_data = names["a_recording"] + names["a_spike_task"]
    names["a_task"] = [n for n in names["a_task"] if n not in of_data]
    models = registries()["models"]
    # slds is lds and rslds with another gate, and each of them compiles for half a minute
    marks = {"slds": pytest.mark.slow}
    of_spikes = [n for n in names["a_model"] if fits_spikes(models.get(n))]
    names["a_spike_model"] = [pytest.param(n, marks=marks.get(n, ())) for n in of_spikes]
    names["a_model"] = [n for n in names["a_model"] if hasattr(models.get(n), "fit")]
    metrics = registries()["metrics"]
    names["a_recorded_metric"] = [n for n in names["a_metric"] if reads(metrics.get(n), RecordedEvaluation)]
    names["a_metric"] = [n for n in names["a_metric"] if reads(metrics.get(n), Evaluation)]
    for argument, values in names.items():
        if argument in metafunc.fixturenames:
            metafunc.parametrize(argument, values, scope="session")


@pytest.fixture(scope="session", params=CASES)
def case(request) -> Case:
    return small_case(request.param)


@pytest.fixture(scope="session")
def subject():
    """(model name, case) → the model fitted under watch, once; skips where it declares itself unsupported."""
    kept: dict[Any, Subject] = {}

    def get(model: str, case: Case) -> Subject:
        key = (model, case.name)
        if key not in kept:
            kept[key] = fit_to(smoke("models", model), case, SECRET)
        if kept[key].refusal is not None:
            pytest.skip(f"unsupported: {kept[key].refusal}")
        return kept[key]

    return get


@pytest.fixture(scope="session")
def evaluated():
    """(model name, case) → its evaluation, made once, with made-up timings."""
    kept: dict[Any, Any] = {}

    def get(model: str, case: Case) -> Any:
        key = (model, case.name)
        if key not in kept:
            kept[key] = metric.evaluation_of(model, case)
        return kept[key]

    return get
