"""The results table against pandas, and its text and Markdown forms."""

import math

import pytest

from jslds_bench.records.record import Record, Value
from jslds_bench.report import build_table, format_table, load_data, markdown_table
from jslds_bench.report.data.run import run_data
from jslds_bench.report.facts import key_lines

HEADLINE = ["relative_error", "relative_error_one_step", "skill", "task_error_network", "task_error_model"]


def test_numbers_equal_a_pandas_computation(synthetic_run):
    data = load_data(synthetic_run)
    table = build_table(data)
    assert [c.metric for c in table.columns] == HEADLINE
    grouped = data.frame.groupby(["task", "network", "model", "metric"])["value"]
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
    table = build_table(load_data(synthetic_run))
    counts = {(r.network, r.model): r.counts for r in table.rows}
    assert counts["standard", "jslds"] == {"context_integration": "0/3 (3 unsupported)", "nbit_memory": "3/3"}
    assert counts["standard", "taylor_at_state"]["context_integration"] == "2/3 (1 failed)"
    assert counts["cotrained", "persistence"]["context_integration"] == "2/3 (1 timeout)"


def data_of(*rows, **meta):
    """Records of (network, model, seed, values); a value is (number, better); none: the job failed."""
    records = []
    for network, model, seed, values in rows:
        status = ("ok", None) if values else ("failed", "why")
        made = {
            name: v if isinstance(v, Value) else Value(v[0], "", v[1], headline=True)
            for name, v in values.items()
        }
        entries = {"network": {"name": network}}
        records.append(
            Record("s", "t", network, model, seed, entries, *status, made, {}, {}, {}, "0" * 16, "unheard_of")
        )
    return run_data(records, meta)


def test_best_follows_the_metrics_own_direction():
    rows = [
        ("n", model, 0, {"low": (number, "lower"), "high": (number, "higher"), "free": (number, "none")})
        for model, number in (("a", 1.0), ("b", 2.0))
    ]
    table = build_table(data_of(*rows))
    best = {(r.model, m) for r in table.rows for (_, m), cell in r.cells.items() if cell.best}
    assert best == {("a", "low"), ("b", "high")}


def test_best_is_chosen_within_a_network_and_only_among_complete_means():
    rows = [
        *(("n", "whole", seed, {"e": (2.0, "lower")}) for seed in (0, 1)),
        *(("n", "other", seed, {"e": (3.0, "lower")}) for seed in (0, 1)),
        ("n", "partial", 0, {"e": (1.0, "lower")}),
        ("n", "partial", 1, {}),
        ("alone", "partial", 0, {"e": (0.5, "lower")}),
    ]
    table = build_table(data_of(*rows))
    assert [(r.network, r.model) for r in table.rows if r.cells["t", "e"].best] == [("n", "whole")]
    partial = next(r for r in table.rows if r.model == "partial" and r.network == "n")
    assert partial.cells["t", "e"].text == "1.00 [1/2]"


@pytest.mark.parametrize("suite_text", ["", "seeds = [0, 1, 2]", "not = toml = at all"])
def test_seeds_that_a_model_was_not_run_on_count_as_asked(suite_text):
    """A later run in the same folder may name one model and one seed: that is no mean over all."""
    rows = [("n", "lucky", 1, {"e": (1.0, "lower")})]
    for seed in range(3):
        rows += [("n", "a", seed, {"e": (2.0, "lower")}), ("n", "b", seed, {"e": (3.0, "lower")})]
    data = data_of(*rows, suite_text=suite_text)
    cells = {row.model: (row.counts["t"], row.cells["t", "e"]) for row in build_table(data).rows}
    shown = {model: (count, cell.text, cell.best) for model, (count, cell) in cells.items()}
    assert shown["lucky"] == ("1/3", "1.00 [1/3]", False)
    assert shown["a"] == ("3/3", "2.00 ± 0", True)
    assert data.best_models("t", "n", 2) == ["a", "b"]
    (line,) = key_lines(data)
    assert line == ("Best e ↓", "t: a on n: 2.00 ± 0")


def test_an_unfinished_run_has_no_best_yet():
    rows = [("n", model, 0, {"e": (number, "lower")}) for model, number in (("a", 1.0), ("b", 2.0))]
    table = build_table(data_of(*rows, suite_text="seeds = [0, 1]"))
    assert [(r.counts["t"], r.cells["t", "e"].best) for r in table.rows] == [("1/2", False)] * 2


def test_nan_with_a_reason_is_absent_and_without_one_is_diverged():
    absent = Value(None, "", "lower", "has no fixed points")
    cells = build_table(
        data_of(("n", "a", 0, {"e": absent}), ("n", "b", 0, {"e": (math.nan, "lower")})), ["e"]
    )
    assert [r.cells["t", "e"].text for r in cells.rows] == ["n/a", "nan (diverged 1/1)"]


def test_metrics_stand_in_the_order_that_they_declare():
    values = {
        "plain": Value(1.0, "", "lower"),
        "second": Value(1.0, "", "lower", None, "mine", 7),
        "first": Value(1.0, "", "lower", None, "mine", 3, True),
        "another": Value(1.0, "", "lower"),
    }
    data = data_of(("n", "a", 0, values))
    assert [c.metric for c in build_table(data).columns] == ["first"]
    whole = build_table(data, values)
    assert [c.metric for c in whole.columns] == ["first", "second", "another", "plain"]
    assert whole.families("t") == [("mine", 2), ("other", 2)]
    assert [c.metric for c in build_table(data_of(("n", "a", 0, {"plain": values["plain"]}))).columns] == [
        "plain"
    ]


def test_text_table(synthetic_run):
    text = format_table(load_data(synthetic_run), ["relative_error", "fit_seconds"])
    lines = text.splitlines()
    assert "relative_error ↓" in text
    assert "fit_seconds ↓ [s]" in text
    assert any(line.startswith("  fixed_points") and "inf (diverged 1/3)" in line for line in lines)
    assert any(line.startswith("  jslds") and "0/3 (3 unsupported)" in line for line in lines)
    assert all(line == line.rstrip() for line in lines)


def test_wide_tables_are_printed_task_by_task(synthetic_run):
    data = load_data(synthetic_run)
    whole = format_table(data, ["relative_error"])
    assert whole.count("network · model") == 1
    assert format_table(data).count("network · model") == 2


def test_control_characters_do_not_reach_the_terminal():
    assert "\x1b" not in format_table(data_of(("n", "\x1b[31mred", 0, {"e": (1.0, "lower")})))


def test_no_records():
    assert format_table(data_of()) == "no records"


def test_markdown_keeps_its_columns_whatever_the_labels():
    rows = [("n", "a|b*<i>", 0, {"e": (1.0, "lower")}), ("n", "c", 0, {"e": (2.0, "lower")})]
    lines = markdown_table(build_table(data_of(*rows))).splitlines()
    assert lines[2] == r"| n | a\|b\*\<i\> | 1/1 | **1.00** |"
    assert all(line.replace(r"\|", "").count("|") == 5 for line in lines)
