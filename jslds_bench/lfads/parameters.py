"""The parameters of LFADS: the plain pytree that the objective takes."""

from __future__ import annotations

from typing import Literal, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from jslds_bench.dynamics.cells import get_cell
from jslds_bench.types.core import CellParams, ExpansionParams, Readout

Expansion = Literal["identity", "origin"]
"""What E is before training."""
ENCODER = get_cell("gru")


class LFADSParameters(NamedTuple):
    """Everything that training may change; G generator units, E encoder units, F factors, N units.

    Attributes:
        forward, backward: the two encoders, with their initial states `starts`, [2, E].
        posterior: the map from both encoders' last states to (μ, log σ²) of g_0, 2E → 2G.
        prior_mean, prior_log_var: of g_0, [G].
        generator: θ of the generator; it has one input line, which stays silent.
        phi: the expansion network of the co-trained pair, or None.
        factors: W_f, [G, F]; its columns are normalised where it is used.
        readout: factors → log-rates per bin.
    """

    forward: CellParams
    backward: CellParams
    starts: Float[Array, "2 E"]
    posterior: Readout
    prior_mean: Float[Array, " G"]
    prior_log_var: Float[Array, " G"]
    generator: CellParams
    phi: ExpansionParams | None
    factors: Float[Array, "G F"]
    readout: Readout


class Sizes(NamedTuple):
    """How large the parts are."""

    n_held_in: int
    n_units: int
    n_encoder: int
    n_generator: int
    n_factors: int


def log_rate_readout(p: LFADSParameters) -> Readout:
    """Generator state → log-rates in one map: W_f (columns of norm 1) times the readout's W, and b."""
    return Readout(normalised(p.factors) @ p.readout.w, p.readout.b)


def normalised(factors: Float[Array, "G F"]) -> Float[Array, "G F"]:
    """W_f with columns of norm 1: each factor is a unit-length projection of the generator."""
    return factors / jnp.linalg.norm(factors, axis=0)
