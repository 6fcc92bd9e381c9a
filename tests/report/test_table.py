"""The results table against pandas, and its text and Markdown forms."""

import math

import numpy as np
import pandas as pd
import pytest

from jslds_bench.records.table import load_run
from jslds_bench.report import build_table, format_table, markdown_table
from jslds_bench.report.data.summary import NETWORK_HEADLINE


def test_numbers_equal_a_pandas_computation(synthetic_run):
    frame = load_run(synthetic_run)
    table = build_table(frame)
    assert [c.metric for c in table.columns] == list(NETWORK_HEADLINE)
    grouped = frame.groupby(["task", "network", "model", "metric"])["value"]
    mean, sd, count = grouped.mean(), grouped.std(ddof=1), grouped.count()
    compared = 0
    for row in table.rows:
        for (task, metric), cell in row.cells.items():
            key = (task, row.network, row.model, metric)
            if key not in mean.index or not math.isfinite(mean[key]):
                assert cell.summary.n_finite == 0 or cell.summary.n_diverged
                continue
            assert cell.summary.mean == pytest.approx(mean[key], rel=1e-12)
            assert cell.summary.n_finite == count[key]
            assert cell.summary.sd == pytest.approx(sd[key], rel=1e-9)
            compared += 1
    assert compared > 60


def test_counts_name_what_became_of_the_others(synthetic_run):
    table = build_table(load_run(synthetic_run))
    counts = {(r.network, r.model): r.counts for r in table.rows}
    assert counts["standard", "jslds"] == {"context_integration": "0/3 (3 unsupported)", "nbit_memory": "3/3"}
    assert counts["standard", "taylor_at_state"]["context_integration"] == "2/3 (1 failed)"
    assert counts["cotrained", "persistence"]["context_integration"] == "2/3 (1 timeout)"


def frame_of(rows):
    columns = ["network", "model", "seed", "metric", "value", "better", "status", "reason"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.assign(suite="s", task="t", unit="")


def test_best_follows_the_metrics_own_direction():
    rows = [
        ("n", model, 0, metric, value, better, "ok", None)
        for model, low, high, free in (("a", 1.0, 1.0, 1.0), ("b", 2.0, 2.0, 2.0))
        for metric, value, better in (("low", low, "lower"), ("high", high, "higher"), ("free", free, "none"))
    ]
    table = build_table(frame_of(rows), ["low", "high", "free"])
    best = {(r.model, m) for r in table.rows for (_, m), cell in r.cells.items() if cell.best}
    assert best == {("a", "low"), ("b", "high")}


def test_best_is_chosen_within_a_network_and_only_among_complete_means():
    rows = [
        ("n", "whole", 0, "e", 2.0, "lower", "ok", None),
        ("n", "whole", 1, "e", 2.0, "lower", "ok", None),
        ("n", "other", 0, "e", 3.0, "lower", "ok", None),
        ("n", "other", 1, "e", 3.0, "lower", "ok", None),
        ("n", "partial", 0, "e", 1.0, "lower", "ok", None),
        ("n", "partial", 1, None, np.nan, None, "failed", "why"),
        ("alone", "partial", 0, "e", 0.5, "lower", "ok", None),
    ]
    table = build_table(frame_of(rows), ["e"])
    assert [(r.network, r.model) for r in table.rows if r.cells["t", "e"].best] == [("n", "whole")]
    partial = next(r for r in table.rows if r.model == "partial" and r.network == "n")
    assert partial.cells["t", "e"].text == "1.00 [1/2]"


def test_nan_with_a_reason_is_absent_and_without_one_is_diverged():
    rows = [
        ("n", "a", 0, "e", np.nan, "lower", "ok", "has no fixed points"),
        ("n", "b", 0, "e", np.nan, "lower", "ok", None),
    ]
    cells = [r.cells["t", "e"].text for r in build_table(frame_of(rows), ["e"]).rows]
    assert cells == ["n/a", "nan (diverged 1/1)"]


def test_text_table(synthetic_run):
    text = format_table(load_run(synthetic_run), ["relative_error", "fit_seconds"])
    lines = text.splitlines()
    assert "relative_error ↓" in text
    assert "fit_seconds ↓ [s]" in text
    assert any(line.startswith("  fixed_points") and "inf (diverged 1/3)" in line for line in lines)
    assert any(line.startswith("  jslds") and "0/3 (3 unsupported)" in line for line in lines)
    assert all(line == line.rstrip() for line in lines)


def test_wide_tables_are_printed_task_by_task(synthetic_run):
    frame = load_run(synthetic_run)
    whole = format_table(frame, ["relative_error"])
    assert whole.count("network · model") == 1
    assert format_table(frame).count("network · model") == 2


def test_control_characters_do_not_reach_the_terminal():
    rows = [("n", "\x1b[31mred", 0, "e", 1.0, "lower", "ok", None)]
    assert "\x1b" not in format_table(frame_of(rows), ["e"])


def test_no_records():
    assert format_table(frame_of([])) == "no records"


def test_markdown_keeps_its_columns_whatever_the_labels():
    rows = [("n", "a|b*<i>", 0, "e", 1.0, "lower", "ok", None), ("n", "c", 0, "e", 2.0, "lower", "ok", None)]
    lines = markdown_table(build_table(frame_of(rows), ["e"])).splitlines()
    assert lines[2] == r"| n | a\|b\*\<i\> | 1/1 | **1.00** |"
    assert all(line.replace(r"\|", "").count("|") == 5 for line in lines)
