"""Planted regressions by the command line: called, with exit code 1; repetitions of equal runs are not."""

from __future__ import annotations

import json

import pytest

from jslds_bench import cli
from jslds_bench.compare import compare
from jslds_bench.compare.sides import run_side


@pytest.mark.parametrize(("n_seeds", "noise"), [(6, 0.0), (6, 0.0005), (10, 0.01)])
@pytest.mark.parametrize(
    "factors", [{"relative_error": 1.1}, {"steps_per_second": 1 / 1.5}, {"fit_seconds": 1.5}]
)
def test_a_planted_regression_is_called(write_run, make_grid, capsys, n_seeds, noise, factors):
    before = write_run("before", make_grid(n_seeds, noise, draw=1))
    after = write_run("after", make_grid(n_seeds, noise, draw=2, factors=factors))
    assert cli.main(["compare", str(before), str(after), "--fail-on", "worse", "--format", "json"]) == 1
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert {row["metric"] for row in rows if row["verdict"] == "worse"} == set(factors)
    assert sum(row["verdict"] == "worse" for row in rows) == 16
    assert not [row for row in rows if row["verdict"] == "better"]


def test_three_seeds_gate_by_tolerance_alone(write_run, make_grid, capsys):
    """Two in eight such tables are as clear without any change: the test says so and calls nothing."""
    before = write_run("before", make_grid(3, draw=1))
    after = write_run("after", make_grid(3, draw=2, factors={"relative_error": 10.0}))
    gate = ["compare", str(before), str(after), "--fail-on", "worse"]
    assert cli.main(gate) == 0
    out = capsys.readouterr().out
    assert out.count("3 seeds moved, each worse beyond the tolerance; a test takes 6") == 16
    assert "No test can tell a change from chance with 3 seeds (the least p is 0.25): it takes 6" in out
    assert cli.main([*gate, "--rule", "tolerance"]) == 1
    assert "Judged by tolerance alone: no test, no level." in capsys.readouterr().out


def test_without_fail_on_and_for_what_is_better_the_exit_code_is_0(write_run, make_grid, capsys):
    before = write_run("before", make_grid(6, n_models=1))
    after = write_run("after", make_grid(6, n_models=1, factors={"relative_error": 1.1}))
    assert cli.main(["compare", str(after), str(before), "--fail-on", "worse"]) == 0
    assert cli.main(["compare", str(before), str(after)]) == 0
    assert "worse" in capsys.readouterr().out


@pytest.mark.parametrize("n_seeds", [6, 10])
@pytest.mark.parametrize("noise", [0.01, 0.1])
def test_twenty_repetitions_of_equal_runs_raise_no_more_alarms_than_the_level(make_grid, n_seeds, noise):
    first, *others = (run_side("a run", {}, make_grid(n_seeds, noise, draw)) for draw in range(21))
    comparisons = [compare(first, again) for again in others]
    assert all(found.n_tests == 64 for found in comparisons)
    assert sum(found.count("worse") + found.count("better") > 0 for found in comparisons) <= 1  # 20 × 0.05
