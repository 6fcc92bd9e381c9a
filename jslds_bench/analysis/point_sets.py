"""Sets of expansion or fixed points: how many clusters they form, how well they lie on a line, how far apart.

Letters in shapes: P points, N state units.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy
from jaxtyping import Float, Int


def n_clusters(points: Float[Any, "P N"], most: int = 32) -> int:
    """How many clusters there are: of cuts of Ward's tree into 2 … `most` that of the greatest silhouette.

    The mean over points of (b − a)/max(a, b), a being the mean distance from the others of the cluster and b
    from those of the nearest other one; 0 of a cluster of one (Rousseeuw, 1987). 1 where all points coincide.
    """
    points = np.asarray(points, np.float64)
    gaps = scipy.spatial.distance.cdist(points, points)
    if len(points) < 3 or not gaps.any():
        return min(len(points), 1)
    tree = scipy.cluster.hierarchy.linkage(points, "ward")
    cuts = range(2, min(most, len(points) - 1) + 1)
    labels = [scipy.cluster.hierarchy.fcluster(tree, k, "maxclust") for k in cuts]
    best = max(labels, key=lambda own: _silhouette(gaps, own))
    return len(np.unique(best))


def _silhouette(gaps: Float[Any, "P P"], labels: Int[Any, " P"]) -> float:
    kinds, which, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    if len(kinds) < 2:
        return -1.0
    each = np.arange(len(labels))
    sums = np.stack([gaps[:, labels == k].sum(axis=1) for k in kinds], axis=1)
    within = sums[each, which] / np.maximum(sizes[which] - 1, 1)
    means = sums / sizes
    means[each, which] = np.inf
    beyond = means.min(axis=1)
    scores = (beyond - within) / np.maximum(np.maximum(within, beyond), 1e-300)
    return float(np.where(sizes[which] > 1, scores, 0.0).mean())


def spread_out(points: Float[Any, "P N"], n: int) -> Int[Any, " n"]:
    """Indices of at most `n` distinct points, each the farthest from those before it (Gonzalez, 1985).

    The first is the one farthest from the mean. Points that coincide with a chosen one are left out.
    """
    points = np.asarray(points, np.float64)
    if not len(points):
        return np.zeros(0, int)
    chosen = [int(np.argmax(np.linalg.norm(points - points.mean(axis=0), axis=1)))]
    gap = np.linalg.norm(points - points[chosen[0]], axis=1)
    while len(chosen) < n and gap.max() > 0:
        chosen.append(int(np.argmax(gap)))
        gap = np.minimum(gap, np.linalg.norm(points - points[chosen[-1]], axis=1))
    return np.array(chosen)


def gaps_to(points: Float[Any, "P N"], others: Float[Any, "Q N"]) -> Float[Any, " P"]:
    """The distance of each point from the nearest of `others`, [P]; infinite where there are none."""
    if not len(others):
        return np.full(len(points), np.inf)
    return scipy.spatial.distance.cdist(np.asarray(points, np.float64), np.asarray(others, np.float64)).min(
        axis=1
    )


def share_on_line(points: Float[Any, "P N"]) -> float:
    """The share of the points' variance along their first principal axis: 1 on a straight line.

    NaN of fewer than three points, or points without variance.
    """
    points = np.asarray(points, np.float64)
    if len(points) < 3:
        return float("nan")
    sizes = np.linalg.svd(points - points.mean(axis=0), compute_uv=False) ** 2
    return float(sizes[0] / sizes.sum()) if sizes.sum() > 0 else float("nan")
