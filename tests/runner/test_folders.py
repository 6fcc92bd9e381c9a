"""Folders that vanish, are full, or hold what belongs elsewhere: nothing is lost without a word."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from boards import Board

from jslds_bench.errors import UsageError
from jslds_bench.records.store import read_record, read_records, record_paths, write_record
from jslds_bench.runner import cache, run_suite
from jslds_bench.suite import Entry, Resolved, Suite, load_suite

SUITE = """
schema = 1
name = "tiny"
seeds = [0, 1]
n_trials = 16
[[tasks]]
name = "context_integration"
n_steps = 5
[[networks]]
name = "standard"
n_state = 6
n_steps = 3
[[models]]
name = "persistence"
[[models]]
name = "taylor_at_state"
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch, unoptimised):
    monkeypatch.setenv("JSLDS_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XLA_FLAGS", unoptimised["XLA_FLAGS"])


@pytest.fixture
def suite(tmp_path) -> str:
    path = tmp_path / "tiny.toml"
    path.write_text(SUITE)
    return str(path)


def values(run: Path) -> dict:
    return {
        record.key: {name: value.value for name, value in record.values.items() if value.family != "timing"}
        for record in read_records(run)
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory, unoptimised):
    folder = tmp_path_factory.mktemp("finished")
    path = folder / "tiny.toml"
    path.write_text(SUITE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JSLDS_BENCH_CACHE", str(folder / "cache"))
        patch.setenv("XLA_FLAGS", unoptimised["XLA_FLAGS"])
        run_suite(str(path), folder / "run", progress=Board())
    return folder


@pytest.fixture
def again(finished, tmp_path) -> Path:
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_records_that_lie_elsewhere_or_lack_their_arrays_are_made_anew(again, finished):
    """A record copied to another seed, one whose arrays are gone, and one whose file is another's."""
    run, board = again / "run", Board()
    first, second, third, fourth = record_paths(run)
    second.write_bytes(first.read_bytes())
    third.with_suffix(".npz").unlink()
    assert run_suite(str(again / "tiny.toml"), run, progress=board).n_kept == 2
    assert values(run) == values(finished / "run")
    missing, copied = sorted(board.notes, key=lambda note: "copied" in note)
    assert re.search("is that of .* seed 0, and was copied here", copied)
    assert missing == f"runs again: the arrays beside {third} are missing"
    assert read_record(fourth).seed == 1


def test_a_network_kept_under_another_key_is_made_anew(again, finished):
    """Seed 1's network in the place of seed 0's has a valid checksum, and is not taken for it."""
    one, two = sorted((again / "cache" / "networks").glob("*.json"))
    for kind in (".json", ".npz"):
        two.with_suffix(kind).write_bytes(one.with_suffix(kind).read_bytes())
    assert cache.load(one.stem) is not None
    assert cache.load(two.stem) is None
    two.write_text("[" * 200_000)
    assert cache.load(two.stem) is None
    run_suite(str(again / "tiny.toml"), again / "other", progress=Board())
    assert values(again / "other") == values(finished / "run")


@pytest.mark.parametrize("kind", ["a file", "full"])
def test_a_cache_that_cannot_be_written_costs_no_job(kind, suite, tmp_path, monkeypatch, finished):
    folder, board = tmp_path / "elsewhere", Board()
    monkeypatch.setenv("JSLDS_BENCH_CACHE", str(folder))
    if kind == "a file":
        folder.touch()
    else:
        folder.mkdir()
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=3", "none", folder], capture_output=True
        )
        if mounted.returncode:
            pytest.skip("a disk can be filled only where one may be mounted")
    try:
        result = run_suite(suite, tmp_path / "run", progress=board)
    finally:
        if kind == "full":
            subprocess.run(["umount", "-l", folder], check=True)
    assert result.n_ok == 4
    assert values(tmp_path / "run") == values(finished / "run")
    assert board.notes
    for note in board.notes:
        assert note.startswith(f"trained networks are not kept: cannot write {folder}")
        assert note.endswith("free some space or name another folder in JSLDS_BENCH_CACHE")
    assert len(board.notes) == len(set(board.notes))


def test_a_full_disk_ends_the_run_with_its_reason_and_leaves_whole_records(suite, tmp_path, finished):
    out = tmp_path / "run"
    out.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", out], capture_output=True
    ).returncode:
        pytest.skip("a disk can be filled only where one may be mounted")
    try:
        with pytest.raises(UsageError, match="No space left on device; free some space or choose another"):
            run_suite(suite, out, workers=1, progress=Board())
        found = values(out)
        assert len(found) < 4
        assert found.items() <= values(finished / "run").items()
        assert not [p for p in out.rglob(".*") if p.name != ".lock"]
    finally:
        subprocess.run(["umount", "-l", out], check=True)


