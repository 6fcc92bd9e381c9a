"""From states to observations: Gaussian with diagonal noise, and Poisson with exponential link."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy
from jax.scipy.special import gammaln
from jaxtyping import Array, Float

from jslds_bench.switching.linear import LOG_2PI
from jslds_bench.switching.parameters import Emission, EmissionKind, Prior

_SMALL_COUNTS = 256
_ROWS_AT_ONCE = 1024  # of a Newton step, so that the rates of all units stay in the cache


class Views(NamedTuple):
    """Observed steps flattened to R rows: y [R, N], weight (the mask) [R], E x [R, D], Cov(x) [R, D, D]."""

    y: Float[Any, "R N"]
    weight: Float[Any, " R"]
    x: Float[Any, "R D"]
    cov: Float[Any, "R D D"]


def expectation(
    kind: EmissionKind, emission: Emission, x: Any, cov: Any = None
) -> Float[np.ndarray, "*batch N"]:
    """E y given x (host): x itself, C x + d, or the rate exp(C x + d), [*, D] → [*, N].

    With `cov`, x is the mean of a Gaussian; that matters for the rate alone, exp(C x + d + ½ diag(C Σ Cᵀ)).
    """
    if kind == "identity":
        return np.asarray(x)
    c = emission.c
    eta = np.asarray(x) @ c.T + emission.d
    if kind == "gaussian":
        return eta
    return np.exp(eta if cov is None else eta + 0.5 * np.einsum("nd,...de,ne->...n", c, cov, c))


def expected_log_emission(kind: EmissionKind, emission: Emission, views: Views) -> Float[Array, " R"]:
    """E log p(y_t | x_t) for x_t ~ N(mean, cov) but for `log_base`; E exp of a Gaussian is closed."""
    eta = views.x @ emission.c.T + emission.d
    i, j = np.triu_indices(emission.c.shape[1])
    spread = views.cov[:, i, j] @ _upper(emission.c).T
    if kind == "poisson":
        each = views.y * eta - jnp.exp(eta + 0.5 * spread)
    else:
        each = -0.5 * ((views.y - eta) ** 2 + spread) / emission.r - 0.5 * (jnp.log(emission.r) + LOG_2PI)
    return views.weight * jnp.sum(each, axis=1)


def log_base(kind: EmissionKind, y: Float[Array, "*batch N"]) -> Float[Array, "*batch"]:
    """What log p(y | x) holds that x and the parameters do not touch, −Σ_n log y_n!; dear, so made apart."""
    if kind != "poisson":
        return jnp.zeros(y.shape[:-1])
    table = jnp.asarray(scipy.special.gammaln(np.arange(_SMALL_COUNTS) + 1.0))
    return -jax.lax.cond(
        jnp.max(y) < _SMALL_COUNTS,
        lambda y: jnp.sum(table[y.astype(int)], axis=-1),
        lambda y: jnp.sum(gammaln(y + 1), axis=-1),
        y,
    )


def emission_log_prior(kind: EmissionKind, emission: Emission, prior: Prior) -> Float[Array, ""]:
    """The penalty on C and d; see `Prior.emission`."""
    c, d = emission.c, emission.d
    if kind == "identity":
        return jnp.zeros(())
    if kind == "poisson":
        shift = d - prior.log_rate
        return -0.5 * jnp.sum(prior.emission * jnp.concatenate([c, shift[:, None]], axis=1) ** 2)
    return -0.5 * jnp.sum(
        prior.emission * jnp.concatenate([c, d[:, None]], axis=1) ** 2 / emission.r[:, None]
    )


def update_emission(kind: EmissionKind, emission: Emission, views: Views, prior: Prior) -> Emission:
    """Exact least squares with floored noise (Gaussian), or back-tracked Newton steps per unit (Poisson)."""
    if kind == "gaussian":
        return _least_squares(views, prior)
    if kind == "poisson":
        return _poisson_newton(emission, views, prior, n_newton=2)
    return emission


def _least_squares(views: Views, prior: Prior) -> Emission:
    phi = jnp.concatenate([views.x, jnp.ones((views.x.shape[0], 1))], axis=1)
    weighted = phi * views.weight[:, None]
    d = views.x.shape[1]
    s_xx = weighted.T @ phi + jnp.diag(prior.emission)
    s_xx = s_xx.at[:d, :d].add(jnp.einsum("r,rde->de", views.weight, views.cov))
    s_yx = views.y.T @ weighted
    m = jax.scipy.linalg.cho_solve((jnp.linalg.cholesky(s_xx), True), s_yx.T).T
    s_yy = jnp.sum(views.weight[:, None] * views.y**2, axis=0)
    fitted = jnp.sum(m * (2 * s_yx - m @ s_xx), axis=1)
    r = jnp.maximum((s_yy - fitted) / jnp.sum(views.weight), prior.noise_floor)
    return Emission(m[:, :d], m[:, d], r)


def _poisson_newton(emission: Emission, views: Views, prior: Prior, n_newton: int) -> Emission:
    """Newton on the concave E log p(y | x) + log prior of each unit's θ = (c, d); no step lowers it.

    With φ = (x, 1), P its covariance and r_n = exp(θ_n·φ + ½ θ_nᵀ P θ_n), the value is
    Σ y_n θ_n·φ − Σ r_n, the gradient Σ y_n φ − Σ r_n φ − (Σ r_n P) θ_n, and as the Hessian
    −Σ r_n (φφᵀ + P) is taken: what it leaves out is of the order of P θ_n beside φ. All sums over steps are
    products of the matrix of rates with one matrix of features, for all units at once.
    """
    n_rows, d = views.x.shape
    phi = jnp.concatenate([views.x, jnp.ones((n_rows, 1))], axis=1)
    wide, narrow = np.triu_indices(d + 1), np.triu_indices(d)
    features = jnp.concatenate(
        [phi[:, wide[0]] * phi[:, wide[1]], views.cov[:, narrow[0], narrow[1]]], axis=1
    )
    counts = views.y.T @ (views.weight[:, None] * phi)

    def blocks(a: jax.Array) -> jax.Array:
        pad = -n_rows % _ROWS_AT_ONCE
        return jnp.pad(a, ((0, pad), (0, 0))).reshape(-1, _ROWS_AT_ONCE, a.shape[1])

    blocked = blocks(phi), blocks(features), blocks(views.weight[:, None])
    centre = jnp.concatenate([jnp.zeros_like(emission.c), prior.log_rate[:, None]], axis=1)

    def value(theta: jax.Array, total: jax.Array) -> jax.Array:
        penalty = 0.5 * jnp.sum(prior.emission * (theta - centre) ** 2, axis=1)
        return jnp.sum(counts * theta, axis=1) - total - penalty

    def look(theta: jax.Array) -> _Sums:
        """Value, Σ r φ + (Σ r P) θ and Σ r (φφᵀ + P), of each unit."""
        products = _upper(theta[:, :d])

        def add(sums: jax.Array, rows: tuple[jax.Array, ...]) -> tuple[jax.Array, None]:
            phi, features, weight = rows
            eta = phi @ theta.T + 0.5 * features[:, -products.shape[1] :] @ products.T
            return sums + (weight * jnp.exp(eta)).T @ features, None

        sums, _ = jax.lax.scan(add, jnp.zeros((len(theta), features.shape[1])), blocked)
        outer = _symmetric(sums[:, : len(wide[0])], d + 1)
        spread = jnp.pad(_symmetric(sums[:, len(wide[0]) :], d), ((0, 0), (0, 1), (0, 1)))
        push = outer[:, :, -1] + jnp.einsum("nde,ne->nd", spread, theta)
        return _Sums(value(theta, outer[:, -1, -1]), push, outer + spread)

    def newton(_: int, state: tuple[jax.Array, _Sums]) -> tuple[jax.Array, _Sums]:
        theta, now = state
        gradient = counts - now.push - prior.emission * (theta - centre)
        curvature = now.curvature + jnp.diag(prior.emission + 1e-9)
        step = jnp.linalg.solve(curvature, gradient[..., None])[..., 0]

        def shorter(carry: tuple[Any, ...]) -> tuple[Any, ...]:
            scale, _, after = carry
            scale = jnp.where(after.value >= now.value, scale, 0.5 * scale)
            tried = theta + scale[:, None] * step
            return scale, tried, look(tried)

        whole = theta + step
        _scale, tried, after = jax.lax.while_loop(
            lambda c: jnp.any(~(c[2].value >= now.value) & (c[0] > 1e-6)),
            shorter,
            (jnp.ones(len(theta)), whole, look(whole)),
        )
        better = after.value >= now.value
        return jax.tree.map(
            lambda new, old: jnp.where(better.reshape(-1, *[1] * (new.ndim - 1)), new, old),
            (tried, after),
            (theta, now),
        )

    start = jnp.concatenate([emission.c, emission.d[:, None]], axis=1)
    theta, _ = jax.lax.fori_loop(0, n_newton, newton, (start, look(start)))
    return Emission(theta[:, :-1], theta[:, -1], emission.r)


class _Sums(NamedTuple):
    """Of each unit: what is maximised, what its gradient subtracts, and minus its curvature."""

    value: Float[Array, " N"]
    push: Float[Array, "N P"]
    curvature: Float[Array, "N P P"]


def _upper(c: Float[Array, "N D"]) -> Float[Array, "N M"]:
    """c_i c_j for i ≤ j, those of i < j twice: with the upper triangle of S their product is cᵀ S c."""
    i, j = np.triu_indices(c.shape[1])
    return c[:, i] * c[:, j] * np.where(i == j, 1.0, 2.0)


def _symmetric(upper: Float[Array, "N M"], d: int) -> Float[Array, "N D D"]:
    """The symmetric matrices of these upper triangles."""
    i, j = np.triu_indices(d)
    where = np.zeros((d, d), int)
    where[i, j] = np.arange(len(i))
    return upper[:, np.maximum(where, where.T)]
