"""How much of a change counts as none."""

from __future__ import annotations

import dataclasses

RULES = ("interval", "tolerance")


@dataclasses.dataclass(frozen=True)
class Tolerance:
    """A change of at most `relative` of the value, or of at most `absolute` in its unit, is none."""

    relative: float
    absolute: float = 0.0


QUALITY = Tolerance(0.05, 1e-6)
"""For what models come to: 5 %. 1e-6 is about what float32 rounding leaves of a number of size one."""

SPEED = Tolerance(0.25, 0.05)
"""For seconds and rates: 25 %, and no less than 50 ms."""

FEW = Tolerance(0.25, 1e-4)
"""For a baseline of too few seeds for a test, judged by tolerance alone: networks that are trained on another
machine, by other kernels of the same library, end a little elsewhere."""
