"""Two regimes at the suite's size: a nonlinear generator's systems tell them, an affine one's cannot."""

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
def test_a_generator_that_can_have_two_systems_has_them_and_a_single_one_cannot():
    found = error("lfads", about="states", n_steps=800)
    single = error("lfads_affine", n_steps=800)
    print(f"regime_error: lfads at its states {found:.3f}, lfads_affine {single:.3f}, floor {SINGLE:.3f}")
    assert found < SINGLE / 2
    assert single >= SINGLE
