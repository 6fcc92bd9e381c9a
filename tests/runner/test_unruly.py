"""What code of others does to its process costs its own jobs alone."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from boards import Board
from groups import control_groups

from jslds_bench.errors import UsageError
from jslds_bench.processes import child
from jslds_bench.records.store import read_record, read_records, record_path
from jslds_bench.runner import run_suite
from jslds_bench.runner.planning import Wanted, plan
from jslds_bench.suite import load_suite

UNRULY = Path(__file__).with_name("unruly.py")
SAYS = {
    "raises": "KeyError",
    "leaves": "SystemExit",
    "exits": "it ended the process (exit code 0)",
    "crashes": "it ended the process (signal 11 (SIGSEGV))",
    "hangs": "no answer in 4 s",
    "writes": "it wrote to the conversation of its process",
}
HEAD = """
schema = 1
name = "unruly"
seeds = {seeds}
n_trials = 16
plugins = {plugins}
[[tasks]]
name = "perturbations"
n_steps = 5
[[networks]]
name = "analytic"
system = "bistable"
n_state = 2
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch, unoptimised):
    monkeypatch.setenv("JSLDS_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XLA_FLAGS", unoptimised["XLA_FLAGS"])


def suite_file(folder: Path, *models: str, plugins: tuple[Path, ...] = (UNRULY,), seeds: str = "[0]") -> str:
    """A suite of models: a name, or a name with lines of parameters."""
    path = folder / "unruly.toml"
    tables = "".join(f"[[models]]\nname = {model}\n" for model in models)
    path.write_text(HEAD.format(plugins=[str(file) for file in plugins], seeds=seeds) + tables)
    return str(path)


def run(suite: str, out: Path, **options):
    board = Board()
    result = run_suite(suite, out, progress=board, **options)
    return result, {record.model: record for record in read_records(result.path)}, board.notes


# ----------------------------------------------------------------------------- before the run


def test_what_goes_wrong_when_a_model_is_made_or_asked_is_the_reason_of_its_jobs(tmp_path):
    cases = {(where, way): f"{where}_{way}" for where in ("made", "asked") for way in SAYS}
    models = [f'"when_{w}"\nway = "{way}"\nlabel = "{label}"' for (w, way), label in cases.items()]
    notes: list[str] = []
    suite = load_suite(suite_file(tmp_path, *models, '"persistence"'))
    found = plan(Wanted(suite), patience=4, note=notes.append)
    jobs = {job.key[2]: job for job in found.jobs}
    assert len(jobs) == len(cases) + 1
    assert jobs["persistence"].failure is None
    for (where, way), label in cases.items():
        does = "be made" if where == "made" else "say whether it serves 'perturbations' on 'analytic'"
        assert jobs[label].failure is not None, label
        assert jobs[label].failure.startswith(f"model '{label}' could not {does}: {SAYS[way]}")
    assert found.suite == suite
    assert not found.complaints
    assert not found.is_stale()


@pytest.mark.parametrize("way", SAYS)
def test_what_goes_wrong_when_a_plugin_is_imported_is_the_reason_of_its_jobs(tmp_path, monkeypatch, way):
    monkeypatch.setenv("UNRULY_IMPORT", way)
    suite = load_suite(suite_file(tmp_path, '"when_fitted"', '"persistence"'))
    found = plan(Wanted(suite, models_of=(str(UNRULY),)), patience=4)
    (complaint,) = found.complaints
    assert complaint.startswith(f"plug-in {UNRULY} could not be imported: {SAYS[way]}")
    theirs, ours = found.jobs
    assert theirs.failure == f"model 'when_fitted' is not there: {complaint}"
    assert ours.failure is None


def test_people_are_told_what_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr("jslds_bench.runner.planning._SOON", 1.0)
    suite = load_suite(suite_file(tmp_path, '"when_made"\nway = "hangs"'))
    notes: list[str] = []
    plan(Wanted(suite), patience=4, note=notes.append)
    assert notes == ["waiting for model 'when_made' to be made, 4 s at most"]


def test_a_suite_that_is_wrong_is_refused_by_the_process_that_plans(tmp_path):
    suite = load_suite(suite_file(tmp_path, '"persistance"'))
    with pytest.raises(UsageError, match=r"unruly\.toml: \[\[models\]\] 1: unknown model 'persistance'"):
        plan(Wanted(suite))


def test_a_plan_is_the_same_wherever_it_is_made(tmp_path):
    from jslds_bench.suite import resolve

    other = UNRULY.with_name("misbehaving.py")  # one that this process has not imported
    suite = load_suite(suite_file(tmp_path, '"hangs"', '"picky"', '"persistence"', plugins=(other,)))
    assert plan(Wanted(suite)) == resolve(suite)


