"""Runs on recorded data: no network to compare with, so other columns, figures and words."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.text import Text
from switching_runs import recorded_record, write_recorded

from jslds_bench.records.sealed import write_json
from jslds_bench.report import build_table, markdown_table, write_report
from jslds_bench.report.data.run import load_data
from jslds_bench.report.facts import key_lines
from jslds_bench.report.plans.every import plans
from jslds_bench.report.style import theme


@pytest.fixture(scope="module")
def recorded_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on recorded data that tests only read."""
    run = tmp_path_factory.mktemp("recorded") / "run"
    write_json(run / "run.json", {"suite": "switching", "suite_text": ""})
    return write_recorded(run, ("nascar", "lorenz_poisson"), seeds=2)


def test_the_page_speaks_of_recorded_data_alone(write_run):
    run = write_recorded(write_run([], suite_text=""), ("nascar",), seeds=1)
    text = write_report(run).read_text()
    for absent in ("No figure", "relative_error", "Relative error", "Network × model", "Error by step", "h₀"):
        assert absent not in text
    for present in ("Most mode accuracy – nascar: rslds 0.9", "Modes of rslds", "number of modes"):
        assert present in text
    made = {p.stem.removeprefix("nascar+") for p in (run / "figures").glob("*.svg")}
    kinds = ("modes", "mode_eigenvalues", "flow")
    wanted = {f"data+{model}+{kind}" for model in ("slds", "rslds") for kind in kinds}  # lds has but one mode
    assert made == {"headline", "scores", "data+k_curve", "data+objective"} | wanted


def test_scores_show_the_metrics_that_a_task_has_values_of(recorded_run):
    found = {plan.name: plan for plan in plans(load_data(recorded_run))}
    with theme():
        shown = {
            task: {t.get_text() for t in found[f"{task}+scores"].build().findobj(Text)}
            for task in ("nascar", "lorenz_poisson")
        }
    assert {"mode_accuracy ↑", "mode_eigenvalue_error ↓", "seconds_per_iteration ↓ [s]", "n/a"} <= shown[
        "nascar"
    ]
    assert "held_out_bits_per_spike ↑ [bits]" in shown["lorenz_poisson"] - shown["nascar"]
    assert "mode_eigenvalue_error ↓" not in shown["lorenz_poisson"]


def test_inferred_modes_have_the_colours_of_the_true_ones(recorded_run):
    figure = next(p for p in plans(load_data(recorded_run)) if p.name == "nascar+data+rslds+modes")
    with theme():
        left, right = figure.build().axes
    lines = [
        {line.get_color(): len(line.get_xdata()) for line in ax.get_lines() if len(line.get_xdata()) > 2}
        for ax in (left, right)
    ]
    assert lines[0].keys() <= lines[1].keys()
    steps = {color: abs(n - lines[1][color]) / n for color, n in lines[0].items()}
    assert max(steps.values()) < 0.5
    assert "% in the true mode" in "".join(t.get_text() for t in right.figure.texts)


def test_each_task_of_a_table_has_its_own_columns(write_run, make):
    run = write_recorded(write_run([make()], suite_text=""), ("nascar", "lorenz_poisson"), seeds=1)
    table = build_table(load_data(run))
    of = {task: {c.metric for c in table.columns_of(task)} for task in table.tasks}
    networks = {
        "relative_error",
        "relative_error_one_step",
        "skill",
        "task_error_network",
        "task_error_model",
    }
    of_modes = {"mode_eigenvalue_error", "mode_point_error"}
    always = {"mode_accuracy", "forecast_error", "held_out_elbo_per_step", "seconds_per_iteration"}
    assert of["nbit_memory"] == networks
    assert of["nascar"] == always | of_modes
    assert of["lorenz_poisson"] == always | {"held_out_bits_per_spike"}
    widths = {line.count("|") for line in markdown_table(table).splitlines()}
    assert widths == {3 + table.width}
    data = load_data(run)
    most, least = key_lines(data)
    assert least.name == "Least free-run error (model on network)"
    assert least.text.startswith("nbit_memory: jslds on standard: 0.0")
    assert most.text.startswith("lorenz_poisson: rslds 0.9")
    sections = {plan.section for plan in plans(data)}
    assert {s for s in sections if s[0] == "matrix"} == {("matrix", "nbit_memory")}


def test_jobs_that_all_failed_keep_the_columns_of_the_others(write_run):
    run = write_run([recorded_record(), recorded_record("lorenz", status="failed", reason="why", values={})])
    table = build_table(load_data(run))
    assert table.columns_of("lorenz") == table.columns
    assert {cell.summary.reason for (task, _), cell in table.rows[0].cells.items() if task == "lorenz"} == {
        "why"
    }


def test_models_are_chosen_by_mode_accuracy(recorded_run):
    data = load_data(recorded_run)
    assert data.best_models("nascar", "data", 1) == ["rslds"]
    assert data.best_models("nascar", "data", 2) == ["rslds", "slds"]
