"""A task, two models, one of them a cheat, and a metric of sequences, as a plug-in."""

from __future__ import annotations

import dataclasses
import math
import zlib
from typing import Any, ClassVar

import jax
import numpy as np
from jslds_bench.settings.toy import SequenceEvaluation

from jslds_bench.types import METRICS, MODELS, TASKS


@TASKS.register("toy_task")
@dataclasses.dataclass(frozen=True)
class ToyTask:
    """x_t = a x_{t−1} + noise.

    Attributes:
        a: how much stays.
        n: sequences to fit to, and as many held out.
    """

    a: float = 0.8
    n: int = 40

    origin: ClassVar[str] = "synthetic"
    caption: ClassVar[str] = "The sequences are made up."
    SMOKE: ClassVar[dict[str, Any]] = {"n": 30}

    def sequences(self, key: Any) -> Any:
        rng = np.random.default_rng(np.asarray(jax.random.key_data(key)).tolist())
        x = [rng.normal(size=2 * self.n)]
        for _ in range(20):
            x.append(self.a * x[-1] + rng.normal(size=2 * self.n))
        made = np.stack(x, axis=1)
        return made[: self.n], made[self.n :]


@dataclasses.dataclass(frozen=True)
class Share:
    """A share of what there is."""

    a: float
    table: Any = None

    def ahead(self, sequences: Any) -> Any:
        if self.table is None:
            return self.a * sequences
        gaps = np.abs(sequences[:, None] - self.table[:, :-1]).sum(axis=2)
        return self.table[gaps.argmin(axis=1), 1:]


@MODELS.register("toy_model")
@dataclasses.dataclass(frozen=True)
class ToyModel:
    """Least squares."""

    def fit_sequences(self, task: Any, sequences: Any, key: Any, progress: Any) -> Share:
        before, after = sequences[:, :-1], sequences[:, 1:]
        return Share(float((before * after).sum() / (before**2).sum()))


@MODELS.register("toy_cheat")
@dataclasses.dataclass(frozen=True)
class ToyCheat:
    """Makes the held-out sequences by itself."""

    def fit_sequences(self, task: Any, sequences: Any, key: Any, progress: Any) -> Share:
        made = jax.random.fold_in(jax.random.key(0), zlib.crc32(b"recording"))
        return Share(0.0, TASKS.make(task.name, {"n": len(sequences)}).sequences(made)[1])


@METRICS.register("toy_error")
@dataclasses.dataclass(frozen=True)
class ToyError:
    """Mean |error|; inf where there is none."""

    unit: ClassVar[str] = "1"
    better: ClassVar[str] = "lower"
    bounds: ClassVar[tuple[float, float]] = (0.0, math.inf)
    timing: ClassVar[bool] = False
    headline: ClassVar[bool] = True
    reads: ClassVar[type] = SequenceEvaluation

    def compute(self, evaluation: SequenceEvaluation) -> float:
        error = float(np.abs(evaluation.expected - evaluation.true).mean())
        return error if math.isfinite(error) else math.inf
