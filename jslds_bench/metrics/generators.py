"""What linear systems found behind spikes are: one or many, at which frequencies, in which planes."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar, NamedTuple

import numpy as np
import scipy
from jaxtyping import Float, Int

from jslds_bench.analysis.planes import complex_planes, plane_angles, random_plane_angles
from jslds_bench.dynamics.spectrum import eigenvalues, leading, matched_distance
from jslds_bench.entries.registry import METRICS
from jslds_bench.errors import Unsupported
from jslds_bench.metrics._shared.declared import Error
from jslds_bench.types.spikes import Rotations, SpikeEvaluation

N_PAIRS = 5
"""Leading complex pairs of the mean system that may stand for a planted rotation.

Reference: Smith et al. (2021), figure 4F, compares the top five.
"""
N_LEADING = 10
"""Leading eigenvalues that `single_system_spread` follows."""
N_NULL = 500
NULL_HZ = 3.0
"""Random pairs of `frequency_error_null` turn at 0 … so many Hz: the planted rotations lie well within."""


class GeneratorError(Error):
    """An error of the linear systems: 0 is right, lower is better."""

    family: ClassVar[str] = "generators"
    reads: ClassVar[type] = SpikeEvaluation


class Degrees(GeneratorError):
    """An angle between subspaces: 0 is the same, lower is better."""

    unit: ClassVar[str] = "°"


def _systems(evaluation: SpikeEvaluation) -> Float[Any, "S G G"]:
    if evaluation.systems is None:
        raise Unsupported("the model has no linear systems")
    return evaluation.systems


@METRICS.register("single_system_spread")
@dataclasses.dataclass(frozen=True)
class SingleSystemSpread(GeneratorError):
    """Mean over sampled steps and trials of mean |λ_s − λ̄| / mean |λ̄|, the ten leading eigenvalues matched.

    λ̄ are those of the mean of the sampled systems: 0 where one linear system holds everywhere.
    """

    order: ClassVar[int] = 603
    headline: ClassVar[bool] = True

    def compute(self, evaluation: SpikeEvaluation) -> float:
        systems = _systems(evaluation)
        if not np.isfinite(systems).all():
            return math.inf
        mean = leading(eigenvalues(systems.mean(axis=0)), N_LEADING)
        gaps = [matched_distance(eigenvalues(a), mean, N_LEADING) for a in systems]
        scale = float(np.abs(mean).mean())
        return float(np.mean(gaps)) / scale if scale > 0 else math.inf


@METRICS.register("single_system_angle")
@dataclasses.dataclass(frozen=True)
class SingleSystemAngle(Degrees):
    """Mean over sampled steps and trials of the larger principal angle between leading complex planes.

    The plane of the leading complex pair of the mean system, and that of its nearest (of the leading five) in
    each sampled system.
    """

    order: ClassVar[int] = 604

    def compute(self, evaluation: SpikeEvaluation) -> float:
        systems = _systems(evaluation)
        if not np.isfinite(systems).all():
            return math.inf
        leading = complex_planes(systems.mean(axis=0), 1, 1.0).planes
        if not len(leading):
            raise Unsupported("the mean linear system does not rotate")
        angles = []
        for a in systems:
            found = complex_planes(a, N_PAIRS, 1.0).planes
            angles.append(plane_angles(leading, found)[0, :, 1].min() if len(found) else 90.0)
        return float(np.mean(angles))


class Matched(NamedTuple):
    """Planted rotations beside the pairs that stand for them.

    Attributes:
        planted: the task's.
        frequencies: Hz, of the matched pairs, [P].
        planes: of these, in the space of log-rates, [P, N, 2].
        loadings: ∂(log-rate)/∂(state), [G, N].
    """

    planted: Rotations
    frequencies: Float[Any, " P"]
    planes: Float[Any, "P N 2"]
    loadings: Float[Any, "G N"]


def _matched(evaluation: SpikeEvaluation) -> Matched | None:
    """Each planted rotation with another of the leading pairs, at least total relative error of frequency.

    None where the model has fewer pairs than there are rotations, or numbers that are not finite.
    """
    planted, systems, loadings = evaluation.held_out.rotations, _systems(evaluation), evaluation.loadings
    if planted is None:
        raise Unsupported("no rotations are planted in the data")
    if loadings is None:
        raise Unsupported("the model's states have no linear map to log-rates")
    if not (np.isfinite(systems).all() and np.isfinite(loadings).all()):
        return None
    found = complex_planes(systems.mean(axis=0), N_PAIRS, evaluation.held_out.bin_seconds)
    if len(found.frequencies) < len(planted.frequencies):
        return None
    chosen = _nearest(found.frequencies, planted.frequencies)
    planes = np.einsum("pgi,gn->pni", found.planes[chosen], loadings)
    return Matched(planted, found.frequencies[chosen], planes, loadings)


def _nearest(found: Float[Any, " W"], true: Float[Any, " P"]) -> Int[Any, " P"]:
    """Which of the frequencies stands for each true one: no one twice, at least total relative error."""
    return scipy.optimize.linear_sum_assignment(np.abs(found - true[:, None]) / true[:, None])[1]


def _worst(found: Float[Any, " P"], true: Float[Any, " P"]) -> float:
    return float(np.max(np.abs(found - true) / true))


@METRICS.register("frequency_error")
@dataclasses.dataclass(frozen=True)
class FrequencyError(GeneratorError):
    """Greatest over planted rotations of |f̂ − f|/f; f̂ = arg λ/(2π dt) of the mean system's leading pairs.

    These are the five of greatest |λ|; inf where there are fewer pairs than rotations. Five pairs have a
    choice: read it beside `frequency_error_null`.
    """

    order: ClassVar[int] = 600
    headline: ClassVar[bool] = True

    def compute(self, evaluation: SpikeEvaluation) -> float:
        matched = _matched(evaluation)
        if matched is None:
            return math.inf
        return _worst(matched.frequencies, matched.planted.frequencies)


@METRICS.register("frequency_error_null")
@dataclasses.dataclass(frozen=True)
class FrequencyErrorNull(GeneratorError):
    """What `frequency_error` would be by chance: its 5th percentile for pairs at random frequencies.

    As many as the model has to choose from, five at most, uniform on 0 … 3 Hz, and matched as a model's are:
    with fewer pairs to choose from chance comes less near.
    """

    order: ClassVar[int] = 605
    better: ClassVar[str] = "none"

    def compute(self, evaluation: SpikeEvaluation) -> float:
        planted = evaluation.held_out.rotations
        if planted is None:
            raise Unsupported("no rotations are planted in the data")
        true, systems, n_pairs = planted.frequencies, _systems(evaluation), N_PAIRS
        if np.isfinite(systems).all():
            found = complex_planes(systems.mean(axis=0), N_PAIRS, evaluation.held_out.bin_seconds)
            n_pairs = len(found.frequencies)
        draws = np.random.default_rng(0).uniform(0, NULL_HZ, (N_NULL, max(n_pairs, len(true))))
        return float(np.percentile([_worst(f[_nearest(f, true)], true) for f in draws], 5))


@METRICS.register("plane_angle")
@dataclasses.dataclass(frozen=True)
class PlaneAngle(Degrees):
    """Mean over planted planes of the larger principal angle to the plane matched in frequency.

    Planes are compared in the space of log-rates.

    inf where there are fewer pairs than rotations; read it beside `plane_angle_null`.
    """

    order: ClassVar[int] = 601
    headline: ClassVar[bool] = True

    def compute(self, evaluation: SpikeEvaluation) -> float:
        matched = _matched(evaluation)
        if matched is None:
            return math.inf
        angles = plane_angles(matched.planted.planes, matched.planes)
        return float(np.mean([angles[k, k, 1] for k in range(len(angles))]))


@METRICS.register("plane_angle_null")
@dataclasses.dataclass(frozen=True)
class PlaneAngleNull(Degrees):
    """What `plane_angle` would be by chance: the 5th percentile of that mean, for random planes.

    These are drawn in a space of the planted dimensions alone: a plane anywhere in the space of all units
    would be farther away, and the null easier to beat.
    """

    order: ClassVar[int] = 602
    better: ClassVar[str] = "none"

    def compute(self, evaluation: SpikeEvaluation) -> float:
        planted = evaluation.held_out.rotations
        if planted is None:
            raise Unsupported("no rotations are planted in the data")
        n = len(planted.frequencies)
        draws = random_plane_angles(2 * n, 10 * N_NULL * n, np.random.default_rng(0))[:, 1]
        return float(np.percentile(draws.reshape(-1, n).mean(axis=1), 5))
