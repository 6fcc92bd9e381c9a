"""Runs of one suite apart, merged, are the run of all; what contradicts is refused, and nothing written."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path

import platformdirs
import pytest
from boards import Board

from jslds_bench.errors import UsageError
from jslds_bench.records.sealed import read_json
from jslds_bench.records.store import read_arrays, read_record, record_paths, write_record
from jslds_bench.runner import cache, run_suite
from jslds_bench.runner.merging import merge
from jslds_bench.suite import load_suite, select

SUITE = """
schema = 1
name = "apart"
seeds = [0, 1, 2, 3]
n_trials = 16
[[tasks]]
name = "perturbations"
n_steps = 5
[[networks]]
name = "analytic"
system = "bistable"
n_state = 2
[[models]]
name = "persistence"
[[models]]
name = "taylor_at_state"
"""


@pytest.fixture(scope="module")
def apart(tmp_path_factory, unoptimised) -> Path:
    """A folder of runs of seeds 0 and 1, of others with one model, with the other, and of all."""
    folder = tmp_path_factory.mktemp("apart")
    (folder / "apart.toml").write_text(SUITE)
    suite = load_suite(str(folder / "apart.toml"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XLA_FLAGS", unoptimised["XLA_FLAGS"])
        for name, chosen in {
            "a": select(suite, seeds=[0, 1]),
            "b": select(suite, models=["persistence"], seeds=[1, 2, 3]),
            "c": select(suite, models=["taylor_at_state"], seeds=[2, 3]),
            "all": suite,
        }.items():
            run_suite(chosen, folder / name, progress=Board())
    return folder


@pytest.fixture
def runs(apart, tmp_path) -> Path:
    """A copy of those runs."""
    shutil.copytree(apart, tmp_path, dirs_exist_ok=True)
    return tmp_path


def changed(path: Path, **changes: object) -> None:
    record = read_record(path)
    write_record(path.parents[4], dataclasses.replace(record, **changes), read_arrays(path, record))


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_networks_of_tests_are_not_kept_with_the_user_s(apart):
    assert not cache.cache_folder().is_relative_to(platformdirs.user_cache_dir("jslds-bench"))


def test_runs_apart_are_the_run_of_all(runs):
    merged = merge([runs / "a", runs / "b", runs / "c"], runs / "merged")
    assert (merged.n_records, merged.n_twice, merged.notes) == (8, 1, ())
    names = [path.relative_to(runs / "all") for path in record_paths(runs / "all")]
    assert [path.relative_to(runs / "merged") for path in record_paths(runs / "merged")] == names
    for name in names:
        path, twin = runs / "merged" / name, runs / "all" / name
        assert read_arrays(path, read_record(path)).keys() == read_arrays(twin, read_record(twin)).keys()
        assert read_record(path).digest == read_record(twin).digest
    ours, theirs = (read_json(runs / name / "run.json", "run") for name in ("merged", "all"))
    assert ours["suite_text"] == theirs["suite_text"]
    assert ours["jobs"] == 8
    assert ours["finished"]
    suite = load_suite(str(runs / "apart.toml"))
    again = run_suite(suite, runs / "merged", progress=Board())
    assert again.n_kept == 8


def test_runs_scored_on_other_numbers_of_trials_are_not_one(runs):
    suite = load_suite(str(runs / "apart.toml"))
    run_suite(dataclasses.replace(select(suite, seeds=[2]), n_trials=8), runs / "other", progress=Board())
    with pytest.raises(UsageError, match=r"other was scored on 8 trials of each task, .*a on 16: "):
        merge([runs / "a", runs / "other"], runs / "merged")
    assert not (runs / "merged").exists()


def test_a_run_can_be_added_to(runs):
    before = files(runs / "b")
    merge([runs / "b", runs / "c"], runs / "a")
    assert len(record_paths(runs / "a")) == 8
    assert files(runs / "b") == before


def test_an_ok_record_is_taken_rather_than_a_failed_one(runs):
    path = runs / "a/records/perturbations/analytic/persistence/seed-1.json"
    changed(path, status="failed", reason="no luck", values={})
    merge([runs / "a", runs / "b"], runs / "merged")
    assert read_record(runs / "merged" / path.relative_to(runs / "a")).status == "ok"


def other_value(runs: Path) -> None:
    path = runs / "a/records/perturbations/analytic/persistence/seed-1.json"
    values = read_record(path).values
    value = dataclasses.replace(values["relative_error"], value=7.0)
    changed(path, values={**values, "relative_error": value})


def other_code(runs: Path) -> None:
    changed(runs / "a/records/perturbations/analytic/persistence/seed-1.json", digest="0" * 32)


def lost_arrays(runs: Path) -> None:
    (runs / "b/records/perturbations/analytic/persistence/seed-2.npz").unlink()


def other_parameters(runs: Path) -> None:
    suite = load_suite(str(runs / "apart.toml"))
    task = dataclasses.replace(suite.tasks[0], parameters={"n_steps": 6})
    shutil.rmtree(runs / "b")
    other = dataclasses.replace(suite, tasks=(task,), seeds=(7,))
    run_suite(other, runs / "b", progress=Board())


def other_suite(runs: Path) -> None:
    suite = dataclasses.replace(load_suite(str(runs / "apart.toml")), name="another", seeds=(7,))
    shutil.rmtree(runs / "b")
    run_suite(suite, runs / "b", progress=Board())


def no_run(runs: Path) -> None:
    (runs / "b/run.json").unlink()


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (other_value, r"seed-1\.json contradict each other in relative_error: 7\.0 and 1\."),
        (other_code, "are of one job, but of different code or parameters"),
        (lost_arrays, r"arrays .*seed-2\.npz are missing"),
        (other_parameters, "have different parameters of task 'perturbations'"),
        (other_suite, "holds a run of suite 'another', .*a one of 'apart': merge runs of one suite"),
        (no_run, r"no run at .*b/run\.json"),
    ],
)
def test_what_contradicts_or_is_damaged_is_refused(runs, spoil, complaint):
    spoil(runs)
    before = files(runs)
    with pytest.raises(UsageError, match=complaint):
        merge([runs / "a", runs / "b"], runs / "merged")
    assert files(runs) == before


def test_the_command_says_what_came_of_it(runs):
    words = [sys.executable, "-m", "jslds_bench", "merge", "a", "b", "c", "--out", "merged"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=runs, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{runs / 'merged'}: 8 records, 1 of them in several folders\n"
    done = subprocess.run([*words[:4], "a", "--out", "merged"], capture_output=True, text=True, cwd=runs)
    assert done.returncode == 3
    assert "got 1 run folder, expected two or more" in done.stderr
