"""Findings in words, and the one place that runs code of others and says what it raised."""

from __future__ import annotations

import dataclasses
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from jslds_bench.errors import Unsupported, UsageError


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that is wrong with an entry.

    Attributes:
        where: what it was found on: a network, or the kind of entry.
        rule: the name of the rule that it breaks.
    """

    where: str
    rule: str
    text: str

    def __str__(self) -> str:
        return " ".join(f"{self.where}: {self.rule}: {self.text}".split())


@dataclasses.dataclass(frozen=True)
class Refused:
    """In place of what rules are looked at on: the entry cannot be looked at there.

    Attributes:
        why: as in "not checked, it says: …".
        fault: what is wrong with that reason, if anything is.
    """

    why: str
    fault: str | None = None


def attempt(call: Callable[..., Any], *args: Any) -> tuple[Any, str | None]:
    """What ``call(*args)`` returns, or in words what it raised: an entry may raise anything, or exit."""
    try:
        return call(*args), None
    except (Exception, SystemExit) as error:
        return None, raised(error)


def listed(texts: Iterable[str]) -> list[str]:
    """The findings of one rule; an error on the way is one more."""
    found: list[str] = []
    _, error = attempt(found.extend, texts)
    return found if error is None else [*found, f"raised {error}"]


def raised(error: BaseException) -> str:
    """The kind of an error, the last line of a plug-in or of this package that it passed, its first words."""
    text = " ".join(str(error).split())[:300]
    if isinstance(error, Unsupported | UsageError):
        return text
    ours = [f for f in traceback.extract_tb(error.__traceback__) if "site-packages" not in f.filename]
    place = f" at {Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else ""
    return f"{type(error).__name__}{place}: {text}"


def one_line(text: Any) -> bool:
    """Whether `text` is a reason that can be shown: a line that says something."""
    return isinstance(text, str) and bool(text.strip()) and "\n" not in text


def gap(one: Any, other: Any) -> float:
    """max |one − other|; 0 where both are the same infinity or NaN, inf where the shapes differ."""
    one, other = (np.asarray(x) + np.float64(0) for x in (one, other))  # complex ones stay complex
    if one.shape != other.shape:
        return float("inf")
    with np.errstate(invalid="ignore"):
        gaps = np.where((one == other) | (np.isnan(one) & np.isnan(other)), 0.0, np.abs(one - other))
    return float(np.max(np.nan_to_num(gaps, nan=np.inf), initial=0.0))
