"""The block-tridiagonal Gaussian against dense linear algebra."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jslds_bench.switching import gaussian_chain as gc
from jslds_bench.switching.float64 import enable_float64

T, D = 7, 3
moments = jax.jit(gc.moments)
solve = jax.jit(lambda c: gc.solve(gc.factorise(c.diagonal, c.lower), c.linear))


@pytest.fixture(autouse=True)
def _float64():
    with enable_float64():
        yield


def dense(seed):
    rng = np.random.default_rng(seed)
    lower = rng.normal(size=(T - 1, D, D))
    diagonal = np.stack([m @ m.T + 8 * np.eye(D) for m in rng.normal(size=(T, D, D))])
    j = np.zeros((T * D, T * D))
    for t in range(T):
        j[t * D : (t + 1) * D, t * D : (t + 1) * D] = diagonal[t]
    for t in range(T - 1):
        j[(t + 1) * D : (t + 2) * D, t * D : (t + 1) * D] = lower[t]
        j[t * D : (t + 1) * D, (t + 1) * D : (t + 2) * D] = lower[t].T
    return gc.Chain(diagonal, lower, rng.normal(size=(T, D))), j


@pytest.mark.parametrize("seed", range(3))
def test_moments_equal_the_dense_inverse(seed):
    chain, j = dense(seed)
    inverse = np.linalg.inv(j).reshape(T, D, T, D)
    got = moments(chain)
    mean = np.linalg.solve(j, chain.linear.ravel()).reshape(T, D)
    np.testing.assert_allclose(got.mean, mean, atol=1e-13)
    np.testing.assert_allclose(got.cov, [inverse[t, :, t] for t in range(T)], atol=1e-13)
    np.testing.assert_allclose(got.cross, [inverse[t, :, t + 1] for t in range(T - 1)], atol=1e-13)
    np.testing.assert_allclose(got.log_det, np.linalg.slogdet(j)[1], rtol=1e-13)
    solved = solve(chain)
    np.testing.assert_allclose(solved, mean, atol=1e-13)


def test_padded_steps_add_nothing():
    chain, _ = dense(2)
    short = gc.Chain(chain.diagonal[:4], chain.lower[:3], chain.linear[:4])
    valid = np.arange(T) < 4
    padded = gc.Chain(
        np.where(valid[:, None, None], chain.diagonal, np.eye(D)),
        np.where(valid[1:, None, None], chain.lower, 0.0),
        np.where(valid[:, None], chain.linear, 0.0),
    )
    a, b = moments(short), moments(padded)
    np.testing.assert_allclose(b.mean[:4], a.mean, atol=1e-15)
    np.testing.assert_allclose(b.cov[:4], a.cov, atol=1e-15)
    np.testing.assert_allclose(b.log_det, a.log_det, rtol=1e-15)
    assert jnp.all(b.mean[4:] == 0)
