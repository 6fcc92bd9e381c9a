"""Running a switching system forward: with its noise (`simulate`) or without (`forecast`).

The pure functions here take either precision; `step_mode` and `advance` are what a model steps with.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from jslds_bench.switching.linear import predict
from jslds_bench.switching.parameters import Emission, EmissionKind, Linear, Params
from jslds_bench.switching.transitions import gate_logits


class Paths(NamedTuple):
    """Modes z [*, T], states x [*, T, D] and observations y [*, T, N]."""

    modes: Int[Any, "*batch T"]
    states: Float[Any, "*batch T D"]
    observations: Float[Any, "*batch T N"]


def step_mode(
    params: Params, belief: Float[Array, " K"], x: Float[Array, " D"], u: Float[Array, " U"]
) -> Float[Array, " K"]:
    """p(z_t | belief about z_{t−1}, x_{t−1}, u_t)."""
    rows = jax.nn.softmax(gate_logits(params.gate, x, u), axis=-1)
    return rows[0] if rows.shape[0] == 1 else belief @ rows


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


def forecast_trial(
    params: Params, state: Float[Array, " D"], belief: Float[Array, " K"], inputs: Float[Array, "T U"]
) -> tuple[Int[Array, " T"], Float[Array, "T D"]]:
    """x_1 … x_T from x_0 = state: z_t = argmax p(z_t | …), x_t = A x_{t−1} + V u_t + b, no noise.

    A chain keeps its whole marginal p(z_t), or a sticky one would never leave its first mode.
    """

    def step(carry: tuple[jax.Array, jax.Array], u: jax.Array) -> tuple[tuple, tuple]:
        x, belief = carry
        belief = step_mode(params, belief, x, u)
        mode = jnp.argmax(belief)
        x = advance(params.linear, mode, x, u)
        return (x, belief), (mode, x)

    return jax.lax.scan(step, (state, belief), inputs)[1]


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


@jax.jit
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
