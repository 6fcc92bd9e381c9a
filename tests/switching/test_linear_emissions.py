"""Expected log-likelihoods against quadrature or dense algebra; M-steps against perturbation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jslds_bench.switching import emissions as em
from jslds_bench.switching import linear as li
from jslds_bench.switching.float64 import enable_float64
from jslds_bench.switching.parameters import Emission, Linear, Prior

R, D, U, K, N = 30, 2, 1, 2, 3


@pytest.fixture(autouse=True)
def _float64():
    with enable_float64():
        yield


def links_and_joint(seed=0):
    """Random joint Gaussians of (x_{t−1}, x_t), as Links and as mean and covariance of both."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(R, 2 * D, 2 * D))
    joint, mean = root @ np.swapaxes(root, 1, 2), rng.normal(size=(R, 2 * D))
    links = li.Links(
        mean[:, :D],
        mean[:, D:],
        rng.normal(size=(R, U)),
        joint[:, :D, :D],
        joint[:, D:, D:],
        joint[:, :D, D:],
    )
    return links, mean, joint


def random_linear(seed=1):
    rng = np.random.default_rng(seed)
    roots = rng.normal(size=(K, D, D))
    q = roots @ np.swapaxes(roots, 1, 2) + 0.5 * np.eye(D)
    return Linear(rng.normal(size=(K, D, D)), rng.normal(size=(K, D, U)), rng.normal(size=(K, D)), q)


def prior_with(**parts):
    return Prior(**(dict.fromkeys(Prior._fields, np.zeros(1)) | parts))


def test_expected_log_dynamics_equals_the_quadratic_form_of_the_joint():
    links, mean, joint = links_and_joint()
    linear = random_linear()
    expected = np.empty((R, K))
    for k in range(K):
        m = np.concatenate([-linear.a[k], np.eye(D)], axis=1)
        offset = links.u @ linear.v[k].T + linear.b[k]
        p = np.linalg.inv(linear.q[k])
        residual = mean @ m.T - offset
        spread = np.einsum("ij,rjk,lk->ril", m, joint, m)
        quadratic = np.einsum("ri,ij,rj->r", residual, p, residual) + np.einsum("ij,rji->r", p, spread)
        expected[:, k] = -0.5 * (quadratic + np.linalg.slogdet(2 * np.pi * linear.q[k])[1])
    got = jax.jit(lambda linear: li.expected_log_dynamics(li.make_forms(linear), links))(linear)
    np.testing.assert_allclose(got, expected, rtol=1e-11)


def test_least_squares_is_the_maximiser():
    links, _, _ = links_and_joint()
    weights = np.random.default_rng(2).dirichlet(np.ones(K), size=R)
    prior = prior_with(state_floor=np.full(D, 1e-3), linear=np.full(D + U + 1, 0.4))
    best = jax.jit(li.update_linear)(weights, links, prior)

    def value(linear):
        return jnp.sum(
            weights * li.expected_log_dynamics(li.make_forms(linear), links)
        ) + li.linear_log_prior(linear, prior)

    gradient = jax.jit(jax.grad(value))(best)
    for part in gradient:
        assert np.abs(part).max() < 1e-9


def test_noise_below_the_floor_is_raised_to_the_best_admissible_covariance():
    floor = np.array([0.5, 2.0])
    rng = np.random.default_rng(0)
    root = rng.normal(size=(D, D))
    s = root @ root.T
    q = np.asarray(jax.jit(li.clip_below)(s, floor))
    assert np.linalg.eigvalsh(q - np.diag(floor)).min() > -1e-12

    def loss(c):
        return np.linalg.slogdet(c)[1] + np.trace(np.linalg.solve(c, s))

    for _ in range(200):  # no admissible neighbour is better
        step = rng.normal(size=(D, D))
        other = np.diag(floor) + (lambda g: g @ g.T)(
            np.linalg.cholesky(q - np.diag(floor) + 1e-9 * np.eye(D)) + 0.05 * step
        )
        assert loss(other) >= loss(q) - 1e-7


def test_a_mode_without_points_rests_on_the_floor():
    links, _, _ = links_and_joint()
    weights = np.stack([np.ones(R), np.zeros(R)], axis=1)
    prior = prior_with(state_floor=np.full(D, 0.1), linear=np.full(D + U + 1, 1e-2))
    got = jax.jit(li.update_linear)(weights, links, prior)
    np.testing.assert_allclose(got.q[1], 0.1 * np.eye(D))
    assert not np.any(got.a[1])


