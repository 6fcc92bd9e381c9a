"""States that explain each step by itself: where inference with frozen parameters starts."""

import jax
import numpy as np
import pytest

from jslds_bench.switching.inference import _from_emissions
from jslds_bench.switching.parameters import Emission
from jslds_bench.switching.precision import enable_float64


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
    np.testing.assert_allclose(np.linalg.inv(error), emission.c.T @ (emission.c / emission.r[:, None]))


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
