"""The Jacobian switching linear dynamical system, eqs. 5–6 of Smith, Linderman and Sussillo (2021)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jslds_bench.dynamics.linearize import expansion_step
from jslds_bench.dynamics.rollout import (
    by_step,
    cell_biases,
    cell_weights,
    gain_of,
    network_step,
    project,
    stage_blocks,
    with_noise,
)
from jslds_bench.dynamics.tape import MatMul, tape_scan
from jslds_bench.errors import UsageError
from jslds_bench.types.core import TANH, Cell, CellParams, ExpansionParams, NetworkStep, Readout, Trials

ExpansionSees = Literal["state", "input"]
"""What an expansion network reads: the state (the paper's), or the input too."""


def refined(phi: ExpansionParams) -> int:
    """How many steps of the network E ends with."""
    return sum(isinstance(layer, NetworkStep) for layer in phi)


def check_refine(steps: int) -> None:
    """Raises UsageError unless E can end with so many steps of the network."""
    if not 0 <= steps <= 10:
        raise UsageError(f"refine is {steps}, expected 0 to 10 steps of the network after E")


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


def expansion_point(
    phi: ExpansionParams,
    a: Float[Array, "*batch N"],
    away: Float[Array, "*batch U"] | None = None,
    rest: Callable[[Float[Array, "*batch N"]], Float[Array, "*batch N"]] | None = None,
    units: Float[Array, ""] | None = None,
) -> Float[Array, "*batch N"]:
    """e* = E(a; φ): layers of x ← tanh(x + x W + b) (eq. 6, in the residual form of the paper's code).

    Two kinds of layers go beyond the paper. One with V adds (u − u*) V, where `away` is u − u*, or 0 if left
    out: an E that sees the input. A `NetworkStep` is x ← F(x, u*), which is `rest`: where points attract, a
    step of the network brings e* nearer to one.

    The paper's networks have states within ±1, where tanh reaches. For others layers are in `units` s of the
    state, x ← s tanh((x + x W)/s + b).
    """
    s = 1.0 if units is None else units
    for layer in phi:
        if isinstance(layer, NetworkStep):
            assert rest is not None, "E has steps of the network, and needs F(·, u*)"
            a = rest(a)
            continue
        z = (a + a @ layer.w) / s + layer.b
        a = s * jnp.tanh(z if layer.v is None or away is None else z + away @ layer.v)
    return a


def jslds_step(
    cell: Cell,
    params: CellParams,
    phi: ExpansionParams,
    a: Float[Array, " N"],
    u: Float[Array, " U"],
    u_star: Float[Array, " U"],
    units: Float[Array, ""] | None = None,
) -> Float[Array, " N"]:
    """a_t = e* + ∂F/∂h (a_{t−1} − e*) + ∂F/∂u (u_t − u*), both derivatives at (e*, u*), e* = E(a_{t−1}).

    One Jacobian-vector product; no Jacobian is formed. Reference: Smith et al. (2021), eqs. 5–6.
    """
    e = expansion_point(phi, a, u - u_star, lambda x: cell.step(params, x, u_star), units)
    return expansion_step(cell, params, e, u_star, a, u, "point")


def _layers(phi: ExpansionParams) -> tuple[Literal["state", "input", "network"], ...]:
    """What the layers of E are: they see the state, the input too, or are steps of the network."""

    def kind(layer: Any) -> Literal["state", "input", "network"]:
        if isinstance(layer, NetworkStep):
            return "network"
        return "state" if layer.v is None else "input"

    return tuple(map(kind, phi))


def _co_step(cell: Cell, layers: tuple[Literal["state", "input", "network"], ...]) -> Any:
    """One step of network and JSLDS: h, and e* with the tangent along a − e* and u − u*.

    Their products are not stacked: at these sizes three are as fast as one, and what is between them stays
    contiguous.
    """

    def step(matmul: MatMul, consts: Any, carry: Any, u: Any) -> tuple[Any, Any]:
        (from_star, biases, layer_biases, units), (h, a) = consts, carry
        from_u = project(matmul, u, biases)
        e = a
        for i, kind in enumerate(layers):
            if kind == "network":
                e = network_step(cell, matmul, e, from_star)
                continue
            add = matmul(f"x{i}", u, layer_biases[i]) if kind == "input" else layer_biases[i]
            e = matmul(f"e{i}", e, add, TANH)
            e = e if units is None else units * e
        tangent = a - e
        zs: list[jax.Array] = []
        dzs: list[jax.Array] = []
        for i, left in enumerate(cell.lefts):
            f = cell.activation(i)
            left_e, left_d = jax.jvp(left, (e, zs), (tangent, dzs))
            if i in cell.gains:
                z = f.value(left_e * from_star[gain_of(i)])
                zs, dzs = [*zs, z], [*dzs, f.slope(z) * left_d * from_star[gain_of(i)]]
                continue
            for w, v in stage_blocks(cell, i):
                z = matmul(w, left_e, from_star[v], f)
                dz = matmul(w, left_d, from_u[v] - from_star[v])
                zs, dzs = [*zs, z], [*dzs, f.slope(z) * dz]
        f_e, d_e = jax.jvp(cell.output, (e, zs), (tangent, dzs))
        h, a = network_step(cell, matmul, h, from_u), e + d_e
        return (h, a), CoStates(h, a, e, f_e)

    return step


def co_rollout(
    cell: Cell,
    params: CellParams,
    phi: ExpansionParams,
    h0: Float[Array, "B N"],
    inputs: Float[Array, "B T U"],
    u_star: Float[Array, "B U"],
    units: Float[Array, ""] | None = None,
) -> CoStates:
    """Network (eq. 3, left) and JSLDS (eqs. 5–6), each from h_0 on its own states; the co-training path.

    Fast in value and gradient: agrees with ``jslds_step`` and ``cell.step`` under `lax.scan` to float32
    rounding.
    """
    weights, consts = _co_arguments(cell, params, phi, u_star, units)
    _, out = tape_scan(_co_step(cell, _layers(phi)), weights, consts, (h0, h0), jnp.swapaxes(inputs, 0, 1))
    return CoStates(*(jnp.swapaxes(x, 0, 1) for x in out))


def _co_arguments(
    cell: Cell,
    params: CellParams,
    phi: ExpansionParams,
    u_star: Float[Array, "B U"],
    units: Float[Array, ""] | None,
) -> Any:
    """Weights and constants of `_co_step`."""
    weights, biases = cell_weights(cell, params), cell_biases(cell, params, len(u_star))
    from_star = {name: u_star @ weights[name] + x if name in weights else x for name, x in biases.items()}
    # x + x W is one product with W + 1.
    own = {i: layer for i, layer in enumerate(phi) if not isinstance(layer, NetworkStep)}
    layers = {f"e{i}": layer.w + jnp.eye(len(layer.w), dtype=layer.w.dtype) for i, layer in own.items()}
    layers |= {f"x{i}": layer.v for i, layer in own.items() if layer.v is not None}
    layer_biases = {
        i: jnp.broadcast_to(layer.b, (len(u_star), len(layer.b)))
        - (0.0 if layer.v is None else u_star @ layer.v)
        for i, layer in own.items()
    }
    if units is not None:
        layers = {name: w / units if name.startswith("e") else w for name, w in layers.items()}
    return weights | layers, (from_star, biases, layer_biases, units)


class CoErrors(NamedTuple):
    """Sums over trials and units of squares, per step, [T]: what the losses of eqs. 7–9 are made of.

    Attributes:
        rnn, jslds: readout minus target, of the network's states and of the JSLDS's.
        e: e* − F(e*, u*).
        a: a − h.
    """

    rnn: Float[Array, " T"]
    jslds: Float[Array, " T"]
    e: Float[Array, " T"]
    a: Float[Array, " T"]


def co_errors(
    cell: Cell,
    params: CellParams,
    phi: ExpansionParams,
    readout: Readout,
    h0: Float[Array, "B N"],
    trials: Trials,
    noise: Float[Array, "B T N"] | None = None,
    units: Float[Array, ""] | None = None,
) -> CoErrors:
    """The squares of `co_rollout`'s states, summed where they arise: no state is kept for it.

    `noise` is added to the states of both after each step: so that a − h is what linearising costs.
    """
    inner = _co_step(cell, _layers(phi))
    weights, consts = _co_arguments(cell, params, phi, trials.u_star, units)

    def step(matmul: MatMul, consts: Any, carry: Any, x: Any) -> tuple[Any, Any]:
        u, target, added = x
        _, s = inner(matmul, consts[0], carry, u)
        h, a = with_noise(s.h, added), with_noise(s.a, added)
        o_h, o_a = (matmul("readout", state) + consts[1] for state in (h, a))
        gaps = (o_h - target, o_a - target, s.e - s.f_e, a - h)
        return (h, a), CoErrors(*(jnp.sum(gap**2) for gap in gaps))

    xs = by_step(trials.inputs, trials.targets, noise)
    return tape_scan(step, weights | {"readout": readout.w}, (consts, readout.b), (h0, h0), xs)[1]
