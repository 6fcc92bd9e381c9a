"""Verdicts on made-up values: what each rule says, and what is refused."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from jslds_bench.compare import closing_lines, compare
from jslds_bench.compare.sides import Metric, Results, Side
from jslds_bench.compare.tolerance import Tolerance
from jslds_bench.errors import UsageError
from jslds_bench.records.record import Value

INF, NAN = math.inf, math.nan


def only(comparison):
    assert len(comparison.rows) == 1
    return comparison.rows[0]


@pytest.mark.parametrize(
    ("metric", "before", "after", "verdict"),
    [
        ("relative_error", [0.1, 0.2, 0.3], [0.111, 0.219, 0.333], "worse"),
        ("relative_error", [0.1, 0.2, 0.3], [0.0891, 0.181, 0.267], "better"),
        ("relative_error", [0.1, 0.2, 0.3], [0.101, 0.199, 0.301], "same"),
        ("relative_error", [0.1, 0.2, 0.3], [0.1, 0.2, 0.3], "same"),
        ("relative_error", [0.1, 0.2, 0.3], [0.15, 0.18, 0.4], "cannot tell"),
        ("skill", [0.9, 0.8, 0.7], [0.8, 0.71, 0.62], "worse"),
        ("skill", [0.5, 0.4, 0.3], [0.6, 0.48, 0.36], "better"),
        ("skill", [-0.5, 0.4, 0.3], [-0.7, 0.2, 0.1], "worse"),
        ("steps_per_second", [100.0, 200.0], [60.0, 120.0], "worse"),
        ("fit_seconds", [2.0, 4.0, 3.0], [3.0, 6.1, 4.5], "worse"),
        ("fit_seconds", [0.001, 0.002, 0.001], [0.002, 0.004, 0.002], "same"),  # within the 50 ms of a clock
    ],
)
def test_verdict_follows_direction_and_tolerance(make_side, metric, before, after, verdict):
    times = 6 // len(before)  # the least number of seeds that carries a verdict
    before, after = times * before, times * after
    row = only(compare(make_side({metric: before}), make_side({metric: after})))
    assert row.verdict == verdict
    assert (row.a, row.b) == (pytest.approx(np.mean(before)), pytest.approx(np.mean(after)))


def test_swapping_the_sides_swaps_verdicts_and_inverts_changes(make_side):
    rng = np.random.default_rng(0)
    values = {"relative_error": rng.uniform(1, 2, 12), "skill": rng.normal(size=12)}
    other = {
        "relative_error": 1.3 * values["relative_error"],
        "skill": values["skill"] + rng.normal(1, 1, 12),
    }
    there = compare(make_side(values), make_side(other)).rows
    back = compare(make_side(other), make_side(values)).rows
    assert [r.verdict for r in there] == ["worse", "better"]
    assert [r.verdict for r in back] == ["better", "worse"]
    assert (1 + there[0].change) * (1 + back[0].change) == pytest.approx(1)
    assert there[1].change == pytest.approx(-back[1].change)
    assert [r.p for r in there] == pytest.approx([r.p for r in back])


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ([0.2], [0.4], "1 seed moved, each worse beyond the tolerance; a test takes 6"),
        ([0.1, 0.2, 0.3], [1.0, 2.0, 3.0], "3 seeds moved, each worse beyond the tolerance; a test takes 6"),
        ([0.1, 0.2, 0.3], [0.3, 0.2, 0.29], "2 seeds moved; a test takes 6"),
        ([0.1] * 5, [0.101, 0.1, 0.099, 0.101, 0.1], "3 seeds moved; a test takes 6"),
        ([0.1] * 9, [0.1] * 4 + [0.5] * 5, "5 seeds moved; a test takes 6"),
    ],
)
def test_fewer_than_six_seeds_that_moved_carry_no_verdict(make_side, before, after, why):
    """Neither of a change nor of none; rule `tolerance` still says what is beyond it."""
    sides = make_side({"relative_error": before}), make_side({"relative_error": after})
    found = compare(*sides)
    assert (only(found).verdict, only(found).reason) == ("cannot tell", why)
    assert math.isnan(only(found).p)
    assert found.n_tests == 0
    moved = np.count_nonzero(np.subtract(after, before))
    assert closing_lines(found)[2].startswith(f"No test can tell a change from chance with {moved} seed")
    assert only(compare(*sides, rule="tolerance")).verdict in ("worse", "same")


def test_few_seeds_that_did_not_move_are_the_same(make_side):
    still = make_side({"relative_error": [0.1, 0.2, 0.3]})
    found = compare(still, make_side({"relative_error": [0.1, 0.2, 0.3 + 1e-7]}))
    assert (only(found).verdict, only(found).reason) == ("same", "")


def test_rows_of_few_seeds_are_left_out_and_do_not_bear_on_others(make_side):
    rng = np.random.default_rng(3)
    before = {"relative_error": rng.uniform(1, 2, 8), "skill": rng.uniform(1, 2, 8)}
    after = {"relative_error": 1.2 * before["relative_error"], "skill": before["skill"] + 0.01}
    a, b = make_side(before), make_side(after)
    for side in (a, b):
        for seed in range(3, 8):
            side.results["t", "n", "jslds"].values["skill"][seed] = Value(None, "1", "higher", "no luck")
    error, skill = compare(a, b).rows
    assert (error.verdict, error.p) == ("worse", 2 / 2**8)
    assert (skill.verdict, skill.n) == ("cannot tell", 3)
    assert compare(a, b).n_tests == 1


def test_change_is_that_of_the_ratio_over_seeds(make_side):
    before, after = {"relative_error": 3 * [0.1, 1.0]}, {"relative_error": 3 * [0.11, 1.1]}
    row = only(compare(make_side(before), make_side(after)))
    assert row.ratio
    assert row.change == pytest.approx(0.1)
    assert (row.low, row.high) == (pytest.approx(0.1), pytest.approx(0.1))


def test_tolerance_of_the_first_side_decides(make_side):
    after = make_side({"relative_error": 3 * [0.13, 0.26]})
    wide = make_side({"relative_error": 3 * [0.1, 0.2]}, tolerance=Tolerance(0.5))
    assert only(compare(wide, after)).verdict == "same"
    assert only(compare(after, wide)).verdict == "better"


def test_rule_of_tolerance_needs_one_seed_and_leaves_speeds_out(make_side):
    before = make_side({"relative_error": [0.2], "fit_seconds": [1.0]}, rule="tolerance")
    after = make_side({"relative_error": [0.4], "fit_seconds": [9.0]})
    found = compare(before, after)
    assert [r.verdict for r in found.rows] == ["worse", "cannot tell"]
    assert (found.n_tests, found.test) == (0, "tolerance")
    untested = compare(before, after, rule="interval", metrics=["relative_error"])
    assert only(untested).verdict == "cannot tell"
    assert closing_lines(untested)[1].startswith("Nothing was tested")


@pytest.mark.parametrize("odd", [INF, NAN])
def test_what_is_not_finite_is_worse_than_any_number(make_side, odd):
    whole, torn = (
        make_side({"relative_error": [0.1, 9e9, 0.1]}),
        make_side({"relative_error": [0.1, odd, 0.1]}),
    )
    row = only(compare(whole, torn))
    assert (row.verdict, row.reason) == ("worse", "not finite any more: 1 of 3 seeds")
    assert math.isnan(row.change)
    assert only(compare(torn, whole)).verdict == "better"
    assert only(compare(torn, torn)).verdict == "same"
    moved = make_side({"relative_error": [odd, 0.1, 0.1]})
    assert only(compare(torn, moved)).verdict == "cannot tell"


def test_one_seed_that_is_finite_again_does_not_hide_what_the_others_do(make_side):
    before, after = [INF, *[0.1] * 9], [0.1, *[1.0] * 9]
    row = only(compare(make_side({"relative_error": before}), make_side({"relative_error": after})))
    assert row.verdict == "cannot tell"
    assert row.reason == "not finite before: 1 of 10 seeds, and the others are worse"
    back = only(compare(make_side({"relative_error": after}), make_side({"relative_error": before})))
    assert back.verdict == "cannot tell"
    assert back.reason == "not finite any more: 1 of 10 seeds, and the others are better"


def test_an_unbounded_fall_of_a_higher_is_better_metric_is_worse(make_side):
    row = only(compare(make_side({"skill": [0.9, 0.9]}), make_side({"skill": [0.9, -INF]})))
    assert row.verdict == "worse"


def test_a_value_that_only_one_side_has_is_said_and_not_averaged_away(make_side):
    row = only(compare(make_side({"skill": [0.9, 0.9, 0.2]}), make_side({"skill": [0.99, 0.99, None]})))
    assert (row.verdict, row.reason) == ("cannot tell", "no value of seed 2 in b: no reason")


def test_what_is_not_there_any_more_is_lost_and_a_gate_stops_it(make_side):
    before = make_side({"skill": [0.9, 0.9, 0.2]})
    same = compare(before, make_side({"skill": [0.9, 0.9, 0.2]}))
    assert (same.lost, same.regressed) == ([], False)
    for after, lost in [
        (
            make_side({"skill": [0.99, 0.99, None]}),
            ["t · n · jslds, skill: no value of seed 2 in b: no reason"],
        ),
        (make_side({"skill": [0.99]}), ["t · n · jslds, seeds 1, 2"]),
    ]:
        found = compare(before, after)
        assert (found.lost, found.regressed) == (lost, True)
        assert f"B lacks what A has: {lost[0]}" in closing_lines(found)
        assert not compare(after, before).lost  # more is none the less
    both = make_side({"skill": [0.9, 0.9, 0.2]})
    both.results["t", "n", "slds"] = both.results["t", "n", "jslds"]
    found = compare(both, before)
    assert (found.lost, found.regressed) == (["t · n · slds"], True)
    assert not compare(both, before, models=("slds", "jslds")).regressed
    asked = both.narrowed(["t"], None, ["jslds"], [0, 1])
    assert not compare(asked, make_side({"skill": [0.9, 0.9]})).regressed
    network = published(model="").narrowed(None, None, ["jslds"], None)
    assert len(network.results) == 1  # of the network, which is of no model
    timed = make_side({"skill": [0.9], "fit_seconds": [3.0]})
    assert not compare(timed, make_side({"skill": [0.9], "fit_seconds": [None]})).regressed


def test_a_job_that_ends_well_again_does_not_hide_what_another_lost(make_side):
    """Neither one that fails, in a row of its own that cannot be told, nor a value that is gone."""
    before, after = make_side({"skill": [0.9, None, 0.7]}), make_side({"skill": [None, 0.8, 0.7]})
    for side, lost in ((before, 1), (after, 0)):
        side.results["t", "n", "jslds"].endings[lost] = ("failed", "why")
        del side.results["t", "n", "jslds"].values["skill"][lost]
    found = compare(before, after)
    assert found.rows[0].verdict == "cannot tell"
    assert found.regressed
    after.results["t", "n", "jslds"].endings[0] = ("ok", "")  # and has no value
    found = compare(before, after)
    assert found.rows[0].verdict == "better"
    assert found.lost == ["t · n · jslds, skill: no value of seed 0 in b"]


def test_what_another_model_or_network_cannot_have_is_not_lost(make_side):
    both = make_side({"skill": [0.9, 0.9], "relative_error": [0.1, 0.1]})
    both.results["t", "n", "other"] = make_side({"skill": [0.9, 0.9], "relative_error": [None] * 2}).results[
        "t", "n", "jslds"
    ]
    both.results["t", "o", "jslds"] = both.results["t", "n", "jslds"]
    assert not compare(both, both, models=("jslds", "other")).regressed
    assert not compare(both, both, networks=("n", "o")).regressed  # where `other` was not asked for
    assert compare(both, both, models=("jslds", "jslds")).lost == []


def test_the_absolute_tolerance_is_of_the_mean_change(make_side):
    """One seed beyond it does not make a change of the others, which are all rounding."""
    before, after = [1e-7] * 6, [2e-7] * 5 + [1.1e-6]
    row = only(compare(make_side({"relative_error": before}), make_side({"relative_error": after})))
    assert row.verdict == "same"
    after = [2.1e-6] * 6
    row = only(compare(make_side({"relative_error": before}), make_side({"relative_error": after})))
    assert (row.verdict, row.p) == ("worse", 2 / 64)
    after = [1e-5] * 5 + [1e-7]  # by a factor of 100 each way but the last; the sum is what A had
    before = [1e-7] * 5 + [4.96e-5]
    row = only(compare(make_side({"relative_error": before}), make_side({"relative_error": after})))
    assert (row.verdict, row.reason) == (
        "cannot tell",
        "seeds moved, their mean by no more than the least tolerance",
    )


def test_fewer_seeds_that_moved_are_no_less_certain(make_side):
    before = np.full(10, 0.2)
    for n_moved in range(11):
        after = before * np.where(np.arange(10) < n_moved, 1.0001, 1.0)
        row = only(compare(make_side({"relative_error": before}), make_side({"relative_error": after})))
        assert row.verdict == "same"


def test_means_that_move_the_other_way_than_the_seeds_are_said_to(make_side):
    before, after = [0.1] * 19 + [1.0], [0.085] * 19 + [2.0]
    row = only(compare(make_side({"relative_error": before}), make_side({"relative_error": after})))
    assert row.verdict == "better"
    assert row.b > row.a
    assert row.reason == "the means, of A and of B, moved the other way: seeds of large values carry them"


def test_jobs_that_no_longer_end_well_are_a_row_of_their_own(make_side):
    before, after = make_side({"skill": [0.9, 0.8, 0.7]}), make_side({"skill": [0.9, 0.8, None]})
    results = after.results["t", "n", "jslds"]
    results.endings[2] = ("timeout", "took longer than 9 s")
    del results.values["skill"][2]
    jobs, skill = compare(before, after).rows
    assert (jobs.metric, jobs.a, jobs.b, jobs.verdict) == ("jobs that end well", 3, 2, "worse")
    assert jobs.reason == "now timeout: took longer than 9 s"
    assert (skill.verdict, skill.reason) == (
        "cannot tell",
        "no value of seed 2 in b: timeout; took longer than 9 s",
    )
    assert compare(after, before).rows[0].verdict == "better"


def test_seeds_that_were_not_asked_of_both_are_said(make_side):
    row = only(compare(make_side({"skill": [0.9, 0.8, 0.7, 0.6]}), make_side({"skill": [0.9, 0.8]})))
    assert (row.n, row.verdict) == (2, "same")
    assert row.reason == "over 2 seeds that both have, of 4 and 2"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (
            {"machine": {"cpu": "another", "cores": 2}},
            r"the machines differ \(machine x86_64 against None, cpu a CPU",
        ),
        ({"machine": {}}, "s does not say which machine it ran on"),
        ({"machines": {"a": {"cpu": "x"}, "b": {"cpu": "y"}}}, "s was measured on 2 machines"),
        ({"gemm": 1e11}, r"the machine itself was not equally fast \(200 against 100 GFLOP/s"),
    ],
)
def test_speeds_are_compared_on_equal_machines_only(make_side, changes, why):
    values = {"fit_seconds": 6 * [2.0], "relative_error": 6 * [0.1]}
    slow = {"fit_seconds": 6 * [4.0], "relative_error": 6 * [0.2]}
    found = compare(make_side(values, gemm=2e11), make_side(slow, **changes))
    verdicts = {row.metric: row for row in found.rows}
    assert verdicts["relative_error"].verdict == "worse"
    assert verdicts["fit_seconds"].verdict == "cannot tell"
    assert found.notes[-1].startswith("speeds are not compared: ")
    with pytest.raises(AssertionError, match=why):  # the pattern holds of the whole reason
        raise AssertionError(verdicts["fit_seconds"].reason)


def test_two_models_of_one_run(make_side):
    run = make_side({"relative_error": 2 * [0.1, 0.2, 0.3]})
    run.results["t", "n", "mine"] = make_side({"relative_error": 2 * [0.05, 0.1, 0.15]}).results[
        "t", "n", "jslds"
    ]
    found = compare(run, run, models=("jslds", "mine"))
    assert (found.a, found.b) == ("s: jslds", "s: mine")
    row = only(found)
    assert (row.model, row.verdict, row.change) == ("jslds → mine", "better", pytest.approx(-0.5))
    with pytest.raises(UsageError, match="no model 'mina'; did you mean 'mine'"):
        compare(run, run, models=("jslds", "mina"))


def test_two_networks_of_one_run(make_side):
    run = make_side({"relative_error": 2 * [0.1, 0.2, 0.3]})
    run.results["t", "other", "jslds"] = make_side({"relative_error": 2 * [0.05, 0.1, 0.15]}).results[
        "t", "n", "jslds"
    ]
    found = compare(run, run, networks=("n", "other"))
    assert (found.a, found.b) == ("s: n", "s: other")
    row = only(found)
    assert (row.network, row.model, row.verdict) == ("n → other", "jslds", "better")
    assert row.change == pytest.approx(-0.5)
    with pytest.raises(UsageError, match="no network 'othr'; did you mean 'other'"):
        compare(run, run, networks=("n", "othr"))


def published(model: str = "jslds", metric: str = "relative_error", value: float = 0.2) -> Side:
    results = Results(values={metric: {None: Value(value, "", "")}}, notes={metric: "published; over t ≥ 2"})
    return Side("paper", "published", "", {("t", "n", model): results}, {}, {})


def test_published_values_stand_against_every_seed(make_side):
    run = make_side({"relative_error": 2 * [0.1, 0.11, 0.1], "skill": 6 * [0.9]})
    row = only(compare(published(), run))
    assert (row.verdict, row.n, row.a, row.better) == ("better", 6, pytest.approx(0.2), "lower")
    assert row.reason == "published; over t ≥ 2"
    assert only(compare(run, published())).verdict == "worse"
    run.results["t", "n", "jslds"].endings[6] = ("failed", "no luck")
    rows = compare(published(), run).rows
    assert [r.verdict for r in rows] == ["cannot tell"]
    assert "no value of seed 6 in b: failed; no luck" in rows[0].reason


def test_a_published_value_of_a_network_needs_no_model(make_side):
    run = make_side({"relative_error": 6 * [0.1]}, model="any")
    assert only(compare(published(model=""), run)).verdict == "better"
    assert only(compare(run, published(model=""))).verdict == "worse"


def test_a_network_metric_is_one_test_however_many_models_repeat_it(make_side):
    def both(values):
        made = make_side({"relative_error": values})
        made.results["t", "n", "other"] = dataclasses.replace(made.results["t", "n", "jslds"])
        return made

    found = compare(both(2 * [0.1, 0.2, 0.3]), both(2 * [0.2, 0.41, 0.6]))
    assert found.n_tests == 1
    assert [r.verdict for r in found.rows] == ["worse", "worse"]


def test_the_output_says_what_was_tested_over_what_family(make_side):
    before = {"relative_error": np.linspace(1, 2, 6), "skill": np.linspace(1, 2, 6)}
    after = {"relative_error": 1.2 * np.linspace(1, 2, 6) ** 1.01, "skill": np.linspace(1, 2, 6)}
    found = compare(make_side(before), make_side(after))
    assert (found.test, found.n_tests, found.n_needed, found.power) == ("sign flips", 1, 6, "")
    assert (found.rows[0].verdict, found.rows[0].p) == ("worse", pytest.approx(2 / 64))
    assert closing_lines(found)[1] == (
        "Sign flips of the seeds (step-down max-T) over 1 row that moved in 6 pairs of seeds or more: the "
        "chance of any false better or worse among them is at most 5%; the intervals hold row by row."
    )


def test_nothing_in_common_is_a_usage_error(make_side):
    with pytest.raises(UsageError, match="no task, network and model in common"):
        compare(make_side({"skill": [0.1]}), make_side({"skill": [0.1]}, model="other"))
    with pytest.raises(UsageError, match="neither side has a metric 'skil'; did you mean 'skill'"):
        compare(make_side({"skill": [0.1]}), make_side({"skill": [0.1]}), metrics=["skil"])
    other = make_side({"skill": [0.1]})
    other.metrics["skill"] = Metric("1", "lower")
    with pytest.raises(UsageError, match="higher being better, in s, and in '1', lower being better"):
        compare(make_side({"skill": [0.1]}), other)
