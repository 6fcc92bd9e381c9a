"""The runner as it is used: real worker processes, killed, crashed, resumed."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import jslds_bench.metrics  # noqa: F401  (registers them)
from jslds_bench.errors import UsageError
from jslds_bench.records.store import read_arrays, read_record, read_records, record_paths
from jslds_bench.records.table import load_run
from jslds_bench.runner import run_suite
from jslds_bench.runner.progress import ProgressBoard
from jslds_bench.runner.run import RunResult, _Run
from jslds_bench.suite import load_suite, resolve
from jslds_bench.types import METRICS

PLUGIN = Path(__file__).with_name("misbehaving.py")


def suite_file(
    folder: Path, models: str = '"persistence"', seeds: str = "[0, 1]", plugin: bool = False
) -> str:
    """A suite of a tiny context task and network."""
    entries = "\n".join(f"[[models]]\nname = {name}" for name in models.split())
    path = folder / "tiny.toml"
    path.write_text(
        f'schema = 1\nname = "tiny"\nseeds = {seeds}\nn_trials = 16\n'
        + (f'plugins = ["{PLUGIN}"]\n' if plugin else "")
        + '[[tasks]]\nname = "context_integration"\nn_steps = 5\n'
        + '[[networks]]\nname = "standard"\nn_state = 6\nn_steps = 3\nrecipe = "paper"\n'
        + entries
    )
    return str(path)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch, unoptimised):
    monkeypatch.setenv("JSLDS_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XLA_FLAGS", unoptimised["XLA_FLAGS"])


@pytest.fixture(scope="module")
def finished(tmp_path_factory, unoptimised) -> Path:
    """The folder of a suite of two models and two seeds, of its run by one worker, and of the run's cache."""
    folder = tmp_path_factory.mktemp("finished")
    suite = suite_file(folder, '"persistence" "fixed_points"')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JSLDS_BENCH_CACHE", str(folder / "cache"))
        patch.setenv("XLA_FLAGS", unoptimised["XLA_FLAGS"])
        assert run(suite, folder / "run", workers=1).n_ok == 4
    return folder


@pytest.fixture
def again(finished, tmp_path) -> Path:
    """A copy of the finished run, with its cache where this test has its own."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    return tmp_path


def without_timings(path: Path) -> dict:
    """A record's content but for what measures time, and for its checksum."""
    body = json.loads(path.read_text())
    del body["checksum"], body["detail"]["timing"], body["environment"]  # the commit may have moved on
    for name in METRICS:
        if METRICS.get(name).timing:
            body["values"].pop(name, None)
    return body


def run(*args, **kwargs):
    return run_suite(*args, progress=ProgressBoard(quiet=True), **kwargs)


def test_the_same_job_twice_gives_the_same_record(finished, tmp_path):
    first = finished / "run"
    second = run(str(finished / "tiny.toml"), tmp_path / "second", workers=2)
    assert second.n_ok == len(record_paths(first)) == 4
    for path in record_paths(first):
        twin = second.path / path.relative_to(first)
        assert without_timings(path) == without_timings(twin)
        ours, theirs = (read_arrays(p, read_record(p)) for p in (path, twin))
        assert ours.keys() == theirs.keys()
        for name in ours:
            np.testing.assert_array_equal(ours[name], theirs[name])


def test_long_groups_are_begun_first(tmp_path):
    plan = resolve(load_suite("synthetic"))
    work = _Run(plan, tmp_path, None, True, ProgressBoard(quiet=True), lambda: True)
    networks = [work.jobs[group[0]].network.label for group in work._groups()]
    assert [name for name, _ in itertools.groupby(networks)] == ["cotrained", "standard", "standard_matched"]


def test_a_resumed_run_keeps_what_was_done_and_does_the_rest(again):
    *kept, lost = record_paths(again / "run")
    stamps, content = [path.stat().st_mtime_ns for path in kept], without_timings(lost)
    lost.unlink()
    resumed = run(str(again / "tiny.toml"), again / "run")
    assert (resumed.n_ok, resumed.n_kept) == (4, 3)
    assert [path.stat().st_mtime_ns for path in kept] == stamps
    assert without_timings(lost)["values"] == content["values"]
    assert read_record(lost).detail["timing"]["network_cached"] is True


def test_a_damaged_record_is_made_anew(again):
    path = record_paths(again / "run")[0]
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 1'))
    assert run(str(again / "tiny.toml"), again / "run").n_kept == 3
    assert read_record(path).seed == 0


def test_failing_models_become_records_and_the_others_go_on(tmp_path):
    names = ("raises", "dies", "explodes", "edits_the_network", "writes_to_trials", "picky", "persistence")
    suite = suite_file(tmp_path, " ".join(f'"{n}"' for n in names), seeds="[0]", plugin=True)
    result = run(suite, tmp_path / "run", workers=1)
    records = {r.model: r for r in read_records(result.path)}
    assert records.keys() == set(names)
    assert (result.n_ok, result.n_failed, result.n_unsupported) == (2, 4, 1)
    assert records["raises"].status == "failed"
    assert records["raises"].reason.startswith("RuntimeError at misbehaving.py:")
    assert "the matrix is singular" in records["raises"].reason
    assert "SIGSEGV" in records["dies"].reason
    assert "changed the frozen network" in records["edits_the_network"].reason
    assert "read-only" in records["writes_to_trials"].reason
    assert records["picky"].status == "unsupported"
    assert records["picky"].reason == "serves nothing of this kind"
    exploded = records["explodes"]
    assert exploded.status == "ok"
    assert exploded.detail["n_diverged"] == exploded.detail["n_trials"] == 16
    assert exploded.values["relative_error"].value == np.inf
    assert "16 of 16" in exploded.values["relative_error"].reason
    assert exploded.values["skill"].value == -np.inf
    frame = load_run(result.path)
    assert set(frame[frame.model == "dies"].status) == {"failed"}


