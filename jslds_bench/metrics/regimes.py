"""Whether a model's linear systems tell regimes apart: one plane that turns at a frequency of each regime."""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar

import numpy as np

from jslds_bench.analysis.planes import complex_planes, plane_angles
from jslds_bench.entries.registry import METRICS
from jslds_bench.errors import Unsupported
from jslds_bench.metrics.generators import N_PAIRS, GeneratorError
from jslds_bench.types.spikes import Regimes, SpikeEvaluation


def _planted(evaluation: SpikeEvaluation) -> Regimes:
    planted = evaluation.held_out.regimes
    if planted is None:
        raise Unsupported("no regimes are planted in the data")
    return planted


@METRICS.register("regime_error")
@dataclasses.dataclass(frozen=True)
class RegimeError(GeneratorError):
    """Greatest over regimes k of |f̂_k − f_k|/f_k, f̂_k = arg λ/(2π dt) of the planted plane's pair.

    The systems of a regime are the mean of those sampled where it holds in truth. Of that mean's five leading
    complex pairs the one counts whose plane, in log-rates, has the least larger angle to the planted plane:
    frequencies have no part in the choice. So one and the same system everywhere has one f̂, and can have no
    less than `regime_error_single`. inf where a regime's system does not turn.
    """

    order: ClassVar[int] = 606
    headline: ClassVar[bool] = True

    def compute(self, evaluation: SpikeEvaluation) -> float:
        planted, systems, loadings = _planted(evaluation), evaluation.systems, evaluation.loadings
        if systems is None or evaluation.sampled is None:
            raise Unsupported("the model has no linear systems")
        if loadings is None:
            raise Unsupported("the model's states have no linear map to log-rates")
        if not (np.isfinite(systems).all() and np.isfinite(loadings).all()):
            return math.inf
        at = planted.at[tuple(evaluation.sampled.T)]
        errors = []
        for k, frequency in enumerate(planted.frequencies):
            if not (at == k).any():
                raise Unsupported(f"no sampled step lies in regime {k}")
            found = complex_planes(systems[at == k].mean(axis=0), N_PAIRS, evaluation.held_out.bin_seconds)
            planes = np.einsum("pgi,gn->pni", found.planes, loadings)
            seen = np.linalg.matrix_rank(planes) == 2  # pairs that turn what is read out
            if not seen.any():
                return math.inf
            nearest = plane_angles(planted.plane[None], planes[seen])[0, :, 1].argmin()
            errors.append(abs(found.frequencies[seen][nearest] - frequency) / frequency)
        return float(max(errors))


@METRICS.register("regime_error_single")
@dataclasses.dataclass(frozen=True)
class RegimeErrorSingle(GeneratorError):
    """The least `regime_error` that one linear system everywhere can have: (f_max − f_min)/(f_max + f_min).

    The frequency 2 f_max f_min/(f_max + f_min) is that far, relatively, from the highest and from the lowest.
    """

    order: ClassVar[int] = 607
    better: ClassVar[str] = "none"

    def compute(self, evaluation: SpikeEvaluation) -> float:
        high, low = (float(f(_planted(evaluation).frequencies)) for f in (np.max, np.min))
        return (high - low) / (high + low)
