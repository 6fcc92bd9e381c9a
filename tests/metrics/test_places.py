"""Where tables show each metric: as declared, and as records of schema 1 are upgraded."""

from __future__ import annotations

import dataclasses

import pytest

import jslds_bench.metrics  # noqa: F401, importing registers them
from jslds_bench.entries.registry import METRICS
from jslds_bench.records.record import LAST
from jslds_bench.records.upgrade import FAMILIES, RENAMED, from_schema_1
from jslds_bench.types import Evaluated, Evaluation, RecordedEvaluation, SpikeEvaluation, reads

EVALUATIONS = (Evaluation, RecordedEvaluation, SpikeEvaluation)


def upgraded(name: str) -> dict:
    body = {"task": "t", "network": "n", "model": "m", "parameters": {}, "values": {name: {}}}
    return from_schema_1(body)["values"]


SINCE = {
    *("n_systems", "n_systems_effective", "linear_in_state", "linear_in_input", "free_numbers"),
    *("reference_completeness", "eigenvalue_unmatched", "jacobian_error_actual"),
    *("psth_r2_oracle", "few_shot_bits_per_spike"),
    "input_dsa",
    *("frequency_error_null", "regime_error", "regime_error_single"),
    *("relative_error_from_h1", "relative_error_one_step_from_h1", "valid_prediction_time_from_h1"),
}
"""Metrics that schema 1 did not know."""


@pytest.mark.parametrize("name", sorted(set(METRICS.registered()) - SINCE))
def test_old_and_new_records_put_a_metric_in_the_same_place(name):
    entry = METRICS.get(name)
    place = (entry.family, entry.order, getattr(entry, "headline", False))
    assert entry.order < LAST
    assert tuple(upgraded(name)[name].values()) == place


def test_no_two_metrics_share_a_place():
    orders = [METRICS.get(name).order for name in METRICS.registered()]
    assert len(set(orders)) == len(orders)
    assert {METRICS.get(name).family for name in METRICS.registered()} == {*FAMILIES, "complexity"}


def test_a_metric_of_schema_1_has_its_new_name():
    assert RENAMED == {"state_accuracy": "mode_accuracy"}
    assert upgraded("state_accuracy").keys() == {"mode_accuracy"}
    assert upgraded("mine")["mine"] == {"family": "other", "order": LAST, "headline": False}


def test_a_metric_reads_every_kind_of_what_it_names():
    @dataclasses.dataclass(frozen=True)
    class FilmEvaluation(Evaluated):
        frames: int = 0

    assert all(reads(METRICS.get("fit_seconds"), kind) for kind in (*EVALUATIONS, FilmEvaluation))
    assert METRICS.make("fit_seconds", {}).compute(FilmEvaluation(timings={"fit_seconds": 2.0})) == 2.0
    assert [reads(METRICS.get("relative_error"), kind) for kind in EVALUATIONS] == [True, False, True]
    assert [reads(METRICS.get("mode_accuracy"), kind) for kind in EVALUATIONS] == [False, True, False]
    assert [reads(object(), kind) for kind in EVALUATIONS] == [True, False, False]
