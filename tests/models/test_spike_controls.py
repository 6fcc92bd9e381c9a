"""The controls on spikes: what they estimate, what they may see, and that they are no straw men."""

import dataclasses
from types import SimpleNamespace

import jax
import numpy as np
import pytest
import scipy.optimize

from jslds_bench.analysis.poisson_regression import Design, fit_poisson
from jslds_bench.analysis.spikes import rate_bits_per_spike, smoothed
from jslds_bench.dynamics.spectrum import eigenvalues
from jslds_bench.errors import Unsupported, UsageError
from jslds_bench.metrics.spikes import mean_r2
from jslds_bench.models._shared.spiking_system import SpikingSystem
from jslds_bench.models.psth import PSTH
from jslds_bench.models.smoothing import Smoothing
from jslds_bench.models.switching import LDS, RecurrentSLDS
from jslds_bench.switching.model import Fit
from jslds_bench.switching.parameters import Emission, Gate, Initial, Linear, Params, Spec
from jslds_bench.types.spikes import SpikeTrials

KEY = jax.random.key(0)
TASK = SimpleNamespace(n_latent=4)
OUT = np.arange(12) % 3 == 0  # the units held out of twelve
ANGLES = 2 * np.pi * np.array([2.0, 1.0]) * 0.02  # 2 and 1 Hz in bins of 20 ms


def planted(seed=0):
    """System [4, 4] of two decaying rotations, loadings [4, 12], and starts of four conditions [4, 4]."""
    rng, a = np.random.default_rng(seed), np.zeros((4, 4))
    for p, angle in enumerate(ANGLES):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        a[2 * p : 2 * p + 2, 2 * p : 2 * p + 2] = 0.97 * turn
    return a, 0.4 * rng.normal(size=(4, 12)), rng.normal(size=(4, 4))


A, LOADINGS, STARTS = planted()


def trials(seed, n):
    """Poisson counts of known log-rates, 30 bins."""
    rng = np.random.default_rng(seed)
    conditions = rng.permutation(np.arange(n) % 4)
    states = [STARTS[conditions] + 0.2 * rng.normal(size=(n, 4))]
    for _ in range(29):
        states.append(states[-1] @ A.T)
    rates = np.exp(np.stack(states, axis=1) @ LOADINGS - 0.7)
    return SpikeTrials(rng.poisson(rates).astype(float), 0.02, OUT, conditions, rates)


FIT, HELD_OUT = trials(1, 200), trials(2, 100)


def inferred(entry, fit=FIT, held_out=HELD_OUT):
    """Rates of held-out trials, after a fit."""
    return entry.fit_spikes(TASK, fit, KEY).infer(held_out.held_in, held_out.conditions, KEY).rates


def r2(rates):
    return mean_r2(rates.reshape(-1, 12), HELD_OUT.rates.reshape(-1, 12))


def co_bits(rates):
    return rate_bits_per_spike(HELD_OUT.counts[..., OUT], rates[..., OUT])


def test_smoothing_is_a_weighted_mean():
    impulse = np.zeros((1, 9, 1))
    impulse[0, 4] = 1
    out = smoothed(impulse, 0.01, 0.02)[0, :, 0]
    assert out.argmax() == 4
    assert out[2] / out[4] == pytest.approx(np.exp(-0.5), rel=0.2)
    np.testing.assert_allclose(smoothed(np.ones((2, 9, 3)), 0.01, 0.05), 1)
    np.testing.assert_allclose(out, out[::-1])


def design(seed=0, n_rows=400):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n_rows, 6)) + 1.5
    slopes = 0.4 * rng.normal(size=(6, 4))
    bins = rng.integers(1, 4, size=n_rows).astype(float)
    counts = rng.poisson(bins[:, None] * np.exp(x @ slopes - 1)).astype(float)
    counts[:, 3] = 0  # a unit that never fires
    barred = np.zeros((6, 4), bool)
    barred[[2, 5], [0, 1]] = True
    return Design(x, counts, bins, barred)


@pytest.mark.parametrize("precision", [1e-2, 1.0, 1e3])
def test_poisson_regression_is_at_the_minimum(precision):
    """Against a general minimiser, unit by unit; barred coefficients are 0."""
    x, counts, bins, barred = made = design()
    found = fit_poisson(made, precision)
    np.testing.assert_array_equal(found.slopes[barred], 0)

    def objective(theta, unit):
        eta = x @ theta[:-1] + theta[-1]
        return np.sum(bins * np.exp(eta) - counts[:, unit] * eta) + 0.5 * precision * np.sum(theta[:-1] ** 2)

    for unit in range(3):
        free = np.append(~barred[:, unit], True)
        ours = np.append(found.slopes[:, unit], found.offsets[unit])

        def of_free(values, unit=unit, free=free):
            theta = np.zeros(7)
            theta[free] = values
            return objective(theta, unit)

        best = scipy.optimize.minimize(of_free, ours[free], method="BFGS").fun
        assert objective(ours, unit) - best < 1e-4 * counts[:, unit].sum()
    assert np.all(found.rates(x)[:, 3] < 0.01)


