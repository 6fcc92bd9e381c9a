"""How the model's linear systems relate to the network's Jacobians."""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar

import numpy as np
import scipy.spatial

from jslds_bench.dynamics.spectrum import eigenvalues, matched_distance
from jslds_bench.entries.registry import METRICS
from jslds_bench.errors import Unsupported
from jslds_bench.metrics._shared.declared import Error
from jslds_bench.types.networks import Evaluation

TOP = 10


@METRICS.register("eigenvalue_error")
@dataclasses.dataclass(frozen=True)
class EigenvalueError(Error):
    """Mean distance of the model's top ten eigenvalues from those of ∂F/∂h at a true fixed point.

    At each sampled state the spectrum of the model's A is matched, at least cost, to that of the network's
    fixed or slow point nearest to the point that the model expanded about.
    """

    family: ClassVar[str] = "spectra"
    order: ClassVar[int] = 300

    def compute(self, evaluation: Evaluation) -> float:
        if evaluation.local is None or evaluation.local_e is None:
            raise Unsupported("this model has no linear system to decompose")
        if not all(len(r.points) for r in evaluation.reference):
            raise Unsupported("the numerical search found no fixed point of the network to compare with")
        if not (np.isfinite(evaluation.local).all() and np.isfinite(evaluation.local_e).all()):
            return math.inf
        distances = []
        for k, reference in enumerate(evaluation.reference):
            chosen = evaluation.sample_u_star == k
            if not chosen.any():
                continue
            _, nearest = scipy.spatial.cKDTree(reference.points).query(evaluation.local_e[chosen])
            for values, i in zip(eigenvalues(evaluation.local[chosen]), np.atleast_1d(nearest), strict=True):
                distances.append(matched_distance(values, reference.eigenvalues[i], TOP))
        return float(np.mean(distances))


@METRICS.register("jacobian_error")
@dataclasses.dataclass(frozen=True)
class JacobianError(Error):
    """Mean of ‖A − J‖_F/‖J‖_F over sampled visited states, J = ∂F/∂h(h_{t−1}, u_t).

    The model's A belongs to its expansion point and u*, J to the state and input of the moment.
    """

    family: ClassVar[str] = "spectra"
    order: ClassVar[int] = 301

    def compute(self, evaluation: Evaluation) -> float:
        if evaluation.local is None:
            raise Unsupported("this model has no linear system to compare")
        with np.errstate(invalid="ignore", over="ignore"):
            gaps = np.linalg.norm(evaluation.local - evaluation.jacobians, axis=(1, 2))
            errors = gaps / np.linalg.norm(evaluation.jacobians, axis=(1, 2))
        value = float(np.mean(errors))
        return value if math.isfinite(value) else math.inf
