"""What LFADS maximises, and what it infers: the evidence bound of spikes given the initial state g_0.

A trial's only latent variable is g_0: the generator runs without input. Sums are over bins and units, means
over trials, so the λ of eq. 9 are not those of the synthetic tasks, which go with means.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import gammaln
from jaxtyping import Array, Float, PRNGKeyArray

from jslds_bench.dynamics.jslds import CoStates, co_rollout
from jslds_bench.dynamics.rollout import rollout
from jslds_bench.lfads.parameters import ENCODER, LFADSParameters, log_rate_readout
from jslds_bench.types.core import Cell, Layer

_MOST_LOG_RATE = 10.0
"""Above this a rate grows linearly in its logarithm: a far-off early step cannot overflow."""


class Weights(NamedTuple):
    """λ of the terms; `e`, `a` and `jslds` count for the co-trained pair alone.

    Reference: Smith et al. (2021), the authors' LFADS example.
    """

    rnn: float = 1.0
    jslds: float = 1.0
    e: float = 100.0
    a: float = 10.0
    l2: float = 2e-5


DEFAULT_WEIGHTS = Weights()


class Batch(NamedTuple):
    """Trials of one training step.

    Attributes:
        held_in, counts: spikes of the units that the encoder sees, and of all, [B, T, I] and [B, T, N].
        key: of dropout and of the sample of g_0.
        kl_weight: of the divergence, rising from 0.01 to 1.
    """

    held_in: Float[Array, "B T I"]
    counts: Float[Array, "B T N"]
    key: PRNGKeyArray
    kl_weight: Float[Array, ""]


def dropped(key: PRNGKeyArray, x: Float[Array, "*shape"], rate: float) -> Float[Array, "*shape"]:
    """Dropout: each entry is 0 with probability `rate`, else x / (1 − rate)."""
    return x * jax.random.bernoulli(key, 1 - rate, x.shape) / (1 - rate)


def encode(
    p: LFADSParameters, held_in: Float[Array, "B T I"], keys: PRNGKeyArray | None = None, dropout: float = 0.0
) -> tuple[Float[Array, "B G"], Float[Array, "B G"]]:
    """μ and log σ² of q(g_0 | spikes): the encoders read the trial in both directions, to its ends."""
    if keys is not None:
        held_in = dropped(keys[0], held_in, dropout)
    ends = []
    for params, start, x in zip(
        (p.forward, p.backward), p.starts, (held_in, jnp.flip(held_in, axis=1)), strict=True
    ):
        h0 = jnp.broadcast_to(start, (x.shape[0], start.shape[0]))
        ends.append(rollout(ENCODER, params, h0, x)[:, -1])
    summary = jnp.concatenate(ends, axis=-1)
    if keys is not None:
        summary = dropped(keys[1], summary, dropout)
    mean, log_var = jnp.split(p.posterior(summary), 2, axis=-1)
    return mean, log_var


def divergence(
    mean: Float[Array, "B G"], log_var: Float[Array, "B G"], p: LFADSParameters
) -> Float[Array, " B"]:
    """KL(q(g_0) ‖ p(g_0)) of diagonal Gaussians, nats per trial."""
    gap = (mean - p.prior_mean) ** 2
    ratio = jnp.exp(log_var - p.prior_log_var) + gap * jnp.exp(-p.prior_log_var)
    return 0.5 * jnp.sum(ratio - 1 + p.prior_log_var - log_var, axis=-1)


def generate(cell: Cell, p: LFADSParameters, g0: Float[Array, "B G"], n_steps: int) -> CoStates:
    """Both branches from the same g_0 without input; without E the network's states stand for both."""
    silent = jnp.zeros((g0.shape[0], n_steps, 1), g0.dtype)
    if p.phi is None:
        h = rollout(cell, p.generator, g0, silent)
        return CoStates(h, h, h, h)
    return co_rollout(cell, p.generator, p.phi, g0, silent, silent[:, 0])


def log_rates(p: LFADSParameters, states: Float[Array, "*batch G"]) -> Float[Array, "*batch N"]:
    """Logarithm of the expected spikes per bin."""
    return log_rate_readout(p)(states)


def expected_counts(log_rate: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """exp, continued by its tangent above `_MOST_LOG_RATE`."""
    low = jnp.minimum(log_rate, _MOST_LOG_RATE)
    return jnp.exp(low) * (1 + log_rate - low)


def poisson_loss(counts: Float[Array, "B T N"], log_rate: Float[Array, "B T N"]) -> Float[Array, ""]:
    """−log p(counts), nats: Σ over bins and units of r − n log r + log n!, mean over trials."""
    terms = expected_counts(log_rate) - counts * log_rate + gammaln(counts + 1)
    return jnp.sum(terms) / counts.shape[0]


def objective(
    cell: Cell, weights: Weights, dropout: float, p: LFADSParameters, batch: Batch
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    """−(LL_RNN + λ LL_JSLDS) + kl·KL + λ_e Σ‖F(e*, 0) − e*‖² + λ_a Σ‖g − a‖² + l2·‖θ, φ‖², and its terms.

    One sample of g_0 per trial; the same dropout mask on both branches.
    Reference: Smith et al. (2021), eq. 9 and appendix A.5.1.
    """
    keys = jax.random.split(batch.key, 4)
    mean, log_var = encode(p, batch.held_in, keys[:2], dropout)
    g0 = mean + jnp.exp(0.5 * log_var) * jax.random.normal(keys[2], mean.shape)
    states = generate(cell, p, g0, batch.counts.shape[1])
    mask = dropped(keys[3], jnp.ones_like(states.h), dropout)
    n = batch.counts.shape[0]
    terms = {
        "rnn": poisson_loss(batch.counts, log_rates(p, states.h * mask)),
        "kl": jnp.mean(divergence(mean, log_var, p)),
    }
    total = weights.rnn * terms["rnn"] + batch.kl_weight * terms["kl"]
    if p.phi is not None:
        terms |= {
            "jslds": poisson_loss(batch.counts, log_rates(p, states.a * mask)),
            "e": jnp.sum((states.f_e - states.e) ** 2) / n,
            "a": jnp.sum((states.a - states.h) ** 2) / n,
        }
        total += weights.jslds * terms["jslds"] + weights.e * terms["e"] + weights.a * terms["a"]
    recurrent = [stage.w for stage in p.generator] + [
        layer.w for layer in p.phi or () if isinstance(layer, Layer)
    ]
    return total + weights.l2 * sum(jnp.sum(w**2) for w in recurrent), terms
