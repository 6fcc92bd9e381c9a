"""Statistics over seeds: sign-flip tests and intervals, ranks, critical differences, performance profiles.

Seeds are the replicates and methods are paired on them. Everything here is exact for few seeds where an
exact method exists, and says where it has no power. Nothing is averaged over different coverage: a NaN in a
table of scores is refused, an infinite score (a diverged run) is worse than any finite one.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy import stats

from jslds_bench.errors import UsageError

EXACT_TO = 13
"""Up to so many seeds all ways to flip their signs are gone through; beyond, `DRAWS` of them."""

DRAWS = 2 ** (EXACT_TO - 1)


def least_p(n: int) -> float:
    """The least two-sided p that a test by signs, ranks or flips can reach with `n` pairs, 2 / 2ⁿ."""
    return min(1.0, 2.0 ** (1 - n))


def pairs_needed(alpha: float, n_tests: int = 1) -> int:
    """The least n with 2/2ⁿ ≤ α/m: below it none of m such tests can be significant after Holm."""
    return math.ceil(1 + math.log2(max(n_tests, 1) / alpha))


def power_note(n: int, alpha: float, n_tests: int = 1, unit: str = "pairs") -> str:
    """Why `n` pairs, or whatever a test pairs, cannot reach `alpha`, or nothing where they can."""
    needed = pairs_needed(alpha, n_tests)
    if n >= needed:
        return ""
    among = f" among {n_tests} tests" if n_tests > 1 else ""
    return f"underpowered: the least p of {n} {unit} is {least_p(n):.2g}, {needed} {unit} are needed{among}"


def wilcoxon_p(differences: Float[Any, "R n"]) -> Float[Any, " R"]:
    """Exact two-sided p of the signed-rank test of each row; 1 where all differences are 0.

    Rows without ties go to `scipy.stats.wilcoxon`. With ties, zeros (left out) or infinities SciPy has no
    exact distribution: there it is counted over all signs of the mid-ranks.

    Reference: Wilcoxon (1945); Pratt and Gibbons (1981) for the conditional distribution under ties.
    """
    d = np.asarray(differences, dtype=float)
    sizes = np.sort(np.abs(d), axis=1)
    simple = (sizes[:, 0] > 0) & np.isfinite(sizes[:, -1]) & (sizes[:, 1:] > sizes[:, :-1]).all(axis=1)
    p = np.ones(len(d))
    if simple.any():
        p[simple] = stats.wilcoxon(d[simple], axis=1, method="exact").pvalue
    for i in np.flatnonzero(~simple):
        p[i] = _signed_rank_p(d[i])
    return p


def _signed_rank_p(d: Float[Any, " n"]) -> float:
    d = d[d != 0]
    if d.size == 0:
        return 1.0
    doubled = np.rint(2 * stats.rankdata(np.abs(d))).astype(int)  # mid-ranks are multiples of ½
    chance = np.zeros(doubled.sum() + 1)
    chance[0] = 1.0
    for rank in doubled:
        chance[rank:] = (chance[rank:] + chance[:-rank]) / 2
        chance[:rank] /= 2
    observed = int(doubled[d > 0].sum())
    return min(1.0, 2 * min(chance[: observed + 1].sum(), chance[observed:].sum()))


def flip_p(changes: Float[Any, "R n"], margins: Float[Any, " R"], seed: int = 0) -> Float[Any, " R"]:
    """Each row's p of no change, adjusted so that comparing all with α bounds any false alarm among them.

    If nothing changed, the two sides of a seed could be swapped, in all rows at once: every ε ∈ {±1}ⁿ makes
    the table d_rs ε_s as likely as the one that was seen. A row's statistic is the share that its mean has in
    its root mean square, where the mean is beyond its margin at all, else 0:

        u_r(ε) = |Σ_s ε_s d_rs| / √(n_r Σ_s d_rs²)   if |Σ_s ε_s d_rs| > n_r · margin_r

    (monotone in Student's t, since flips leave Σ d² alone). By falling u_r(1), a row's p is the share of the
    ε whose largest u among this row and those after it is at least u_r(1), and no less than that of the row
    before. No distribution is assumed, nor that rows are independent: what they share is flipped with them.

    Args:
        changes: rows by seeds; NaN where a row lacks the seed.
        margins: of each row, ≥ 0; what swapping the sides of a seed does not alter.
        seed: of the group of ε that is drawn where there are more than `EXACT_TO` seeds.

    Reference: Westfall and Young (1993), step-down max-T; Romano and Wolf (2005); Hemerik and Goeman (2018)
    for why a group of ε, small as it may be, holds the level exactly.
    """
    d = np.asarray(changes, dtype=float)
    if not d.size:
        return np.ones(len(d))
    counts = (~np.isnan(d)).sum(axis=1)
    d = np.nan_to_num(d, nan=0.0)
    sums = np.abs(d @ _signs(d.shape[1], seed).T)
    beyond = sums > counts[:, None] * np.asarray(margins, dtype=float)[:, None]
    sizes = np.sqrt(counts * (d**2).sum(axis=1))[:, None]
    u = np.divide(sums, sizes, out=np.zeros_like(sums), where=beyond & (sizes > 0))
    order = np.argsort(-u[:, 0], kind="stable")
    observed, largest = u[order, :1], u[order[::-1]]
    np.maximum.accumulate(largest, axis=0, out=largest)
    p = np.empty(len(d))
    shares = (largest[::-1] >= observed - 1e-12).mean(axis=1)  # rounding parts no ties
    p[order] = np.maximum.accumulate(shares)
    return p


def _signs(n: int, seed: int) -> Float[Any, "flips n"]:
    """Ways to flip n signs, none flipped first. The first sign stays: statistics are the same for −ε.

    Of more than `EXACT_TO` seeds, a linear code: a seed flips by the parity of the bits that it shares with a
    word, no two seeds have the same bits, and one flip after another is again one of these.
    """
    k = min(n, EXACT_TO) - 1
    own = np.concatenate([[0], 2 ** np.arange(k)])
    rest = np.random.default_rng(seed).permutation(np.setdiff1d(np.arange(2**k), own))
    codes = np.concatenate([own, np.resize(rest, n - len(own))]).astype(np.uint16)
    shared = np.arange(2**k, dtype=np.uint16)[:, None] & codes
    for shift in (8, 4, 2, 1):
        shared ^= shared >> shift
    return 1.0 - 2.0 * (shared & 1)


def flip_interval(
    changes: Float[Any, "R n"], level: float = 0.95, seed: int = 0
) -> tuple[Float[Any, " R"], Float[Any, " R"]]:
    """Interval of each row's centre: the values which sign flips about them do not reject at 1 − `level`.

    Between the k-th least and the k-th largest of the means of all 2ⁿ − 1 subsets of the row's values lies
    the centre of any symmetric distribution with probability 1 − 2k/2ⁿ; k is the largest that keeps the
    level. Of six values these are their least and largest. (−inf, inf) where n is too small for any k.

    Reference: Hartigan (1969), for random subsets too, which are used of more than `EXACT_TO` values.
    """
    d = np.asarray(changes, dtype=float)
    n = d.shape[1]
    if n <= EXACT_TO:
        subsets = (np.arange(1, 2**n)[:, None] >> np.arange(n)) & 1
    else:
        subsets = np.random.default_rng(seed).integers(2, size=(DRAWS - 1, n))
        subsets = subsets[subsets.any(axis=1)]
    k = math.floor((1 - level) / 2 * (len(subsets) + 1) * (1 + 1e-12))
    if k < 1:
        return np.full(len(d), -np.inf), np.full(len(d), np.inf)
    means = np.sort(d @ (subsets / subsets.sum(axis=1, keepdims=True)).T, axis=1)
    return means[:, k - 1], means[:, -k]


def holm(p: Float[Any, " m"]) -> Float[Any, " m"]:
    """Adjusted p values: comparing all with α keeps the chance of any false alarm among the m below α.

    max over i ≤ k of (m − i + 1) p₍ᵢ₎, at most 1. Reference: Holm (1979).
    """
    p = np.asarray(p, dtype=float)
    order = np.argsort(p, kind="stable")
    steps = np.minimum(1.0, np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order]))
    adjusted = np.empty(len(p))
    adjusted[order] = steps
    return adjusted


def ranks(scores: Float[Any, "blocks methods"]) -> Float[Any, "blocks methods"]:
    """Each block's ranks, 1 for the least score; equal scores share the mean of their places."""
    return stats.rankdata(_whole(np.asarray(scores, dtype=float)), axis=1)


@dataclasses.dataclass(frozen=True)
class CriticalDifference:
    """What a critical-difference diagram shows.

    Attributes:
        mean_ranks: of each method over the blocks, by units where these are given, [methods].
        p: Holm-adjusted p of each pair, [methods, methods], 1 on the diagonal.
        cliques: maximal runs of methods, by rising mean rank, of which no two differ at `alpha`; indices.
        note: why the blocks are too few to tell any two methods apart, or nothing.
    """

    mean_ranks: Float[Any, " methods"]
    p: Float[Any, "methods methods"]
    cliques: tuple[tuple[int, ...], ...]
    alpha: float
    note: str


def critical_difference(
    scores: Float[Any, "blocks methods"],
    alpha: float = 0.05,
    units: Sequence[str] | None = None,
    p: Float[Any, "methods methods"] | None = None,
) -> CriticalDifference:
    """Mean ranks of `scores` (lower is better) and what exact Wilcoxon tests, after Holm, cannot part.

    Pairwise Wilcoxon tests rather than Nemenyi's critical difference of mean ranks: there, whether two
    methods differ depends on which others were entered.

    Args:
        units: the task of each block. Blocks that share a task are not independent, so there is one number
            of each task to test two methods on: how much more often one has the lower score than the other.
            None: every block stands for itself, and the difference of scores is tested.
        p: of the pairs, as `pairs_p` has them, where they were tested on more blocks than these.

    Reference: Demšar (2006); Benavoli, Corani and Mangili (2016).
    """
    scores = _whole(np.asarray(scores, dtype=float))
    k = scores.shape[1]
    places, unit = ranks(scores), "pairs"
    if units is not None:
        places, unit = mean_by(places, units), "tasks"
    n = len(places)
    p = pairs_p(scores, units) if p is None else p
    mean_ranks = places.mean(axis=0) if n else np.full(k, math.nan)
    order = np.argsort(mean_ranks, kind="stable")
    cliques: list[tuple[int, ...]] = []
    end = 0
    for start in range(k):
        stop = start + 1
        while stop < k and (p[order[stop], order[start:stop]] > alpha).all():
            stop += 1
        if stop > end and stop - start > 1:
            cliques.append(tuple(int(i) for i in order[start:stop]))
        end = max(end, stop)
    note = power_note(n, alpha, max(k * (k - 1) // 2, 1), unit)
    return CriticalDifference(mean_ranks, p, tuple(cliques), alpha, note)


def pairs_p(
    scores: Float[Any, "blocks methods"], units: Sequence[str] | None = None
) -> Float[Any, "methods methods"]:
    """Exact Wilcoxon p of each pair of methods, after Holm over all pairs; 1 on the diagonal.

    A pair is tested on all blocks that both have (NaN: it has none): which others were entered, and what they
    lack, alters no pair but by how many pairs Holm counts. `units` as in `critical_difference`.
    """
    scores = np.asarray(scores, dtype=float)
    k = scores.shape[1]
    left, right = np.triu_indices(k, 1)
    raw = np.ones(len(left))
    for at, (i, j) in enumerate(zip(left, right, strict=True)):
        both = ~np.isnan(scores[:, [i, j]]).any(axis=1)
        if both.any():
            gaps = _gaps(scores[both, i], scores[both, j])[:, None]
            if units is not None:
                gaps = mean_by(np.sign(gaps), [unit for unit, kept in zip(units, both, strict=True) if kept])
            raw[at] = wilcoxon_p(gaps.T)[0]
    p = np.ones((k, k))
    if len(left):
        p[left, right] = p[right, left] = holm(raw)
    return p


def mean_by(table: Float[Any, "blocks columns"], labels: Sequence[str]) -> Float[Any, "units columns"]:
    """The mean of the rows of each label, labels in the order in which they first appear."""
    units = {label: i for i, label in enumerate(dict.fromkeys(labels))}
    at = np.array([units[label] for label in labels], dtype=int)
    return np.array([table[at == i].mean(axis=0) for i in range(len(units))]).reshape(len(units), -1)


def performance_profile(
    scores: Float[Any, "blocks methods"], factors: Float[Any, " F"]
) -> Float[Any, "methods F"]:
    """Share of the blocks in which a method's score is at most `factors` times the least of the block.

    Scores are not negative, lower is better; an infinite score is within no factor.

    Reference: Dolan and Moré (2002).
    """
    scores = _whole(np.asarray(scores, dtype=float))
    if (scores < 0).any():
        raise UsageError("a performance profile needs scores of at least 0, lower being better")
    best = scores.min(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(np.isinf(scores), np.inf, np.where(scores == best, 1.0, scores / best))
    return (ratio[:, :, None] <= np.asarray(factors, dtype=float)).mean(axis=0)


def _whole(scores: Float[Any, "*shape"]) -> Float[Any, "*shape"]:
    if np.isnan(scores).any():
        raise UsageError(
            f"{int(np.isnan(scores).sum())} of {scores.size} scores are missing: a figure over different "
            "coverage compares nothing; leave out the methods or the seeds that lack them"
        )
    return scores


def _gaps(a: Float[Any, "*shape"], b: Float[Any, "*shape"]) -> Float[Any, "*shape"]:
    """b − a, 0 where both are the same infinity."""
    with np.errstate(invalid="ignore"):
        return np.where(a == b, 0.0, b - a)
