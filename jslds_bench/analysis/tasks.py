"""Statistics over tasks: Friedman's test, chance of improvement, interquartile means, bootstrap intervals.

Methods are scored in blocks, (task, network, seed), lower being better. Tasks weigh alike, however many
blocks they have. Blocks that share a task are not independent, nor are those that share a task and a seed
(networks of a seed start alike and meet the same trials), so these are what is resampled whole:

- tasks: what other tasks like these would give (`draw_tasks`);
- seeds within each task: what other seeds would give on these very tasks (`draw_seeds`), as in Agarwal et al.
  (2021), Deep reinforcement learning at the edge of the statistical precipice.

A draw is a weight for each block. Of n units n − 1 are drawn, with replacement: of all n, the variance of a
mean comes out short by the factor (n − 1) / n, a third where there are three seeds (McCarthy and Snowden
1985; Rao and Wu 1988).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from jslds_bench.analysis.stats import ranks

DRAWS = 2000
ORDERS = 10_000
"""Of ranks, at most, in Friedman's test."""


class Friedman(NamedTuple):
    """χ², and its p, of no difference between any methods."""

    chi2: float
    p: float


def friedman(scores: Float[Any, "units methods"], seed: int = 0) -> Friedman:
    """Friedman's test that no method differs from any other, corrected for ties.

        χ² = (k − 1) Σ_j (R_j − n (k + 1) / 2)² / Σ_ij (r_ij − (k + 1) / 2)²

    over ranks r_ij of k methods in n independent units, R_j = Σ_i r_ij. If none differs, each unit's ranks
    come in any order alike: p is the share of those orders with as large a χ². All of them are gone through
    where there are at most `ORDERS`, as many are drawn beyond, and the one that was seen counts as one of
    them. (The tails of χ² and of Iman and Davenport's F are far too small for few units: of three methods
    on three, F has 0.049 for what is 0.19.)

    Reference: Friedman (1937); Demšar (2006); Phipson and Smyth (2010) for drawn orders.
    """
    places = ranks(scores)
    n, k = places.shape
    centred = places - (k + 1) / 2
    spread = (centred**2).sum()
    if n < 2 or k < 2 or spread == 0:
        return Friedman(0.0, 1.0)
    scale = (k - 1) / spread
    chi2 = float(scale * (centred.sum(axis=0) ** 2).sum())
    # χ² knows no names of methods: the first unit may stay as it is.
    if math.lgamma(k + 1) * (n - 1) <= math.log(ORDERS):
        orders = np.array(list(itertools.permutations(range(k))))
        sums = centred[:1]
        for unit in centred[1:]:
            sums = (sums[:, None] + unit[orders]).reshape(-1, k)
    else:
        rng = np.random.default_rng(seed)
        drawn = np.broadcast_to(centred[1:, None], (n - 1, ORDERS - 1, k))
        sums = centred[0] + rng.permuted(drawn, axis=2).sum(axis=0)
        sums = np.concatenate([centred.sum(axis=0)[None], sums])
    as_large = scale * (sums**2).sum(axis=1) >= chi2 * (1 - 1e-9)  # rounding parts no ties
    return Friedman(chi2, float(as_large.mean()))


def task_weights(tasks: Sequence[str]) -> Float[Any, " blocks"]:
    """The weight of each block: tasks weigh alike, and so do the blocks of one."""
    return 1.0 / _sizes(tasks)


def draw_tasks(tasks: Sequence[str], n_draws: int = DRAWS, seed: int = 0) -> Float[Any, "draws blocks"]:
    """Weights of blocks in samples of tasks, each with all that it has."""
    at = _codes(tasks)
    n = int(at.max()) + 1
    counts = np.random.default_rng(seed).multinomial(max(n - 1, 1), np.full(n, 1 / n), size=n_draws)
    return counts[:, at] * task_weights(tasks)


def draw_seeds(
    tasks: Sequence[str], seeds: Sequence[int], n_draws: int = DRAWS, seed: int = 0
) -> Float[Any, "draws blocks"]:
    """Weights of blocks in samples of each task's seeds; a seed comes with all of its networks."""
    rng = np.random.default_rng(seed)
    at, found = _codes(tasks), np.asarray(seeds)
    weights = np.empty((n_draws, len(at)))
    for task in range(int(at.max()) + 1):
        own = np.flatnonzero(at == task)
        _, which = np.unique(found[own], return_inverse=True)
        n = int(which.max()) + 1
        counts = rng.multinomial(max(n - 1, 1), np.full(n, 1 / n), size=n_draws)
        drawn = counts[:, which].astype(float)
        weights[:, own] = drawn / drawn.sum(axis=1, keepdims=True)  # a task weighs the same in every draw
    return weights


def improvement(
    scores: Float[Any, "blocks methods"], weights: Float[Any, "draws blocks"]
) -> Float[Any, "draws methods methods"]:
    """P(X < Y) + ½ P(X = Y): how often the first method has the lower score of the same block.

    Methods of a block share its network and trials, so they are compared within it, where Agarwal et al.
    (2021), whose runs share nothing, compare all runs of a task with all.
    """
    x, y = scores[:, :, None], scores[:, None, :]
    wins = (x < y) + 0.5 * (x == y)
    shares = np.atleast_2d(weights) @ wins.reshape(len(wins), -1)
    k = scores.shape[1]
    return (shares / np.atleast_2d(weights).sum(axis=1, keepdims=True)).reshape(-1, k, k)


def interquartile_mean(
    values: Float[Any, "blocks methods"], weights: Float[Any, "draws blocks"]
) -> Float[Any, "draws methods"]:
    """The mean of the middle half of each method's values by weight; infinite where they reach into it.

    Reference: Agarwal et al. (2021).
    """
    weights = np.atleast_2d(weights)
    total = weights.sum(axis=1, keepdims=True)
    means = np.empty((len(weights), values.shape[1]))
    for column, own in enumerate(np.asarray(values, dtype=float).T):
        order = np.argsort(own, kind="stable")
        edges = np.clip(np.cumsum(weights[:, order], axis=1) / total, 0.25, 0.75)
        shares = np.diff(edges, axis=1, prepend=0.25)
        finite = np.isfinite(own[order])
        means[:, column] = 2 * shares @ np.where(finite, own[order], 0)
        means[(shares[:, ~finite] > 1e-12).any(axis=1), column] = np.inf
    return means


def interval(
    draws: Float[Any, "n_draws ..."], level: float = 0.95
) -> tuple[Float[Any, "..."], Float[Any, "..."]]:
    """The percentile interval of a statistic's draws; each end is one of them, so that it may be infinite."""
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0, method="inverted_cdf")
    return low, high


def share_within(
    scores: Float[Any, "blocks methods"], weights: Float[Any, " blocks"], bounds: Float[Any, " bounds"]
) -> Float[Any, "methods bounds"]:
    """Share of blocks, by weight, in which a method's score is at most each of `bounds`.

    Reference: Dolan and Moré (2002), with scores in place of ratios to the least: who else was entered does
    not matter (Agarwal et al. 2021, score distributions).
    """
    within = scores[:, :, None] <= np.asarray(bounds)
    shares: Float[Any, "methods bounds"] = np.tensordot(weights / weights.sum(), within, axes=1)
    return shares


def _codes(labels: Sequence[str]) -> Any:
    numbers = {label: i for i, label in enumerate(dict.fromkeys(labels))}
    return np.array([numbers[label] for label in labels])


def _sizes(labels: Sequence[str]) -> Any:
    at = _codes(labels)
    return np.bincount(at)[at]
