"""What holds for every model that is fitted to spikes, beside the contract, and what a run makes of it."""

import jax
import numpy as np
import pytest

from jslds_bench.contract.instances import smoke
from jslds_bench.contract.settings.spikes.model import small_case
from jslds_bench.errors import Unsupported
from jslds_bench.metrics.spikes import mean_r2
from jslds_bench.report import settings
from jslds_bench.report.data.arrays import check_arrays
from jslds_bench.settings.spikes import SETTING
from jslds_bench.settings.spikes.evaluation import spike_arrays
from jslds_bench.suite import registries
from jslds_bench.types.spikes import SpikeEvaluation, SpikeModel


@pytest.fixture
def fitted(a_spike_model, subject):
    """Every model that fits spikes, fitted to a few units."""
    return subject(a_spike_model, small_case())


def test_it_is_evaluated_from_held_in_units_alone(fitted):
    """The held-out units' counts on the trials that are scored decide nothing but the score."""
    assert isinstance(fitted.fitted, SpikeModel)
    made, held_out = fitted.evaluation, fitted.held_out
    counts = np.array(held_out.counts)
    counts[..., held_out.held_out_units] += 7
    other = fitted.evaluated(fitted.fitted, changed(held_out, counts=counts))
    np.testing.assert_array_equal(made.inferred.rates, other.inferred.rates)
    values = [value(made, name) for name in ("bits_per_spike", "co_bits_per_spike")]
    others = [value(other, name) for name in ("bits_per_spike", "co_bits_per_spike")]
    assert values[0] == others[0]
    assert values[1] != others[1]


def changed(trials, **fields):
    return type(trials)(**{**vars(trials), **fields})


def value(evaluation: SpikeEvaluation, name: str) -> float | None:
    try:
        return registries()["metrics"].make(name, {}).compute(evaluation)
    except Unsupported:
        return None


def test_its_arrays_are_those_that_the_report_reads(fitted):
    arrays = spike_arrays(fitted.fitted, fitted.evaluation)
    read = check_arrays(arrays, settings.of("spikes").shapes)
    assert (read.found.keys(), read.notes) == (arrays.keys(), ())
    assert {"spikes_time", "spikes_example_counts", "spikes_example_rates"} <= arrays.keys()


MODELS = [n for n in registries()["models"].registered() if SETTING.serves(registries()["models"].get(n))]
SAME_CODE = ("slds", "rslds")  # as lds, with more modes


@pytest.mark.parametrize(
    "name", [pytest.param(m, marks=pytest.mark.slow) if m in SAME_CODE else m for m in MODELS]
)
def test_rates_of_a_constant_world_are_that_constant(name):
    """Units that fire alike at all times in all trials: no model may see much else in them."""
    task = smoke("tasks", "spiking_rotations", n_trials=48)
    fit, held_out = task.spikes(jax.random.key(0))
    rng, levels = np.random.default_rng(0), np.linspace(0.5, 2.0, fit.counts.shape[2])
    fit, held_out = (
        changed(x, counts=rng.poisson(np.broadcast_to(levels, x.counts.shape)).astype(float))
        for x in (fit, held_out)
    )
    model = smoke("models", name).fit_spikes(task, fit, jax.random.key(0))
    rates = model.infer(held_out.held_in, held_out.conditions, jax.random.key(1)).rates
    means = rates.mean(axis=(0, 1))
    assert mean_r2(means[:, None], levels[:, None]) > 0.8
