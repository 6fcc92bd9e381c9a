"""Means over seeds: what is shown, and what is never hidden."""

import dataclasses
import math

import numpy as np
import pytest
from spike_runs import spike_record
from switching_runs import recorded_record

from jslds_bench.records.numbers import counted, number
from jslds_bench.report.data.run import load_data
from jslds_bench.report.data.summary import summarise
from jslds_bench.report.facts import facts, failures


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.04674, "0.0467"),
        (0.1, "0.100"),
        (12.345, "12.3"),
        (1234.5, "1,234"),
        (0.0, "0"),
        (4.1e-4, "4.10e-4"),
        (2.1e11, "2.10e11"),
        (-0.5, "-0.500"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (math.nan, "nan"),
    ],
)
def test_numbers_have_three_digits(value, text):
    assert number(value) == text


@pytest.mark.parametrize(("n", "text"), [(0, "0 jobs"), (1, "1 job"), (2, "2 jobs"), (None, "None jobs")])
def test_one_is_no_plural(n, text):
    assert counted(n, "job") == text


def test_mean_and_sample_deviation():
    values = [0.1, 0.2, 0.4]
    summary = summarise(values, 3)
    assert summary.mean == pytest.approx(np.mean(values))
    assert summary.sd == pytest.approx(np.std(values, ddof=1))
    assert summary.text == "0.233 ± 0.153"
    assert summary.complete


def test_a_deviation_too_small_for_the_places_of_its_mean_is_not_shown_as_zero():
    assert summarise([0.5, 0.5000001], 2).text == "0.500 ± 7.1e-8"


def test_one_seed_has_no_deviation():
    assert summarise([0.25], 1).text == "0.250"


def test_a_mean_over_a_subset_says_so():
    summary = summarise([0.1, 0.3], 3)
    assert summary.text == "0.200 ± 0.141 [2/3]"
    assert not summary.complete


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([0.1, math.inf, 0.1], "inf (diverged 1/3)"),
        ([0.1, -math.inf], "-inf (diverged 1/3)"),
        ([math.nan, 0.1], "nan (diverged 1/3)"),
        ([math.inf, math.nan, 1.0], "nan (diverged 2/3)"),
    ],
)
def test_divergence_is_counted_and_never_averaged_away(values, text):
    assert summarise(values, 3).text == text


def test_nothing_is_not_zero():
    summary = summarise([], 3, "persistence has no fixed points")
    assert summary.text == "n/a"
    assert summary.reason == "persistence has no fixed points"


def test_records_of_several_commits_and_machines_are_told_apart(write_run, make):
    records, commits = [make(seed=seed) for seed in (0, 1, 2)], "aba"
    assert "records differ in" not in dict(facts(load_data(write_run(records))))
    records = [
        dataclasses.replace(r, environment={**r.environment, "commit": commits[r.seed], "cpu": "x"})
        for r in records
    ]
    assert dict(facts(load_data(write_run(records))))["records differ in"] == "commit (a 2×, b 1×)"


def test_trials_that_diverged_are_counted_among_those_that_were_scored(write_run, make):
    """Of data, trials that were fitted to are others; records of earlier versions do not tell them apart."""
    made = [make(), spike_record(), recorded_record()]
    lost = [dataclasses.replace(r, detail={**r.detail, "n_diverged": 3}) for r in made]
    old = {"n_trials": 40, "n_diverged": 3}
    lost.append(dataclasses.replace(make(model="persistence"), detail=old))
    told = {f.model: f.reason for f in failures(load_data(write_run(lost)))}
    assert told == {
        "jslds": "3 of 64 trials diverged when running freely",
        "lfads_jslds": "3 of 24 trials diverged when running freely",
        "rslds": "3 of 8 trials diverged when running freely",
        "persistence": "3 of 40 trials diverged when running freely",
    }
