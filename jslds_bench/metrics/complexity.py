"""What a description costs: how many local systems it uses, and whether each serves what lies nearby.

An error alone ranks nothing: a model with a system for every state follows any network and explains none.
Read an error beside these. They are measured on 2,048 steps of the free run on evaluation trials, by what the
systems predict: two are one where they send visited states to places less than 0.05 RMS radii apart.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Int

from jslds_bench.entries.registry import METRICS
from jslds_bench.errors import Unsupported
from jslds_bench.metrics._shared.declared import Error, Share
from jslds_bench.types.networks import Evaluation, InForce


class Complexity(Error):
    """A cost of a description: fewer is simpler, but no error."""

    family: ClassVar[str] = "complexity"
    bounds: ClassVar[tuple[float, float]] = (0.0, math.inf)


def _in_force(evaluation: Evaluation) -> InForce:
    if evaluation.in_force is None:
        raise Unsupported("this model has no linear systems, or its free run is not finite")
    return evaluation.in_force


def effective_number(labels: Int[Any, " S"]) -> float:
    """exp(−Σ p ln p) with p the shares of the labels: Hill's number of order 1."""
    _, counts = np.unique(labels, return_counts=True)
    p = counts / counts.sum()
    return float(np.exp(-np.sum(p * np.log(p))))


@METRICS.register("n_systems")
@dataclasses.dataclass(frozen=True)
class NSystems(Complexity):
    """Distinct local systems in force on 2,048 sampled steps; where it is as many, there are more."""

    order: ClassVar[int] = 51

    def compute(self, evaluation: Evaluation) -> float:
        return float(len(np.unique(_in_force(evaluation).labels[0])))


@METRICS.register("n_systems_effective")
@dataclasses.dataclass(frozen=True)
class NSystemsEffective(Complexity):
    """exp(−Σ p ln p), p the share of steps of each distinct system: rare ones count for little.

    Of 2,048 sampled steps: of a thousand systems in equal use they show 750, of eight thousand 1,700. Beyond
    some hundreds it is a lower bound, and says "many".

    Reference: Hill (1973), order 1.
    """

    order: ClassVar[int] = 50
    headline: ClassVar[bool] = True

    def compute(self, evaluation: Evaluation) -> float:
        return effective_number(_in_force(evaluation).labels[0])


@METRICS.register("free_numbers")
@dataclasses.dataclass(frozen=True)
class FreeNumbers(Complexity):
    """Numbers that the fit chose: points, centres, matrices; not those of the network itself."""

    order: ClassVar[int] = 54

    def compute(self, evaluation: Evaluation) -> float:
        if evaluation.n_numbers is None:
            raise Unsupported("the model does not say how many numbers it chose")
        return float(evaluation.n_numbers)


class Kept(Share):
    """How often a system stays in force."""

    family: ClassVar[str] = "complexity"
    better: ClassVar[str] = "none"


@METRICS.register("linear_in_state")
@dataclasses.dataclass(frozen=True)
class LinearInState(Kept):
    """How often the very same system stays in force a hundredth of the way to another visited state.

    1: one linear system everywhere. Piecewise linear models lack what lies near their borders; near 0 the
    system changes with every state, be it little, and the model is not linear in it, however it is written
    down: how many systems that makes is told by `n_systems_effective`.
    """

    order: ClassVar[int] = 52

    def compute(self, evaluation: Evaluation) -> float:
        return float(np.mean(_in_force(evaluation).state_kept))


@METRICS.register("linear_in_input")
@dataclasses.dataclass(frozen=True)
class LinearInInput(Kept):
    """How often the system in force stays the same under another input that trials of the same u* meet.

    1: linear in the input. Less where expansions are about the input of the moment, or a gate reads it; n/a
    where all trials of a u* have one input throughout.
    """

    order: ClassVar[int] = 53

    def compute(self, evaluation: Evaluation) -> float:
        found = _in_force(evaluation)
        if not found.input_tried.any():
            raise Unsupported("trials of the same u* never have another input")
        return float(np.mean(found.input_kept[found.input_tried]))
