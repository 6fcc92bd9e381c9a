"""The network's states on the trials of a fit, and where in them something is put."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import scipy
from jaxtyping import Float

from jslds_bench.dynamics.rollout import trajectories
from jslds_bench.errors import Unsupported
from jslds_bench.types.core import Network, Trials


def fit_states(network: Network, trials: Trials) -> Float[np.ndarray, "B T1 N"]:
    """h_0 … h_T in float64.

    Raises:
        Unsupported: they are not finite.
    """
    states = trajectories(network, trials.inputs).astype(np.float64)
    if not np.isfinite(states).all():
        raise Unsupported("the network's own states are not finite on the training trials")
    return states


def means(rows: Float[Any, "R D"], k: int, seed: int) -> Float[np.ndarray, "K D"]:
    """The centres of k-means of at least `k` rows; some may be the same."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a centre that lost its states stays where it was
        return scipy.cluster.vq.kmeans2(rows, k, minit="++", seed=seed)[0]


def distinct_means(rows: Float[Any, "R D"], k: int, seed: int) -> Float[np.ndarray, "K D"]:
    """At most `k` distinct centres of k-means of the distinct rows."""
    distinct = np.unique(np.round(rows, 12), axis=0)
    return np.unique(means(distinct, min(k, len(distinct)), seed), axis=0)


def distances_to_next(centres: Float[np.ndarray, "K D"]) -> Float[np.ndarray, " K"]:
    """Of each centre to the nearest other; 1 where there is none."""
    if len(centres) == 1:
        return np.ones(1)
    gaps = np.linalg.norm(centres[:, None] - centres[None], axis=-1)
    return (gaps + np.diag(np.full(len(centres), np.inf))).min(axis=1)
