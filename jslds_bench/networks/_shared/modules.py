"""Flax NNX modules for the trainable parts, initialised as in the paper's code, over the pure steps.

Each module's ``parameters`` is the plain pytree that the numerical core takes: inside a scan there are only
arrays. Use a module by itself to explore a cell; training and benchmarking go by the pytrees.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from jslds_bench.dynamics.cells import get_cell
from jslds_bench.dynamics.jslds import expansion_point
from jslds_bench.dynamics.training import Parameters
from jslds_bench.types.core import (
    Affine,
    CellParams,
    ExpansionParams,
    Layer,
    NetworkStep,
    Readout,
)


class RecurrentCell(nnx.Module):
    """F(h, u; θ) for a cell by name ("vanilla", "gru").

    Recurrent weights are drawn from N(0, 1)·0.9/√N, input weights from N(0, 1)/√U, biases and gains are 0,
    and the initial state h_0 is drawn from N(0, 0.1²). Reference: Smith et al. (2021), the authors' code.
    """

    def __init__(self, cell: str, n_inputs: int, n_state: int, *, rngs: nnx.Rngs) -> None:
        self.cell = get_cell(cell)
        scale_w, scale_v = 0.9 / n_state**0.5, 1 / n_inputs**0.5
        dense = [i for i in range(len(self.cell.widths)) if i not in self.cell.gains]
        widths = [self.cell.widths[i] * n_state for i in dense]
        # One draw for all: each shape drawn by itself would be compiled by itself, at half a second each.
        rows, all_units = n_state + n_inputs, sum(widths)
        draws = jax.random.normal(rngs.params(), (rows * all_units + n_state,))
        matrix = draws[n_state:].reshape(rows, all_units)
        stages = jnp.split(matrix, [sum(widths[: i + 1]) for i in range(len(widths) - 1)], axis=1)
        made = {
            i: Affine(scale_w * m[:n_state], scale_v * m[n_state:], jnp.zeros(m.shape[1]))
            for i, m in zip(dense, stages, strict=True)
        }
        made |= {
            i: Affine(jnp.zeros(n_state), jnp.zeros((n_inputs, 0)), jnp.zeros(0)) for i in self.cell.gains
        }
        self.w, self.v, self.b = (
            nnx.List(nnx.Param(x) for x in part)
            for part in zip(*(made[i] for i in sorted(made)), strict=True)
        )
        self.h0 = nnx.Param(0.1 * draws[:n_state])

    @property
    def parameters(self) -> CellParams:
        return tuple(Affine(w[...], v[...], b[...]) for w, v, b in zip(self.w, self.v, self.b, strict=True))

    def __call__(self, h: Float[Array, "*batch N"], u: Float[Array, "*batch U"]) -> Float[Array, "*batch N"]:
        return self.cell.step(self.parameters, h, u)


class ExpansionNetwork(nnx.Module):
    """E(a; φ): `n_layers` layers of x ← tanh(x + x W + b), W and b starting at 0 (eq. 6).

    With `n_inputs` the first layer sees u − u* too, by a V that starts at 0. With `refine` so many steps of
    the network follow, x ← F(x, u*).
    """

    def __init__(self, n_state: int, n_layers: int = 2, n_inputs: int | None = None, refine: int = 0) -> None:
        self.w = nnx.List(nnx.Param(jnp.zeros((n_state, n_state))) for _ in range(n_layers))
        self.b = nnx.List(nnx.Param(jnp.zeros(n_state)) for _ in range(n_layers))
        self.v = None if n_inputs is None else nnx.Param(jnp.zeros((n_inputs, n_state)))
        self.refine = refine

    @property
    def parameters(self) -> ExpansionParams:
        first, *later = (Layer(w[...], b[...]) for w, b in zip(self.w, self.b, strict=True))
        first = first if self.v is None else first._replace(v=self.v[...])
        return (first, *later, *[NetworkStep()] * self.refine)

    def __call__(
        self,
        a: Float[Array, "*batch N"],
        away: Float[Array, "*batch U"] | None = None,
        rest: Callable[[Array], Array] | None = None,
    ) -> Float[Array, "*batch N"]:
        return expansion_point(self.parameters, a, away, rest)


class LinearReadout(nnx.Module):
    """o = h W + b with W from N(0, 1)/√N and b = 0."""

    def __init__(self, n_state: int, n_outputs: int, *, rngs: nnx.Rngs) -> None:
        self.w = nnx.Param(jax.random.normal(rngs.params(), (n_state, n_outputs)) / n_state**0.5)
        self.b = nnx.Param(jnp.zeros(n_outputs))

    @property
    def parameters(self) -> Readout:
        return Readout(self.w[...], self.b[...])

    def __call__(self, h: Float[Array, "*batch N"]) -> Float[Array, "*batch O"]:
        return self.parameters(h)


@partial(
    jax.jit, static_argnames=("cell", "n_inputs", "n_state", "n_outputs", "expansion", "sees_input", "refine")
)
def initial_parameters(
    cell: str,
    n_inputs: int,
    n_state: int,
    n_outputs: int,
    key: PRNGKeyArray,
    expansion: bool,
    sees_input: bool = False,
    refine: int = 0,
) -> Parameters:
    """Fresh parameters; with an expansion network of any kind or none the others are the same draw."""
    rngs = nnx.Rngs(key)
    recurrent = RecurrentCell(cell, n_inputs, n_state, rngs=rngs)
    readout = LinearReadout(n_state, n_outputs, rngs=rngs)
    sees = n_inputs if sees_input else None
    phi = ExpansionNetwork(n_state, n_inputs=sees, refine=refine).parameters if expansion else None
    return Parameters(recurrent.parameters, recurrent.h0[...], readout.parameters, phi)
