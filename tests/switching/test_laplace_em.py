"""The ELBO against a plain Kalman filter for K = 1."""

import jax
import numpy as np
import pytest

from jslds_bench.switching import gaussian_chain as gc
from jslds_bench.switching import laplace_em as em
from jslds_bench.switching.float64 import enable_float64
from jslds_bench.switching.parameters import Belief, Data, Emission, Gate, Initial, Linear, Params, Spec


def kalman_log_likelihood(y, u, a, v, b, q, m, s, c, d, r):
    """The textbook filter, one trial, plain NumPy. u_t drives the step into x_t."""
    total, mean, cov = 0.0, m, s
    for t in range(len(y)):
        if t > 0:
            mean, cov = a @ mean + v @ u[t] + b, a @ cov @ a.T + q
        error, spread = y[t] - c @ mean - d, c @ cov @ c.T + np.diag(r)
        gain = np.linalg.solve(spread, c @ cov).T
        total -= 0.5 * (error @ np.linalg.solve(spread, error) + np.linalg.slogdet(2 * np.pi * spread)[1])
        mean, cov = mean + gain @ error, cov - gain @ c @ cov
    return total


moments = jax.jit(jax.vmap(gc.moments))


@pytest.mark.parametrize("seed", range(2))
def test_one_mode_gaussian_elbo_is_the_kalman_log_likelihood(seed):
    """With trials of unequal lengths, so that padding is shown to be exact too."""
    rng = np.random.default_rng(seed)
    n_trials, n_steps, n, d, n_inputs = 3, 40, 6, 3, 2
    a = 0.9 * np.linalg.qr(rng.normal(size=(d, d)))[0]
    v, b, c = rng.normal(size=(d, n_inputs)), rng.normal(size=d), rng.normal(size=(n, d))
    q, s = (0.1 * np.eye(d) + 0.02 * g @ g.T for g in rng.normal(size=(2, d, d)))
    r, m, off = rng.uniform(0.05, 0.5, n), rng.normal(size=d), rng.normal(size=n)
    y, u = 3 * rng.normal(size=(n_trials, n_steps, n)), rng.normal(size=(n_trials, n_steps, n_inputs))
    lengths = np.array([40, 31, 2])
    mask = (np.arange(n_steps) < lengths[:, None]).astype(float)
    expected = [
        kalman_log_likelihood(y[i, :n], u[i, :n], a, v, b, q, m, s, c, off, r) for i, n in enumerate(lengths)
    ]
    params = Params(
        Initial(np.zeros(1), m, s),
        Gate(np.zeros((1, 1)), np.zeros((1, d)), np.zeros((1, n_inputs))),
        Linear(a[None], v[None], b[None], q[None]),
        Emission(c, off, r),
    )
    belief = Belief(mask[..., None], mask[:, 1:, None, None])
    data = Data(y, u, mask)
    spec = Spec(n_modes=1, n_latent=d, emissions="gaussian")
    with enable_float64():
        # from any q(x) one step is exact: here from independent standard normals
        chain = gc.Chain(
            np.tile(np.eye(d), (n_trials, n_steps, 1, 1)),
            np.zeros((n_trials, n_steps - 1, d, d)),
            np.zeros((n_trials, n_steps, d)),
        )
        start = em.Variational(belief, chain, moments(chain))
        _, elbo = em.e_step(params, start, data, spec)
    np.testing.assert_allclose(elbo, expected, rtol=1e-9)
