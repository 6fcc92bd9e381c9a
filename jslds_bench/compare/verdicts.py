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
from jslds_bench.compare.pairing import Pairing, missing, pairings
from jslds_bench.compare.sides import Key, Side, oriented
from jslds_bench.compare.speeds import speeds_refused
from jslds_bench.compare.tolerance import QUALITY, SPEED, Tolerance
from jslds_bench.records.numbers import counted

VERDICTS = ("worse", "better", "cannot tell", "same")
ALPHA = 0.05


@dataclasses.dataclass(frozen=True)
class Row:
    """One metric of (task, network, model) on both sides.

    Attributes:
        model: one label, or ``a → b`` where two models are compared.
        a, b: means over the paired seeds; NaN where there are none.
        n: how many pairs.
        change, low, high: b against a and its interval; a share of a where `ratio`, else b − a.
        p: of no change, after Holm; NaN where nothing was tested.
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
        n_tests: tests in the family over which Holm's correction holds `alpha`.
        test: Student or Wilcoxon, or tolerance where nothing is tested.
        power: why an exact test was out of reach, or nothing.
    """

    a: str
    b: str
    rows: list[Row]
    notes: list[str]
    alpha: float
    n_tests: int
    test: str
    power: str

    def count(self, verdict: str) -> int:
        return sum(row.verdict == verdict for row in self.rows)


@dataclasses.dataclass
class _Case:
    """A Pairing on its way to a Row. `worse`: changes of the finite pairs, positive where b is worse."""

    pairing: Pairing
    tolerance: Tolerance
    ratio: bool
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
    metrics: Sequence[str] = (),
    rule: str | None = None,
    alpha: float = ALPHA,
) -> Comparison:
    """What became of `a` in `b`.

    Args:
        models: a model of `a` and the model of `b` to hold against it; None: each against its namesake.
        metrics: only these; none: all that both have.
        rule: interval or tolerance; None: what `a` states, else interval.
        alpha: bound on the chance of any false better or worse, over all rows together.

    Raises:
        UsageError: nothing to compare.
    """
    rule = rule or a.rule or "interval"
    found = pairings(a, b, models, metrics)
    refusal = speeds_refused(a, b)
    cases = [_case(p, a) for p in found]
    for case in cases:
        _settle_without_test(case, refusal)
    open_ = [case for case in cases if not case.verdict]
    n_tests, test = 0, "tolerance"
    if rule == "interval":
        n_tests, test = _test([c for c in open_ if len(c.worse) > 1], alpha)
    for case in open_:
        _judge(case, rule, alpha)
    n_pairs = max((len(c.worse) for c in cases), default=0)
    power = stats.power_note(n_pairs, alpha, n_tests) if n_tests else ""
    rows = [*_endings(a, b, models), *map(_row, cases)]
    notes = missing(a, b, models)
    if refusal and any(c.pairing.metric.speed for c in cases):
        notes.append(f"speeds are not compared: {refusal}")
    return Comparison(_named(a, models, 0), _named(b, models, 1), rows, notes, alpha, n_tests, test, power)


def _named(side: Side, models: tuple[str, str] | None, which: int) -> str:
    return side.name if models is None else f"{side.name}: {models[which]}"


def _case(pairing: Pairing, a: Side) -> _Case:
    stated = a.metrics.get(pairing.name)
    tolerance = stated.tolerance if stated else None
    if tolerance is None:
        tolerance = SPEED if pairing.metric.speed else QUALITY
    finite = [(x, y) for x, y in pairing.pairs if math.isfinite(x) and math.isfinite(y)]
    before, after = np.array(finite, dtype=float).reshape(-1, 2).T
    ratio = bool(len(finite)) and bool((before > 0).all() and (after > 0).all())
    change = np.log(after / before) if ratio else after - before
    return _Case(pairing, tolerance, ratio, -change if pairing.metric.better == "higher" else change)


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
        case.verdict = "worse" if lost else "better"
        which = f"{lost or regained} of {counted(len(gaps), 'seed')}"
        case.reason = f"not finite {'any more' if lost else 'before'}: {which}"
    elif not len(case.worse) or (case.worse == 0).all():
        case.verdict, case.reason = "same", "" if len(case.worse) else "not finite in either"


