"""The parts of LFADS as Flax NNX modules; they are where its parameters begin."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from jslds_bench.dynamics.cells import get_cell
from jslds_bench.lfads.parameters import ENCODER, Expansion, LFADSParameters, Sizes
from jslds_bench.types.core import Affine, CellParams, Layer, Readout

UPDATE_BIAS = 0.5
"""Added to the update gate of a GRU at the start: it begins by keeping its state. Reference: LFADS's code."""


class Recurrence(nnx.Module):
    """A cell's θ: W from N(0, 1)/√N (recurrent) and N(0, 1)/√U (input), b 0 but `UPDATE_BIAS` in a GRU."""

    def __init__(self, cell: str, n_inputs: int, n_state: int, *, rngs: nnx.Rngs) -> None:
        widths = [w * n_state for w in get_cell(cell).widths]
        draws = jax.random.normal(rngs.params(), (n_state + n_inputs, sum(widths)))
        ends = [sum(widths[: i + 1]) for i in range(len(widths) - 1)]
        stages = jnp.split(draws, ends, axis=1)
        biases = [jnp.zeros(w) for w in widths]
        if cell == "gru":
            biases[0] = biases[0].at[n_state:].set(UPDATE_BIAS)
        self.w = nnx.List(nnx.Param(m[:n_state] / n_state**0.5) for m in stages)
        self.v = nnx.List(nnx.Param(m[n_state:] / n_inputs**0.5) for m in stages)
        self.b = nnx.List(nnx.Param(b) for b in biases)

    @property
    def parameters(self) -> CellParams:
        return tuple(Affine(w[...], v[...], b[...]) for w, v, b in zip(self.w, self.v, self.b, strict=True))


class Linear(nnx.Module):
    """x W + b with W from N(0, 1)/√n and a given b."""

    def __init__(self, n: int, bias: Float[Array, " M"], *, rngs: nnx.Rngs) -> None:
        self.w = nnx.Param(jax.random.normal(rngs.params(), (n, bias.shape[0])) / n**0.5)
        self.b = nnx.Param(bias)

    @property
    def parameters(self) -> Readout:
        return Readout(self.w[...], self.b[...])


class LFADS(nnx.Module):
    """The autonomous LFADS: encoders, posterior and prior of g_0, generator, factors, log-rates.

    With `expansion` the generator is a co-trained pair. E then begins as "identity", tanh∘tanh, as in
    `networks._shared.modules`, or as "origin", W = −I: the constant 0, one linear system for all states.
    Reference: Pandarinath et al. (2018); Smith et al. (2021), appendix A.5.1.
    """

    def __init__(
        self,
        cell: str,
        sizes: Sizes,
        log_rates: Float[Array, " N"],
        expansion: Expansion | None,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        g, e = sizes.n_generator, sizes.n_encoder
        self.forward = Recurrence(ENCODER.name, sizes.n_held_in, e, rngs=rngs)
        self.backward = Recurrence(ENCODER.name, sizes.n_held_in, e, rngs=rngs)
        self.starts = nnx.Param(jnp.zeros((2, e)))
        spread = jnp.log(jnp.full(g, 0.1))
        self.posterior = Linear(2 * e, jnp.concatenate([jnp.zeros(g), spread]), rngs=rngs)
        self.prior_mean, self.prior_log_var = nnx.Param(jnp.zeros(g)), nnx.Param(spread)
        self.generator = Recurrence(cell, 1, g, rngs=rngs)
        self.factors = nnx.Param(jax.random.normal(rngs.params(), (g, sizes.n_factors)))
        self.readout = Linear(sizes.n_factors, log_rates, rngs=rngs)
        start = -jnp.eye(g) if expansion == "origin" else jnp.zeros((g, g))
        self.phi = None if expansion is None else tuple(Layer(start, jnp.zeros(g)) for _ in range(2))

    @property
    def parameters(self) -> LFADSParameters:
        return LFADSParameters(
            self.forward.parameters,
            self.backward.parameters,
            self.starts[...],
            self.posterior.parameters,
            self.prior_mean[...],
            self.prior_log_var[...],
            self.generator.parameters,
            self.phi,
            self.factors[...],
            self.readout.parameters,
        )


@partial(jax.jit, static_argnames=("cell", "sizes", "expansion"))
def initial_parameters(
    cell: str, sizes: Sizes, log_rates: Float[Array, " N"], key: PRNGKeyArray, expansion: Expansion | None
) -> LFADSParameters:
    """Fresh parameters; with or without an expansion network the others are the same draw."""
    return LFADS(cell, sizes, log_rates, expansion, rngs=nnx.Rngs(key)).parameters
