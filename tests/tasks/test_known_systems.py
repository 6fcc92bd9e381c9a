"""Recordings of known systems: their parameters, and that both parts are of one system."""

import dataclasses

import jax
import numpy as np
import pytest

from jslds_bench.errors import UsageError
from jslds_bench.tasks.known_systems import KnownSwitching, Lorenz, Nascar


@pytest.mark.parametrize(
    ("entry", "sizes"),
    [(Nascar(), (1, 1, 10_000)), (Lorenz(), (20, 5, 500)), (KnownSwitching(), (50, 10, 100))],
)
def test_records_hold_these_parameters_in_this_order(entry, sizes):
    assert list(dataclasses.asdict(entry).items()) == [
        ("emissions", "gaussian"),
        ("n_observed", 10),
        *zip(("n_trials", "n_held_out", "n_steps"), sizes, strict=True),
    ]


@pytest.mark.parametrize("entry", [Nascar, Lorenz, KnownSwitching])
def test_trials_are_parted_into_those_to_fit_and_others(entry):
    fit, held_out = entry(n_observed=4, n_trials=3, n_held_out=2, n_steps=20).record(jax.random.key(0))
    assert fit.observations.shape == (3, 20, 4)
    assert held_out.observations.shape == (2, 20, 4)
    assert not np.array_equal(fit.states[:2], held_out.states)
    for part in (fit, held_out):  # the same units, whose noise has a standard deviation of 0.1
        np.testing.assert_allclose((part.observations - part.expected).std(), 0.1, rtol=0.2)


@pytest.mark.parametrize("wrong", [{"n_trials": 0}, {"n_held_out": 0}, {"n_observed": 0}, {"n_steps": 1}])
def test_sizes_that_leave_nothing_are_refused(wrong):
    with pytest.raises(
        UsageError, match="lorenz needs n_trials, n_held_out and n_observed ≥ 1 and n_steps ≥ 2"
    ):
        Lorenz(**wrong)
