"""Running a switching system forward: with its noise (`simulate`) or without (`forecast`).

The pure functions here take either precision; `advance` and `advance_chain` are what a model steps with.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from jslds_bench.dynamics.compiled import compiled
from jslds_bench.switching.linear import predict
from jslds_bench.switching.parameters import Emission, EmissionKind, Linear, Params
from jslds_bench.switching.transitions import gate_logits


class Paths(NamedTuple):
    """Modes z [*, T], states x [*, T, D] and observations y [*, T, N]."""

    modes: Int[Any, "*batch T"]
    states: Float[Any, "*batch T D"]
    observations: Float[Any, "*batch T N"]


def reveal(
    params: Params,
    predicted: Float[Array, " K"],
    x: Float[Array, " D"],
    u: Float[Array, " U"],
    x_next: jax.Array,
) -> Float[Array, " K"]:
    """The belief about z_t once x_t is seen: what one-step prediction of a chain that ignores x needs."""
    residual = x_next - predict(params.linear, x, u)
    root = jnp.linalg.cholesky(params.linear.q)
    white = jax.vmap(lambda r, e: jax.scipy.linalg.solve_triangular(r, e, lower=True))(root, residual)
    log_lik = -0.5 * jnp.sum(white**2, axis=1) - jnp.sum(
        jnp.log(jnp.diagonal(root, axis1=1, axis2=2)), axis=1
    )
    return jax.nn.softmax(jnp.log(predicted) + log_lik)


def advance(
    linear: Linear, mode: Int[Array, ""], x: Float[Array, " D"], u: Float[Array, " U"]
) -> Float[Array, " D"]:
    """A_k x + V_k u + b_k."""
    return linear.a[mode] @ x + linear.v[mode] @ u + linear.b[mode]


class ChainMoments(NamedTuple):
    """What is known of a chain's state: p_k = p(z_t = k), [K], and m_k = E x_t 1{z_t = k}, [K, D]."""

    belief: Float[Array, " K"]
    means: Float[Array, "K D"]

    @classmethod
    def at(cls, belief: Float[Array, " K"], x: Float[Array, " D"]) -> ChainMoments:
        """Those of a state that is known."""
        return cls(belief, belief[:, None] * x)


def advance_chain(params: Params, now: ChainMoments, u: Float[Array, " U"]) -> ChainMoments:
    """p′_k = Σ_j p_j P_jk and m′_k = A_k Σ_j P_jk m_j + p′_k (V_k u + b_k), with P the chain under u.

    Σ_k m′_k is E x_t itself: no mode is decided upon, and nothing is lost of how modes and states hang
    together. Reference: Costa, Fragoso and Marques (2005), prop. 3.1, for jump linear systems without inputs.
    """
    (a, v, b, _), gate = params.linear, params.gate
    p = jax.nn.softmax(gate_logits(gate, jnp.zeros(b.shape[1], b.dtype), u), axis=-1)
    belief = now.belief @ p
    return ChainMoments(belief, jnp.einsum("kde,ke->kd", a, p.T @ now.means) + belief[:, None] * (v @ u + b))


def forecast_trial(
    params: Params, state: Float[Array, " D"], belief: Float[Array, " K"], inputs: Float[Array, "T U"]
) -> tuple[Float[Array, "T K"], Float[Array, "T D"]]:
    """p(z_t) and x_1 … x_T from x_0 = state.

    A gate that reads the state decides: z_t = argmax p(z_t | x_{t−1}, u_t), x_t = A x_{t−1} + V u_t + b
    without noise. A chain decides nothing: x_t is E x_t under it (`advance_chain`).
    """
    if params.gate.log_p.shape[0] > 1:

        def chain(now: ChainMoments, u: jax.Array) -> tuple[ChainMoments, tuple]:
            now = advance_chain(params, now, u)
            return now, (now.belief, jnp.sum(now.means, axis=0))

        return jax.lax.scan(chain, ChainMoments.at(belief, state), inputs)[1]

    def step(x: jax.Array, u: jax.Array) -> tuple[jax.Array, tuple]:
        mode = jnp.argmax(gate_logits(params.gate, x, u)[0])
        x = advance(params.linear, mode, x, u)
        return x, (jax.nn.one_hot(mode, params.linear.b.shape[0], dtype=x.dtype), x)

    return jax.lax.scan(step, state, inputs)[1]


def follow_trial(
    params: Params, state: Float[Array, " D"], inputs: Float[Array, "T U"], modes: Int[Array, " T"]
) -> Float[Array, "T D"]:
    """x_1 … x_T from x_0 = state under given modes, without noise."""

    def step(x: jax.Array, at: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        u, mode = at
        x = advance(params.linear, mode, x, u)
        return x, x

    return jax.lax.scan(step, state, (inputs, modes))[1]


def observe(
    key: PRNGKeyArray, kind: EmissionKind, emission: Emission, x: Float[Array, "*batch D"]
) -> Float[Array, "*batch N"]:
    """Noisy observations of given states."""
    if kind == "identity":
        return x
    eta = x @ emission.c.T + emission.d
    if kind == "poisson":
        return jax.random.poisson(key, jnp.exp(eta)).astype(x.dtype)
    return eta + jnp.sqrt(emission.r) * jax.random.normal(key, eta.shape)


def simulate(key: PRNGKeyArray, kind: EmissionKind, params: Params, inputs: Float[Array, "B T U"]) -> Paths:
    """One trial drawn from the model per row of `inputs`; u_t drives the step into x_t, u_0 is unused."""
    k_z, k_x, k_y = jax.random.split(key, 3)
    batch, n_modes, d = inputs.shape[:2], params.gate.log_p.shape[1], params.initial.mean.size
    gumbel, normal = jax.random.gumbel(k_z, (*batch, n_modes)), jax.random.normal(k_x, (*batch, d))
    modes, states = _run(params, jnp.asarray(inputs), gumbel, normal)
    return Paths(modes, states, observe(k_y, kind, params.emission, states))


@compiled
@partial(jax.vmap, in_axes=(None, 0, 0, 0))
def _run(
    params: Params, inputs: Float[Array, "T U"], gumbel: Float[Array, "T K"], normal: Float[Array, "T D"]
) -> tuple[Int[Array, " T"], Float[Array, "T D"]]:
    """Modes and states given all of the noise: z_t is the argmax of its logits plus Gumbel noise."""
    roots, n_from = jnp.linalg.cholesky(params.linear.q), params.gate.log_p.shape[0]

    def step(carry: tuple[jax.Array, jax.Array], at: tuple[jax.Array, ...]) -> tuple[tuple, tuple]:
        (z, x), (u, g, e) = carry, at
        z = jnp.argmax(gate_logits(params.gate, x, u)[z % n_from] + g)
        x = advance(params.linear, z, x, u) + roots[z] @ e
        return (z, x), (z, x)

    z = jnp.argmax(params.initial.log_pi + gumbel[0])
    x = params.initial.mean + jnp.linalg.cholesky(params.initial.cov) @ normal[0]
    _, (zs, xs) = jax.lax.scan(step, (z, x), (inputs[1:], gumbel[1:], normal[1:]))
    return jnp.concatenate([z[None], zs]), jnp.concatenate([x[None], xs])
