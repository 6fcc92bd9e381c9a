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


class Seconds:
    """A time that it took."""

    unit: ClassVar[str] = "s"
    better: ClassVar[str] = "lower"
    bounds: ClassVar[tuple[float, float]] = (0.0, math.inf)
    timing: ClassVar[bool] = True
