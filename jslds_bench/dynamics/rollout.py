"""Running a network forward."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jslds_bench.dynamics.compiled import compiled
from jslds_bench.dynamics.tape import MatMul, tape_scan
from jslds_bench.types.core import Cell, CellParams, Linearization, Network, Trials


def cell_weights(cell: Cell, params: CellParams) -> dict[str, jax.Array]:
    """θ's matrices in blocks of N columns, w and v, by the names that a tape's step multiplies with."""
    return {
        f"{part}{i}.{j}": block
        for i, p in enumerate(params)
        if i not in cell.gains
        for part in "wv"
        for j, block in enumerate(_blocks(getattr(p, part), params))
    }


def cell_biases(cell: Cell, params: CellParams, rows: int) -> dict[str, jax.Array]:
    """θ's biases in the same blocks, by the names of their matrices v, for `rows` trials; and its gains."""
    vectors = {
        f"v{i}.{j}": block
        for i, p in enumerate(params)
        if i not in cell.gains
        for j, block in enumerate(_blocks(p.b, params))
    }
    vectors |= {gain_of(i): params[i].w for i in cell.gains}
    return {name: jnp.broadcast_to(x, (rows, len(x))) for name, x in vectors.items()}


def gain_of(stage: int) -> str:
    """The name of a gain among the biases: it is not multiplied with the input, but passed on."""
    return f"gain{stage}"


def _blocks(x: jax.Array, params: CellParams) -> list[jax.Array]:
    return jnp.split(x, x.shape[-1] // params[0].w.shape[0], axis=-1)


def project(matmul: MatMul, u: Float[Array, "B U"], biases: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """u V + b of all blocks, and the gains as they are."""
    return {name: x if name.startswith("gain") else matmul(name, u, x) for name, x in biases.items()}


def stage_blocks(cell: Cell, stage: int) -> list[tuple[str, str]]:
    """The names of a stage's blocks of w and of v."""
    return [(f"w{stage}.{j}", f"v{stage}.{j}") for j in range(cell.widths[stage])]


def network_step(cell: Cell, matmul: MatMul, h: Float[Array, "B N"], from_u: dict[str, jax.Array]) -> Any:
    """F(h, u) as a tape's step has it, u projected already."""
    zs: list[jax.Array] = []
    for i, left in enumerate(cell.lefts):
        x, f = left(h, zs), cell.activation(i)
        if i in cell.gains:
            zs.append(f.value(x * from_u[gain_of(i)]))
        else:
            zs += [matmul(w, x, from_u[v], f) for w, v in stage_blocks(cell, i)]
    return cell.output(h, zs)


def rollout(
    cell: Cell,
    params: CellParams,
    h0: Float[Array, "B N"],
    inputs: Float[Array, "B T U"],
    noise: Float[Array, "B T N"] | None = None,
) -> Float[Array, "B T N"]:
    """h_t = F(h_{t−1}, u_t; θ) + ε_t for t = 1 … T, a batch of trials at once (fast in value and gradient).

    `noise` is ε, none if left out.
    """

    def step(matmul: MatMul, biases: dict[str, jax.Array], h: Any, x: Any) -> tuple[Any, Any]:
        u, added = x
        h = with_noise(network_step(cell, matmul, h, project(matmul, u, biases)), added)
        return h, h

    biases = cell_biases(cell, params, h0.shape[0])
    _, states = tape_scan(step, cell_weights(cell, params), biases, h0, by_step(inputs, noise))
    return jnp.swapaxes(states, 0, 1)


def with_noise(h: Float[Array, "B N"], noise: Float[Array, "B N"] | None) -> Float[Array, "B N"]:
    """h + ε, where there is an ε."""
    return h if noise is None else h + noise


def by_step(*arrays: Float[Array, "B T X"] | None) -> Any:
    """Each array [T, B, X], as a scan takes them; None stays."""
    return tuple(None if x is None else jnp.swapaxes(x, 0, 1) for x in arrays)


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


_free_run = compiled(free_run)
