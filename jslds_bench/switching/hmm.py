"""Hidden Markov models with time-varying transitions, in log space: exact for hard gates too.

One trial per call; callers vmap. T steps, K modes. `log_trans[t, i, j]` = log p(z_{t+1}=j | z_t=i), and
may have a single row i where the previous mode does not matter. Zero probabilities are −inf throughout.
`mask` is 1 on the valid steps, which come first; padded steps change nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

SOFT = 1e-100
"""Transitions that are all likelier than this lose nothing by being multiplied (`posterior_of_soft`)."""


class Posterior(NamedTuple):
    """Posteriors of one trial's modes.

    Attributes:
        log_z: log p(observations); −inf where they are impossible, and the posteriors are then all zero.
        single: p(z_t = k | all), [T, K]; zero at padded steps.
        pair: p(z_t = i, z_{t+1} = j | all), [T−1, I, K], summed over i where I = 1; zero where t+1 is padded.
    """

    log_z: Float[Array, ""]
    single: Float[Array, "T K"]
    pair: Float[Array, "T-1 I K"]


def _log_sum(x: jax.Array, axis: int | tuple[int, ...]) -> jax.Array:
    """log Σ exp x, with −inf for the empty sum."""
    top = jnp.max(x, axis=axis, keepdims=True)
    top = jnp.where(jnp.isfinite(top), top, 0.0)
    return jnp.squeeze(top, axis) + jnp.log(jnp.sum(jnp.exp(x - top), axis=axis))


def _normalised(x: jax.Array, axis: int | tuple[int, ...]) -> jax.Array:
    """exp x scaled to sum to one; zeros where every x is −inf."""
    total = jnp.expand_dims(_log_sum(x, axis), axis)
    return jnp.exp(x - jnp.where(jnp.isfinite(total), total, 0.0))


def forward(
    log_pi: Float[Array, " K"],
    log_trans: Float[Array, "T-1 I K"],
    log_lik: Float[Array, "T K"],
    mask: Float[Array, " T"],
) -> tuple[Float[Array, ""], Float[Array, "T K"]]:
    """log p(observations) and the filtered log p(z_t | observations up to t)."""

    def update(predicted: jax.Array, lik: jax.Array) -> tuple[jax.Array, jax.Array]:
        joint = predicted + lik
        norm = _log_sum(joint, 0)
        return joint - jnp.where(jnp.isfinite(norm), norm, 0.0), norm

    def step(alpha: jax.Array, x: tuple[jax.Array, ...]) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        trans, lik, valid = x
        after, norm = update(_log_sum(alpha[:, None] + trans, 0), lik)
        alpha = jnp.where(valid > 0, after, alpha)
        return alpha, (alpha, jnp.where(valid > 0, norm, 0.0))

    first, norm = update(log_pi, log_lik[0])
    _, (alphas, norms) = jax.lax.scan(step, first, (log_trans, log_lik[1:], mask[1:]))
    return norm + jnp.sum(norms), jnp.concatenate([first[None], alphas])


def _backward(log_trans: jax.Array, log_lik: jax.Array, mask: jax.Array) -> jax.Array:
    """log p(observations after t | z_t), up to a constant per step, [T, K]."""

    def step(beta: jax.Array, x: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array]:
        trans, lik, valid = x
        before = jnp.broadcast_to(_log_sum(trans + (lik + beta)[None, :], 1), beta.shape)
        top = jnp.max(before)
        beta = jnp.where(valid > 0, before - jnp.where(jnp.isfinite(top), top, 0.0), beta)
        return beta, beta

    last = jnp.zeros_like(log_lik[0])
    _, betas = jax.lax.scan(step, last, (log_trans, log_lik[1:], mask[1:]), reverse=True)
    return jnp.concatenate([betas, last[None]])


def posterior(
    log_pi: Float[Array, " K"],
    log_trans: Float[Array, "T-1 I K"],
    log_lik: Float[Array, "T K"],
    mask: Float[Array, " T"],
) -> Posterior:
    """Forward–backward: marginals and pairs of the modes given all observations.

    Both passes are normalised step by step, so long trials lose no digits. Where the previous mode does not
    matter there is nothing to pass on: the modes are independent.
    Reference: Rabiner (1989), eqs. 18–37.
    """
    if log_trans.shape[1] == 1:
        return _independent(log_pi, log_trans[:, 0], log_lik, mask)
    log_z, alpha = forward(log_pi, log_trans, log_lik, mask)
    beta = _backward(log_trans, log_lik, mask)
    single = _normalised(alpha + beta, 1) * mask[:, None]
    joint = alpha[:-1, :, None] + log_trans + (log_lik + beta)[1:, None, :]
    pair = _normalised(joint, (1, 2)) * mask[1:, None, None]
    return Posterior(log_z, single, pair)


class Counted(NamedTuple):
    """As `Posterior`, with the pairs summed over the steps, [I, K]."""

    log_z: Float[Array, ""]
    single: Float[Array, "T K"]
    pairs: Float[Array, "I K"]


class Factors(NamedTuple):
    """Transitions p(z_{t+1}=j | z_t=i) = table[i, j] now[t, j] / norm[t, i]."""

    table: Float[Array, "K K"]
    now: Float[Array, "T-1 K"]
    norm: Float[Array, "T-1 K"]


def posterior_of_soft(
    log_pi: Float[Array, " K"],
    trans: Factors,
    log_lik: Float[Array, "T K"],
    mask: Float[Array, " T"],
) -> Counted:
    """`posterior` where all transitions are above `SOFT`: products with one table in place of exponentials.

    Nothing that counts is lost: the likeliest mode leads to every other with at least `SOFT`, so none of the
    sums that are divided by is below its square.
    """
    tops = jnp.max(log_lik, axis=1, keepdims=True)
    lik = jnp.exp(log_lik - tops)

    def forward_step(alpha: jax.Array, x: tuple[jax.Array, ...]) -> tuple[jax.Array, tuple[jax.Array, ...]]:
        now, norm, lik, valid = x
        joint = ((alpha / norm) @ trans.table) * now * lik
        total = jnp.sum(joint)
        alpha = jnp.where(valid > 0, joint / total, alpha)
        return alpha, (alpha, jnp.where(valid > 0, total, 1.0))

    def backward_step(beta: jax.Array, x: tuple[jax.Array, ...]) -> tuple[jax.Array, tuple[jax.Array, ...]]:
        now, norm, lik, valid = x
        ahead = now * lik * beta
        before = (trans.table @ ahead) / norm
        beta = jnp.where(valid > 0, before / jnp.max(before), beta)
        return beta, (beta, ahead, before)

    start = log_pi + log_lik[0]
    norm = _log_sum(start, 0)
    first = jnp.exp(start - norm)
    along = trans.now, trans.norm, lik[1:], mask[1:]
    _, (alphas, totals) = jax.lax.scan(forward_step, first, along)
    _, (betas, aheads, befores) = jax.lax.scan(backward_step, jnp.ones_like(first), along, reverse=True)
    alpha = jnp.concatenate([first[None], alphas])
    single = alpha * jnp.concatenate([betas, jnp.ones_like(first)[None]])
    single = single * (mask / jnp.sum(single, axis=1))[:, None]
    scale = mask[1:] / jnp.sum(alpha[:-1] * befores, axis=1)
    pairs = trans.table * ((alpha[:-1] / trans.norm * scale[:, None]).T @ aheads)
    log_z = norm + jnp.sum(jnp.log(totals)) + jnp.sum(tops[1:, 0] * (mask[1:] > 0))
    return Counted(log_z, single, pairs)


def _independent(log_pi: jax.Array, log_p: jax.Array, log_lik: jax.Array, mask: jax.Array) -> Posterior:
    joint = jnp.concatenate([log_pi[None], log_p]) + log_lik
    norms = _log_sum(joint, 1)
    log_z = norms[0] + jnp.sum(jnp.where(mask[1:] > 0, norms[1:], 0.0))
    # As after a pass over the trial, a step that cannot be leaves nothing after it, nor anything before.
    single = jnp.where(jnp.isfinite(log_z), _normalised(joint, 1), 0.0) * mask[:, None]
    return Posterior(log_z, single, single[1:, None])


def viterbi(
    log_pi: Float[Array, " K"],
    log_trans: Float[Array, "T-1 I K"],
    log_lik: Float[Array, "T K"],
    mask: Float[Array, " T"],
) -> tuple[Int[Array, " T"], Float[Array, ""]]:
    """The most probable path of modes and its log joint probability; padded steps repeat the last mode."""
    n_modes = log_lik.shape[1]

    def step(score: jax.Array, x: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array]:
        trans, lik, valid = x
        moves = score[:, None] + trans
        source = jnp.where(valid > 0, jnp.argmax(moves, axis=0), jnp.arange(n_modes))
        return jnp.where(valid > 0, jnp.max(moves, axis=0) + lik, score), source

    score, sources = jax.lax.scan(step, log_pi + log_lik[0], (log_trans, log_lik[1:], mask[1:]))
    last = jnp.argmax(score)

    def back(z: jax.Array, source: jax.Array) -> tuple[jax.Array, jax.Array]:
        return source[z], source[z]

    _, path = jax.lax.scan(back, last, sources, reverse=True)
    return jnp.concatenate([path, last[None]]), score[last]
