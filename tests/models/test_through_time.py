"""What `reports/through_time.py` trains, and what it keeps."""

import dataclasses
import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from jslds_bench.dynamics.rollout import free_run_error
from jslds_bench.models._shared.states import fit_states
from jslds_bench.models.dmdc import DMDc
from jslds_bench.settings.networks.evaluation import draw_trials
from jslds_bench.suite import registries


@pytest.fixture(scope="module")
def trained():
    """`trained` with fewer steps, a network of one linear system, its trials and states, and a fit."""
    script = runpy.run_path(str(Path(__file__).resolve().parents[2] / "reports" / "through_time.py"))
    function = script["trained"]
    function.__globals__.update(STEPS=100, LOOK=25)
    task = registries()["tasks"].make("perturbations", {"n_steps": 6})
    network = registries()["networks"].make("analytic", {"system": "affine"}).build(task, jax.random.key(0))
    trials = draw_trials(task, 0, "fit", 64)
    states = fit_states(network, trials)
    return function, network, trials, states, DMDc().fit(task, network, trials, jax.random.key(0))


def test_a_fit_that_is_off_comes_nearer_along_its_own_run(trained):
    function, network, trials, states, fit = trained
    off = dataclasses.replace(fit, a=0.9 * fit.a, offset=fit.offset + 0.05)
    before = free_run_error(off, network, trials.part(slice(48, None)), states[48:])
    after, model = function(off, network, trials, states, 1e-2)
    assert after < before / 4
    assert after == free_run_error(model, network, trials.part(slice(48, None)), states[48:])


def test_a_fit_that_is_exact_is_kept(trained):
    function, network, trials, states, fit = trained
    error, model = function(fit, network, trials, states, 1e-1)
    assert error < 1e-6
    assert jnp.allclose(model.a, fit.a, atol=1e-2)
