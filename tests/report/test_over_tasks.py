"""Models over tasks: who is set beside whom, what is claimed, and that the figures show no more."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from places import measured

from jslds_bench.report import write_report
from jslds_bench.report.board.leaderboard import write_leaderboard
from jslds_bench.report.data.blocks import FLOOR, field_of
from jslds_bench.report.data.run import run_data
from jslds_bench.report.plans.over_tasks import _all_judged, _pairs_of, over_tasks_plans, too_few
from jslds_bench.report.style import INK, theme

LINEAR = {"state, input": (1.0, 1.0), "state": (1.0, 0.0), "input": (0.0, 1.0), "neither": (0.0, 0.0)}


@pytest.fixture
def scored(make):
    """A function that makes the record of an error, of a model that is linear in `kind`."""

    def record(task, model, error, seed=0, network="standard", kind="state, input", **change):
        values = {"relative_error": measured("relative_error", error, "", "lower")}
        for name, share in zip(("linear_in_state", "linear_in_input"), LINEAR[kind], strict=True):
            values[name] = measured(name, share, "", "higher")
        bare = change.get("status") in ("failed", "timeout", "unsupported")
        return make(task, network, model, seed, values={} if bare else values, **change)

    return record


@pytest.fixture
def grid(scored):
    """Records of every task, network and seed: model → error, times what is drawn for the place."""

    def records(errors, n_tasks=6, n_seeds=2, networks=("standard", "cotrained"), noise=0.1, **change):
        rng = np.random.default_rng(0)
        return [
            scored(f"task {i}", model, error * math.exp(noise * rng.normal()), seed, network, **change)
            for i in range(n_tasks)
            for network in networks
            for model, error in errors.items()
            for seed in range(n_seeds)
        ]

    return records


def planned(records):
    return {plan.name: plan for plan in over_tasks_plans(run_data(records))}


def dots(figure):
    """Which dots of a figure are filled, and how many bars of cliques there are."""
    lines = figure.axes[0].lines
    faces = [line.get_markerfacecolor() == line.get_color() for line in lines if line.get_marker() == "o"]
    bars = [line for line in lines if line.get_color() == INK and line.get_linewidth() > 2]
    return faces, len(bars)


def test_fewer_than_three_tasks_are_said_to_be_too_few(grid, write_run, make):
    records = grid({"lds": 0.1, "dmdc": 0.2}, n_tasks=2)
    assert planned(records) == {}
    assert too_few(run_data(records)).endswith("3 tasks of one kind or more; the run has 2 tasks.")
    text = write_report(write_run([make()])).read_text()
    assert "Models are compared over 3 tasks of one kind or more; the run has 1 task." in text
    apart = grid({"lds": 0.1}, 3) + grid({"codebook": 0.1}, 3, kind="state")
    assert planned(apart) == {}
    assert "no two share as many" in too_few(run_data(apart))


def test_what_has_no_result_is_last_together_and_what_cannot_be_is_left_out(scored):
    errors = {"good": 0.1, "bad": math.inf, "worse": math.nan, "exact": 0.0, "exact to rounding": 1e-8}
    records = [scored(f"task {i}", model, error) for i in range(3) for model, error in errors.items()]
    records += [scored(f"task {i}", "broken", 0, status="failed", reason="x") for i in range(3)]
    records += [scored(f"task {i}", "misfit", 0, status="unsupported", reason="x") for i in range(3)]
    records += [scored("task 0", "rare", 0.1)]
    records += [scored("task 1", m, 0, network="none", status="failed", reason="x") for m in errors]
    field = field_of(run_data(records))
    (group,) = field.groups
    assert group.models == sorted(errors)
    assert group.left_out == ["rare"]
    assert {b.network for b in group.blocks} == {
        "standard"
    }  # where nothing has a result there was no network
    of = dict(zip(group.models, group.losses.T.tolist(), strict=True))
    assert of["bad"] == of["worse"] == [math.inf] * 3
    assert of["exact"] == of["exact to rounding"] == [FLOOR] * 3
    note = planned(records)["over_tasks_ranks"].note
    assert "rare, which lack most" in note
    assert "no result at all: broken, misfit" in note


@pytest.mark.parametrize("status", ["timeout", "failed", "diverged"])
def test_a_failed_job_counts_like_a_diverged_one(scored, status):
    records = [scored(f"task {i}", model, 0.1) for i in range(3) for model in ("lds", "dmdc")]
    records[0] = dataclasses.replace(records[0], status=status, values={})
    (group,) = field_of(run_data(records)).groups
    assert group.losses[:, group.models.index("lds")].tolist() == [math.inf, 0.1, 0.1]


def test_models_are_ranked_among_those_that_are_linear_in_as_much(grid):
    pair = {"a": 0.1, "b": 0.2}
    records = grid(pair, 4, kind="state") + grid({"lds": 0.3, "dmdc": 0.4}, 4)
    loose = {"linear_in_state": measured("linear_in_state", 0.0, "", "higher")}
    strict = {"linear_in_input": measured("linear_in_input", 1.0, "", "higher")}

    def change(record):
        if record.model == "a" and record.network == "cotrained" and record.task in ("task 0", "task 1"):
            return dataclasses.replace(
                record, values=record.values | (loose if record.task == "task 0" else strict)
            )
        return record

    field = field_of(run_data(map(change, records)))
    assert {g.rivals: g.models for g in field.groups} == {
        "state": ["a", "b"],
        "state, input": ["dmdc", "lds"],
    }
    group = field.groups[0]
    assert {b[:2] for b in group.dropped} == {("task 0", "cotrained")}
    assert group.stricter == {"a": (1, 7)}
    note = planned(map(change, records))["over_tasks_ranks"].note
    assert note == (
        "linear in state: 14 of 16 runs are of every model and this class, "
        "a is linear in more on 1 of 7 networks"
    )


@pytest.mark.parametrize(
    ("change", "why"),
    [({"n_seeds": 1, "n_tasks": 7}, "one seed: no test"), ({"n_tasks": 5}, "pairs need 6 tasks")],
)
def test_one_seed_or_few_tasks_claim_nothing(grid, change, why):
    plans = planned(grid({"lds": 0.1, "dmdc": 0.2}, **change))
    assert "lds ranks first (1.0 of 2), which claims nothing" in plans["over_tasks_ranks"].caption
    with theme():
        figure = plans["over_tasks_ranks"].build()
        assert dots(figure) == ([False, False], 0)
        assert why in {text.get_text() for text in figure.axes[0].texts}
        assert dots(plans["over_tasks_pairs"].build())[0] == [False]
    assert "ollow dots claim nothing" in plans["over_tasks_pairs"].caption


def test_tests_part_what_differs_on_every_task_and_join_what_does_not(grid):
    plans = planned(grid({"lds": 0.1, "dmdc": 0.1, "persistence": 1.0}, n_tasks=8))
    ranks = plans["over_tasks_ranks"]
    assert "told apart from persistence" in ranks.caption
    assert ranks.note == ""
    with theme():
        assert dots(ranks.build()) == ([True] * 3, 1)
        pairs, means, shares = (plans[f"over_tasks_{n}"].build() for n in ("pairs", "means", "shares"))
    assert {"dmdc vs persistence", "lds vs persistence"} < {
        t.get_text() for t in pairs.axes[0].get_yticklabels()
    }
    assert "persistence 1.0" in plans["over_tasks_means"].caption
    widths = {line.get_linewidth() for line in means.axes[0].lines if line.get_linestyle() == "-"}
    assert {1.0, 3.4} <= widths
    assert {"lds", "dmdc", "persistence"} == {t.get_text() for t in shares.axes[0].texts}


def test_without_persistence_there_are_no_ratios_to_it(grid):
    plan = planned(grid({"lds": 0.1, "dmdc": 0.2}))["over_tasks_means"]
    assert plan.build is None
    assert "no value of persistence" in plan.note


def test_many_models_keep_to_few_lines_and_pairs(grid):
    plans = planned(grid({f"model {i}": 0.1 * (i + 1) for i in range(9)}, n_tasks=3))
    with theme():
        shares, pairs = plans["over_tasks_shares"].build(), plans["over_tasks_pairs"].build()
    assert len(shares.axes[0].texts) == 5
    assert len(pairs.axes[0].get_yticks()) == 15
    assert "The 6 models of least mean rank" not in plans["over_tasks_shares"].caption
    assert "the 6 models of least mean rank" in plans["over_tasks_pairs"].caption


def test_hostile_labels_stay_text(grid, write_run):
    labels = {"<script>alert(1)</script>": 0.1, "$\\frac": 0.2}
    page = write_report(write_run(grid(labels, n_tasks=3, n_seeds=1, networks=("standard",))))
    text = page.read_text()
    assert "<script>" not in text
    assert {p.stem for p in (page.parent / "figures").glob("over_tasks*.svg")} == {
        "over_tasks_ranks", "over_tasks_pairs", "over_tasks_shares"
    }  # fmt: skip
    assert text.index('id="over-tasks"') < text.index('id="complexity"')


def pair_of(records, a="lds", b="dmdc"):
    """What the figure of pairs, and the tests, say of two models."""
    data = run_data(records)
    field = field_of(data)
    (judged,) = _all_judged(data, field)
    first, second = (judged.models.index(m) for m in (a, b))
    found = {e.label: e for e in _pairs_of(data, judged)}
    estimate = found.get(f"{a} vs {b}") or found[f"{b} vs {a}"]
    chance = estimate.value if f"{a} vs {b}" in found else 1 - estimate.value
    return judged.found.p[first, second], chance


def test_what_a_third_model_lacks_alters_nothing_between_two(grid, scored):
    """A weak entrant that ran on the tasks of one alone must not delete those on which the other wins."""
    errors = [(0.1, 0.2) if i < 5 else (0.2, 0.1) for i in range(8)]
    two = [
        scored(f"task {i}", model, error, seed)
        for i, pair in enumerate(errors)
        for model, error in zip(("lds", "dmdc"), pair, strict=True)
        for seed in range(2)
    ]
    p, chance = pair_of(two)
    assert chance == 5 / 8
    third = [scored(f"task {i}", "third", 0.9, seed) for i in (0, 5, 6, 7) for seed in range(2)]
    with_third = pair_of(two + third)
    assert with_third[1] == chance
    assert p <= with_third[0] <= min(3 * p, 1)  # Holm counts three pairs
    one_seed = [scored(f"task {i}", "third", 0.9, 0) for i in range(8)]
    assert pair_of(two + one_seed)[1] == chance
    assert field_of(run_data(two + third)).groups[0].n_tasks == 4  # ranks are of what all have


def test_what_lacks_most_is_counted_in_runs(grid, scored):
    records = grid({"lds": 0.1, "dmdc": 0.2}, n_tasks=4, n_seeds=3, networks=("standard",))
    records += [scored(f"task {i}", "seldom", 0.1, 0) for i in range(4)]  # 4 of 12, on every task
    (group,) = field_of(run_data(records)).groups
    assert group.left_out == ["seldom"]


def test_a_model_of_unknown_class_may_be_last_and_no_more(grid, scored):
    """One of which nothing is measured where it wins is linear in nobody knows what there."""
    records = grid({"lds": 0.1, "dmdc": 0.2}, n_tasks=10, networks=("standard",))
    records += [scored(f"task {i}", "odd", 0.3, seed) for i in range(6) for seed in range(2)]
    nothing = {"relative_error": measured("relative_error", 1e-3, "", "lower")}
    won = [
        dataclasses.replace(scored(f"task {i}", "odd", 0, s), values=nothing)
        for i in range(6, 10)
        for s in (0, 1)
    ]
    (group,) = field_of(run_data(records + won)).groups
    assert {b.task for b in group.blocks} == {f"task {i}" for i in range(6)}
    lost = [
        scored(f"task {i}", "odd", 0, s, status="timeout", reason="x") for i in range(6, 10) for s in (0, 1)
    ]
    (group,) = field_of(run_data(records + lost)).groups
    assert len({b.task for b in group.blocks}) == 10


def test_a_leaderboard_calls_classes_what_their_setting_does(tmp_path, write_run, grid):
    run = write_run(grid({"a": 0.1, "b": 0.2}, n_tasks=1, networks=("standard",)), suite_text="")
    page = write_leaderboard([run], tmp_path / "board").read_text()
    assert "linear in" in page
    assert "Mean ranks, linear in state, input" in page
