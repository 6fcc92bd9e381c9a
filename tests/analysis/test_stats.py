"""Statistics against hand-computed examples, SciPy, and what must hold under permutations and swaps."""

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


@pytest.mark.parametrize("test", [stats.wilcoxon_p, stats.student_p])
def test_order_and_side_do_not_matter_to_p(test):
    d = RNG.normal(0.5, 1, size=(5, 9))
    assert test(d[:, ::-1]) == pytest.approx(test(d))
    assert test(-d) == pytest.approx(test(d))


def test_student_agrees_with_scipy_and_has_no_spread_to_trip_over():
    d = RNG.normal(0.5, 1, size=(6, 4))
    assert stats.student_p(d) == pytest.approx(scipy_stats.ttest_1samp(d, 0, axis=1).pvalue)
    assert list(stats.student_p([[0.25, 0.25], [0.0, 0.0]])) == [0, 1]


def test_infinite_differences_are_the_largest_ranks():
    assert stats.wilcoxon_p([[np.inf, 2.0, 3.0]])[0] == pytest.approx(2 / 8)
    assert stats.wilcoxon_p([[np.inf, np.inf, -1.0]])[0] == stats.wilcoxon_p([[3.0, 3.0, -1.0]])[0]


@pytest.mark.parametrize("n", [3, 9])
def test_intervals_of_few_values_are_students(n):
    d = RNG.normal(size=(4, n))
    low, high = stats.interval(d)
    expected = scipy_stats.ttest_1samp(d, 0, axis=1).confidence_interval(0.95)
    assert low == pytest.approx(expected.low)
    assert high == pytest.approx(expected.high)


def test_bootstrap_interval_against_the_plain_way_and_on_known_means():
    d = RNG.normal(2, 1, size=(1, 12))
    n, mean, error = 12, d.mean(), d.std(ddof=1) / 12**0.5
    picks = np.random.default_rng(1).integers(n, size=(20000, n))
    t = (d[0][picks].mean(axis=1) - mean) / (d[0][picks].std(axis=1, ddof=1) / n**0.5)
    low, high = stats.interval(d)
    assert low[0] == pytest.approx(mean - np.quantile(t, 0.975) * error, abs=0.25 * error)
    assert high[0] == pytest.approx(mean - np.quantile(t, 0.025) * error, abs=0.25 * error)
    many = stats.interval(RNG.normal(2, 1, size=(2000, 12)))
    assert 0.93 < np.mean((many[0] < 2) & (many[1] > 2)) < 0.97


def test_intervals_follow_shift_scale_and_sign():
    d = RNG.exponential(size=(3, 15))
    low, high = stats.interval(d)
    assert stats.interval(3 * d + 1)[0] == pytest.approx(3 * low + 1)
    swapped = stats.interval(-d)
    assert (swapped[0], swapped[1]) == (pytest.approx(-high, rel=5e-3), pytest.approx(-low, rel=5e-3))


def test_intervals_where_there_is_no_spread_or_no_second_value():
    low, high = stats.interval(np.full((1, 12), math.log(1.1)))
    assert low == high == pytest.approx(math.log(1.1))
    assert [end[0] for end in stats.interval([[3.0]])] == [-math.inf, math.inf]
    low, high = stats.interval([[1.0] + [0.0] * 11])  # resamples without spread: Student's instead
    assert -1 < low[0] < 0 < high[0] < 1


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