def test_where_it_starts_does_not_matter():
    made = design()
    cold = fit_poisson(made, 1.0)
    warm = fit_poisson(made, 1.0, fit_poisson(made, 100.0))
    np.testing.assert_allclose(cold.rates(made.features), warm.rates(made.features), rtol=0.02, atol=1e-3)


def test_a_held_in_unit_is_predicted_from_the_others():
    fit, held_out = FIT, HELD_OUT
    model = Smoothing().fit_spikes(TASK, fit, KEY)
    seen = np.array(held_out.held_in)
    rates = model.infer(seen, None, KEY).rates
    seen[..., 0] += 3
    after = model.infer(seen, None, KEY).rates
    unit = np.flatnonzero(~fit.held_out_units)[0]
    np.testing.assert_array_equal(rates[..., unit], after[..., unit])
    assert np.abs(after - rates).max() > 0.1


def test_controls_choose_on_the_trials_that_they_are_given():
    """The chosen setting is the best of those that were tried, and the trials are all of the fit's own."""
    fit = FIT
    for entry, setting in ((Smoothing(), "width_seconds"), (PSTH(), "width_seconds")):
        series = entry.fit_spikes(TASK, fit, KEY).fit_series()
        assert len(set(map(len, series.values()))) == 1
        assert set(series[f"validation_{setting}"]) == set(entry.widths_seconds)
        best = int(np.argmax(series["validation_bits_per_spike"]))
        assert series["validation_bits_per_spike"][best] > 0


def test_controls_come_near_the_true_rates():
    best = co_bits(HELD_OUT.rates)
    for entry, least in ((Smoothing(), 0.3), (PSTH(), 0.7)):
        rates = inferred(entry)
        assert r2(rates) > least
        assert least * best < co_bits(rates) < best
    seen = mean_r2(
        smoothed(HELD_OUT.held_in, 0.02, 0.1).reshape(-1, 8), HELD_OUT.rates[..., ~OUT].reshape(-1, 8)
    )
    assert seen < 0  # what smoothing alone would come to


def test_without_held_out_units_all_are_scored():
    fit, held_out = (dataclasses.replace(x, held_out_units=np.zeros(12, bool)) for x in (FIT, HELD_OUT))
    assert r2(inferred(Smoothing(), fit, held_out)) > 0.25


def test_a_psth_is_the_mean_of_a_condition():
    """With hardly any smoothing or trials of the mean; a condition not met has the mean of means."""
    fit = FIT
    entry = PSTH(widths_seconds=(1e-3,), pseudo_trials=(1e-9,))
    model = entry.fit_spikes(TASK, fit, KEY)
    rates = model.infer(None, np.array([2, 0, 99, -1]), KEY).rates
    means = [fit.counts[fit.conditions == c].mean(axis=0) for c in range(4)]
    for got, expected in zip(rates, [means[2], means[0], *2 * [np.mean(means, axis=0)]], strict=True):
        np.testing.assert_allclose(got, np.maximum(expected, 1e-12), atol=1e-4)
    assert (rates > 0).all()


def test_rates_of_silent_units_are_above_zero():
    fit, held_out = FIT, HELD_OUT
    counts = fit.counts.copy()
    counts[..., :3] = 0
    silent = dataclasses.replace(fit, counts=counts)
    for entry in (Smoothing(), PSTH()):
        rates = entry.fit_spikes(TASK, silent, KEY).infer(held_out.held_in, held_out.conditions, KEY).rates
        assert (rates > 0).all()
        assert rates[..., :3].max() < 0.02


def test_what_cannot_be_served_is_said():
    fit, held_out = FIT, HELD_OUT
    nameless = dataclasses.replace(fit, conditions=None)
    with pytest.raises(Unsupported, match="no conditions"):
        PSTH().fit_spikes(TASK, nameless, KEY)
    with pytest.raises(Unsupported, match="no conditions"):
        PSTH().fit_spikes(TASK, fit, KEY).infer(held_out.held_in, None, KEY)
    few = SpikeTrials(fit.counts[:3], fit.bin_seconds, fit.held_out_units, fit.conditions[:3])
    for entry in (PSTH(), Smoothing()):
        with pytest.raises(UsageError, match="3 trials to fit to, expected at least 4"):
            entry.fit_spikes(TASK, few, KEY)
    for wrong in ((), (0.05, 0.0)):
        with pytest.raises(UsageError, match="widths_seconds are"):
            Smoothing(widths_seconds=wrong)
        with pytest.raises(UsageError, match="pseudo_trials are"):
            PSTH(pseudo_trials=wrong)


