"""Metrics of models of spikes on values worked out by hand, at their edges, and where numbers are lost."""

import dataclasses
import itertools
import math

import jax
import numpy as np
import pytest
import scipy.stats

from jslds_bench.analysis.spikes import condition_means, rate_bits_per_spike
from jslds_bench.errors import Unsupported
from jslds_bench.metrics.few_shot import N_DRAWS, FewShotBitsPerSpike
from jslds_bench.metrics.spikes import _ridge, mean_r2
from jslds_bench.suite import registries
from jslds_bench.tasks.spiking_rotations import SpikingRotations
from jslds_bench.types.networks import reads
from jslds_bench.types.spikes import Inferred, Rotations, SpikeEvaluation, SpikeTrials

DT = 0.01
TASK = SpikingRotations(n_units=14, n_trials=48, n_held_out=24, n_steps=40, n_conditions=6)


def metric(name, evaluation):
    return registries()["metrics"].make(name, {}).compute(evaluation)


def rotation(frequency, size):
    angle = 2 * np.pi * frequency * DT
    return size * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def true_system():
    """The task's own dynamics, with one more rotation, fast and short, that nothing planted."""
    planted = zip((2.0, 1.3, 0.6), (0.5, 0.4, 0.3), strict=True)
    blocks = [rotation(f, np.exp(-DT / tau)) for f, tau in planted] + [rotation(9.0, 0.5)]
    return np.asarray(jax.scipy.linalg.block_diag(*blocks), np.float64)


@pytest.fixture(scope="module")
def perfect():
    """The evaluation of a model that knows the rates and the system that made them."""
    fit, held_out = TASK.spikes(jax.random.key(0))
    n = held_out.counts.shape[2]
    loadings = np.concatenate([p.T for p in held_out.rotations.planes] + [np.ones((2, n))])
    states = np.random.default_rng(0).normal(size=(24, 41, 8))
    inferred = Inferred(held_out.rates, held_out.rates, states, states, states[:, 1:], states[:, 1:])
    systems = np.tile(true_system(), (5, 1, 1))
    return SpikeEvaluation(
        fit, held_out, Inferred(fit.rates), inferred, systems, loadings, timings={"fit_seconds": 1.0}
    )


def test_bits_per_spike_by_hand():
    """Two bins, one unit, counts 2 and 0; rates 2 and ½ against the mean rate 1."""
    counts, rates = np.array([[[2.0], [0.0]]]), np.array([[[2.0], [0.5]]])
    loss, null = 2.5 - 2 * math.log(2), 2.0  # ln 2! is in both
    assert rate_bits_per_spike(counts, rates) == pytest.approx((null - loss) / (2 * math.log(2)))


def test_a_silent_unit_costs_what_it_is_said_to_fire():
    counts = np.zeros((1, 4, 2))
    counts[0, :, 0] = 1
    rates = np.ones_like(counts)
    rates[..., 1] = 0.25
    assert rate_bits_per_spike(counts, rates) == pytest.approx(-1.0 / (4 * math.log(2)))
    rates[..., 1] = 0  # 0 ln 0 is 0: right about every bin of the silent unit, and no better than the mean's
    assert rate_bits_per_spike(counts, rates) == pytest.approx(0.0)


@pytest.mark.parametrize("lost", [0.0, -1.0, np.nan, np.inf])
def test_a_rate_that_cannot_be_makes_the_score_the_worst(lost):
    counts, rates = np.ones((2, 3, 2)), np.ones((2, 3, 2))
    rates[1, 2, 0] = lost
    assert rate_bits_per_spike(counts, rates) == -math.inf


def test_bits_per_spike_of_true_rates_is_near_its_expectation(perfect):
    """Σ r ln(r / r̄) over Σ r, in bits, is what true rates gain on the average."""
    for name, units in (
        ("co_bits_per_spike", perfect.held_out.held_out_units),
        ("bits_per_spike", ~perfect.held_out.held_out_units),
    ):
        rates = perfect.held_out.rates[..., units]
        expected = np.sum(rates * np.log2(rates / rates.mean((0, 1)))) / rates.sum()
        assert metric(name, perfect) == pytest.approx(expected, abs=0.12)


