"""Fits LFADS to spikes, and infers the rates of trials with the parameters frozen."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from jslds_bench.dynamics.cells import get_cell
from jslds_bench.dynamics.training import Recipe, Terms, train_batches
from jslds_bench.lfads.objective import (
    DEFAULT_WEIGHTS,
    Batch,
    Weights,
    encode,
    expected_counts,
    generate,
    log_rates,
    objective,
    poisson_loss,
)
from jslds_bench.lfads.parameters import Expansion, LFADSParameters, Sizes
from jslds_bench.types.core import Progress, silent
from jslds_bench.types.spikes import SpikeTrials

VALIDATION_SHARE = 5
"""One in so many fit trials is kept for choosing when to stop."""
KL_FROM, KL_UNTIL = 0.05, 0.25
"""The parts of training between which the weight of the divergence rises from 0.01 to 1."""
CHUNK = 128  # trials inferred at once
FEWEST_RATES = 1e-5  # spikes per bin of a unit without spikes, where log-rates begin


@dataclasses.dataclass(frozen=True)
class FitSettings:
    """How an LFADS is built and trained.

    Attributes:
        cell: of the generator, by name.
        n_encoder, n_generator, n_factors: sizes of the parts.
        n_steps, batch, rate: training steps, trials in each, and the peak rate of Adam.
        dropout: share of dropped spikes, encoder summaries and generator outputs.
        weights: of the objective's terms.
    """

    cell: str = "gru"
    n_encoder: int = 64
    n_generator: int = 64
    n_factors: int = 24
    n_steps: int = 1_500
    batch: int = 64
    rate: float = 6e-3
    dropout: float = 0.05
    weights: Weights = DEFAULT_WEIGHTS

    def recipe(self) -> Recipe:
        """Adam, a cosine to zero after a short warm-up, global-norm clip of 200 (losses are sums)."""
        from jslds_bench.dynamics import optimizers  # Optax takes a while to import

        return Recipe("fast", self.n_steps, self.batch, optimizers.Adam(self.rate, 200.0))


class _Data(NamedTuple):
    """Spikes of the units held in and of all, trials first, and the numbers of the trials of each part."""

    held_in: Float[Array, "S T I"]
    counts: Float[Array, "S T N"]
    seen: Int[Array, " A"]
    unseen: Int[Array, " B"]


# What follows holds no data, since `train_batches` keeps it; the data are given.


@dataclasses.dataclass(frozen=True)
class _Loss:
    settings: FitSettings

    def __call__(self, p: LFADSParameters, batch: Batch, data: _Data) -> tuple[jax.Array, Terms]:
        s = self.settings
        return objective(get_cell(s.cell), s.weights, s.dropout, p, batch)


@dataclasses.dataclass(frozen=True)
class _Drawn:
    """Trials of one step."""

    settings: FitSettings

    def __call__(self, key: PRNGKeyArray, step: jax.Array, data: _Data) -> Batch:
        key_rows, key_noise = jax.random.split(key)
        drawn = jax.random.randint(key_rows, (self.settings.batch,), 0, len(data.seen))
        rows = data.seen[drawn]
        done = (step / self.settings.n_steps - KL_FROM) / (KL_UNTIL - KL_FROM)
        return Batch(data.held_in[rows], data.counts[rows], key_noise, jnp.clip(done, 0.01, 1.0))


@dataclasses.dataclass(frozen=True)
class _Unseen:
    """The likelihood's part of the loss on the trials that are not trained on, at the posterior's mean."""

    settings: FitSettings

    def __call__(self, p: LFADSParameters, data: _Data) -> jax.Array:
        counts = data.counts[data.unseen]
        g0, _ = encode(p, data.held_in[data.unseen])
        states = generate(get_cell(self.settings.cell), p, g0, counts.shape[1])
        branches = [states.h] if p.phi is None else [states.h, states.a]
        return sum((poisson_loss(counts, log_rates(p, h)) for h in branches), jnp.zeros(()))


def fit(
    trials: SpikeTrials,
    settings: FitSettings,
    expansion: Expansion | None,
    key: PRNGKeyArray,
    progress: Progress = silent,
) -> tuple[LFADSParameters, dict[str, np.ndarray]]:
    """Parameters that maximise the bound on all units of `trials`, the encoder reading those held in.

    A fifth of the trials is not trained on: the parameters are those of the chunk of steps after which the
    bound on it (its likelihood part at the posterior's mean) was best.

    Args:
        expansion: what E of the JSLDS that the generator is co-trained with is at the start; None: no JSLDS.
    """
    from jslds_bench.lfads.modules import initial_parameters  # Flax: half a second

    key_init, key_split, key_train = jax.random.split(key, 3)
    counts = np.asarray(trials.counts, np.float32)
    held_in = counts[..., ~trials.held_out_units]
    order = np.asarray(jax.random.permutation(key_split, len(counts)))
    unseen, seen = np.split(order, [len(counts) // VALIDATION_SHARE])
    sizes = Sizes(
        held_in.shape[-1], counts.shape[-1], settings.n_encoder, settings.n_generator, settings.n_factors
    )
    mean = jnp.log(jnp.maximum(counts[seen].mean(axis=(0, 1)), FEWEST_RATES))
    start = initial_parameters(settings.cell, sizes, mean, key_init, expansion)
    data = _Data(*(jnp.asarray(x) for x in (held_in, counts, seen, unseen)))
    validate = _Unseen(settings) if len(unseen) else None
    return train_batches(
        _Loss(settings), start, _Drawn(settings), settings.recipe(), key_train, progress, validate, data
    )


class Posterior(NamedTuple):
    """What LFADS infers of trials; see `infer`."""

    rates: Float[Any, "B T N"]
    jslds_rates: Float[Any, "B T N"]
    g0: Float[Any, "B G"]


def infer(
    cell: str,
    p: LFADSParameters,
    held_in: Float[Any, "B T I"],
    key: PRNGKeyArray,
    n_samples: int,
) -> Posterior:
    """Rates of all units by both branches, averaged over `n_samples` of q(g_0), and its mean.

    Every trial's samples come from a key of its own place, so that they do not depend on the other trials.
    """
    keys = jax.random.split(key, len(held_in))
    parts = []
    for start in range(0, len(held_in), CHUNK):
        x = jnp.asarray(np.asarray(held_in[start : start + CHUNK], np.float32))
        parts.append(jax.device_get(_infer(cell, n_samples, p, x, keys[start : start + CHUNK])))
    return Posterior(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


@partial(jax.jit, static_argnums=(0, 1))
def _infer(
    cell: str, n_samples: int, p: LFADSParameters, held_in: Float[Array, "B T I"], keys: PRNGKeyArray
) -> Posterior:
    mean, log_var = encode(p, held_in)
    noise = jax.vmap(lambda key: jax.random.normal(key, (n_samples, mean.shape[1])))(keys)
    sd = jnp.exp(0.5 * log_var)

    def sample(total: Any, noise: Any) -> tuple[Any, None]:
        states = generate(get_cell(cell), p, mean + sd * noise, held_in.shape[1])
        more = [expected_counts(log_rates(p, branch)) / n_samples for branch in (states.h, states.a)]
        return jax.tree.map(jnp.add, total, more), None

    zeros = jnp.zeros((*held_in.shape[:2], p.readout.b.shape[0]))
    (rates, jslds_rates), _ = jax.lax.scan(sample, [zeros, zeros], jnp.swapaxes(noise, 0, 1))
    return Posterior(rates, jslds_rates, mean)
