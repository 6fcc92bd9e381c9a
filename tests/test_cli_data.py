"""`--data` on the command line: what it says of a file that is there, missing, or something else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from nwb_files import UNITS, write_nwb

import jslds_bench
from jslds_bench.cli import main
from jslds_bench.suite import load_suite, resolve, with_data

SUITE = """
schema = 1
name = "spiking"
seeds = [0]

[[tasks]]
name = "mc_maze"

[[models]]
name = "persistence"
"""


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    (tmp_path / "s.toml").write_text(SUITE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def process(*words):
    env = os.environ | {"PYTHONPATH": str(Path(jslds_bench.__file__).parents[1])}
    line = [sys.executable, "-m", "jslds_bench", *words]
    return subprocess.run(line, env=env, capture_output=True, text=True, timeout=250)


def test_a_run_without_its_file_says_in_one_line_where_there_are_some(here):
    done = process("run", "--suite", "s.toml")
    assert (done.returncode, done.stdout) == (3, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("jslds-bench: mc_maze has no file: it reads one NWB file of MC_Maze")
    assert "dandi download DANDI:000140" in line


def test_a_run_of_the_package_s_own_suite_says_that_its_file_is_missing(here):
    done = process("run", "--suite", "maze", "--data", "nowhere.nwb")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "jslds-bench: --data nowhere.nwb: no such file\n"


def test_models_of_networks_say_before_anything_runs_that_they_do_not_describe_spikes(here, tiny_nwb, capsys):
    assert main(["run", "--suite", "s.toml", "--data", str(tiny_nwb), "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "unsupported: it describes networks, not spikes" in out
    assert ": 1 job: 0 to run, 0 kept, 1 unsupported" in out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--suite", "s.toml", "--data", "."], "--data .: is a folder, name a file"),
        (["--suite", "smoke", "--data", "s.toml"], "--data s.toml: no task of "),
        (["--suite", "s.toml", "--dat", "x.nwb"], "run has no option '--dat'; did you mean '--data'?"),
    ],
)
def test_what_data_cannot_be(here, words, expected, capsys):
    assert main(["run", *words]) == 3
    assert capsys.readouterr().err.startswith(f"jslds-bench: {expected}")


def test_what_is_said_of_the_task(capsys):
    assert main(["info", "mc_maze"]) == 0
    out = capsys.readouterr().out
    assert 'path: text = ""' in out
    assert "Reference: Pei et al. (2021)" in out
    assert main(["check", "mc_maze", "--quiet"]) == 0
    assert "it reads a file that the user names: only its form was checked" in capsys.readouterr().out
    assert main(["info", "persistence"]) == 0
    assert "Serves spikes: no" in capsys.readouterr().out


def test_results_of_a_file_are_not_those_of_what_it_held_before(here):
    path = write_nwb(here / "x.nwb")
    suite = with_data(load_suite("s.toml"), "x.nwb")

    def digest() -> str:
        (job,) = resolve(suite).jobs
        return job.digest

    before = digest()
    assert digest() == before
    write_nwb(path, units=UNITS[::-1])
    assert digest() != before
