"""The verdict on every metric of two sides: docs/statistics.md says the rule and why.

A change is judged on pairs of seeds. Where all values are positive it is a ratio, so that seeds of different
difficulty agree on it; elsewhere it is a difference.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence

import numpy as np

from jslds_bench.analysis import stats
from jslds_bench.compare.pairing import Pairing, Seed, lacking, missing, of_networks, pairings
from jslds_bench.compare.sides import Key, Side, oriented
from jslds_bench.compare.speeds import speeds_refused
from jslds_bench.compare.tolerance import QUALITY, SPEED, Tolerance
from jslds_bench.records.numbers import counted

VERDICTS = ("worse", "better", "cannot tell", "same")
ALPHA = 0.05
_ENDINGS = "jobs that end well"


@dataclasses.dataclass(frozen=True)
class Row:
    """One metric of (task, network, model) on both sides.

    Attributes:
        model: one label, or ``a → b`` where two models are compared.
        a, b: means over the paired seeds; NaN where there are none.
        n: how many pairs.
        change, low, high: b against a and its interval (NaN where the seeds are too few for one); a share of
            a where `ratio`, else b − a.
        p: of no change, adjusted for all rows that were tested, 1 where the mean is within the tolerance; NaN
            where nothing was tested.
        verdict: one of `VERDICTS`, by the metric's own direction; `reason` says why, where that is not plain.
    """

    task: str
    network: str
    model: str
    metric: str
    unit: str
    better: str
    speed: bool
    a: float
    b: float
    n: int
    change: float
    low: float
    high: float
    ratio: bool
    p: float
    tolerance: Tolerance
    verdict: str
    reason: str


@dataclasses.dataclass(frozen=True)
class Comparison:
    """All rows, and how they were judged.

    Attributes:
        notes: what holds for the whole: jobs that only one side has, speeds that were refused.
        lost: what `a` has and `b` lacks, where it was measured on both or should have been: jobs that `b` was
            not asked for, and values.
        n_tests: rows in the family over which the test holds `alpha`, repeated ones counted once.
        test: "sign flips", or tolerance where nothing is tested.
        n_needed: pairs of seeds below which no row can be tested.
        power: why no row could be tested, or nothing.
    """

    a: str
    b: str
    rows: list[Row]
    notes: list[str]
    lost: list[str]
    alpha: float
    n_tests: int
    test: str
    n_needed: int
    power: str

    def count(self, verdict: str) -> int:
        return sum(row.verdict == verdict for row in self.rows)

    @property
    def regressed(self) -> bool:
        """Whether a gate should stop `b`: something is worse, or is not there to be judged any more."""
        return self.count("worse") > 0 or bool(self.lost)


@dataclasses.dataclass
class _Case:
    """A Pairing on its way to a Row.

    Attributes:
        worse: changes of the pairs that are finite, positive where b is worse; `seeds`: whose they are.
    """

    pairing: Pairing
    tolerance: Tolerance
    ratio: bool
    seeds: list[Seed]
    worse: np.ndarray
    verdict: str = ""
    reason: str = ""
    p: float = math.nan
    interval: tuple[float, float] = (math.nan, math.nan)


def compare(
    a: Side,
    b: Side,
    *,
    models: tuple[str, str] | None = None,
    networks: tuple[str, str] | None = None,
    metrics: Sequence[str] = (),
    rule: str | None = None,
    alpha: float = ALPHA,
) -> Comparison:
    """What became of `a` in `b`.

    Args:
        models: a model of `a` and the model of `b` to hold against it; None: each against its namesake.
        networks: the same of networks.
        metrics: only these; none: all that both have.
        rule: interval or tolerance; None: what `a` states, else interval.
        alpha: bound on the chance of any false better or worse, over all rows together.

    Raises:
        UsageError: nothing to compare.
    """
    rule = rule or a.rule or "interval"
    if networks is not None:
        a, b = of_networks(a, b, networks)
    found = pairings(a, b, models, metrics)
    refusal = speeds_refused(a, b)
    cases = [_case(p, a) for p in found]
    for case in cases:
        _settle_without_test(case, refusal)
    open_ = [case for case in cases if not case.verdict]
    needed = stats.pairs_needed(alpha)
    n_tests, power = 0, ""
    if rule == "interval":
        # Which rows are tested may depend on nothing that swapping the sides of a seed would alter.
        n_tests = _test([c for c in open_ if np.count_nonzero(c.worse) >= needed], alpha)
        _bound([c for c in open_ if len(c.worse) >= needed], alpha)
        if open_ and not n_tests:
            power = too_few(max(int(np.count_nonzero(c.worse)) for c in open_), alpha)
    for case in open_:
        _judge(case, rule, alpha, needed)
    rows = [*_endings(a, b, models), *map(_row, cases)]
    notes = missing(a, b, models)
    if refusal and any(c.pairing.metric.speed for c in cases):
        notes.append(f"speeds are not compared: {refusal}")
    test = "sign flips" if rule == "interval" else rule
    left, right = _named(a, models, 0), _named(b, models, 1)
    # Of other models, or other networks, it may be that they cannot have what these have.
    alike = all(both is None or both[0] == both[1] for both in (models, networks))
    lost = [*lacking(a, b, models), *_lost(cases, rows)] if alike else []
    return Comparison(left, right, rows, notes, lost, alpha, n_tests, test, needed, power)


def too_few(n: int, alpha: float = ALPHA) -> str:
    """A sentence for people on why `n` seeds carry no verdict, or nothing where they do."""
    needed = stats.pairs_needed(alpha)
    if n >= needed:
        return ""
    return (
        f"No test can tell a change from chance with {counted(n, 'seed')} (the least p is "
        f"{stats.least_p(n):.2g}): it takes {needed}, or compare --rule tolerance, which has no level."
    )


def _lost(cases: Sequence[_Case], rows: Sequence[Row]) -> Iterator[str]:
    """The values that only `a` has, speeds apart, which a busy machine does not take.

    Of jobs that do not end well any more there is a row, which says so if nothing else speaks for them.
    """
    worse = (row for row in rows if row.metric == _ENDINGS and row.verdict == "worse")
    told = {(row.task, row.network, row.model) for row in worse}
    for case in cases:
        p = case.pairing
        if p.lost and not p.metric.speed and p.key not in told:
            yield f"{' · '.join(p.key)}, {p.name}: {p.gap}"


def _named(side: Side, models: tuple[str, str] | None, which: int) -> str:
    return side.name if models is None else f"{side.name}: {models[which]}"


def _case(pairing: Pairing, a: Side) -> _Case:
    stated = a.metrics.get(pairing.name)
    tolerance = stated.tolerance if stated else None
    if tolerance is None:
        tolerance = SPEED if pairing.metric.speed else QUALITY
    judged = [(s, pair) for s, pair in zip(pairing.seeds, pairing.pairs, strict=True) if _finite(pair)]
    finite = [pair for _, pair in judged]
    before, after = np.array(finite, dtype=float).reshape(-1, 2).T
    ratio = bool(len(finite)) and bool((before > 0).all() and (after > 0).all())
    change = np.log(after / before) if ratio else after - before
    worse = -change if pairing.metric.better == "higher" else change
    return _Case(pairing, tolerance, ratio, [s for s, _ in judged], worse)


def _finite(pair: tuple[float, float]) -> bool:
    return all(map(math.isfinite, pair))


def _settle_without_test(case: _Case, refusal: str) -> None:
    """Verdicts that no statistics can give, or alter."""
    pairing = case.pairing
    better = pairing.metric.better
    gaps = [(oriented(x, better), oriented(y, better)) for x, y in pairing.pairs]
    lost = sum(math.isinf(y) and x < y for x, y in gaps)
    regained = sum(math.isinf(x) and y < x for x, y in gaps)
    if pairing.metric.speed and refusal:
        case.verdict, case.reason = "cannot tell", refusal
    elif pairing.gap:
        case.verdict, case.reason = "cannot tell", pairing.gap
    elif better not in ("lower", "higher"):
        case.verdict, case.reason = "cannot tell", "the metric has no better direction"
    elif lost and regained:
        case.verdict = "cannot tell"
        case.reason = f"not finite any more for {counted(lost, 'seed')}, finite again for {regained}"
    elif lost or regained:
        which = f"{lost or regained} of {counted(len(gaps), 'seed')}"
        case.reason = f"not finite {'any more' if lost else 'before'}: {which}"
        rest = float(case.worse.mean()) if len(case.worse) else 0.0
        if (-rest if lost else rest) > _margin(case):
            case.verdict = "cannot tell"
            case.reason += f", and the others are {'better' if lost else 'worse'}"
        else:
            case.verdict = "worse" if lost else "better"
    elif not len(case.worse) or (case.worse == 0).all():
        case.verdict, case.reason = "same", "" if len(case.worse) else "not finite in either"


def _test(cases: list[_Case], alpha: float) -> int:
    """Give each case its adjusted p; returns the size of the family.

    A metric of the network alone is the same for all its models: that is one test, not one per model.
    """
    seeds = sorted({s for case in cases for s in case.seeds}, key=str)
    table = np.full((len(cases), len(seeds)), math.nan)
    for row, case in zip(table, cases, strict=True):
        row[[seeds.index(s) for s in case.seeds]] = case.worse
    # Within the floor nothing is called, however the signs fall.
    margins = [math.inf if _within_floor(case) else _margin(case) for case in cases]
    for case, p in zip(cases, stats.flip_p(table, margins), strict=True):
        case.p = float(p)
    return len({(case.pairing.key[:2], case.pairing.name, case.pairing.pairs) for case in cases})


def _bound(cases: list[_Case], alpha: float) -> None:
    """Give each case the interval of its change."""
    for n in {len(case.worse) for case in cases}:
        alike = [case for case in cases if len(case.worse) == n]
        ends = stats.flip_interval(np.stack([case.worse for case in alike]), 1 - alpha)
        for case, low, high in zip(alike, *ends, strict=True):
            case.interval = (float(low), float(high))


def _judge(case: _Case, rule: str, alpha: float, needed: int) -> None:
    """worse, better: a change that is no chance and is beyond the tolerance; same: surely within it."""
    mean = float(case.worse.mean())
    margin = _margin(case)
    within_floor = _within_floor(case)
    raw = float(np.mean([y - x for x, y in filter(_finite, case.pairing.pairs)]))
    # Where seeds moved by more and their mean did not, nothing is called; that can only take calls away.
    beyond = abs(mean) > margin and not within_floor and abs(raw) > case.tolerance.absolute
    differing = np.count_nonzero(case.worse)
    if rule == "tolerance":
        if case.pairing.metric.speed:
            case.verdict, case.reason = "cannot tell", "the rule `tolerance` does not judge speeds"
        else:
            case.verdict = ("worse" if mean > 0 else "better") if beyond else "same"
    elif within_floor:
        case.verdict = "same"
    elif beyond and case.p <= alpha:
        case.verdict = "worse" if mean > 0 else "better"
    elif not beyond and -margin <= case.interval[0] and case.interval[1] <= margin:
        case.verdict = "same"
    elif differing < needed:
        way = "worse" if mean > 0 else "better"
        alike = (np.sign(mean) * case.worse > margin).all()
        seen = f", each {way} beyond the tolerance" if alike else ""
        case.verdict = "cannot tell"
        case.reason = f"{counted(differing, 'seed')} moved{seen}; a test takes {needed}"
    elif beyond:
        case.verdict, case.reason = "cannot tell", f"p = {case.p:.2g} of no change in any row"
    elif abs(mean) > margin:
        case.verdict, case.reason = (
            "cannot tell",
            "seeds moved, their mean by no more than the least tolerance",
        )
    else:
        case.verdict, case.reason = "cannot tell", "the interval reaches beyond the tolerance"


def _within_floor(case: _Case) -> bool:
    """Whether seeds moved by at most the absolute tolerance in the mean, which no swap of sides alters."""
    moved = [abs(y - x) for x, y in filter(_finite, case.pairing.pairs)]
    return float(np.mean(moved)) <= case.tolerance.absolute


def _margin(case: _Case) -> float:
    if case.ratio:
        return math.log1p(case.tolerance.relative)
    size = np.mean([abs(x) for pair in filter(_finite, case.pairing.pairs) for x in pair])
    return max(case.tolerance.absolute, case.tolerance.relative * float(size))


def _row(case: _Case) -> Row:
    p = case.pairing
    sign = -1.0 if p.metric.better == "higher" else 1.0
    mean = sign * float(case.worse.mean()) if len(case.worse) else math.nan
    low, high = sorted(sign * end for end in case.interval)
    if case.ratio:
        mean, low, high = (math.inf if x >= 700 else math.expm1(x) for x in (mean, low, high))
    sides = [[pair[i] for pair in p.pairs] for i in (0, 1)]
    a, b = (float(np.mean(side)) if side else math.nan for side in sides)
    if not (math.isfinite(a) and math.isfinite(b)):
        mean = low = high = math.nan  # what is left of the seeds is no measure of the whole
    # A ratio is the seeds' alike, a mean that of the largest.
    apart = case.ratio and (b - a) * mean < 0 and case.verdict in ("worse", "better")
    few = "the means, of A and of B, moved the other way: seeds of large values carry them" if apart else ""
    reason = "; ".join(filter(None, [case.reason, few, *p.notes]))
    return Row(
        *p.key, p.name, p.metric.unit, p.metric.better, p.metric.speed, a, b, len(p.pairs),
        mean, low, high, case.ratio, case.p, case.tolerance, case.verdict, reason,
    )  # fmt: skip


def _endings(a: Side, b: Side, models: tuple[str, str] | None) -> Iterator[Row]:
    """A row for each group in which jobs that both were asked for ended well on one side alone."""
    for key, left in a.results.items():
        if models is not None and key[2] != models[0]:
            continue
        other: Key = key if models is None else (*key[:2], models[1])
        right = b.results.get(other)
        shared = [s for s in left.endings if right and s in right.endings]
        if right is None or not shared:
            continue
        ok = [sum(side.endings[s][0] == "ok" for s in shared) for side in (left, right)]
        lost = [s for s in shared if left.endings[s][0] == "ok" != right.endings[s][0]]
        gained = [s for s in shared if right.endings[s][0] == "ok" != left.endings[s][0]]
        if not lost and not gained:
            continue
        verdict = "cannot tell" if lost and gained else "worse" if lost else "better"
        ended = (right if lost else left).endings[(lost or gained)[0]]
        reason = f"{'now' if lost else 'before'} {': '.join(filter(None, ended))}"
        model = key[2] if models is None else f"{models[0]} → {models[1]}"
        yield Row(
            *key[:2], model, _ENDINGS, "jobs", "higher", False, float(ok[0]), float(ok[1]),
            len(shared), float(ok[1] - ok[0]), math.nan, math.nan, False, math.nan, Tolerance(0), verdict,
            reason,
        )  # fmt: skip