def test_the_true_model_is_right_about_everything(perfect):
    exact = {
        "rate_r2": 1,
        "rate_r2_jslds": 1,
        "relative_error": 0,
        "single_system_spread": 0,
        "single_system_angle": 0,
        "frequency_error": 0,
        "plane_angle": 0,
    }
    for name, value in exact.items():
        assert metric(name, perfect) == pytest.approx(value, abs=1e-6), name
    assert metric("velocity_r2", perfect) > 0.8
    assert metric("psth_r2", perfect) > metric(
        "psth_r2", with_rates(perfect, np.broadcast_to(perfect.held_out.rates.mean((0, 1)), (24, 40, 14)))
    )
    assert metric("plane_angle_null", perfect) > 20


def with_rates(evaluation, rates):
    return dataclasses.replace(evaluation, inferred=evaluation.inferred._replace(rates=rates))


def test_r2_is_the_mean_over_units_and_leaves_out_those_that_do_not_vary():
    true = np.array([[0.0, 10.0, 3.0], [2.0, 30.0, 3.0]])
    predicted = np.array([[0.0, 20.0, 99.0], [1.0, 20.0, 99.0]])
    assert mean_r2(predicted, true) == pytest.approx((0.5 + 0.0) / 2)
    with pytest.raises(Unsupported, match="does not vary"):
        mean_r2(np.ones((2, 1)), np.ones((2, 1)))


def test_condition_means_by_hand():
    x = np.arange(6.0).reshape(3, 1, 2)
    np.testing.assert_array_equal(condition_means(x, np.array([7, 3, 7])), [[[2, 3]], [[2, 3]]])


def test_the_ridge_regression_agrees_with_scipys_least_squares_where_nothing_is_to_be_shrunk():
    rng = np.random.default_rng(0)
    x, x_new, w = rng.normal(size=(40, 30, 3)), rng.normal(size=(2, 30, 3)), rng.normal(size=(3, 2))
    found = _ridge(x, 5 + x @ w, x_new)
    np.testing.assert_allclose(found, (5 + x_new @ w).reshape(-1, 2), atol=0.02)
    noise = rng.normal(size=(40, 30, 2))
    assert np.abs(_ridge(x, noise, x_new)).max() < 0.2


def test_velocity_is_not_read_off_held_out_trials(perfect):
    """Only what is inferred of the fit trials is regressed on: other velocities there, another score."""
    rng = np.random.default_rng(0)
    fit = dataclasses.replace(perfect.fit, velocity=rng.normal(size=perfect.fit.velocity.shape))
    assert metric("velocity_r2", dataclasses.replace(perfect, fit=fit)) < 0.05


def test_frequencies_and_planes_by_hand(perfect):
    """A system whose 2 Hz rotation turns at 2.2 Hz, in a plane 30° from the planted one."""
    systems = perfect.systems.copy()
    systems[:, :2, :2] = rotation(2.2, np.exp(-DT / 0.5))
    off = dataclasses.replace(perfect, systems=systems)
    assert metric("frequency_error", off) == pytest.approx(0.1)
    assert metric("plane_angle", off) == pytest.approx(0, abs=1e-6)
    unit, other = np.eye(14)[:2].T, np.eye(14)[[0, 2]].T
    tilted = np.stack([unit[:, 0], np.cos(np.pi / 6) * unit[:, 1] + np.sin(np.pi / 6) * other[:, 1]], axis=1)
    held_out = dataclasses.replace(perfect.held_out, rotations=Rotations(np.array([2.0]), unit[None]))
    loadings = perfect.loadings.copy()
    loadings[:2] = tilted.T
    made = dataclasses.replace(perfect, held_out=held_out, loadings=loadings)
    assert metric("plane_angle", made) == pytest.approx(30, abs=1e-6)


