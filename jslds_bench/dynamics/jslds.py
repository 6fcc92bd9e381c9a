"""The Jacobian switching linear dynamical system, eqs. 5–6 of Smith, Linderman and Sussillo (2021)."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jslds_bench.dynamics.cells import TANH
from jslds_bench.dynamics.linearize import expansion_step
from jslds_bench.dynamics.rollout import activated, cell_weights, projected
from jslds_bench.dynamics.tape import Finish, MatMul, tape_scan
from jslds_bench.types.core import Activation, Cell, CellParams, ExpansionParams


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


@functools.lru_cache(maxsize=64)
def _three(f: Activation) -> Finish:
    """Of the products of h, e* and the tangent stacked: f(z_h + p), f(z_e + s) and f'(z_e + s)∘(z_d + p − s).

    p is the projected input of the step, s that of u*; the third is the derivative of the second along the
    tangent and along u − u*.
    """

    def value(z: jax.Array, adds: tuple[jax.Array, jax.Array]) -> Any:
        (z_h, z_e, z_d), (p, s) = jnp.split(z, 3), adds
        return f.value(z_h + p), f.value(z_e + s), z_d + (p - s)

    def reverse(y: Any, y_bar: Any) -> Any:
        h_bar, e_bar, d_bar = (y_bar[0] * f.slope(y[0]), y_bar[1] * f.slope(y[1]), y_bar[2])
        return jnp.concatenate([h_bar, e_bar, d_bar]), (h_bar + d_bar, e_bar - d_bar)

    return Finish(value, reverse)


def _co_step(cell: Cell, n_layers: int) -> Any:
    """One step of network and JSLDS with h, e* and the tangent a − e* stacked into shared products."""
    tanh = activated(TANH)

    def step(matmul: MatMul, consts: Any, carry: Any, from_u: Any) -> tuple[Any, Any]:
        (from_star, layer_biases), (h, a) = consts, carry
        e = a
        for i in range(n_layers):
            e = matmul(f"e{i}", e, tanh, layer_biases[i])
        tangent = a - e
        zs_h: list[jax.Array] = []
        zs_e: list[jax.Array] = []
        zs_d: list[jax.Array] = []
        for i, left in enumerate(cell.lefts):
            left_e, left_d = jax.jvp(left, (e, zs_e), (tangent, zs_d))
            stacked = jnp.concatenate([left(h, zs_h), left_e, left_d])
            f = cell.activation(i)
            z_h, z_e, z_d = matmul(f"w{i}", stacked, _three(f), (from_u[i], from_star[i]))
            zs_h.append(z_h)
            zs_e.append(z_e)
            zs_d.append(f.slope(z_e) * z_d)
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
    # x + x W is one product with W + 1.
    layers = {f"e{i}": layer.w + jnp.eye(len(layer.w), dtype=layer.w.dtype) for i, layer in enumerate(phi)}
    rows = h0.shape[0]
    layer_biases = tuple(jnp.broadcast_to(layer.b, (rows, *layer.b.shape)) for layer in phi)
    consts = (projected(params, u_star), layer_biases)
    from_u = projected(params, jnp.swapaxes(inputs, 0, 1))
    step = _co_step(cell, len(phi))
    _, out = tape_scan(step, cell_weights(params) | layers, consts, (h0, h0), from_u)
    return CoStates(*(jnp.swapaxes(x, 0, 1) for x in out))
