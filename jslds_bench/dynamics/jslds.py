"""The Jacobian switching linear dynamical system, eqs. 5–6 of Smith, Linderman and Sussillo (2021)."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jslds_bench.dynamics.linearize import expansion_step
from jslds_bench.dynamics.rollout import biases, cell_weights
from jslds_bench.dynamics.tape import MatMul, tape_scan
from jslds_bench.types.core import Cell, CellParams, ExpansionParams, Layer


class CoStates(NamedTuple):
    """Both systems along a batch of trials, t = 1 … T.

    Attributes:
        h: the network's states, [B, T, N].
        a: the JSLDS's states, [B, T, N].
        e: the expansion points e*_t = E(a_{t−1}), [B, T, N].
        f_e: F(e*_t, u*), [B, T, N]; ‖f_e − e‖² is what eq. 7 sums.
    """

    h: Float[Array, "B T N"]
    a: Float[Array, "B T N"]
    e: Float[Array, "B T N"]
    f_e: Float[Array, "B T N"]


def expansion_point(phi: ExpansionParams, a: Float[Array, "*batch N"]) -> Float[Array, "*batch N"]:
    """e* = E(a; φ): layers of x ← tanh(x + x W + b) (eq. 6, in the residual form of the paper's code)."""
    for layer in phi:
        a = jnp.tanh(a + a @ layer.w + layer.b)
    return a


def jslds_step(
    cell: Cell,
    params: CellParams,
    phi: ExpansionParams,
    a: Float[Array, " N"],
    u: Float[Array, " U"],
    u_star: Float[Array, " U"],
) -> Float[Array, " N"]:
    """a_t = e* + ∂F/∂h (a_{t−1} − e*) + ∂F/∂u (u_t − u*), both derivatives at (e*, u*), e* = E(a_{t−1}).

    One Jacobian-vector product; no Jacobian is formed. Reference: Smith et al. (2021), eqs. 5–6.
    """
    return expansion_step(cell, params, expansion_point(phi, a), u_star, a, u, "point")


def _co_step(cell: Cell) -> Any:
    """One step of network and JSLDS with h, e* and the tangent a − e* stacked into shared products."""

    def step(matmul: MatMul, consts: Any, carry: Any, x: Any) -> tuple[Any, Any]:
        (params, phi), (h, a), (u, u_star) = consts, carry, x
        e = a
        for i, layer in enumerate(phi):
            e = jnp.tanh(e + matmul(f"e{i}", e) + layer.b)
        tangent = a - e
        inputs = jnp.concatenate([u, u_star, u - u_star])
        zs_h: list[jax.Array] = []
        zs_e: list[jax.Array] = []
        zs_d: list[jax.Array] = []
        for i, left in enumerate(cell.lefts):
            left_e, left_d = jax.jvp(left, (e, zs_e), (tangent, zs_d))
            z = matmul(f"w{i}", jnp.concatenate([left(h, zs_h), left_e, left_d])) + matmul(f"v{i}", inputs)
            z_h, z_e, z_d = jnp.split(z, 3)
            zs_h.append(z_h + params[i].b)
            zs_e.append(z_e + params[i].b)
            zs_d.append(z_d)
        h = cell.output(h, zs_h)
        f_e, d_e = jax.jvp(cell.output, (e, zs_e), (tangent, zs_d))
        a = e + d_e
        return (h, a), CoStates(h, a, e, f_e)

    return step


def co_rollout(
    cell: Cell,
    params: CellParams,
    phi: ExpansionParams,
    h0: Float[Array, "B N"],
    inputs: Float[Array, "B T U"],
    u_star: Float[Array, "B U"],
) -> CoStates:
    """Network (eq. 3, left) and JSLDS (eqs. 5–6), each from h_0 on its own states; the co-training path.

    Fast in value and gradient: agrees with ``jslds_step`` and ``cell.step`` under `lax.scan` to float32
    rounding.
    """
    n_steps = inputs.shape[1]
    weights = cell_weights(params) | {f"e{i}": layer.w for i, layer in enumerate(phi)}
    consts = (biases(params), tuple(Layer(layer.w[:0], layer.b) for layer in phi))
    stars = jnp.broadcast_to(u_star, (n_steps, *u_star.shape))
    _, out = tape_scan(_co_step(cell), weights, consts, (h0, h0), (jnp.swapaxes(inputs, 0, 1), stars))
    return CoStates(*(jnp.swapaxes(x, 0, 1) for x in out))
