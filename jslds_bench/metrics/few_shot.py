"""How few trials it takes to tell further units from what a model infers: few-shot co-smoothing."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Bool, Float

from jslds_bench.analysis.poisson_regression import Design, Weights, fit_poisson
from jslds_bench.analysis.spikes import poisson_log_likelihood, rate_bits_per_spike
from jslds_bench.entries.registry import METRICS
from jslds_bench.errors import Unsupported
from jslds_bench.metrics.spikes import Bits
from jslds_bench.types.spikes import SpikeEvaluation

N_DRAWS = 3
"""Choices of these trials that the score is the mean of; the same for all models."""
N_FOLDS = 5
PRECISIONS = (1000.0, 100.0, 10.0, 1.0)
"""Of the read-out's weights, on features of total variance 1; the strongest wins ties."""


@METRICS.register("few_shot_bits_per_spike")
@dataclasses.dataclass(frozen=True)
class FewShotBitsPerSpike(Bits):
    """`co_bits_per_spike` by a Poisson regression on the model's states, fitted to k trials.

    States are those at each bin (`Inferred.visited`), of a model without them the logarithms of its rates of
    held-in units, both from held-in units alone; they are centred and divided by one number, so that their
    frame and scale do not matter. The regression's penalty is chosen by five-fold cross-validation over the
    k trials, which are trials of the fit; the mean of three draws of them. Dimensions that a model has for
    nothing cost it here. The models here were fitted to the held-out units' spikes too, unlike those of the
    reference. Reference: Dabholkar and Barak (2025), few-shot co-smoothing.

    Attributes:
        k: trials that the read-out is fitted to; all where there are fewer.
    """

    k: int = 50

    order: ClassVar[int] = 508
    headline: ClassVar[bool] = False

    def compute(self, evaluation: SpikeEvaluation) -> float:
        fit, held_out = evaluation.fit, evaluation.held_out
        unseen = held_out.held_out_units
        if not held_out.counts[..., unseen].sum():
            raise Unsupported("the units that are scored have no spike on held-out trials")
        if len(fit.counts) < N_FOLDS:
            raise Unsupported(f"{len(fit.counts)} fit trials are too few to choose a penalty on")
        x, x_new = _features(evaluation)
        if not (np.isfinite(x).all() and np.isfinite(x_new).all()):
            return -math.inf
        scores = []
        for draw in range(N_DRAWS):
            some = np.random.default_rng(draw).permutation(len(x))[: self.k]
            few = x[some]
            centre = few.mean(axis=(0, 1))
            scale = math.sqrt(((few - centre) ** 2).sum(axis=-1).mean()) or 1.0
            read_out = _chosen((few - centre) / scale, fit.counts[some][..., unseen])
            scores.append(
                rate_bits_per_spike(held_out.counts[..., unseen], _rates(read_out, (x_new - centre) / scale))
            )
        return float(np.mean(scores))


def _features(evaluation: SpikeEvaluation) -> tuple[Float[Any, "B T F"], Float[Any, "C T F"]]:
    """What the read-out reads of trials of the fit, and of held-out ones."""
    both = evaluation.inferred_fit, evaluation.inferred
    x, x_new = (made.visited for made in both)
    if x is None or x_new is None:
        with np.errstate(divide="ignore", invalid="ignore"):
            x, x_new = (np.log(made.rates[..., ~evaluation.fit.held_out_units]) for made in both)
    return np.asarray(x, np.float64), np.asarray(x_new, np.float64)


def _chosen(x: Float[Any, "K T F"], y: Float[Any, "K T M"]) -> Weights:
    """The regression with the penalty under which trials left out are likeliest."""
    fold = np.arange(len(x)) % N_FOLDS
    likelihoods = []
    for precision in PRECISIONS:
        total = 0.0
        for k in range(N_FOLDS):
            weights = _regression(x, y, fold != k, precision)
            total += poisson_log_likelihood(y[fold == k], _rates(weights, x[fold == k]))
        likelihoods.append(total)
    return _regression(x, y, fold >= 0, PRECISIONS[int(np.argmax(likelihoods))])


def _rates(weights: Weights, x: Float[Any, "*batch F"]) -> Float[Any, "*batch M"]:
    with np.errstate(over="ignore"):  # an infinite rate has its price
        return weights.rates(x)


def _regression(
    x: Float[Any, "K T F"], y: Float[Any, "K T M"], trials: Bool[Any, " K"], precision: float
) -> Weights:
    rows, counts = (a[trials].reshape(-1, a.shape[-1]) for a in (x, y))
    design = Design(rows, counts, np.ones(len(rows)), np.zeros((rows.shape[1], counts.shape[1]), bool))
    return fit_poisson(design, precision)