def views_and_emission(seed=0, poisson=True):
    rng = np.random.default_rng(seed)
    root = 0.5 * rng.normal(size=(R, D, D))
    y = rng.poisson(2.0, size=(R, N)).astype(float) if poisson else rng.normal(size=(R, N))
    views = em.Views(
        y, (np.arange(R) < R - 5).astype(float), rng.normal(size=(R, D)), root @ np.swapaxes(root, 1, 2)
    )
    return views, Emission(0.5 * rng.normal(size=(N, D)), rng.normal(size=N), rng.uniform(0.5, 1.5, N))


@pytest.mark.parametrize("kind", ["gaussian", "poisson"])
def test_expected_log_emission_equals_quadrature(kind):
    views, emission = views_and_emission(poisson=kind == "poisson")
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    grid = np.stack(np.meshgrid(nodes, nodes), -1).reshape(-1, D)
    weight = np.outer(weights, weights).ravel() / (2 * np.pi)
    x = views.x[:, None] + np.einsum("rij,gj->rgi", np.linalg.cholesky(views.cov), grid)
    eta = x @ emission.c.T + emission.d
    y = views.y[:, None]
    if kind == "poisson":
        log_p = y * eta - np.exp(eta) - np.asarray(jax.scipy.special.gammaln(y + 1))
    else:
        log_p = -0.5 * (y - eta) ** 2 / emission.r - 0.5 * np.log(2 * np.pi * emission.r)
    expected = views.weight * np.einsum("g,rgn->r", weight, log_p)
    found = em.expected_log_emission(kind, emission, views) + views.weight * em.log_base(kind, views.y)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


def test_the_base_is_that_of_any_count():
    y = np.array([[0.0, 3.0], [255.0, 1.0], [1e4, 2.0]])
    expected = -np.asarray(jax.scipy.special.gammaln(y + 1)).sum(axis=1)
    np.testing.assert_allclose(em.log_base("poisson", y[:2]), expected[:2], rtol=1e-12)
    np.testing.assert_allclose(em.log_base("poisson", y), expected, rtol=1e-12)
    assert not em.log_base("gaussian", y).any()


@pytest.mark.parametrize("kind", ["gaussian", "poisson"])
def test_emission_updates_reach_the_maximum(kind):
    views, emission = views_and_emission(poisson=kind == "poisson")
    prior = prior_with(emission=np.full(D + 1, 0.2), noise_floor=np.full(N, 1e-6), log_rate=np.full(N, 0.3))

    def value(e):
        return jnp.sum(em.expected_log_emission(kind, e, views)) + em.emission_log_prior(kind, e, prior)

    update = jax.jit(em.update_emission, static_argnums=0)
    value = jax.jit(value)
    values = [value(emission)]
    for _ in range(8):
        emission = update(kind, emission, views, prior)
        values.append(value(emission))
    assert (np.diff(values) > -1e-11).all()
    gradient = jax.jit(jax.grad(value))(emission)
    # Poisson steps are taken where they raise the value: nearer than its rounding they do not go.
    within = 1e-6 if kind == "poisson" else 1e-8
    assert np.abs(gradient.c).max() < within
    assert np.abs(gradient.d).max() < within


@pytest.mark.parametrize("n_rows", [3, 240, 500])
def test_sums_of_few_rows_at_a_time_are_those_of_all(n_rows):
    rng = np.random.default_rng(n_rows)
    weights, x = rng.random((n_rows, 5)), rng.normal(size=(n_rows, 4))
    expected = np.einsum("rk,ri,rj->kij", weights, x, x)
    np.testing.assert_allclose(jax.jit(li.second_moments)(weights, x), expected, rtol=1e-12)


def test_the_likelihood_of_many_rows_is_that_of_each():
    rng = np.random.default_rng(0)
    n, k, d, n_inputs = 601, 3, 2, 1
    a, v, b = rng.normal(size=(k, d, d)), rng.normal(size=(k, d, n_inputs)), rng.normal(size=(k, d))
    q = np.stack([np.eye(d) + 0.3 * g @ g.T for g in rng.normal(size=(k, d, d))])
    before, after, u = rng.normal(size=(n, d)), rng.normal(size=(n, d)), rng.normal(size=(n, n_inputs))
    got = jax.jit(lambda *rows: li.expected_log_dynamics(li.make_forms(Linear(a, v, b, q)), li.Links(*rows)))(
        before, after, u
    )
    for j in range(k):
        mean = before @ a[j].T + u @ v[j].T + b[j]
        expected = scipy.stats.multivariate_normal(np.zeros(d), q[j]).logpdf(after - mean)
        np.testing.assert_allclose(got[:, j], expected, rtol=1e-10)
