"""Gaussian chains p(x) ∝ exp(−½ xᵀ J x + hᵀ x) with a block-tridiagonal precision J, in O(T D³).

One trial per call; callers vmap. T steps of D dimensions. A padded step is a unit block with no links
and h = 0: it adds nothing to log|J|.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float


class Chain(NamedTuple):
    """The natural parameters of a Gaussian chain.

    Attributes:
        diagonal: J_{t,t}, [T, D, D].
        lower: J_{t+1,t}, [T−1, D, D].
        linear: h_t, [T, D].
    """

    diagonal: Float[Array, "T D D"]
    lower: Float[Array, "T-1 D D"]
    linear: Float[Array, "T D"]


class Factor(NamedTuple):
    """The Cholesky factor of J: lower blocks L_{t,t} [T, D, D] and L_{t+1,t} [T−1, D, D]."""

    diagonal: Float[Array, "T D D"]
    lower: Float[Array, "T-1 D D"]


class Moments(NamedTuple):
    """What the chain says of each step and of neighbours.

    Attributes:
        mean: E x_t, [T, D].
        cov: Cov(x_t), [T, D, D].
        cross: Cov(x_t, x_{t+1}), [T−1, D, D].
        log_det: log|J|.
    """

    mean: Float[Array, "T D"]
    cov: Float[Array, "T D D"]
    cross: Float[Array, "T-1 D D"]
    log_det: Float[Array, ""]


def factorise(diagonal: Float[Array, "T D D"], lower: Float[Array, "T-1 D D"]) -> Factor:
    """Block Cholesky of J, forward in time; NaN where J is not positive definite."""

    def step(
        before: jax.Array, x: tuple[jax.Array, jax.Array]
    ) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        block, link = x
        w = solve_triangular(before, link.T, lower=True).T
        after = jnp.linalg.cholesky(block - w @ w.T)
        return after, (after, w)

    first = jnp.linalg.cholesky(diagonal[0])
    _, (rest, links) = jax.lax.scan(step, first, (diagonal[1:], lower))
    return Factor(jnp.concatenate([first[None], rest]), links)


def log_determinant(factor: Factor) -> Float[Array, ""]:
    """log|J|."""
    return 2.0 * jnp.sum(jnp.log(jnp.diagonal(factor.diagonal, axis1=1, axis2=2)))


def _forward_solve(factor: Factor, linear: jax.Array) -> jax.Array:
    """L⁻¹ h, [T, D]."""

    def step(y: jax.Array, x: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array]:
        block, link, h = x
        y = solve_triangular(block, h - link @ y, lower=True)
        return y, y

    first = solve_triangular(factor.diagonal[0], linear[0], lower=True)
    _, rest = jax.lax.scan(step, first, (factor.diagonal[1:], factor.lower, linear[1:]))
    return jnp.concatenate([first[None], rest])


def _backward_solve(factor: Factor, y: jax.Array) -> jax.Array:
    """L⁻ᵀ y, [T, D]."""

    def step(x_next: jax.Array, x: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array]:
        block, link, yt = x
        xt = solve_triangular(block, yt - link.T @ x_next, lower=True, trans=1)
        return xt, xt

    last = solve_triangular(factor.diagonal[-1], y[-1], lower=True, trans=1)
    _, rest = jax.lax.scan(step, last, (factor.diagonal[:-1], factor.lower, y[:-1]), reverse=True)
    return jnp.concatenate([rest, last[None]])


def solve(factor: Factor, linear: Float[Array, "T D"]) -> Float[Array, "T D"]:
    """J⁻¹ h."""
    return _backward_solve(factor, _forward_solve(factor, linear))


def moments(chain: Chain) -> Moments:
    """Means, covariances and neighbouring cross-covariances.

    With G_t = L_{t,t}⁻ᵀ L_{t+1,t}ᵀ the recursion, backward in time, is
    Cov(x_t, x_{t+1}) = −G_t Σ_{t+1} and Σ_t = (L_{t,t} L_{t,t}ᵀ)⁻¹ + G_t Σ_{t+1} G_tᵀ.
    Reference: Rauch, Tung and Striebel (1965), in the information form.
    """
    factor = factorise(chain.diagonal, chain.lower)
    eye = jnp.eye(chain.linear.shape[1])
    inverse = jax.vmap(lambda block: solve_triangular(block, eye, lower=True))(factor.diagonal)
    own = jnp.swapaxes(inverse, 1, 2) @ inverse
    gain = jnp.swapaxes(factor.lower @ inverse[:-1], 1, 2)

    def forward(y: jax.Array, x: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array]:
        inv, link, h = x
        y = inv @ (h - link @ y)
        return y, y

    first = inverse[0] @ chain.linear[0]
    _, ys = jax.lax.scan(forward, first, (inverse[1:], factor.lower, chain.linear[1:]))
    target = jnp.einsum("tji,tj->ti", inverse, jnp.concatenate([first[None], ys]))

    def backward(after: tuple[jax.Array, jax.Array], x: tuple[jax.Array, ...]) -> tuple[tuple, tuple]:
        mean, cov = after
        block, g, centre = x
        cross = -g @ cov
        now = (centre - g @ mean, block - cross @ g.T)
        return now, (*now, cross)

    last = (target[-1], own[-1])
    _, (mean, cov, cross) = jax.lax.scan(backward, last, (own[:-1], gain, target[:-1]), reverse=True)
    mean = jnp.concatenate([mean, last[0][None]])
    cov = jnp.concatenate([cov, last[1][None]])
    return Moments(mean, 0.5 * (cov + jnp.swapaxes(cov, 1, 2)), cross, log_determinant(factor))
