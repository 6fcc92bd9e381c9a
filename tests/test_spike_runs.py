"""Runs on spikes through the command line: real processes, from the suite to the report's page."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from nwb_files import TRIALS, write_nwb

from jslds_bench.records.table import load_run

TINY = {"n_encoder": 4, "n_generator": 6, "n_factors": 3, "n_steps": 20, "batch": 8, "n_samples": 2}
ENTRIES = {
    "lfads": TINY,
    "lfads_jslds": TINY,
    "smoothing": {"widths_seconds": [0.05], "precisions": [300.0]},
    "psth": {},
    "persistence": {},
}


def suite(folder: Path, task: str) -> Path:
    lines = ["schema = 1", 'name = "tiny_spikes"', "seeds = [0]", "[[tasks]]", task]
    for name, parameters in ENTRIES.items():
        lines += ["[[models]]", f'name = "{name}"', *(f"{k} = {v}" for k, v in parameters.items())]
    path = folder / "tiny_spikes.toml"
    path.write_text("\n".join(lines))
    return path


@pytest.fixture(scope="module")
def run(unoptimised) -> Callable[..., subprocess.CompletedProcess]:
    def run(path: Path, out: Path, *words: str) -> subprocess.CompletedProcess:
        line = [sys.executable, "-m", "jslds_bench", "run", "--suite", str(path), "--out", str(out), *words]
        env = {**os.environ, **unoptimised}
        return subprocess.run(line, env=env, capture_output=True, text=True, timeout=280)

    return run


@pytest.fixture(scope="module")
def synthetic(run, tmp_path_factory):
    """A run of every kind of model on a small set of synthetic spikes."""
    folder = tmp_path_factory.mktemp("spikes")
    sizes = {"n_units": 30, "n_trials": 60, "n_held_out": 24, "n_conditions": 6, "n_steps": 40}
    task = "\n".join(['name = "spiking_rotations"', *(f"{k} = {v}" for k, v in sizes.items())])
    done = run(suite(folder, task), folder / "run")
    return done, folder / "run"


def test_every_model_has_its_record(synthetic):
    done, folder = synthetic
    assert done.returncode == 0, done.stderr
    frame = load_run(folder)
    status = frame.groupby("model").status.first()
    assert status.drop("persistence").eq("ok").all()
    assert status["persistence"] == "unsupported"
    values = frame.pivot_table(index="model", columns="metric", values="value")
    for name in ("lfads", "lfads_jslds", "smoothing", "psth"):
        assert values.loc[name, ["co_bits_per_spike", "rate_r2", "psth_r2", "velocity_r2"]].notna().all()
    assert values.loc["lfads_jslds", ["relative_error", "rate_r2_jslds", "frequency_error"]].notna().all()
    reasons = frame.set_index(["model", "metric"]).reason
    assert "no JSLDS branch" in reasons["smoothing", "rate_r2_jslds"]
    assert "no generator" in reasons["psth", "relative_error"]


def test_the_page_says_what_is_synthetic_and_shows_figure_4(synthetic):
    _, folder = synthetic
    page = (folder / "index.html").read_text()
    assert "Synthetic spikes" in page
    assert "2,296 trials" in page
    drawn = {p.name for p in (folder / "figures").glob("*lfads_jslds*.png")}
    for figure in ("rates", "psths", "jpca", "states", "rotations"):
        assert any(name.endswith(f"+{figure}.png") for name in drawn), figure


def test_the_run_says_how_many_trials_and_units_there_were(synthetic):
    _, folder = synthetic
    (record,) = folder.glob("records/**/lfads/**/*.json")
    detail = json.loads(record.read_text())["detail"]
    expected = {"n_trials": 60, "n_held_out": 24, "n_units": 30, "n_held_out_units": 8}
    assert {k: detail[k] for k in expected} == expected


def test_a_run_on_a_file_without_conditions_says_what_cannot_be_had(run, tmp_path):
    file = tmp_path / "test.nwb"
    bare = [{k: v for k, v in t.items() if k not in ("trial_type", "trial_version")} for t in TRIALS]
    write_nwb(file, trials=bare)
    path = suite(tmp_path, 'name = "mc_maze"')
    done = run(path, tmp_path / "run", "--data", str(file), "--model", "psth", "--model", "smoothing")
    frame = load_run(tmp_path / "run")
    reasons = frame.groupby("model").reason.first()
    assert "no conditions" in reasons["psth"]
    assert frame.groupby("model").status.first()["psth"] == "unsupported"
    assert done.returncode == 0, done.stderr
    assert frame[frame.model == "smoothing"].status.eq("ok").all(), done.stderr
