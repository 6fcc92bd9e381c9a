"""The heavier anchors, minutes each: what the method must reach on published problems."""

import dataclasses

import jax
import numpy as np
import pytest
from oracles import mode_errors

from jslds_bench.analysis.spikes import bits_per_spike
from jslds_bench.switching import model, scoring, systems
from jslds_bench.switching.model import FitSettings, Spec

pytestmark = pytest.mark.slow


def test_nascar_modes_are_found():
    """T = 10⁴, N = 10, D = 2, K = 4: accuracy ≥ 0.98 for the median of five seeds; ssm reaches 0.98."""
    accuracies = []
    for seed in range(5):
        system = systems.nascar(jax.random.key(seed))
        fitted = model.fit(
            Spec(n_modes=4, n_latent=2, emissions="gaussian"),
            system.observations,
            key=jax.random.key(100 + seed),
        )
        modes = model.most_likely_states(fitted, system.observations)
        accuracies.append(scoring.match_modes(system.modes, modes).accuracy)
    assert np.median(accuracies) >= 0.98, accuracies


def test_known_system_behind_gaussian_emissions():
    """Every mode's eigenvalues and fixed points within 2 %, the points compared as observations."""
    system = systems.known_switching(jax.random.key(0), emissions="gaussian")
    fitted = model.fit(
        Spec(n_modes=3, n_latent=2, emissions="gaussian"),
        system.observations,
        system.inputs,
        key=jax.random.key(100),
        settings=FitSettings(restarts=2),
    )
    match = scoring.match_modes(
        system.modes, model.most_likely_states(fitted, system.observations, system.inputs)
    )
    errors = mode_errors(
        system.params.linear,
        fitted.params.linear,
        match.order,
        np.zeros(1),
        lambda x: x @ system.params.emission.c.T + system.params.emission.d,
        lambda x: model.expected_observations(fitted, x),
    )
    assert errors.eigenvalues.max() < 0.02
    assert errors.fixed_points.max() < 0.02


def test_poisson_rslds_beats_a_poisson_lds_on_held_out_trials():
    """Bits per spike from the held-out ELBO, N = 50 units, rates of the null model from the training data."""
    system = systems.known_switching(jax.random.key(0), n_trials=60, n_observed=50, emissions="poisson")
    y, u = system.observations, system.inputs
    settings = FitSettings(restarts=2, max_iterations=60)
    rslds = Spec(n_modes=3, n_latent=2, emissions="poisson")
    bits = {}
    for name, spec in (("rslds", rslds), ("lds", dataclasses.replace(rslds, n_modes=1))):
        fitted = model.fit(spec, y[:40], u[:40], key=jax.random.key(1), settings=settings)
        found = model.infer(fitted, y[40:], u[40:])
        bits[name] = bits_per_spike(found.elbo.sum(), y[40:], found.mask, y[:40].mean((0, 1)))
        again = model.infer(fitted, y[:40], u[:40])  # what EM had come to is found again from scratch
        assert again.elbo_per_step > fitted.elbo - 0.2, name
    assert bits["rslds"] > bits["lds"] > 0, bits