@pytest.mark.slow  # EM compiles for long
def test_an_lds_finds_the_planted_rotations():
    model = LDS(max_iterations=20).fit_spikes(TASK, FIT, KEY)
    found = model.infer(HELD_OUT.held_in, None, KEY)
    systems = model.systems(found.visited[:, 0])
    np.testing.assert_array_equal(systems, np.repeat(systems[:1], len(systems), axis=0))
    frequencies = np.sort(np.angle(eigenvalues(systems[0])))
    np.testing.assert_allclose(frequencies, [-ANGLES[0], -ANGLES[1], ANGLES[1], ANGLES[0]], rtol=0.1)
    # as good as the states that the true system infers, whose prior of x_0 alone is vaguer
    assert r2(found.rates) > 0.95 * r2(spiking().infer(HELD_OUT.held_in, None, KEY).rates)
    assert co_bits(found.rates) > co_bits(inferred(Smoothing()))


def spiking(n_modes=1, chain=False):
    """The true system as a fitted one; of two modes the second has half the eigenvalues and rules x_0 > 0."""
    scales = np.array([1.0, 0.5])[:n_modes]
    gate = Gate(np.zeros((n_modes if chain else 1, n_modes)), np.zeros((n_modes, 4)), np.zeros((n_modes, 0)))
    if n_modes == 2 and not chain:
        gate.r[1, 0] = 1.0
    params = Params(
        Initial(np.full(n_modes, -np.log(n_modes)), np.zeros(4), np.eye(4)),
        gate,
        Linear(
            scales[:, None, None] * A,
            np.zeros((n_modes, 4, 0)),
            np.zeros((n_modes, 4)),
            np.tile(0.01 * np.eye(4), (n_modes, 1, 1)),
        ),
        Emission(LOADINGS.T, np.full(12, -0.7), np.ones(12)),
    )
    spec = Spec(n_modes, 4, "sticky" if chain else "recurrent_only", "poisson")
    return SpikingSystem(
        Fit(spec, params, 0.0, np.zeros(1), True, np.zeros(1), np.ones(n_modes)),
        ~OUT,
    )


def test_systems_are_those_of_the_mode_in_force():
    states = np.array([[1.0, 0, 0, 0], [-1.0, 0, 0, 0]])
    np.testing.assert_array_equal(spiking().systems(states), [A] * 2)
    gated = spiking(2).systems(states)
    np.testing.assert_array_equal(gated, [0.5 * A, A])
    assert spiking(2, chain=True).systems(states) is None
    np.testing.assert_array_equal(spiking().loadings(), LOADINGS)
    np.testing.assert_allclose(spiking().fixed_points(), np.zeros((1, 4)), atol=1e-12)


def test_rates_are_expectations_over_the_posterior():
    """exp(C m + d) alone is below E exp(C x + d), and units that are not seen follow from those that are."""
    found = spiking().infer(HELD_OUT.held_in, None, KEY)
    assert (found.rates > np.exp(found.visited @ LOADINGS - 0.7)).all()
    assert found.states is None
    assert mean_r2(found.rates[..., OUT].reshape(-1, 4), HELD_OUT.rates[..., OUT].reshape(-1, 4)) > 0.5


@pytest.mark.parametrize(("tried", "expected"), [((1, 2, 4, 8), [1, 2, 4]), ((8, 16), [8]), ((2,), [2])])
def test_of_few_modes_spikes_take_the_best_and_then_all_trials(tried, expected, monkeypatch):
    seen = []

    def fit(spec, counts, *_, **__):
        seen.append((spec.n_modes, len(counts)))
        return dataclasses.replace(spiking().fitted, spec=spec)

    def refine(fitted, counts, *_, **__):
        return fit(fitted.spec, counts)

    left = iter((0.2, 0.3, 0.29))
    monkeypatch.setattr("jslds_bench.switching.model.fit", fit)
    monkeypatch.setattr("jslds_bench.switching.selection.fit", fit)
    monkeypatch.setattr("jslds_bench.switching.selection.refine", refine)
    monkeypatch.setattr(
        "jslds_bench.models._shared.switching_system.rate_bits_per_spike", lambda *_: next(left)
    )
    made = RecurrentSLDS(n_modes=tried).fit_spikes(TASK, FIT, KEY)
    if len(expected) == 1:
        assert seen == [(expected[0], 200)]
        assert made.curve is None
    else:
        assert seen == [*((k, 150) for k in expected), (2, 200)]
        assert made.fit_series()["n_modes_chosen"] == [2]
