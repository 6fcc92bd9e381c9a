"""Whether a model's free run has the dynamics of the network's, apart from where each state is."""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar

import numpy as np

from jslds_bench.analysis.similarity import N_DELAYS, angle, driven
from jslds_bench.dynamics.once import once
from jslds_bench.entries.registry import METRICS
from jslds_bench.errors import Unsupported
from jslds_bench.metrics._shared.declared import Error
from jslds_bench.types.networks import Evaluation


@METRICS.register("input_dsa")
@dataclasses.dataclass(frozen=True)
class InputDSA(Error):
    """Angle between the linear dynamics of the free run and of the network's states, least over rotations.

    Each side is v_{t+1} ≈ A v_t + B u_t + c in the ten leading principal components, of unit variance, of
    states and the states before them; min over orthogonal C of the angle between (A, B) and (C A' Cᵀ, C B').
    0: the same dynamics, be they turned, mirrored or scaled along; π/2: nothing in common. It does not see
    errors that leave the linear part alone, such as a point that stands elsewhere: read it beside
    `relative_error`.

    Reference: Ostrow, Eisen, Kozachkov and Fiete (2023), NeurIPS 36; with inputs Huang, Ostrow
    et al. (2025), arXiv 2510.25943. Here without a rotation of the inputs, which are the same on both sides.
    """

    order: ClassVar[int] = 304
    family: ClassVar[str] = "spectra"
    unit: ClassVar[str] = "rad"

    def compute(self, evaluation: Evaluation) -> float:
        run, states, inputs = evaluation.free_run, evaluation.states, evaluation.trials.inputs
        if states.shape[1] < N_DELAYS + 1:
            raise Unsupported(f"trials of {states.shape[1] - 1} steps are too short: it takes {N_DELAYS}")
        if not np.isfinite(run).all():
            return math.inf
        return angle(once(driven, states, inputs), driven(run, inputs))
