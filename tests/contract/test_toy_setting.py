"""A setting more is three files and its name: a toy one in a copy of the package, from `run` to `check`."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import jslds_bench
from jslds_bench.records.store import record_paths

pytestmark = pytest.mark.slow
ROOT = Path(jslds_bench.__file__).parents[1]
TOY = Path(__file__).with_name("toy")
PLACES = {
    "setting": "settings/toy.py",
    "report": "report/settings/toy.py",
    "contract": "contract/settings/toy.py",
}
NAMES = 'NAMES = ("networks", "recordings", "spikes"'
SUITE = """
schema = 1
name = "toy"
seeds = [0, 1]
plugins = ["entries.py"]

[[tasks]]
name = "toy_task"

[[models]]
name = "toy_model"

[[models]]
name = "persistence"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder to work in, beside a copy of the package with the toy setting."""
    root = tmp_path_factory.mktemp("copy")
    package = root / "jslds_bench"
    shutil.copytree(ROOT / "jslds_bench", package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "suites", root / "suites", ignore=shutil.ignore_patterns("__pycache__"))
    before = {path for path in package.rglob("*") if path.is_file()}
    for file, place in PLACES.items():
        shutil.copy(TOY / f"{file}.py", package / place)
    assert len({path for path in package.rglob("*") if path.is_file()} - before) == len(PLACES)
    names = package / "settings" / "__init__.py"
    text = names.read_text()
    assert text.count(NAMES) == 1
    names.write_text(text.replace(NAMES, f'{NAMES}, "toy"'))
    work = root / "work"
    work.mkdir()
    shutil.copy(TOY / "entries.py", work)
    (work / "toy.toml").write_text(SUITE)
    return work


@pytest.fixture(scope="module")
def cli(folder):
    """A command in that folder: its exit code and what it says."""

    def call(*words: str) -> tuple[int, str]:
        env = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
        env |= {"PYTHONPATH": str(folder.parent), "JSLDS_BENCH_CACHE": str(folder / "cache")}
        command = [sys.executable, "-m", "jslds_bench", *words]
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=env, timeout=250)
        return done.returncode, done.stdout + done.stderr

    return call


@pytest.fixture(scope="module")
def run(cli):
    code, said = cli("run", "--suite", "toy.toml", "--out", "run", "--quiet")
    assert code == 0, said
    return "run"


def test_it_runs(run, folder):
    records = [json.loads(path.read_text()) for path in record_paths(folder / run)]
    status = {(record["model"], record["seed"]): record["status"] for record in records}
    assert status == {
        ("toy_model", 0): "ok",
        ("toy_model", 1): "ok",
        ("persistence", 0): "unsupported",
        ("persistence", 1): "unsupported",
    }
    for record in records:
        assert (record["setting"], record["origin"]) == ("toy", "synthetic")
        if record["status"] == "ok":
            assert record["values"].keys() == {"toy_error", "fit_seconds"}
            assert 0.7 < record["values"]["toy_error"]["value"] < 0.9  # E |noise| = √(2/π)
        else:
            assert record["reason"] == "it describes networks, not sequences"


def test_a_run_that_is_repeated_keeps_its_jobs(run, cli):
    code, said = cli("run", "--suite", "toy.toml", "--out", run, "--dry-run")
    assert code == 0, said
    assert "2 kept" in said.splitlines()[-1], said


def test_it_is_reported(run, cli, folder):
    code, said = cli("report", run)
    assert code == 0, said
    page = (folder / run / "index.html").read_text()
    assert "Models of sequences say what comes next." in page
    assert "Least error of sequences" in page
    assert "The sequences are made up." in page
    figures = {path.name for path in (folder / run).rglob("*.svg")}
    assert any("toy_model+sequence" in name for name in figures), figures


def test_it_is_exported(run, cli):
    code, said = cli("export", run, "--format", "csv")
    assert code == 0, said
    rows = [line.split(",") for line in said.splitlines()]
    at = rows[0].index("metric")
    assert [row[at] for row in rows[1:]].count("toy_error") == 2


def test_it_compares_with_itself(run, cli):
    code, said = cli("compare", run, run, "--fail-on", "worse")
    assert code == 0, said
    assert "toy_error" in said


@pytest.mark.parametrize(("entry", "n_rules"), [("toy_task", 3), ("toy_model", 8), ("toy_error", 4)])
def test_its_entries_are_checked(entry, n_rules, cli):
    code, said = cli("check", entry, "--plugin", "entries.py", "--quiet")
    assert code == 0, said
    assert f"{entry} keeps the contract of a " in said
    assert f"({n_rules} checks)" in said


def test_its_cheats_are_called(cli):
    code, said = cli("check", "toy_cheat", "--plugin", "entries.py", "--quiet")
    assert code == 1
    assert (
        "sequences: unseen trials: it has seen the trials that it is scored on: its median error is 0 on"
        in said
    )


def test_it_is_told_what_serves_it(cli):
    for entry, yes in (("toy_model", "yes"), ("persistence", "no")):
        assert f"Serves sequences: {yes}" in cli("info", entry, "--plugin", "entries.py")[1]
