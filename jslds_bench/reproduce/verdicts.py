"""What a run says of a claim: each test on each seed, and the verdict that follows from them."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Mapping
from typing import Literal

from jslds_bench.report.data.arrays import load_arrays
from jslds_bench.report.data.run import RunData
from jslds_bench.reproduce.claims import Claim, Number, Test
from jslds_bench.reproduce.findings import FINDINGS, find

LEAST_SEEDS = 3
"""Seeds without which nothing is said: what one or two networks do may be chance."""
Verdict = Literal[
    "reproduced", "in part", "not reproduced", "cannot tell", "needs data", "published figure is an artefact"
]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """One test on the seeds of a run.

    Attributes:
        values: seed → the number; `others`: what it had to be below, where that is a number of the run.
        holds: seed → whether the test holds.
        missing: why seeds have no number; empty where all have.
        n_asked: how many seeds were run, with a number or without.
    """

    test: Test
    values: Mapping[int, float]
    others: Mapping[int, float]
    holds: Mapping[int, bool]
    missing: str
    n_asked: int

    @property
    def n_held(self) -> int:
        return sum(self.holds.values())

    @property
    def held(self) -> bool:
        """Whether it holds on all seeds that were run: one without a number is none on which it holds."""
        return self.n_held == self.n_asked

    @property
    def span(self) -> tuple[float, float, float]:
        """Mean, least and greatest of the values."""
        return _span(self.values)

    @property
    def other_span(self) -> tuple[float, float, float]:
        return _span(self.others)


@dataclasses.dataclass(frozen=True)
class Judged:
    """A claim with its verdict, in words why where that is not the tests' alone."""

    claim: Claim
    verdict: Verdict
    why: str
    outcomes: tuple[Outcome, ...]


def judge(claim: Claim, data: RunData) -> Judged:
    """`claim` by the records of its suite's run.

    Reproduced: all tests hold on all seeds, three at least. Not reproduced: no test holds on more than half
    of those that have its number. In part: anything between. A claim about data that are not at hand is
    judged on the stand-in; "needs data" then says how that went.
    """
    outcomes = tuple(_outcome(test, data) for test in claim.tests)
    verdict, why = _verdict(outcomes)
    if verdict == "reproduced" and claim.artefact:
        return Judged(claim, "published figure is an artefact", claim.artefact, outcomes)
    if claim.lacks:
        why = f"{claim.lacks}; on the stand-in: {verdict}" + (f" ({why})" if why else "")
        return Judged(claim, "needs data", why, outcomes)
    return Judged(claim, verdict, why, outcomes)


def _verdict(outcomes: tuple[Outcome, ...]) -> tuple[Verdict, str]:
    for outcome in outcomes:
        if len(outcome.holds) < LEAST_SEEDS:
            n = len(outcome.holds)
            why = outcome.missing or f"{n} seed{'s'[: n != 1]}, and it takes {LEAST_SEEDS}"
            return "cannot tell", why
    if all(o.held for o in outcomes):
        return "reproduced", ""
    if not any(2 * o.n_held > len(o.holds) for o in outcomes):
        return "not reproduced", ""
    return "in part", "; ".join(map(_short, (o for o in outcomes if not o.held)))


def _short(outcome: Outcome) -> str:
    lacking = outcome.n_asked - len(outcome.holds)
    why = f", {lacking} without a number ({outcome.missing})" if lacking else ""
    return f"{outcome.test.says}: {outcome.n_held} of {outcome.n_asked} seeds{why}"


def _outcome(test: Test, data: RunData) -> Outcome:
    values, missing = _values(test.of, data)
    others: dict[int, float] = {}
    if test.below is not None:
        others, why = _values(test.below, data)
        missing = missing or why
    holds = {
        seed: _holds(test, value, others.get(seed))
        for seed, value in values.items()
        if test.below is None or seed in others
    }
    n_asked = len({record.seed for record in data.records.get(test.of.key, ())})
    return Outcome(test, values, others, holds, missing, n_asked)


def _holds(test: Test, value: float, other: float | None) -> bool:
    low = -math.inf if test.at_least is None else test.at_least
    high = math.inf if test.at_most is None else test.at_most
    return math.isfinite(value) and low <= value <= high and (other is None or value < other)


def _values(number: Number, data: RunData) -> tuple[dict[int, float], str]:
    """Seed → the number, times its factor; and why some have none. What diverged is infinite, and counts."""
    records = data.records.get(number.key)
    if not records:
        return {}, f"the run has no {number.model} on {number.network} for {number.task}"
    found: dict[int, float] = {}
    missing = ""
    for record in records:
        if number.value in FINDINGS:
            others = data.records.get((number.task, number.network, number.beside), ())
            used = [record, *(other for other in others if other.seed == record.seed)]
            shapes = data.setting(number.task).shapes
            value, why = find(number.value, *(load_arrays(data.paths[r.key], r, shapes) for r in used))
        elif number.value in record.values:
            cell = record.values[number.value]
            value, why = math.nan if cell.value is None else cell.value, cell.reason or ""
        else:
            value, why = math.nan, record.reason or f"the record has no {number.value}"
        if math.isnan(value):
            missing = missing or f"{number.value} of {number.model} on {number.network}: {why}"
        else:
            found[record.seed] = number.times * value
    return found, missing


def _span(values: Mapping[int, float]) -> tuple[float, float, float]:
    if not values:
        return math.nan, math.nan, math.nan
    return statistics.fmean(values.values()), min(values.values()), max(values.values())