def test_a_job_over_its_time_is_stopped_and_the_rest_goes_on(again):
    """Its network is in the cache, so that nothing else takes long."""
    suite = suite_file(again, '"hangs" "persistence"', seeds="[0]", plugin=True)
    result = run(suite, again / "hanging", timeout=15)
    records = {r.model: r for r in read_records(result.path)}
    assert records["hangs"].status == "timeout"
    assert "15 s" in records["hangs"].reason
    assert records["persistence"].status == "ok"


def test_a_network_that_cannot_be_made_fails_all_its_jobs_with_its_reason(tmp_path):
    path = tmp_path / "suite.toml"
    (tmp_path / "weights.npz").write_bytes(b"no zip")
    path.write_text(
        'schema = 1\nname = "tiny"\nseeds = [0]\n[[tasks]]\nname = "context_integration"\n'
        '[[networks]]\nname = "checkpoint"\npath = "weights.npz"\n[[models]]\nname = "persistence"\n'
    )
    result = run(str(path), tmp_path / "run")
    (record,) = read_records(result.path)
    assert record.status == "failed"
    assert record.reason.startswith("network: ")
    assert "weights.npz" in record.reason


def test_two_runs_do_not_share_a_folder(tmp_path):
    import fcntl

    out = tmp_path / "run"
    out.mkdir()
    with open(out / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UsageError, match="another run is writing"):
            run(suite_file(tmp_path), out)


@pytest.mark.parametrize("taken_away", [False, True])
def test_one_that_waits_has_the_folder_when_the_other_is_done(tmp_path, taken_away):
    """As a part of a run on a cluster, which an earlier one may still work on, and then remove."""
    out, noted = tmp_path / "run", []
    hold = "import fcntl, shutil, sys, time; from pathlib import Path; out = Path(sys.argv[1]); out.mkdir()"
    hold += "; lock = open(out / '.lock', 'w'); fcntl.flock(lock, fcntl.LOCK_EX); print(flush=True)"
    hold += "; input(); time.sleep(0.2)" + ("; shutil.rmtree(out)" if taken_away else "")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}

    class Board(ProgressBoard):
        def note(self, text: str) -> None:
            noted.append(text)
            other.stdin.write("\n")
            other.stdin.flush()

    with subprocess.Popen([sys.executable, "-c", hold, str(out)], **pipes) as other:
        other.stdout.readline()
        suite = suite_file(tmp_path, seeds="[0]")
        result = run_suite(suite, out, wait=60.0, progress=Board(quiet=True))
    assert noted == [f"waiting for another run that is writing to {out}, 60 s at most"]
    assert result.n_ok == len(record_paths(out)) > 0


@pytest.mark.parametrize("wait", [float("nan"), -1.0])
def test_no_less_than_no_time_is_waited(tmp_path, wait):
    with pytest.raises(UsageError, match=r"wait is .* seconds, expected 0 or more"):
        run(suite_file(tmp_path), tmp_path / "run", wait=wait)


def test_a_folder_of_another_suite_or_schema_is_refused(tmp_path):
    out = tmp_path / "run"
    out.mkdir()
    (out / "run.json").write_text('{"schema": 99}')
    with pytest.raises(UsageError, match="schema 99"):
        run(suite_file(tmp_path), out)


def workers_of(pid: int) -> list[int]:
    """Process ids of a process's children."""
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    return [int(word) for word in found.stdout.split()]


@pytest.mark.skipif(sys.platform != "linux", reason="uses Linux's process table")
def test_a_killed_run_leaves_whole_records_and_no_workers_and_resumes(tmp_path):
    suite = suite_file(tmp_path, '"persistence" "taylor_at_state"', seeds="[0, 1, 2, 3]")
    out = tmp_path / "run"
    command = [sys.executable, "-m", "jslds_bench", "run", "--suite", suite, "--out", str(out), "--quiet"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while len(record_paths(out)) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        children = workers_of(process.pid)
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        process.wait()
    done = {path: path.read_bytes() for path in record_paths(out)}
    assert 2 <= len(done) < 8, "the run was to be killed in its middle"
    for path in done:
        read_record(path)
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{child}").exists() for child in children) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert children
    assert not any(Path(f"/proc/{child}").exists() for child in children)
    resumed = run(suite, out)
    assert resumed.n_ok == 8
    assert resumed.n_kept == len(done)
    assert all(path.read_bytes() == content for path, content in done.items())


def test_no_half_written_files_remain(finished):
    names = [name for _, _, files in os.walk(finished / "run") for name in files]
    of_jobs = [f"seed-{seed}.{kind}" for seed in (0, 1) for kind in ("json", "npz")]
    assert sorted(names) == [".lock", "run.json", *sorted(2 * of_jobs)]


def test_a_notebook_shows_counts_and_an_escaped_path():
    made = RunResult(Path("runs/<b>"), n_ok=3, n_failed=1, n_unsupported=0, n_kept=2)._repr_html_()
    assert made == "<p>3 ok, 2 kept, 1 failed; records in <code>runs/&lt;b&gt;</code></p>"
