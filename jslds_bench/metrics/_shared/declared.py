"""What most metrics declare of their number, so that each need not say it again."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from jslds_bench.errors import Unsupported


class Error:
    """An error without a unit: 0 is right, lower is better."""

    unit: ClassVar[str] = "1"
    better: ClassVar[str] = "lower"
    bounds: ClassVar[tuple[float, float]] = (0.0, math.inf)
    timing: ClassVar[bool] = False


class Score(Error):
    """A score without a unit: 1 is perfect, higher is better."""

    better: ClassVar[str] = "higher"
    bounds: ClassVar[tuple[float, float]] = (-math.inf, 1.0)


class Share(Score):
    """A share of all that there are."""

    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)


class Likelihood(Score):
    """A log-likelihood, or what it is above another."""

    bounds: ClassVar[tuple[float, float]] = (-math.inf, math.inf)


class Seconds(Error):
    """A time that the runner measured under the metric's name; `missing` is why there may be none."""

    name: str
    missing: ClassVar[str] = "not timed"
    unit: ClassVar[str] = "s"
    timing: ClassVar[bool] = True

    def compute(self, evaluation: Any) -> float:
        if self.name not in evaluation.timings:
            raise Unsupported(self.missing)
        return evaluation.timings[self.name]


class Rate(Seconds):
    """The like per second."""

    unit: ClassVar[str] = "1/s"
    better: ClassVar[str] = "higher"