def _test(cases: list[_Case], alpha: float) -> tuple[int, str]:
    """Give each case its adjusted p and its interval; returns the size of the family and the test.

    A metric of the network alone is the same for all its models: that is one test, not one per model.
    """
    families: dict[tuple, list[_Case]] = {}
    for case in cases:
        where = (case.pairing.key[:2], case.pairing.name)
        families.setdefault((*where, case.pairing.pairs), []).append(case)
    firsts = [group[0] for group in families.values()]
    fewest = min((len(c.worse) for c in firsts), default=0)
    exact = fewest >= stats.pairs_needed(alpha, len(firsts)) if firsts else False
    p = np.ones(len(firsts))
    for n in sorted({len(c.worse) for c in firsts}):
        which = [i for i, c in enumerate(firsts) if len(c.worse) == n]
        table = np.stack([firsts[i].worse for i in which])
        p[which] = stats.wilcoxon_p(table) if exact else stats.student_p(table)
        low, high = stats.interval(table, 1 - alpha)
        for i, *ends in zip(which, low, high, strict=True):
            firsts[i].interval = (float(ends[0]), float(ends[1]))
    for first, adjusted, group in zip(firsts, stats.holm(p), families.values(), strict=True):
        for case in group:
            case.p, case.interval = float(adjusted), first.interval
    return len(firsts), "Wilcoxon" if exact else "Student"


def _judge(case: _Case, rule: str, alpha: float) -> None:
    """worse, better: a change that is no chance and is beyond the tolerance; same: surely within it."""
    mean = float(case.worse.mean())
    margin = _margin(case)
    pairs = np.array([p for p in case.pairing.pairs if all(map(math.isfinite, p))])
    within_floor = np.abs(pairs[:, 1] - pairs[:, 0]) <= case.tolerance.absolute
    beyond = abs(mean) > margin and not within_floor.all()
    if rule == "tolerance":
        if case.pairing.metric.speed:
            case.verdict, case.reason = "cannot tell", "the rule `tolerance` does not judge speeds"
        else:
            case.verdict = ("worse" if mean > 0 else "better") if beyond else "same"
    elif within_floor.all():
        case.verdict = "same"
    elif len(case.worse) < 2:
        case.verdict, case.reason = "cannot tell", "one pair of seeds has no spread to judge by"
    elif beyond and case.p <= alpha:
        case.verdict = "worse" if mean > 0 else "better"
    elif -margin <= case.interval[0] and case.interval[1] <= margin:
        case.verdict = "same"
    elif beyond:
        case.verdict, case.reason = "cannot tell", f"p = {case.p:.2g} of no change, after Holm"
    else:
        case.verdict, case.reason = "cannot tell", "the interval reaches beyond the tolerance"


def _margin(case: _Case) -> float:
    if case.ratio:
        return math.log1p(case.tolerance.relative)
    size = np.mean([abs(x) for x, y in case.pairing.pairs if math.isfinite(x) and math.isfinite(y)])
    return max(case.tolerance.absolute, case.tolerance.relative * float(size))


def _row(case: _Case) -> Row:
    p = case.pairing
    sign = -1.0 if p.metric.better == "higher" else 1.0
    mean = sign * float(case.worse.mean()) if len(case.worse) else math.nan
    low, high = sorted(sign * end for end in case.interval)
    if case.ratio:
        mean, low, high = (math.expm1(x) if x < 700 else math.inf for x in (mean, low, high))
    sides = [[pair[i] for pair in p.pairs] for i in (0, 1)]
    a, b = (float(np.mean(side)) if side else math.nan for side in sides)
    if not (math.isfinite(a) and math.isfinite(b)):
        mean = low = high = math.nan  # what is left of the seeds is no measure of the whole
    reason = "; ".join(filter(None, [case.reason, *p.notes]))
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
            *key[:2], model, "jobs that end well", "jobs", "higher", False, float(ok[0]), float(ok[1]),
            len(shared), float(ok[1] - ok[0]), math.nan, math.nan, False, math.nan, Tolerance(0), verdict,
            reason,
        )  # fmt: skip