def test_five_pairs_have_a_choice_and_the_null_says_how_much(perfect):
    """Against a matching by trying all: the 5th percentile of random pairs' best worst error.

    There are as many as the model has, here four, and never more than five.
    """
    planted, medians = np.array([2.0, 1.3, 0.6]), []
    for more, n, expected in ((0, 4, 0.18), (1, 5, 0.135), (3, 5, 0.135)):
        turning = jax.scipy.linalg.block_diag(true_system(), *[rotation(8.0, 0.4)] * more)
        null = metric("frequency_error_null", dataclasses.replace(perfect, systems=np.asarray(turning)[None]))
        assert null == pytest.approx(expected, abs=0.025)
        rng, worst = np.random.default_rng(1), []
        for found in rng.uniform(0, 3, (2_000, n)):
            errors = [np.abs(found[list(p)] - planted) / planted for p in itertools.permutations(range(n), 3)]
            worst.append(min(errors, key=np.sum).max())
        assert null == pytest.approx(np.percentile(worst, 5), abs=0.025)
        medians.append(np.median(worst))
    assert medians[-1] == pytest.approx(0.43, abs=0.03)


def test_the_null_of_a_mean_angle_is_of_means(perfect):
    n = len(perfect.held_out.rotations.frequencies)
    rng = np.random.default_rng(1)
    means = []
    for _ in range(2_000):
        pairs = [[np.linalg.qr(rng.normal(size=(2 * n, 2)))[0] for _ in range(2)] for _ in range(n)]
        cosines = [np.linalg.svd(a.T @ b, compute_uv=False)[1] for a, b in pairs]
        means.append(np.degrees(np.arccos(cosines)).mean())
    assert metric("plane_angle_null", perfect) == pytest.approx(np.percentile(means, 5), abs=2)


def test_the_true_rates_stand_beside_the_score_of_condition_means(perfect):
    constant = with_rates(perfect, np.ones_like(perfect.held_out.rates))
    for evaluation in (perfect, constant):
        assert metric("psth_r2_oracle", evaluation) == metric("psth_r2", perfect)
    assert metric("psth_r2", constant) < metric("psth_r2_oracle", constant)


def few_shot(perfect, states_fit, states):
    """Of units that fire twenty times as often: ten trials then hold enough spikes."""
    rng = np.random.default_rng(0)
    fit, held_out = (
        dataclasses.replace(t, counts=rng.poisson(20 * t.rates).astype(float), rates=20 * t.rates)
        for t in (perfect.fit, perfect.held_out)
    )
    inferred_fit, inferred = Inferred(fit.rates, visited=states_fit), Inferred(held_out.rates, visited=states)
    made = SpikeEvaluation(fit, held_out, inferred_fit, inferred, None, None)
    return FewShotBitsPerSpike(k=10).compute(made), metric("co_bits_per_spike", made)


def test_few_trials_suffice_where_the_states_are_the_true_ones(perfect):
    true = [np.log(t.rates) for t in (perfect.fit, perfect.held_out)]
    mean = true[0].mean(axis=(0, 1))
    axes = np.linalg.svd((true[0] - mean).reshape(-1, 14), full_matrices=False)[2][:7].T
    z_fit, z = ((x - mean) @ axes for x in true)
    score, best = few_shot(perfect, z_fit, z)
    assert 0.7 * best < score < best
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(7, 7)))[0]
    turned = few_shot(perfect, 50 * z_fit @ turn + 3, 50 * z @ turn + 3)[0]
    assert turned == pytest.approx(score, abs=1e-3)
    rng = np.random.default_rng(1)
    padded = [np.concatenate([x, 3 * rng.normal(size=(*x.shape[:2], 40))], axis=-1) for x in (z_fit, z)]
    assert few_shot(perfect, *padded)[0] < 0.8 * score
    assert few_shot(perfect, *(rng.normal(size=x.shape) for x in (z_fit, z)))[0] < 0.02


