"""How the model's linear systems relate to the network's Jacobians."""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar

import numpy as np
import scipy

from jslds_bench.dynamics.spectrum import eigenvalues, matched_distance
from jslds_bench.entries.registry import METRICS
from jslds_bench.errors import Unsupported
from jslds_bench.metrics._shared.declared import Error
from jslds_bench.metrics.fixed_points import EPSILON
from jslds_bench.metrics.states import spread
from jslds_bench.types.networks import Evaluation

TOP = 10


class OfSpectra(Error):
    """What all of these declare."""

    family: ClassVar[str] = "spectra"


def _nearest(evaluation: Evaluation) -> tuple[np.ndarray, np.ndarray]:
    """For each sample the network's point nearest to e under its u*, and whether it is a match, [S] each."""
    if evaluation.local is None or evaluation.local_e is None:
        raise Unsupported("this model has no linear system to decompose")
    if not all(len(r.points) for r in evaluation.reference):
        raise Unsupported("the numerical search found no fixed point of the network to compare with")
    nearest = np.zeros(len(evaluation.local_e), int)
    gaps = np.full(len(nearest), np.inf)
    finite = np.isfinite(evaluation.local_e).all(axis=1)
    for k, reference in enumerate(evaluation.reference):
        chosen = finite & (evaluation.sample_u_star == k)
        if chosen.any():
            tree = scipy.spatial.cKDTree(reference.points)
            gaps[chosen], nearest[chosen] = tree.query(evaluation.local_e[chosen])
    return nearest, gaps <= EPSILON * spread(evaluation.states)


@METRICS.register("eigenvalue_error")
@dataclasses.dataclass(frozen=True)
class EigenvalueError(OfSpectra):
    """Mean distance of the model's top ten eigenvalues from those of ∂F/∂h at a true fixed point.

    At each sampled state the spectrum of the model's A is matched, at least cost, to that of the network's
    fixed or slow point nearest to the point that the model expanded about, if that lies within 0.1 RMS radii.
    The right spectrum in a wrong place is no match: `eigenvalue_unmatched` is the share of samples that have
    no such point and are left out here.
    """

    order: ClassVar[int] = 300

    def compute(self, evaluation: Evaluation) -> float:
        nearest, matches = _nearest(evaluation)
        assert evaluation.local is not None
        assert evaluation.local_e is not None
        if not (np.isfinite(evaluation.local).all() and np.isfinite(evaluation.local_e).all()):
            return math.inf
        matched = np.flatnonzero(matches)
        if not len(matched):
            raise Unsupported(f"no sampled expansion point lies within {EPSILON} RMS radii of the network's")
        known = [evaluation.reference[evaluation.sample_u_star[i]].eigenvalues[nearest[i]] for i in matched]
        found = eigenvalues(evaluation.local[matched])
        return float(np.mean([matched_distance(*both, TOP) for both in zip(found, known, strict=True)]))


@METRICS.register("eigenvalue_unmatched")
@dataclasses.dataclass(frozen=True)
class EigenvalueUnmatched(OfSpectra):
    """Share of sampled states whose expansion point is no fixed or slow point's match in 0.1 RMS radii.

    What `eigenvalue_error` leaves out, and so to be read beside it.
    """

    order: ClassVar[int] = 302
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def compute(self, evaluation: Evaluation) -> float:
        _, matches = _nearest(evaluation)
        return float(np.mean(~matches))


def _relative_gap(local: np.ndarray | None, jacobians: np.ndarray | None) -> float:
    """Mean of ‖A − J‖_F/‖J‖_F over samples; inf where it is not finite."""
    if local is None or jacobians is None:
        raise Unsupported("this model has no linear system to compare")
    with np.errstate(invalid="ignore", over="ignore"):
        gaps = np.linalg.norm(local - jacobians, axis=(1, 2))
        value = float(np.mean(gaps / np.linalg.norm(jacobians, axis=(1, 2))))
    return value if math.isfinite(value) else math.inf


@METRICS.register("jacobian_error")
@dataclasses.dataclass(frozen=True)
class JacobianError(OfSpectra):
    """Mean of ‖A − J‖_F/‖J‖_F over sampled visited states, J = ∂F/∂h(h_{t−1}, u°).

    u° is the input that the model expanded about (its `LocalLinear.u_star`): A and J differ only in the state
    that they belong to. What expanding about u° ≠ u_t costs is in `jacobian_error_actual`.
    """

    order: ClassVar[int] = 301

    def compute(self, evaluation: Evaluation) -> float:
        return _relative_gap(evaluation.local, evaluation.jacobians_at_local)


@METRICS.register("jacobian_error_actual")
@dataclasses.dataclass(frozen=True)
class JacobianErrorActual(OfSpectra):
    """Mean of ‖A − J‖_F/‖J‖_F over sampled visited states, J = ∂F/∂h(h_{t−1}, u_t).

    A is what the model applies there; J is the network's at the state and the input of the moment.
    """

    order: ClassVar[int] = 303

    def compute(self, evaluation: Evaluation) -> float:
        return _relative_gap(evaluation.local, evaluation.jacobians)
