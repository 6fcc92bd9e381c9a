"""How the model's fixed (or expansion) points relate to the network's: known ones, or those of an own search.

Distances are in units of the RMS radius of the network's visited states. Where the search found a continuum
of slow points (a line attractor) shares of points say how finely either side looked, and are not given; the
Chamfer distance is. A known continuum comes evenly sampled, so that its shares are lengths. All are means
over the distinct u*: an u* of many points weighs no more than another.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np
import scipy

from jslds_bench.entries.registry import METRICS
from jslds_bench.errors import Unsupported
from jslds_bench.metrics._shared.declared import Error, Share
from jslds_bench.metrics.states import spread
from jslds_bench.types.networks import Evaluation

EPSILON = 0.1
"""Radius, in RMS radii, within which a point counts as matched."""


class OfPoints:
    """What all of these declare."""

    family: ClassVar[str] = "fixed points"


def _pairs(evaluation: Evaluation) -> list[tuple[Any, Any]]:
    """(model's points, network's points) per distinct u*, in RMS radii."""
    if evaluation.found is None:
        raise Unsupported("this model has no fixed points")
    if not all(len(r.points) for r in evaluation.reference):
        raise Unsupported("the numerical search found no fixed or slow point of the network to compare with")
    radius = spread(evaluation.states)
    return [
        (np.asarray(found, np.float64) / radius, reference.points / radius)
        for found, reference in zip(evaluation.found, evaluation.reference, strict=True)
    ]


def _gaps(points: Any, others: Any) -> np.ndarray:
    """Distance of each of `points` to the nearest of `others`; inf where a point is not finite."""
    others = others[np.isfinite(others).all(axis=1)]
    finite = np.isfinite(points).all(axis=1)
    gaps = np.full(len(points), np.inf)
    if len(others):
        gaps[finite] = scipy.spatial.cKDTree(others).query(points[finite])[0]
    return gaps


def least_completeness(evaluation: Evaluation) -> float:
    """Completeness of the network's points under the u* where it is least; Unsupported on a continuum."""
    shares = [reference.completeness for reference in evaluation.reference]
    known = [share for share in shares if share is not None]
    if len(known) < len(shares):
        raise Unsupported("the network's slow points form a continuum, in which points cannot be counted")
    return min(known)


def precision_and_recall(evaluation: Evaluation, *epsilons: float) -> tuple[list[float], list[float]]:
    """Shares of the model's and of the network's points that have one of the other within each epsilon.

    Raises:
        Unsupported: either has none, or the network's lie on a continuum of which a search found some.
    """
    pairs = _pairs(evaluation)
    least_completeness(evaluation)
    gaps = [_gaps(found, true) for found, true in pairs], [_gaps(true, found) for found, true in pairs]
    precision, recall = (
        [float(np.mean([np.mean(of_u_star <= epsilon) for of_u_star in side])) for epsilon in epsilons]
        for side in gaps
    )
    return precision, recall


@METRICS.register("fixed_point_speed")
@dataclasses.dataclass(frozen=True)
class FixedPointSpeed(OfPoints, Error):
    """Median q = ½‖F(e, u*) − e‖² of the model's points: how fixed they are.

    The paper's code reports mean((F − e)²) = 2q/N instead.
    """

    order: ClassVar[int] = 200
    headline: ClassVar[bool] = True

    def compute(self, evaluation: Evaluation) -> float:
        if evaluation.found_q is None:
            raise Unsupported("this model has no fixed points")
        q = np.concatenate(evaluation.found_q)
        return float(np.median(np.where(np.isfinite(q), q, np.inf)))


@METRICS.register("fixed_point_precision")
@dataclasses.dataclass(frozen=True)
class FixedPointPrecision(OfPoints, Share):
    """Share of the model's points that lie within 0.1 RMS radii of a fixed point of the network."""

    order: ClassVar[int] = 201
    headline: ClassVar[bool] = True

    def compute(self, evaluation: Evaluation) -> float:
        return precision_and_recall(evaluation, EPSILON)[0][0]


@METRICS.register("fixed_point_recall")
@dataclasses.dataclass(frozen=True)
class FixedPointRecall(OfPoints, Share):
    """Share of the network's fixed points that have one of the model's within 0.1 RMS radii.

    A model need not use all of a network's fixed points (saddles, say): low recall is no fault by itself.
    `reference_completeness` says how many the search may have missed.
    """

    order: ClassVar[int] = 202

    def compute(self, evaluation: Evaluation) -> float:
        return precision_and_recall(evaluation, EPSILON)[1][0]


@METRICS.register("fixed_point_chamfer")
@dataclasses.dataclass(frozen=True)
class FixedPointChamfer(OfPoints, Error):
    """½ (mean gap model → network + mean gap network → model), averaged over the distinct u*."""

    order: ClassVar[int] = 203
    unit: ClassVar[str] = "RMS radii"

    def compute(self, evaluation: Evaluation) -> float:
        both = [(_gaps(f, r).mean() + _gaps(r, f).mean()) / 2 for f, r in _pairs(evaluation)]
        return float(np.mean(both))


@METRICS.register("reference_completeness")
@dataclasses.dataclass(frozen=True)
class ReferenceCompleteness(OfPoints, Share):
    """Estimated share of the network's fixed points that the search for the reference found, least over u*.

    1 where they are known. It says nothing of the model, but how far precision and recall can be believed.
    """

    order: ClassVar[int] = 204
    better: ClassVar[str] = "none"

    def compute(self, evaluation: Evaluation) -> float:
        if not all(len(r.points) for r in evaluation.reference):
            raise Unsupported("the numerical search found no fixed or slow point of the network")
        return least_completeness(evaluation)