def test_few_shot_reads_ten_fit_trials_alone(perfect):
    """Held-out units' spikes on other fit trials do not reach the read-out."""
    n, few = len(perfect.fit.counts), FewShotBitsPerSpike(k=5)
    drawn = {i for draw in range(N_DRAWS) for i in np.random.default_rng(draw).permutation(n)[:5]}
    counts = perfect.fit.counts.copy()
    others = [i for i in range(n) if i not in drawn]
    assert others
    counts[others] = 9
    fit = dataclasses.replace(perfect.fit, counts=counts)
    assert few.compute(dataclasses.replace(perfect, fit=fit)) == few.compute(perfect)


def test_too_few_rotations_are_an_infinite_error(perfect):
    still = dataclasses.replace(perfect, systems=np.tile(0.9 * np.eye(8), (3, 1, 1)))
    assert metric("frequency_error", still) == metric("plane_angle", still) == math.inf
    with pytest.raises(Unsupported, match="does not rotate"):
        metric("single_system_angle", still)


def test_spread_by_hand(perfect):
    """Half the samples at 0.8, half at 1.0: each is 0.1 off a mean of 0.9."""
    systems = np.stack([0.8 * np.eye(3), np.eye(3)])
    spread = metric("single_system_spread", dataclasses.replace(perfect, systems=systems))
    assert spread == pytest.approx(0.1 / 0.9)


METRICS = registries()["metrics"]
SPIKE_METRICS = [n for n in METRICS.registered() if reads(METRICS.get(n), SpikeEvaluation)]


@pytest.mark.parametrize("name", SPIKE_METRICS)
def test_lost_numbers_never_score_better(name, perfect):
    """NaN in one trial or sample, or in all: within bounds, not NaN, and no better than the perfect model."""
    entry = registries()["metrics"].get(name)
    try:
        best = metric(name, perfect)
    except Unsupported:  # of regimes, which test_regimes.py is about
        assert name.startswith("regime_error")
        return
    assert entry.bounds[0] <= best <= entry.bounds[1]
    for where in (slice(0, 1), slice(None)):

        def spoil(x, where=where):
            out = np.array(x)
            out[where] = np.nan
            return out

        inferred = Inferred(*map(spoil, perfect.inferred))
        broken = dataclasses.replace(perfect, inferred=inferred, systems=spoil(perfect.systems))
        value = metric(name, broken)
        assert not math.isnan(value)
        sign = {"higher": 1, "lower": -1, "none": 0}[entry.better]
        assert sign * value <= sign * best


@pytest.mark.parametrize("name", SPIKE_METRICS)
def test_what_a_model_or_data_lack_is_said(name, perfect):
    """A model with rates alone, on spikes of which nothing is known besides."""
    fit, held_out = (
        SpikeTrials(x.counts, x.bin_seconds, x.held_out_units) for x in (perfect.fit, perfect.held_out)
    )
    bare = SpikeEvaluation(
        fit, held_out, Inferred(perfect.fit.rates), Inferred(perfect.held_out.rates), None, None
    )
    if name in ("co_bits_per_spike", "bits_per_spike", "few_shot_bits_per_spike"):
        assert math.isfinite(metric(name, bare))
        return
    with pytest.raises(Unsupported) as reason:
        metric(name, bare)
    assert len(str(reason.value).splitlines()) == 1


def test_the_poisson_sum_is_scipys():
    rng = np.random.default_rng(0)
    rates = rng.uniform(0.1, 3, (4, 5, 3))
    counts = rng.poisson(rates).astype(float)
    null = scipy.stats.poisson.logpmf(counts, counts.mean((0, 1))).sum()
    expected = (scipy.stats.poisson.logpmf(counts, rates).sum() - null) / (counts.sum() * np.log(2))
    assert rate_bits_per_spike(counts, rates) == pytest.approx(expected)