def test_a_plan_of_any_length_comes_back(tmp_path, monkeypatch):
    monkeypatch.setattr("jslds_bench.processes.child._LONGEST", 20_000)  # as 64 MB are to 42,000 jobs
    suite = load_suite(suite_file(tmp_path, '"persistence"', '"slow"', seeds=str(list(range(200)))))
    assert len(plan(Wanted(suite)).jobs) == 400


def test_a_run_whose_plugin_ends_the_process_is_told_and_does_the_rest(tmp_path, monkeypatch):
    env = {**os.environ, "UNRULY_IMPORT": "exits"}
    words = ["-m", "jslds_bench", "run", "--suite", suite_file(tmp_path, '"when_made"', '"persistence"')]
    done = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, env=env, timeout=250, cwd=tmp_path
    )
    assert done.returncode == 2, done.stderr
    assert f"{UNRULY} could not be imported: it ended the process (exit code 0)" in done.stderr
    statuses = {record.model: record.status for record in read_records(tmp_path / "reports/unruly")}
    assert statuses == {"when_made": "failed", "persistence": "ok"}


# ----------------------------------------------------------------------------- during the run


def test_a_hung_an_oversized_and_a_crashing_model_among_fifty_cost_three_records(tmp_path):
    good = [f'"persistence"\nlabel = "p{i}"' for i in range(47)]
    bad = ['"when_fitted"\nway = "hangs"\nlabel = "hung"', '"greedy"', '"when_fitted"\nway = "crashes"']
    suite = suite_file(tmp_path, *good[:20], *bad, *good[20:])
    result, records, notes = run(suite, tmp_path / "run", timeout=20, memory=2.5)
    assert (result.n_ok, result.n_failed) == (47, 3)
    assert records["hung"].status == "timeout"
    assert records["hung"].reason == "stopped after 20 s (--timeout)"
    assert records["greedy"].status == "failed"
    assert records["greedy"].reason.startswith("stopped at 2.")
    assert records["greedy"].reason.endswith(" GB of memory (--memory 2.5)")
    assert records["when_fitted"].status == "failed"
    assert records["when_fitted"].reason == ("its worker died: signal 11 (SIGSEGV), as did the one before it")
    assert records["when_fitted"].detail["attempts"] == 2
    assert notes == [
        "perturbations · analytic · when_fitted · 0: its worker died: signal 11 (SIGSEGV); tried once more"
    ]


def test_without_control_groups_memory_is_watched(tmp_path, monkeypatch):
    monkeypatch.setattr(child, "control_group", lambda most: None)
    _, records, _ = run(suite_file(tmp_path, '"greedy"'), tmp_path / "run", workers=1, memory=2)
    assert records["greedy"].reason.startswith("stopped at 2.")
    assert records["greedy"].reason.endswith(" GB of memory (--memory 2)")


@control_groups
def test_in_a_control_group_the_job_whose_child_takes_too_much_is_to_blame_and_no_other(tmp_path):
    suite = suite_file(tmp_path, '"hider"', '"slow"', '"persistence"')
    result, records, _ = run(suite, tmp_path / "run", workers=1, memory=2)
    assert records["hider"].reason == "stopped at 2.00 GB of memory (--memory 2)"
    assert "attempts" not in records["hider"].detail
    assert {name: record.status for name, record in records.items()} == {
        "hider": "failed",
        "slow": "ok",
        "persistence": "ok",
    }
    assert (result.n_ok, result.n_failed) == (2, 1)


@control_groups
def test_what_the_kernel_ends_while_its_job_goes_on_ends_the_job(tmp_path):
    suite = suite_file(tmp_path, '"hider"\nthen = 60.0')
    start = time.monotonic()
    _, records, _ = run(suite, tmp_path / "run", workers=1, memory=2)
    assert records["hider"].reason == "stopped at 2.00 GB of memory (--memory 2)"
    assert time.monotonic() - start < 60


def test_an_unlucky_job_is_tried_once_more_and_its_record_says_so(tmp_path):
    suite = suite_file(
        tmp_path,
        f'"unlucky"\nmark = "{tmp_path / "mark"}"',
        '"when_fitted"\nway = "leaves"',
        '"ravenous"',
        '"threaded"',
    )
    result, records, _ = run(suite, tmp_path / "run", workers=1, memory=4)
    assert records["unlucky"].status == "ok"
    assert records["unlucky"].detail["attempts"] == 2
    assert records["when_fitted"].reason.startswith("SystemExit at unruly.py:")
    assert records["ravenous"].reason.startswith("MemoryError at ")
    assert records["threaded"].status == "ok"
    assert not any("attempts" in records[name].detail for name in ("when_fitted", "ravenous", "threaded"))
    assert (result.n_ok, result.n_failed) == (2, 2)


