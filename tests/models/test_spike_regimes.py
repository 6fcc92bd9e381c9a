"""Two regimes at the suite's size: models that can have two systems tell them, single systems cannot."""

import pytest

from jslds_bench.settings.draws import purpose_key
from jslds_bench.settings.spikes import SETTING
from jslds_bench.suite import registries
from jslds_bench.types.core import silent

SINGLE = (2.5 - 0.8) / (2.5 + 0.8)


def error(name, **parameters):
    """`regime_error` of a model as the suite has it, seed 0."""
    registry = registries()
    shared = SETTING.prepare(registry["tasks"].make("spiking_regimes", {}), None, 0, silent)
    model = registry["models"].make(name, parameters)
    given = SETTING.given(shared)["spikes"]
    fitted = model.fit_spikes(SETTING.describe(shared.task), given, purpose_key(0, "model"))
    evaluated = SETTING.evaluate(fitted, shared, SETTING.held_out(shared, 0, 0), 0)
    return registry["metrics"].make("regime_error", {}).compute(evaluated)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_models_that_can_have_two_systems_have_them_and_single_ones_cannot():
    two = error("lfads", about="states", n_steps=800), error("rslds")
    single = error("lfads_affine", n_steps=800), error("lds")
    print(f"regime_error: lfads at its states and rslds {two}, lfads_affine and lds {single}")
    assert max(two) < SINGLE / 2
    assert min(single) >= SINGLE
