"""States that explain each step by itself: where inference with frozen parameters starts."""

import jax
import numpy as np
import pytest

from jslds_bench.switching.checks import check_data
from jslds_bench.switching.fitting import Fit
from jslds_bench.switching.float64 import enable_float64
from jslds_bench.switching.inference import _from_emissions, _start
from jslds_bench.switching.parameters import Emission, Spec
from jslds_bench.switching.systems import known_switching


@pytest.fixture
def emission():
    rng = np.random.default_rng(0)
    return Emission(0.7 * rng.normal(size=(20, 2)), 0.3 * rng.normal(size=20), rng.uniform(0.5, 2, size=20))


def test_gaussian_states_are_weighted_least_squares(emission):
    y = np.random.default_rng(1).normal(size=(3, 5, 20))
    with enable_float64():
        x, error = _from_emissions("gaussian", emission, y)
    root = 1 / np.sqrt(emission.r)
    expected = np.linalg.lstsq(emission.c * root[:, None], ((y - emission.d) * root).reshape(-1, 20).T)[0].T
    np.testing.assert_allclose(np.reshape(x, (-1, 2)), expected, atol=1e-10)
    precision = emission.c.T @ (emission.c / emission.r[:, None])
    np.testing.assert_allclose(np.linalg.inv(error), np.tile(precision, (3, 1, 1)))


@pytest.mark.parametrize("size", [0.0, 1.0, 5.0], ids=["silent", "usual", "thousands"])
def test_poisson_states_are_where_the_gradient_vanishes(emission, size):
    rng = np.random.default_rng(2)
    true = size * rng.normal(size=(4, 6, 2))
    y = rng.poisson(np.exp(true @ emission.c.T + emission.d)) * (size > 0)
    ridge = 1e-3 * np.sum(emission.c**2) / 2
    with enable_float64():
        x, _ = _from_emissions("poisson", emission, y.astype(float))
        rates = np.exp(np.asarray(x) @ emission.c.T + emission.d)
    gradient = (y - rates) @ emission.c - ridge * np.asarray(x)
    assert np.abs(gradient).max() < 1e-6 * max(1, y.max())
    assert jax.numpy.isfinite(x).all()


def test_a_trial_starts_from_itself_alone():
    """Busier trials beside it, whose states are better known, change nothing about its modes."""
    system = known_switching(jax.random.key(0), n_trials=4, n_steps=30, emissions="poisson")
    spec = Spec(3, 2, "recurrent_only", "poisson")
    fitted = Fit(spec, system.params, 0.0, np.zeros(1), True, np.zeros(1), np.ones(3))
    busier = system.observations.copy()
    busier[2:] = 10 * busier[2:] + 5
    with enable_float64():
        starts = [
            _start(fitted, check_data(spec, y, system.inputs, None)) for y in (system.observations, busier)
        ]
    for one, other in zip(*starts, strict=True):
        for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
            np.testing.assert_allclose(a[:2], b[:2], atol=1e-12)