ODD = """
import dataclasses
from typing import Any, ClassVar
import jax.numpy as jnp
from jslds_bench.models.persistence import Persistence, Still
from jslds_bench.types import METRICS, MODELS

@METRICS.register("odd_of_itself")
@dataclasses.dataclass(frozen=True)
class OddOfItself:
    unit: ClassVar[str] = "1"
    better: ClassVar[str] = "lower"
    headline: ClassVar[int] = 1  # no bool: every reader would refuse the record

    def compute(self, evaluation: Any) -> float:
        return 0.0

class Fitted(Still):
    def fitted_to(self) -> Any:
        return {"trials": jnp.zeros(3)}

@MODELS.register("odd_fitted_to")
@dataclasses.dataclass(frozen=True)
class OddFittedTo(Persistence):
    def fit(self, *args: Any, **kwargs: Any) -> Any:
        return Fitted()
"""


def test_what_no_reader_would_take_is_not_kept(tmp_path):
    plugin = tmp_path / "odd.py"
    plugin.write_text(ODD)
    path = Path(suite_file(tmp_path, '"persistence"', '"odd_fitted_to"', plugins=(plugin,)))
    text = path.read_text()
    for metrics, expected in (
        ('["odd_of_itself"]', {"persistence": "values.odd_of_itself", "odd_fitted_to": ""}),
        ('["relative_error"]', {"persistence": None, "odd_fitted_to": ""}),
    ):
        path.write_text(text.replace("n_trials = 16", f"n_trials = 16\nmetrics = {metrics}"))
        _, records, _ = run(str(path), tmp_path / "run", workers=1)
        for model, part in expected.items():
            assert records[model].status == ("ok" if part is None else "failed")
            if part is not None:
                assert records[model].reason.startswith(f"what it says cannot be kept: {part}")
                assert "attempts" not in records[model].detail


def test_workers_that_all_die_before_they_begin_end_the_run(tmp_path):
    """Each job would have two of them otherwise, however many there are."""
    plugin = tmp_path / "deadly.py"
    plugin.write_text('import os, sys\nif "jslds_bench.runner.worker" in sys.modules:\n    os._exit(3)\n')
    suite = suite_file(tmp_path, '"persistence"', '"dmdc"', plugins=(plugin,), seeds="[0, 1, 2, 3, 4]")
    with pytest.raises(
        UsageError, match=r"^4 workers, one after the other, died .* \(its worker died: exit code 3"
    ):
        run_suite(suite, tmp_path / "run", workers=2, progress=Board())


def runs(pid: int) -> bool:
    """Whether the process is there, and no zombie that nobody waits for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="children are found in Linux's process table")
def test_what_a_model_starts_ends_with_its_worker(tmp_path):
    mark = tmp_path / "mark"
    suite = suite_file(tmp_path, f'"parent"\nmark = "{mark}"', '"persistence"')
    start = time.monotonic()
    _, records, _ = run(suite, tmp_path / "run", workers=1)
    assert time.monotonic() - start < 120  # neither waits for the child that holds the pipe
    assert records["parent"].reason == "its worker died: exit code 0, as did the one before it"
    assert records["persistence"].status == "ok"
    children = [int(word) for word in mark.read_text().split()]
    assert len(children) == 2
    assert not any(map(runs, children))


def test_words_on_the_pipe_cost_their_writer(tmp_path):
    suite = suite_file(
        tmp_path, '"persistence"', '"when_fitted"\nway = "writes"', '"persistence"\nlabel = "b"'
    )
    _, records, _ = run(suite, tmp_path / "run", workers=1)
    assert records["when_fitted"].status == "failed"
    assert records["when_fitted"].reason.startswith("it wrote to the conversation of its worker: ")
    assert {records["persistence"].status, records["b"].status} == {"ok"}


def test_a_model_that_stops_in_the_silence_costs_its_neighbour_nothing(tmp_path):
    """Both workers stop there, one after the other; what the first does next is halted for 15 s of its 15."""
    suite = suite_file(tmp_path, '"stops_in_silence"', '"slow"\nseconds = 3.0', seeds="[0, 1]")
    result, _, _ = run(suite, tmp_path / "run", workers=2, timeout=15)
    statuses = [(record.model, record.status) for record in read_records(result.path)]
    assert sorted(statuses) == 2 * [("slow", "ok")] + 2 * [("stops_in_silence", "timeout")]


def test_threads_are_of_each_worker(tmp_path):
    if (cores := len(os.sched_getaffinity(0))) < 2:
        pytest.skip("there is one core")
    suite = suite_file(tmp_path, '"persistence"')
    out = tmp_path / "run"
    run(suite, out, threads=2)
    record = read_record(record_path(out, ("perturbations", "analytic", "persistence", 0)))
    assert record.environment["threads"] == 2
    with pytest.raises(UsageError, match=rf"threads is 99, expected 1 to {cores}"):
        run(suite, out, threads=99)
    with pytest.raises(UsageError, match="memory is -1 GB, expected more than 0"):
        run(suite, out, memory=-1)
