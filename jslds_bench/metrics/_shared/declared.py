"""What most metrics declare of their number, so that each need not say it again."""

from __future__ import annotations

import math
from typing import ClassVar


class Error:
    """An error without a unit: 0 is right, lower is better."""

    unit: ClassVar[str] = "1"
    better: ClassVar[str] = "lower"
    bounds: ClassVar[tuple[float, float]] = (0.0, math.inf)
    timing: ClassVar[bool] = False


class Score:
    """A score without a unit: 1 is right, higher is better."""

    unit: ClassVar[str] = "1"
    better: ClassVar[str] = "higher"
    bounds: ClassVar[tuple[float, float]] = (-math.inf, 1.0)
    timing: ClassVar[bool] = False


class Share(Score):
    """A share of all, of which more is better."""

    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)


class Seconds:
    """A time that it took."""

    unit: ClassVar[str] = "s"
    better: ClassVar[str] = "lower"
    bounds: ClassVar[tuple[float, float]] = (0.0, math.inf)
    timing: ClassVar[bool] = True
    family: ClassVar[str] = "timing"


class Rate(Seconds):
    """How much of something is done in a second."""

    unit: ClassVar[str] = "1/s"
    better: ClassVar[str] = "higher"
