"""Folders and baselines of earlier versions: reported, exported and compared as ever.

``golden/settings-1`` and ``baseline-1.toml`` were written by version 0.1.0 with schema 1, those that end
in 2, 3 and 4 hold the same with schemas 2, 3 and 4.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from jslds_bench.cli.export import encode
from jslds_bench.compare import compare, read_side
from jslds_bench.records.store import read_record, read_records, record_paths, write_record
from jslds_bench.records.table import COLUMNS, load_run
from jslds_bench.report import build_table, load_data, markdown_table, write_report
from jslds_bench.report.facts import key_lines

GOLDEN = Path(__file__).parent / "golden"
RUNS = [GOLDEN / f"settings-{schema}" for schema in (1, 2, 3, 4)]
BASELINES = [GOLDEN / "baseline-1.toml", GOLDEN / "baseline-2.toml"]


@pytest.mark.parametrize("run", RUNS, ids=["1", "2", "3", "4"])
def test_an_export_holds_what_the_files_hold(run):
    table = load_run(run)
    assert tuple(table.columns) == COLUMNS
    wanted = {}
    for path in record_paths(run):
        body = json.loads(path.read_text())
        for name, value in body["values"].items():
            metric = {"state_accuracy": "mode_accuracy"}.get(name, name)
            wanted[body["task"], body["model"], body["seed"], metric] = value["value"]
    found = {
        (row.task, row.model, row.seed, row.metric): None if pd.isna(row.value) else row.value
        for row in table.itertuples()
    }
    assert found == wanted
    assert "state_accuracy" not in set(table["metric"])


def test_all_schemas_read_as_the_same():
    old, newer, *newest = (list(read_records(run)) for run in RUNS)
    assert old == newer
    assert newest[0] == newest[1]
    assert old == [dataclasses.replace(record, arrays=None) for record in newest[0]]
    assert all(record.arrays is not None for record in newest[0])
    assert {r.task: (r.setting, r.origin) for r in old} == {
        "nascar": ("recordings", "synthetic"),
        "nbit_memory": ("networks", "synthetic"),
        "rotating": ("spikes", "synthetic"),
    }
    exports = [encode(load_run(run), "csv").splitlines() for run in RUNS]
    assert len({tuple(sorted(export)) for export in exports}) == 1


def test_all_schemas_are_reported_alike(tmp_path):
    pages = []
    for run in RUNS:
        shutil.copytree(run, tmp_path / run.name)
        pages.append(write_report(tmp_path / run.name))
    made = [{p.name: p.read_bytes() for p in sorted(page.parent.rglob("*.*g"))} for page in pages]
    assert made[0] == made[1] == made[2] == made[3]
    assert len(made[0]) > 10
    assert len({page.read_bytes() for page in pages}) == 1
    text = pages[0].read_text()
    for said in (
        "Modes of rslds",
        "single-trial rates",
        "Synthetic spikes with planted rotations",
        "EM iteration",
    ):
        assert said in text


def test_an_old_run_has_its_tables_and_leaders():
    data = load_data(RUNS[0])
    assert [line.name for line in key_lines(data)] == [
        "Most mode accuracy", "Least free-run error (model on network)", "Most co-smoothing bits per spike"
    ]  # fmt: skip
    table = build_table(data)
    of = {task: [c.metric for c in table.columns_of(task)] for task in table.tasks}
    assert of["nascar"][:2] == ["mode_accuracy", "mode_eigenvalue_error"]
    assert of["nbit_memory"][:3] == ["relative_error", "relative_error_one_step", "skill"]
    assert of["rotating"][:3] == ["relative_error", "co_bits_per_spike", "bits_per_spike"]
    assert "n/a" in markdown_table(table)


@pytest.mark.parametrize("baseline", BASELINES, ids=["1", "2"])
@pytest.mark.parametrize("run", RUNS, ids=["1", "2", "3", "4"])
def test_baselines_and_runs_of_either_schema_compare(run, baseline):
    found = compare(read_side(baseline), read_side(run))
    assert found.count("worse") == found.count("better") == 0
    assert {row.verdict for row in found.rows if row.metric == "mode_accuracy"} == {"same"}
    assert "state_accuracy" not in {row.metric for row in found.rows}
    assert found.notes == []


def test_a_fall_of_a_renamed_metric_is_still_called(tmp_path):
    run = Path(shutil.copytree(RUNS[0], tmp_path / "run"))
    for path in run.glob("records/nascar/data/rslds/*.json"):
        record = read_record(path)
        value = dataclasses.replace(record.values["mode_accuracy"], value=0.1)
        write_record(run, dataclasses.replace(record, values=record.values | {"mode_accuracy": value}), {})
    verdicts = []
    for baseline in BASELINES:
        found = compare(read_side(baseline), read_side(run), metrics=["mode_accuracy"], rule="tolerance")
        verdicts.append([(row.model, row.verdict) for row in found.rows])
    assert verdicts[0] == verdicts[1] == [("rslds", "worse")]


def test_a_file_of_values_of_schema_1_still_reads(tmp_path):
    text = '[[values]]\ntask = "nascar"\nnetwork = "data"\nmodel = "rslds"\nmetric = "{}"\nvalue = 0.9\n'
    sides = []
    for schema, metric in ((1, "state_accuracy"), (2, "mode_accuracy")):
        path = tmp_path / "published.toml"
        path.write_text(f"schema = {schema}\n" + text.format(metric))
        sides.append(read_side(path))
    assert sides[0] == sides[1]
    assert [row.metric for row in compare(sides[0], read_side(RUNS[0])).rows] == ["mode_accuracy"]
