"""Fits that several tests read; each is compiled and run once."""

import jax
import pytest

from jslds_bench.switching import model, systems


@pytest.fixture(scope="session")
def known():
    """The known switching system and a fit to its states."""
    system = systems.known_switching(jax.random.key(0), n_trials=20, n_steps=50)
    fitted = model.fit(
        model.Spec(n_modes=3),
        system.observations,
        system.inputs,
        key=jax.random.key(1),
        settings=model.FitSettings(restarts=2),
    )
    return system, fitted


@pytest.fixture(scope="session")
def latent():
    """A small rSLDS with Gaussian emissions, fitted briefly."""
    system = systems.known_switching(
        jax.random.key(2), n_trials=20, n_steps=50, n_observed=6, emissions="gaussian"
    )
    fitted = model.fit(
        model.Spec(n_modes=3, n_latent=2, emissions="gaussian"),
        system.observations,
        system.inputs,
        key=jax.random.key(3),
        settings=model.FitSettings(max_iterations=15, init_iterations=15),
    )
    return system, fitted
