"""How a number is written for people: to so many significant digits, in every table and figure alike."""

from __future__ import annotations

import math


def number(value: float, digits: int = 3) -> str:
    """`value` to `digits` significant digits: 0.0467, 1,230, 4.10e-4, inf, nan."""
    if not math.isfinite(value):
        return str(value)
    size = abs(value)
    if size == 0:
        return "0"
    if size < 1e-3 or size >= 1e6:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return f"{mantissa}e{int(exponent)}"
    places = max(digits - 1 - math.floor(math.log10(size)), 0)
    return f"{value:,.{places}f}"
