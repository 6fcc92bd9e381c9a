"""One number out of several seeds, with what became of the seeds that gave none."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence

import numpy as np

from jslds_bench.records.numbers import ARROWS, number
from jslds_bench.records.record import Record

TIMING = "timing"
"""The family of times and rates."""


@dataclasses.dataclass(frozen=True)
class Column:
    """A metric as its records describe it: unit, direction (lower, higher, none) and place in tables."""

    metric: str
    unit: str
    better: str
    family: str
    order: int
    headline: bool

    @property
    def arrow(self) -> str:
        return ARROWS.get(self.better, "")

    @property
    def sign(self) -> int:
        """Times a value, this gives a number of which less is better."""
        return -1 if self.better == "higher" else 1

    @property
    def timing(self) -> bool:
        """Whether it compares within one machine only."""
        return self.family == TIMING

    @property
    def title(self) -> str:
        """``fit_seconds ↓ [s]``."""
        unit = f"[{self.unit}]" if self.unit not in ("", "1") else ""
        return " ".join(filter(None, [self.metric, self.arrow, unit]))


def _spread(sd: float, mean: str) -> str:
    """`sd` to as many places as the number beside it, or two digits where that would show nothing of it."""
    places = len(mean.partition(".")[2])
    plain = f"{sd:,.{places}f}"
    return plain if "e" not in mean and float(plain.replace(",", "")) > 0 else number(sd, 2)


@dataclasses.dataclass(frozen=True)
class Summary:
    """A metric over the seeds of one (task, network, model).

    Attributes:
        mean: over all values that there are; not finite as soon as one of them is not.
        sd: sample standard deviation (n − 1); NaN for fewer than two values.
        n_finite, n_diverged: how many values are finite, and how many are infinite or NaN.
        n_asked: how many seeds were asked for; the rest have no value.
        reason: why there is none, where there is none.
    """

    mean: float
    sd: float
    n_finite: int
    n_diverged: int
    n_asked: int
    reason: str | None = None

    @property
    def complete(self) -> bool:
        """Whether every seed that was asked for gave a finite value."""
        return 0 < self.n_finite == self.n_asked

    @property
    def text(self) -> str:
        """``mean ± sd``; n/a; ``inf (diverged 1/3)``; ``[2/3]`` behind a mean over fewer seeds than asked."""
        if self.n_finite + self.n_diverged == 0:
            return "n/a"
        if self.n_diverged:
            return f"{number(self.mean)} (diverged {self.n_diverged}/{self.n_asked})"
        spread = f" ± {_spread(self.sd, number(self.mean))}" if math.isfinite(self.sd) else ""
        subset = f" [{self.n_finite}/{self.n_asked}]" if self.n_finite < self.n_asked else ""
        return f"{number(self.mean)}{spread}{subset}"


def summarise(values: Sequence[float], n_asked: int, reason: str | None = None) -> Summary:
    """The Summary of the `values` that exist, out of `n_asked` seeds."""
    found = np.asarray(values, dtype=float)
    finite = np.isfinite(found)
    if found.size == 0:
        return Summary(math.nan, math.nan, 0, 0, n_asked, reason)
    if not finite.all():
        odd = found[~finite]
        mean = float(odd[0]) if (odd == odd[0]).all() else math.nan
        return Summary(mean, math.nan, int(finite.sum()), odd.size, n_asked)
    sd = float(found.std(ddof=1)) if found.size > 1 else math.nan
    return Summary(float(found.mean()), sd, found.size, 0, n_asked)


def summarise_records(records: Iterable[Record], metric: str, n_asked: int) -> Summary:
    """The Summary of `metric` over `records`, one per seed, of `n_asked` seeds."""
    values, reasons = [], []
    for record in records:
        cell = record.values.get(metric)
        if cell is not None and cell.value is not None:
            values.append(cell.value)
        elif reason := (cell and cell.reason) or record.reason:
            reasons.append(reason)
    return summarise(values, n_asked, next(iter(reasons), None))
