"""Running a network forward."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jslds_bench.dynamics.tape import Finish, MatMul, tape_scan
from jslds_bench.types.core import Activation, Cell, CellParams, Linearization, Network, Trials


def cell_weights(params: CellParams) -> dict[str, jax.Array]:
    """θ's recurrent matrices by the names that a tape step multiplies with."""
    return {f"w{i}": p.w for i, p in enumerate(params)}


def projected(params: CellParams, inputs: Float[Array, "*batch U"]) -> tuple[jax.Array, ...]:
    """u V_i + b_i of each stage: one product for all steps, outside the scan."""
    return tuple(inputs @ p.v + p.b for p in params)


def rollout(
    cell: Cell, params: CellParams, h0: Float[Array, "B N"], inputs: Float[Array, "B T U"]
) -> Float[Array, "B T N"]:
    """h_t = F(h_{t−1}, u_t; θ) for t = 1 … T, a batch of trials at once (fast in value and gradient)."""
    finishes = [activated(cell.activation(i)) for i in range(len(cell.widths))]

    def step(matmul: MatMul, consts: tuple[()], h: Any, from_u: Any) -> tuple[Any, Any]:
        zs: list[jax.Array] = []
        for i, left in enumerate(cell.lefts):
            zs.append(matmul(f"w{i}", left(h, zs), finishes[i], from_u[i]))
        h = cell.output(h, zs)
        return h, h

    from_u = projected(params, jnp.swapaxes(inputs, 0, 1))
    _, states = tape_scan(step, cell_weights(params), (), h0, from_u)
    return jnp.swapaxes(states, 0, 1)


@functools.lru_cache(maxsize=64)
def activated(f: Activation) -> Finish:
    """y = f(z + add)."""

    def reverse(y: jax.Array, y_bar: jax.Array) -> tuple[jax.Array, jax.Array]:
        z_bar = y_bar * f.slope(y)
        return z_bar, z_bar

    return Finish(lambda z, add: f.value(z + add), reverse)


def trajectories(network: Network, inputs: Float[Any, "B T U"]) -> Float[np.ndarray, "B T1 N"]:
    """The network's own states h_0 … h_T under `inputs`, on the host."""
    h0 = jnp.broadcast_to(network.h0, (inputs.shape[0], network.n_state))
    later = _rollout(network.cell, network.params, h0, inputs)
    return np.concatenate([np.asarray(h0)[:, None], later], axis=1)


_rollout = jax.jit(rollout, static_argnums=0)


def free_run(
    model: Linearization,
    h0: Float[Array, " N"] | Float[Array, "B N"],
    inputs: Float[Array, "B T U"],
    u_star: Float[Array, "B U"],
) -> Float[Array, "B T N"]:
    """ĥ_t = G(ĥ_{t−1}, u_t) from h_0, of all trials or of each: the model on its own predictions."""

    def trial(start: Any, us: Any, star: Any) -> Any:
        def step(state: Any, u: Any) -> tuple[Any, Any]:
            carry, h = model.step(state[0], state[1], u, star)
            return (carry, h), h

        return jax.lax.scan(step, (model.init(start, star), start), us)[1]

    return jax.vmap(trial, in_axes=(None if jnp.ndim(h0) == 1 else 0, 0, 0))(h0, inputs, u_star)


def one_step(
    model: Linearization,
    states: Float[Array, "B T1 N"],
    inputs: Float[Array, "B T U"],
    u_star: Float[Array, "B U"],
) -> Float[Array, "B T N"]:
    """ĥ_t = G(h_{t−1}, u_t): the model's prediction from the network's own previous state, t = 1 … T.

    A model with a memory keeps it from step to step; only the state is set to the true one.
    """

    def trial(hs: Any, us: Any, star: Any) -> Any:
        def step(carry: Any, hu: Any) -> tuple[Any, Any]:
            return model.step(carry, hu[0], hu[1], star)

        return jax.lax.scan(step, model.init(hs[0], star), (hs[:-1], us))[1]

    return jax.vmap(trial)(states, inputs, u_star)


def free_run_error(
    model: Linearization, network: Network, trials: Trials, states: Float[Any, "B T1 N"]
) -> float:
    """Σ ‖ĥ_t − h_t‖² / Σ ‖h_t − h̄‖² over t ≥ 1, ĥ from h_0 on its own predictions; inf where it diverged."""
    run = np.asarray(_free_run(model, network.h0, trials.inputs, trials.u_star), np.float64)
    later = np.asarray(states, np.float64)[:, 1:]
    with np.errstate(over="ignore", invalid="ignore"):
        error = float(np.sum((run - later) ** 2))
    spread = float(np.sum((later - later.mean(axis=(0, 1))) ** 2))
    return error / max(spread, np.finfo(float).tiny) if np.isfinite(error) else np.inf


_free_run = jax.jit(free_run)
