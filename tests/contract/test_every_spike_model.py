"""What holds for every model that is fitted to spikes: the contract, and what the runner makes of it."""

import jax
import numpy as np
import pytest
from jslds_bench.contract.cases import smoke
from jslds_bench.contract.spike_model import RULES, SpikeSubject, fit_to_spikes, fits_spikes

from jslds_bench.errors import Unsupported
from jslds_bench.metrics.spikes import mean_r2
from jslds_bench.report.settings.spikes import SHAPES
from jslds_bench.settings.spikes.evaluation import evaluate_spikes, spike_arrays
from jslds_bench.suite import registries
from jslds_bench.types.spikes import SpikeEvaluation, SpikeModel


@pytest.fixture(scope="module")
def spike_subject():
    """Model name → it fitted to tiny spikes, once."""
    kept: dict[str, SpikeSubject] = {}

    def get(name):
        if name not in kept:
            kept[name] = fit_to_spikes(name)
        return kept[name]

    return get


@pytest.mark.parametrize("rule", RULES)
def test_a_model_of_spikes_keeps_the_contract(rule, a_spike_model, spike_subject):
    assert list(RULES[rule](spike_subject(a_spike_model))) == []


def test_it_is_evaluated_from_held_in_units_alone(a_spike_model, spike_subject):
    """The held-out units' counts on the trials that are scored decide nothing but the score."""
    subject = spike_subject(a_spike_model)
    assert isinstance(subject.model, SpikeModel)
    made = evaluate_spikes(subject.model, subject.fit, subject.held_out, 0)
    counts = np.array(subject.held_out.counts)
    counts[..., subject.held_out.held_out_units] += 7
    other = evaluate_spikes(subject.model, subject.fit, changed(subject.held_out, counts=counts), 0)
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


def test_its_arrays_are_those_that_the_report_reads(a_spike_model, spike_subject):
    subject = spike_subject(a_spike_model)
    made = evaluate_spikes(subject.model, subject.fit, subject.held_out, 0)
    arrays = spike_arrays(subject.model, made)
    assert arrays.keys() <= SHAPES.keys()
    assert {"spikes_time", "spikes_example_counts", "spikes_example_rates"} <= arrays.keys()
    sizes: dict[str, int] = {}
    for name, array in arrays.items():
        letters = SHAPES[name].removesuffix(" complex").split()
        assert len(letters) == array.ndim, name
        for letter, size in zip(letters, array.shape, strict=True):
            if letter.isalpha():
                assert sizes.setdefault(letter, size) == size, (name, letter)


MODELS = [n for n in registries()["models"].registered() if fits_spikes(registries()["models"].get(n))]
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
