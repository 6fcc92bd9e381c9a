"""Statistics against hand-computed examples, SciPy, and what must hold under permutations and swaps."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from jslds_bench.analysis import stats
from jslds_bench.errors import UsageError

RNG = np.random.default_rng(5)


def test_least_p_and_the_pairs_that_a_level_needs():
    assert [stats.least_p(n) for n in (1, 3, 5, 6)] == [1.0, 0.25, 0.0625, 0.03125]
    assert stats.pairs_needed(0.05) == 6
    assert stats.pairs_needed(0.05, 10) == 9  # 2/2⁹ = 0.0039 ≤ 0.005 < 2/2⁸
    assert stats.power_note(6, 0.05) == ""
    assert stats.power_note(5, 0.05) == "underpowered: the least p of 5 pairs is 0.062, 6 pairs are needed"
    assert stats.power_note(6, 0.05, 2).endswith("7 pairs are needed among 2 tests")


def test_wilcoxon_by_hand():
    # Of 2³ signs of the ranks 1, 2, 3, two give a sum as far out as 6 (all plus, all minus).
    assert stats.wilcoxon_p([[1.0, 2.0, 3.0]])[0] == pytest.approx(2 / 8)
    # + on 1 and 3: sums of 4, 5, 6 and their mirror images 2, 1, 0 are 6 of the 8.
    assert stats.wilcoxon_p([[1.0, -2.0, 3.0]])[0] == pytest.approx(6 / 8)
    # Tied pair: mid-ranks 1½ 1½ 3, sums 0 1½ 1½ 3 3 4½ 4½ 6; 4½ or more (3) and its mirror.
    assert stats.wilcoxon_p([[2.0, -2.0, 5.0]])[0] == pytest.approx(6 / 8)
    assert stats.wilcoxon_p([[0.0, 0.0]])[0] == 1
    assert stats.wilcoxon_p([[0.0, 1.0, 2.0, 3.0]])[0] == pytest.approx(2 / 8)  # the zero is left out


@pytest.mark.parametrize("n", [4, 7, 12])
def test_counting_agrees_with_scipy_where_scipy_is_exact(n):
    for row in RNG.normal(0.3, 1, size=(10, n)):
        assert stats._signed_rank_p(row) == pytest.approx(
            scipy_stats.wilcoxon(row, method="exact").pvalue, rel=1e-12
        )


def test_tied_p_values_agree_with_all_sign_flips():
    rows = RNG.integers(-3, 4, size=(10, 8)).astype(float)
    for row in rows:
        kept = row[row != 0]
        ranks = scipy_stats.rankdata(np.abs(kept))
        flips = 1 - 2 * ((np.arange(2 ** len(kept))[:, None] >> np.arange(len(kept))) & 1)
        sums = ((flips > 0) * ranks).sum(axis=1)
        w = ranks[kept > 0].sum()
        expected = min(1.0, 2 * min((sums <= w).mean(), (sums >= w).mean()))
        assert stats.wilcoxon_p(row[None])[0] == pytest.approx(expected)


def test_order_and_side_do_not_matter_to_wilcoxon():
    d = RNG.normal(0.5, 1, size=(5, 9))
    assert stats.wilcoxon_p(d[:, ::-1]) == pytest.approx(stats.wilcoxon_p(d))
    assert stats.wilcoxon_p(-d) == pytest.approx(stats.wilcoxon_p(d))


def flip_p_slowly(d, margins):
    """Every ε of {±1}ⁿ in turn, missing seeds left out, and the step down one row after another."""

    def statistic(row, margin):
        row = row[~np.isnan(row)]
        mean = abs(row.mean())
        return mean / np.sqrt((row**2).mean()) if mean > margin else 0.0

    seen = [statistic(row, m) for row, m in zip(d, margins, strict=True)]
    counts = np.zeros(len(d))
    for signs in itertools.product([1, -1], repeat=d.shape[1]):
        flipped = [statistic(row * signs, m) for row, m in zip(d, margins, strict=True)]
        for i in range(len(d)):
            counts[i] += max(u for u, s in zip(flipped, seen, strict=True) if s <= seen[i]) > seen[i] - 1e-9
    p = counts / 2 ** d.shape[1]
    return [max(p[j] for j in range(len(d)) if seen[j] >= seen[i]) for i in range(len(d))]


def test_flip_p_by_hand():
    # Of the 2³ signs, all plus and all minus give a mean as far out; one row, no margin.
    assert stats.flip_p([[1.0, 2.0, 3.0]], [0]) == pytest.approx([2 / 8])
    # |−1 + 2 + 3| = 4: reached by four of the eight sums 6, 4, 2, 0, 0, −2, −4, −6.
    assert stats.flip_p([[-1.0, 2.0, 3.0]], [0]) == pytest.approx([4 / 8])
    assert stats.flip_p([[1.0, 2.0, 3.0]], [2.5]) == pytest.approx([1])  # within the margin
    # The second row is whole at the signs + + − and its mirror: two more of eight for the first row, which is
    # as clear there; none where its margin is out of reach.
    pair = [[1.0, 1.0, 1.0], [1.0, 1.0, -1.0]]
    assert stats.flip_p(pair, [0, 0]) == pytest.approx([4 / 8, 1])
    assert stats.flip_p(pair, [0, 2]) == pytest.approx([2 / 8, 1])
    assert stats.flip_p([[0.0, 0.0]], [0]) == pytest.approx([1])
    assert stats.flip_p(np.zeros((0, 3)), []).shape == (0,)


@pytest.mark.parametrize("missing", [0, 6])
def test_flip_p_agrees_with_one_flip_after_another(missing):
    d = RNG.normal(0.4, 1, size=(6, 7)) * 10.0 ** np.arange(-3, 3)[:, None]
    d[0, 2], d[1] = 0.0, RNG.choice([-1.0, 1.0], size=7)
    d.flat[RNG.choice(range(14, d.size), size=missing, replace=False)] = np.nan
    margins = 0.1 * np.nanmean(np.abs(d), axis=1)
    p = stats.flip_p(d, margins)
    assert p == pytest.approx(flip_p_slowly(d, margins))
    assert stats.flip_p(-d[:, ::-1], margins) == pytest.approx(p)
    assert stats.flip_p(np.vstack([d, d]), [*margins, *margins]) == pytest.approx(
        [*p, *p]
    )  # repeats cost nothing
    scales = np.array([1, 1e3, 1e-6, 1, 7, 1])
    assert stats.flip_p(scales[:, None] * d, scales * margins) == pytest.approx(p)


def test_of_more_seeds_a_group_of_flips_is_drawn():
    d = RNG.normal(size=(3, 20)) + np.array([[2.0], [0.5], [0.0]])
    p = stats.flip_p(d, [0, 0, 0])
    assert p[0] == 1 / stats.DRAWS  # the table that was seen is one of the flips
    assert stats.flip_p(d[2:], [0]) == pytest.approx(
        [scipy_stats.permutation_test((d[2],), np.mean, permutation_type="samples").pvalue], abs=0.05
    )


@pytest.mark.parametrize("n", [1, 2, 6, 13, 14, 20, 40])
def test_flips_are_a_group_in_which_no_two_seeds_go_together(n):
    """A set that is no group holds its level on average over its draws alone (Hemerik and Goeman 2018)."""
    signs = stats._signs(n, seed=1)
    rows = {row.tobytes() for row in signs}
    assert len(rows) == len(signs) == min(2 ** (n - 1), stats.DRAWS)
    assert (signs[0] == 1).all()
    for one in signs[:: max(len(signs) // 50, 1)]:
        assert {row.tobytes() for row in signs * one} == rows
    np.testing.assert_array_equal(signs.T @ signs, len(signs) * np.eye(n))


def test_a_group_of_flips_keeps_the_level_exactly(monkeypatch):
    """Of all tables that a group of 128 of 2¹⁴ flips makes of one, at most the share α is called."""
    monkeypatch.setattr(stats, "EXACT_TO", 8)
    d = np.repeat(RNG.choice([-1.0, 1.0], size=(3, 15)), 8, axis=0) + 0.1 * RNG.normal(size=(24, 15))
    tables = d * stats._signs(15, seed=0)[:, None]
    assert len(tables) == 128
    assert 0 < np.mean([stats.flip_p(table, np.full(24, 0.05)).min() <= 0.05 for table in tables]) <= 0.05


def test_flips_keep_the_level_over_rows_that_share_their_outcomes():
    """Exactly: over all flips of one table of bimodal rows, the share that is called is at most α."""
    d = np.repeat(RNG.choice([-1.0, 0.0, 1.0], size=(3, 7)), 8, axis=0) + 0.01 * RNG.normal(size=(24, 7))
    called = [
        stats.flip_p(d * signs, np.full(24, 0.05)).min() <= 0.05
        for signs in itertools.product([1, -1], repeat=7)
    ]
    assert 0 < np.mean(called) <= 0.05


def test_infinite_differences_are_the_largest_ranks():
    assert stats.wilcoxon_p([[np.inf, 2.0, 3.0]])[0] == pytest.approx(2 / 8)
    assert stats.wilcoxon_p([[np.inf, np.inf, -1.0]])[0] == stats.wilcoxon_p([[3.0, 3.0, -1.0]])[0]


def test_flip_intervals_by_hand():
    values = [[3.0, 1.0, 2.0, 7.0, 5.0, 4.0]]
    assert [float(end[0]) for end in stats.flip_interval(values)] == [1, 7]  # k = 1 of 2⁶: least and largest
    assert [end[0] for end in stats.flip_interval([[1.0] * 5])] == [-math.inf, math.inf]
    # k = 3 of 2⁷: subset means by rising size are 0, ½ (of 0 and 1) and 1; mirrored at the other end.
    low, high = stats.flip_interval([[0.0, 1.0, 4.0, 5.0, 6.0, 9.0, 10.0]])
    assert (low[0], high[0]) == (1, 9)
    assert np.array(stats.flip_interval(np.full((1, 12), 0.1))) == pytest.approx(0.1)


@pytest.mark.parametrize("n", [7, 20])
def test_flip_intervals_are_what_flips_about_them_do_not_reject(n):
    d = RNG.normal(size=(1, n))
    low, high = (float(end[0]) for end in stats.flip_interval(d))
    width = high - low
    assert low < d.mean() < high
    for inside, outside in ((low + 0.1 * width, low - 0.1 * width), (high - 0.1 * width, high + 0.1 * width)):
        assert stats.flip_p(d - inside, [0])[0] > 0.05
        assert stats.flip_p(d - outside, [0])[0] <= 0.05


@pytest.mark.parametrize("n", [6, 10, 20])
def test_flip_intervals_cover_the_centre_of_symmetric_changes(n):
    shape = (2000, n)
    outcomes = np.log(RNG.choice([0.1, 0.2], size=shape) / RNG.choice([0.1, 0.2], size=shape))
    for d in (
        RNG.normal(size=shape),
        RNG.standard_t(3, size=shape),
        outcomes + 0.01 * RNG.normal(size=shape),
    ):
        low, high = stats.flip_interval(d + 1)
        assert np.mean((low <= 1) & (high >= 1)) > 0.935


def test_flip_intervals_follow_shift_scale_and_sign():
    d = RNG.exponential(size=(3, 12))
    low, high = stats.flip_interval(d)
    assert stats.flip_interval(3 * d + 1)[0] == pytest.approx(3 * low + 1)
    swapped = stats.flip_interval(-d)
    assert (swapped[0], swapped[1]) == (pytest.approx(-high), pytest.approx(-low))


def test_holm_by_hand():
    assert stats.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert stats.holm([0.6, 0.7]) == pytest.approx([1, 1])
    assert stats.holm([]).shape == (0,)


def test_holm_keeps_the_level_over_all_tests():
    false = [stats.holm(RNG.uniform(size=40)).min() <= 0.05 for _ in range(1000)]
    assert np.mean(false) < 0.07


def test_equal_scores_share_their_places():
    scores = [[0.1, 0.2, 0.2, 0.4], [math.inf, 1.0, math.inf, 2.0]]
    assert stats.ranks(scores).tolist() == [[1, 2.5, 2.5, 4], [3.5, 1, 3.5, 2]]


def test_critical_difference_parts_what_differs_and_joins_what_does_not():
    base = RNG.uniform(1, 2, size=(12, 1))
    noise = 0.01 * RNG.normal(size=(12, 4))
    found = stats.critical_difference(base * [1, 1, 3, 9] + noise)
    assert found.cliques == (tuple(np.argsort(found.mean_ranks)[:2]),)
    assert set(found.cliques[0]) == {0, 1}
    assert found.mean_ranks[2:].tolist() == [3, 4]
    assert (found.p == found.p.T).all()
    assert found.note == ""


def test_critical_difference_of_three_seeds_says_that_it_can_part_nothing():
    found = stats.critical_difference([[1.0, 2.0, 3.0]] * 3)
    assert found.cliques == ((0, 1, 2),)
    assert found.note == "underpowered: the least p of 3 pairs is 0.25, 7 pairs are needed among 3 tests"


def test_critical_difference_does_not_depend_on_the_order_of_methods():
    scores = RNG.uniform(size=(10, 5)) * [1, 1, 2, 4, 4]
    order = np.array([3, 1, 4, 0, 2])
    one, other = stats.critical_difference(scores), stats.critical_difference(scores[:, order])
    assert other.mean_ranks == pytest.approx(one.mean_ranks[order])
    assert other.p == pytest.approx(one.p[np.ix_(order, order)])
    named = {frozenset(order[list(c)]) for c in other.cliques}
    assert named == {frozenset(c) for c in one.cliques}


def test_performance_profile_by_hand():
    scores = [[1.0, 2.0], [3.0, 1.0], [0.0, 5.0], [1.0, math.inf]]
    profile = stats.performance_profile(scores, [1, 2, 3])
    assert profile.tolist() == [[0.75, 0.75, 1], [0.25, 0.5, 0.5]]


@pytest.mark.parametrize(
    "call",
    [
        lambda s: stats.ranks(s),
        lambda s: stats.critical_difference(s),
        lambda s: stats.performance_profile(s, [1.0]),
    ],
)
def test_nothing_is_averaged_over_different_coverage(call):
    with pytest.raises(UsageError, match=r"1 of \d scores are missing"):
        call(np.array([[1.0, math.nan, 2.0], [1.0, 2.0, 3.0]]))


def test_profiles_refuse_negative_scores():
    with pytest.raises(UsageError, match="at least 0"):
        stats.performance_profile([[-1.0, 1.0]], [1.0])
