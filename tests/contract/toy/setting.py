"""Sequences of numbers: a model is fitted to some and says of others, at each step, what comes next.

The fourth setting of `test_toy_setting.py`, there `jslds_bench/settings/toy.py`.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, PRNGKeyArray

from jslds_bench.settings.base import Drawn, DrawnSetting
from jslds_bench.types.core import Evaluated


@runtime_checkable
class SequenceTask(Protocol):
    """Makes sequences."""

    name: str

    def sequences(self, key: PRNGKeyArray) -> tuple[Float[Any, "B T"], Float[Any, "B T"]]:
        """Those to fit to, and others that are held out."""
        ...


@dataclasses.dataclass(frozen=True)
class SequenceEvaluation(Evaluated):
    """Held-out sequences from their second number on, and what was expected, [B, T − 1]."""

    true: Float[Any, "B T1"]
    expected: Float[Any, "B T1"]


class Toy(DrawnSetting[SequenceEvaluation]):
    """Models answer ``ahead(sequences)``: what comes after each number but the last."""

    name = "toy"
    about = "sequences"
    task = SequenceTask
    fits = "fit_sequences"
    evaluation = SequenceEvaluation

    draws = "sequences"
    says = ()
    data = "sequences"

    def shown(self, part: Any) -> Any:
        return part

    def evaluate(self, fitted: Any, shared: Drawn, held_out: Any, seed: int) -> SequenceEvaluation:
        return SequenceEvaluation(held_out[:, 1:], np.asarray(fitted.ahead(held_out[:, :-1])))

    def diverged(self, evaluation: SequenceEvaluation) -> Bool[np.ndarray, " B"]:
        return ~np.isfinite(evaluation.expected).all(axis=1)

    def arrays(self, fitted: Any, shared: Drawn, evaluation: SequenceEvaluation) -> dict[str, np.ndarray]:
        return {"toy_true": evaluation.true, "toy_expected": evaluation.expected}


SETTING = Toy()
