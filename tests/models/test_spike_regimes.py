"""Two regimes at the suite's size: models that can have two systems tell them, single systems cannot."""

import pytest

from jslds_bench.settings.draws import purpose_key
from jslds_bench.settings.spikes import SETTING
from jslds_bench.suite import registries
from jslds_bench.types.core import silent


def error(name, **parameters):
    """`regime_error` of a model as the suite has it, seed 0, and the least that one system can have."""
    registry = registries()
    shared = SETTING.prepare(registry["tasks"].make("spiking_regimes", {}), None, 0, silent)
    model = registry["models"].make(name, parameters)
    given = SETTING.given(shared)["spikes"]
    fitted = model.fit_spikes(SETTING.describe(shared.task), given, purpose_key(0, "model"))
    evaluated = SETTING.evaluate(fitted, shared, SETTING.held_out(shared, 0, 0), 0)
    return tuple(
        registry["metrics"].make(name, {}).compute(evaluated)
        for name in ("regime_error", "regime_error_single")
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("name", "parameters"), [("lfads", {"about": "states", "n_steps": 800}), ("rslds", {})], ids=str
)
def test_models_that_can_have_two_systems_have_them(name, parameters):
    found, single = error(name, **parameters)
    print(f"regime_error of {name}: {found:.3f}, of a single system at least {single:.3f}")
    assert found < single / 2


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("name", "parameters"), [("lfads_affine", {"n_steps": 800}), ("lds", {})], ids=str)
def test_single_systems_cannot(name, parameters):
    found, single = error(name, **parameters)
    print(f"regime_error of {name}: {found:.3f}, of a single system at least {single:.3f}")
    assert found >= single
