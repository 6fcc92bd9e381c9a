"""Further trials of a known system: of the same system as its record, and without a change to that."""

import dataclasses
import functools

import jax
import numpy as np
import pytest

from jslds_bench.suite import registries

SYSTEMS = ("nascar", "lorenz", "known_switching")
KEY, OTHER = jax.random.key(0), jax.random.key(1729)
DRAWN = {
    ("nascar", "gaussian"): [
        (-143.49103230395508, -84060.30180821869),
        (-66.4262218108219, -23520.549375902872),
    ],
    ("nascar", "poisson"): [(761, 359168), (388, 95138)],
    ("lorenz", "gaussian"): [
        (53.467077350342855, 79032.9565567361),
        (-7.682316182590995, 18128.437150013095),
    ],
    ("lorenz", "poisson"): [(647, 330121), (334, 83989)],
    ("known_switching", "gaussian"): [
        (356.2395237541184, 143839.3344309469),
        (236.06472078063783, 57829.72065421456),
    ],
    ("known_switching", "poisson"): [(3682, 1733435), (2509, 708235)],
}
"""Sums of the tiny versions' observations, plain and weighted by place, from before there was `further`."""


def tiny(name, **more):
    registry = registries()["tasks"]
    return registry.make(name, {**registry.get(name).SMOKE, **more})


@functools.cache
def recorded(name, emissions):
    return tiny(name, emissions=emissions).record(KEY)


def sums(y):
    return y.sum(), y.ravel() @ np.arange(y.size)


@pytest.mark.parametrize(("name", "emissions"), DRAWN)
def test_what_a_key_records_is_what_it_always_was(name, emissions):
    for part, expected in zip(recorded(name, emissions), DRAWN[name, emissions], strict=True):
        np.testing.assert_allclose(sums(part.observations), expected, rtol=1e-11)


def test_the_spikes_of_a_key_are_what_they_always_were():
    parts = tiny("spiking_rotations").spikes(KEY)
    assert [sums(part.counts) for part in parts] == [(368, 1083268), (192, 272585)]
    assert [float(part.rates.sum()) for part in parts] == pytest.approx(
        [372.9957496887966, 182.7368565623715]
    )
    assert np.flatnonzero(parts[0].held_out_units).tolist() == [3, 5, 8]


def affine(x, y):
    """The least-squares affine map from x to y, and what it leaves."""
    x, y = (a.reshape(-1, a.shape[-1]) for a in (x, y))
    design = np.concatenate([x, np.ones((len(x), 1))], axis=1)
    found = np.linalg.lstsq(design, y, rcond=None)[0]
    return found, np.abs(design @ found - y).max()


@pytest.mark.parametrize("emissions", ["gaussian", "poisson"])
@pytest.mark.parametrize("name", SYSTEMS)
def test_further_trials_are_of_the_same_system(name, emissions):
    """States → log or plain E y is one affine map for both, and no trial is among those that are known."""
    task = tiny(name, emissions=emissions)
    fit, held_out = recorded(name, emissions)
    further = task.further(KEY, OTHER, 7)
    assert further.observations.shape == (7, *fit.observations.shape[1:])
    view = np.log if emissions == "poisson" else np.asarray
    (one, rest), (other, _) = (affine(part.states, view(part.expected)) for part in (fit, further))
    assert rest < 1e-9
    np.testing.assert_allclose(one, other, atol=1e-9)
    for field in ("mode_points", "mode_eigenvalues"):
        np.testing.assert_array_equal(getattr(fit, field), getattr(further, field))
    known = {trial.tobytes() for part in (fit, held_out) for trial in part.observations}
    assert not known & {trial.tobytes() for trial in further.observations}
    np.testing.assert_array_equal(further.observations, task.further(KEY, OTHER, 7).observations)
    assert not np.array_equal(further.observations, task.further(KEY, KEY, 7).observations)


def test_further_spikes_are_of_the_same_units_and_conditions():
    task = tiny("spiking_rotations")
    fit, held_out = task.spikes(KEY)
    further = task.further(KEY, OTHER, task.n_held_out)
    for field in ("held_out_units", "bin_seconds", "start"):
        np.testing.assert_array_equal(getattr(fit, field), getattr(further, field))
    np.testing.assert_array_equal(fit.rotations.planes, further.rotations.planes)
    np.testing.assert_array_equal(held_out.conditions, further.conditions)
    assert not np.array_equal(held_out.counts, further.counts)
    np.testing.assert_array_equal(further.counts, task.further(KEY, OTHER, task.n_held_out).counts)
    # the same conditions, however the trials are drawn: their mean rates agree but for the trials' own noise
    many = dataclasses.replace(task, n_held_out=1200)
    means = [
        part.rates.reshape(-1, 6, *part.rates.shape[1:]).mean(axis=0)
        for part in (many.spikes(KEY)[1], many.further(KEY, OTHER, 1200))
    ]
    np.testing.assert_allclose(*means, rtol=0.1)
