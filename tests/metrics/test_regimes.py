"""Regimes: the task's own systems are right about them, and no single system can be."""

import dataclasses
import math

import jax
import numpy as np
import pytest

from jslds_bench.errors import Unsupported
from jslds_bench.suite import registries
from jslds_bench.tasks.spiking_regimes import FALL, FREQUENCIES, SpikingRegimes
from jslds_bench.types.spikes import Inferred, SpikeEvaluation

TASK = SpikingRegimes(n_units=20, n_trials=40, n_held_out=40)
DT = TASK.bin_seconds
FLOOR = (2.5 - 0.8) / (2.5 + 0.8)


def metric(name, evaluation):
    return registries()["metrics"].make(name, {}).compute(evaluation)


def turning(frequency, size=1.0):
    angle = 2 * np.pi * frequency * DT
    return size * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def system(frequency):
    """The planted pair at `frequency`, and another of 0.8 Hz in two dimensions that show elsewhere."""
    return np.block([[turning(frequency), np.zeros((2, 2))], [np.zeros((2, 2)), turning(0.8)]])


@pytest.fixture(scope="module")
def right():
    """The evaluation of a model that has the planted system where each regime holds."""
    fit, held_out = TASK.spikes(jax.random.key(0))
    sampled = np.argwhere(held_out.regimes.at >= 0)[::7]
    systems = np.stack([system(FREQUENCIES[held_out.regimes.at[b, t]]) for b, t in sampled])
    other = np.random.default_rng(0).normal(size=(2, 20))
    loadings = np.concatenate([held_out.regimes.plane.T, other])
    inferred = Inferred(held_out.rates)
    return SpikeEvaluation(fit, held_out, Inferred(fit.rates), inferred, systems, loadings, sampled)


def everywhere(right, one):
    return dataclasses.replace(right, systems=np.repeat(one[None], len(right.systems), axis=0))


def test_the_planted_systems_have_no_error(right):
    assert metric("regime_error", right) == pytest.approx(0, abs=1e-9)
    assert metric("regime_error_single", right) == pytest.approx(FLOOR)
    off = right.systems.copy()
    off[:, :2, :2] = [
        turning(f * 1.1) for f in FREQUENCIES[right.held_out.regimes.at[tuple(right.sampled.T)]]
    ]
    assert metric("regime_error", dataclasses.replace(right, systems=off)) == pytest.approx(0.1)


def test_no_single_system_is_under_the_floor(right):
    """Whatever its pairs: those of both frequencies at once, and the best compromise, which is the floor."""
    assert metric("regime_error", everywhere(right, system(2.5))) > FLOOR
    best = 2 * 2.5 * 0.8 / (2.5 + 0.8)
    assert metric("regime_error", everywhere(right, system(best))) == pytest.approx(FLOOR)
    rng = np.random.default_rng(0)
    for _ in range(20):
        one = rng.normal(size=(4, 4)) / 2
        assert metric("regime_error", everywhere(right, one)) >= FLOOR - 1e-12


def test_what_does_not_turn_or_is_lost_is_infinitely_wrong(right):
    assert metric("regime_error", everywhere(right, 0.9 * np.eye(4))) == math.inf
    lost = right.systems.copy()
    lost[0] = np.nan
    assert metric("regime_error", dataclasses.replace(right, systems=lost)) == math.inf
    none = dataclasses.replace(right, systems=None)
    with pytest.raises(Unsupported, match="no linear systems"):
        metric("regime_error", none)
    bare = dataclasses.replace(right.held_out, regimes=None)
    for name in ("regime_error", "regime_error_single"):
        with pytest.raises(Unsupported, match="no regimes"):
            metric(name, dataclasses.replace(right, held_out=bare))


def test_the_task_turns_its_plane_by_the_regime_and_crosses_at_many_times():
    """Read off the true rates: states by least squares, then frequency and regime step by step."""
    trials = TASK.spikes(jax.random.key(1))[0]
    assert np.array_equal(
        TASK.further(jax.random.key(1), jax.random.key(2), 40).held_out_units, trials.held_out_units
    )
    log_rates = np.log(trials.rates)
    axes = np.linalg.svd((log_rates - log_rates.mean((0, 1))).reshape(-1, 20), full_matrices=False)
    assert axes[1][3] < 1e-9 * axes[1][0]  # three dimensions
    at = trials.regimes.at
    assert (np.diff(at, axis=1) >= 0).all()
    crossing = at.argmax(axis=1) * DT
    assert crossing.min() < 0.35 < 0.7 < crossing.max()
    step = np.diff(log_rates, axis=1)
    fall = step[:, :-1] - step[:, 1:]  # the base is gone, and the fall, which is uniform in time
    z = fall @ np.linalg.pinv(trials.regimes.plane.T)
    same = (at[:, :-3] == at[:, 3:])[..., None]
    turned = (z[:, 1:, 0] + 1j * z[:, 1:, 1]) / (z[:, :-1, 0] + 1j * z[:, :-1, 1])
    hertz = np.angle(turned) / (2 * np.pi * DT)
    for k, f in enumerate(FREQUENCIES):
        np.testing.assert_allclose(hertz[same[..., 0] & (at[:, :-3] == k)], f, rtol=1e-6)
    assert FALL > 0
