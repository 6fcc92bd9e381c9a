"""From states to observations: Gaussian with diagonal noise, and Poisson with exponential link."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln
from jaxtyping import Array, Float

from jslds_bench.switching.linear import LOG_2PI
from jslds_bench.switching.parameters import Emission, EmissionKind, Prior

_UNITS_AT_ONCE = 8  # of a Newton step: the [N, R, D] of all of them together would leave every cache


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
    """E log p(y_t | x_t) for x_t ~ N(mean, cov), exact for both kinds (E exp of a Gaussian is closed)."""
    eta = views.x @ emission.c.T + emission.d
    spread = jnp.einsum("nd,rde,ne->rn", emission.c, views.cov, emission.c)
    if kind == "poisson":
        each = views.y * eta - jnp.exp(eta + 0.5 * spread) - gammaln(views.y + 1)
    else:
        each = -0.5 * ((views.y - eta) ** 2 + spread) / emission.r - 0.5 * (jnp.log(emission.r) + LOG_2PI)
    return views.weight * jnp.sum(each, axis=1)


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
    """Newton on the concave E log p(y | x) + log prior of each unit's (c, d); no step lowers it."""
    phi = jnp.concatenate([views.x, jnp.ones((views.x.shape[0], 1))], axis=1)
    pad = jnp.pad(views.cov, ((0, 0), (0, 1), (0, 1)))

    def unit(theta: jax.Array, y: jax.Array, centre: jax.Array) -> jax.Array:
        def terms(theta: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
            lean = pad @ theta
            eta = phi @ theta
            rate = views.weight * jnp.exp(eta + 0.5 * (lean @ theta))
            shift = theta - centre
            value = jnp.sum(views.weight * y * eta - rate) - 0.5 * jnp.sum(prior.emission * shift**2)
            return value, rate, phi + lean

        def newton(_: int, theta: jax.Array) -> jax.Array:
            now, rate, slope = terms(theta)
            gradient = phi.T @ (views.weight * y) - slope.T @ rate - prior.emission * (theta - centre)
            h = (slope * rate[:, None]).T @ slope + jnp.einsum("r,rde->de", rate, pad)
            step = jnp.linalg.solve(h + jnp.diag(prior.emission + 1e-9), gradient)
            scale = jax.lax.while_loop(
                lambda s: ~(terms(theta + s * step)[0] >= now) & (s > 1e-6), lambda s: 0.5 * s, jnp.ones(())
            )
            after = theta + scale * step
            return jnp.where(terms(after)[0] >= now, after, theta)

        return jax.lax.fori_loop(0, n_newton, newton, theta)

    start = jnp.concatenate([emission.c, emission.d[:, None]], axis=1)
    centre = jnp.concatenate([jnp.zeros_like(emission.c), prior.log_rate[:, None]], axis=1)
    theta = jax.lax.map(lambda args: unit(*args), (start, views.y.T, centre), batch_size=_UNITS_AT_ONCE)
    return Emission(theta[:, :-1], theta[:, -1], emission.r)