@pytest.mark.parametrize("what", ["folder", "record"])
def test_a_folder_that_is_removed_under_a_run_is_no_success(what, suite, tmp_path):
    """It is made anew by the next record: only the lock tells that it is not the same one."""
    out = tmp_path / "run"
    command = [sys.executable, "-m", "jslds_bench", "run", "--suite", suite, "--out", str(out), "--quiet"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    try:
        deadline = time.monotonic() + 120
        while not record_paths(out) and time.monotonic() < deadline:
            time.sleep(0.01)
        if what == "folder":
            out.rename(tmp_path / "moved")
        else:
            record_paths(out)[0].unlink()
        said = process.communicate(timeout=120)[1]
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 3
    assert re.search(r"was removed, or records in it were, .* [1-4] of 4 are missing; start the run", said)


def test_a_suite_of_an_odd_name_runs_where_its_name_cannot_lead_it(tmp_path, monkeypatch, suite):
    monkeypatch.chdir(tmp_path)
    loaded = load_suite(suite)
    odd = Suite("../../x", (0,), loaded.tasks, loaded.networks, (Entry("persistence", "persistence"),))
    result = run_suite(odd, progress=Board())
    assert result.path == tmp_path / "reports" / "..%2F..%2Fx"
    assert result.n_ok == 1


def test_leftovers_of_a_killed_run_are_swept_by_the_next(again):
    folders = record_paths(again / "run")[0].parent, again / "run"
    leftovers = [folder / ".0123abcd-1-xyz.part" for folder in folders]
    for leftover in leftovers:
        leftover.write_bytes(b"half")
        os.utime(leftover, (0, 0))
    run_suite(str(again / "tiny.toml"), again / "run", progress=Board())
    assert not any(leftover.exists() for leftover in leftovers)


def test_compiled_programs_of_a_killed_run_lie_in_its_folder_and_go_with_the_next(suite, tmp_path):
    out, scratch = tmp_path / "run", tmp_path / "scratch"
    scratch.mkdir()
    command = [sys.executable, "-m", "jslds_bench", "run", "--suite", suite, "--out", str(out), "--quiet"]
    process = subprocess.Popen(command, env={**os.environ, "TMPDIR": str(scratch)}, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while not record_paths(out) and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
    assert [path for path in scratch.iterdir() if "cores" not in path.name] == []
    (left,) = out.glob(".programs-*")
    run_suite(suite, out, progress=Board())
    assert not list(out.glob(".programs-*"))
    assert not left.exists()


def test_records_of_other_code_are_put_aside_before_anything_is_run(again):
    """Of seeds that are run now and of those that are not; finished ones stay, whatever the run comes to."""
    run, path = again / "run", again / "tiny.toml"
    before = values(run)
    changed = path.read_text().replace('name = "taylor_at_state"', 'name = "dmdc"\nlabel = "taylor_at_state"')
    path.write_text(changed.replace("seeds = [0, 1]", "seeds = [1]"))
    board = Board()
    assert run_suite(str(path), run, progress=board).n_kept == 1
    (note,) = (note for note in board.notes if "superseded" in note)
    assert note.startswith(
        "2 records, 1 of them of seeds that are not run now, are by other code, parameters"
    )
    assert {record.key for record in read_records(run)} == {key for key in before if key != LEFT}
    (aside,) = (run / "superseded").iterdir()
    moved = {record.key: record for record in map(read_record, record_paths(aside))}
    assert {key[2:] for key in moved} == {("taylor_at_state", 0), ("taylor_at_state", 1)}
    assert all(file.with_suffix(".npz").exists() for file in record_paths(aside))
    assert {key: record.values["nrmse"].value for key, record in moved.items()} == {
        key: before[key]["nrmse"] for key in moved
    }
    board = Board()
    assert run_suite(str(path), run, progress=board).n_kept == 2
    assert not [note for note in board.notes if "superseded" in note]


def test_failures_of_seeds_that_are_not_run_are_put_aside_with_the_code_that_failed(again):
    """They would rank what has been mended."""
    run, path = again / "run", again / "tiny.toml"
    (old,) = (p for p in record_paths(run) if read_record(p).key == LEFT)
    failed = dataclasses.replace(read_record(old), status="diverged", values={}, digest="of other code")
    write_record(run, failed, {})
    path.write_text(path.read_text().replace("seeds = [0, 1]", "seeds = [1]"))
    assert run_suite(str(path), run, progress=Board()).n_kept == 2
    assert not old.exists()
    (aside,) = (run / "superseded").rglob("seed-0.json")
    assert read_record(aside).status == "diverged"


def test_a_plan_that_is_older_than_the_code_moves_nothing(again, monkeypatch):
    run, path = again / "run", again / "tiny.toml"
    path.write_text(
        path.read_text().replace('name = "taylor_at_state"', 'name = "dmdc"\nlabel = "taylor_at_state"')
    )
    before = {p: p.read_bytes() for p in record_paths(run)}
    monkeypatch.setattr(Resolved, "is_stale", lambda plan: True)
    with pytest.raises(UsageError, match="the code has changed since this run was planned"):
        run_suite(str(path), run, progress=Board())
    assert {p: p.read_bytes() for p in record_paths(run)} == before


LEFT = ("context_integration", "standard", "taylor_at_state", 0)
