"""How numbers and labels are written for people, in every table and figure alike."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

ARROWS = {"lower": "↓", "higher": "↑"}
"""Behind the name of a metric: which way is better."""


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


def counted(n: Any, noun: str) -> str:
    """`n` of what `noun` names, which takes an s where they are several or none: 1 job, 2 jobs.

    What a record holds in place of a number is written as it is.
    """
    return f"{n} {noun}" + ("" if n == 1 else "s")


def ranges(numbers: Iterable[int]) -> str:
    """[0, 1, 2, 5] → ``0–2, 5``."""
    parts: list[list[int]] = []
    for n in sorted(numbers):
        if parts and n == parts[-1][-1] + 1:
            parts[-1].append(n)
        else:
            parts.append([n])
    return ", ".join(f"{p[0]}–{p[-1]}" if len(p) > 2 else ", ".join(map(str, p)) for p in parts)


def legible(label: str) -> str:
    """`label` without control characters, which would act on the terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in label)


def escaped(label: str) -> str:
    """`label` as Markdown shows it: on one line, with its marks as text."""
    for mark in "\\`*_[]<>|$":
        label = label.replace(mark, "\\" + mark)
    return " ".join(label.split())
