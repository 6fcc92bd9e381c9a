"""Fits of LFADS to small planted data: what is inferred, from what, and what a seed decides."""

import gc

import jax
import numpy as np
import pytest

from jslds_bench.contract.compiling import compilations
from jslds_bench.lfads.fitting import FitSettings, fit, infer
from jslds_bench.tasks.spiking_rotations import SpikingRotations

KEY = jax.random.key(0)
SMALL = FitSettings(n_encoder=16, n_generator=16, n_factors=8, n_steps=300, batch=32)
QUICK = FitSettings(n_encoder=4, n_generator=4, n_factors=2, n_steps=3, batch=8)
TASK = SpikingRotations(n_units=40, n_trials=160, n_held_out=24, n_steps=30, n_conditions=8)
FEW = SpikingRotations(n_units=12, n_trials=40, n_held_out=5, n_steps=20, n_conditions=8)


@pytest.fixture(scope="module")
def spikes():
    return TASK.spikes(KEY)


@pytest.fixture(scope="module", params=[None, "origin"], ids=["lfads", "lfads_jslds"])
def fitted(request, spikes):
    return fit(spikes[0], SMALL, request.param, KEY)


def test_rates_of_unseen_trials_are_nearer_the_truth_than_constant_ones(spikes, fitted):
    fit_trials, held_out = spikes
    found = infer("gru", fitted[0], held_out.held_in, KEY, 4)
    constant = fit_trials.counts.mean(axis=(0, 1))
    for rates in (found.rates, found.jslds_rates):
        assert ((rates - held_out.rates) ** 2).sum() < 0.9 * ((constant - held_out.rates) ** 2).sum()


def test_the_loss_that_is_not_trained_on_decides_which_parameters_are_kept(fitted):
    _, history = fitted
    assert len(history["validation"]) == 3
    assert history["validation"].min() < history["validation"][0]


def test_a_trial_is_inferred_from_itself(spikes, fitted):
    """Not from the trials beside it."""
    held_in = spikes[1].held_in
    whole = infer("gru", fitted[0], held_in, KEY, 4)
    changed = held_in.copy()
    changed[1:] = changed[1:][::-1]
    other = infer("gru", fitted[0], changed, KEY, 4)
    np.testing.assert_allclose(whole.rates[0], other.rates[0], rtol=1e-5)
    assert not np.allclose(whole.rates[1], other.rates[1], rtol=1e-3)


def test_a_seed_decides_the_fit(spikes):
    one, again, other = (fit(spikes[0], QUICK, "identity", jax.random.key(s))[0] for s in (1, 1, 2))
    same = jax.tree.map(lambda a, b: bool((np.asarray(a) == np.asarray(b)).all()), one, again)
    assert all(jax.tree.leaves(same))
    assert not (np.asarray(one.factors) == np.asarray(other.factors)).all()


@pytest.mark.parametrize(
    ("expansion", "expected"),
    [
        (None, {"loss": 49.246857, "rnn": 49.045525, "kl": 0.27677006, "validation": 58.104786}),
        ("origin", {"loss": 98.895051, "rnn": 49.046104, "jslds": 49.032387, "validation": 116.18168}),
    ],
)
def test_the_losses_are_those_of_data_that_the_program_held(expansion, expected):
    """The numbers are those of version 0.2.0, which compiled the data into each fit's program."""
    _, history = fit(FEW.spikes(KEY)[0], QUICK, expansion, jax.random.key(1))
    found = {name: float(history[name][0]) for name in expected}
    assert found == pytest.approx(expected, rel=3e-6)


def test_a_second_fit_compiles_nothing_and_no_fit_leaves_its_data():
    def live():
        gc.collect()
        return sum(array.nbytes for array in jax.live_arrays())

    first, second = (FEW.spikes(jax.random.key(seed))[0] for seed in (0, 1))
    before = live()
    fit(first, QUICK, "identity", jax.random.key(1))
    with compilations() as seen:
        fit(second, QUICK, "identity", jax.random.key(2))
    assert seen == []
    assert live() - before < first.counts.astype(np.float32).nbytes / 2


def test_the_true_systems_frequencies_stand_in_the_data():
    """The planted rotations, by least squares on the true log-rates' principal components."""
    fit_trials, _ = SpikingRotations(n_units=30, n_trials=108, n_held_out=1).spikes(KEY)
    logs = np.log(fit_trials.rates)
    logs = logs - logs.mean(axis=0)  # the bump and the base rates are the same in all trials
    flat = logs.reshape(-1, logs.shape[-1])
    axes = np.linalg.svd(flat, full_matrices=False)[2][:6].T
    x = logs @ axes
    before, after = x[:, :-1].reshape(-1, 6), x[:, 1:].reshape(-1, 6)
    values = np.linalg.eigvals(np.linalg.lstsq(before, after, rcond=None)[0])
    turning = np.sort(np.angle(values[values.imag > 0]) / (2 * np.pi * fit_trials.bin_seconds))
    np.testing.assert_allclose(turning, np.sort(fit_trials.rotations.frequencies), rtol=1e-6)
    assert fit_trials.rotations.planes.shape == (3, 30, 2)


def test_rates_are_like_those_of_the_files():
    """Mean about 4 Hz, median about 3, 90th percentile about 10, over units of several draws."""
    hz = np.concatenate(
        [
            100 * SpikingRotations(n_trials=108, n_held_out=1).spikes(jax.random.key(s))[0].rates.mean((0, 1))
            for s in range(4)
        ]
    )
    assert 3.4 < hz.mean() < 5.2
    assert 2.3 < np.median(hz) < 3.7
    assert 7 < np.percentile(hz, 90) < 12
