"""What a run's folder says that it was asked for: all that was ever asked of it. No job here is run."""

import tomllib
from pathlib import Path

import pytest
from boards import Board

from jslds_bench.records.sealed import read_json, write_json
from jslds_bench.records.store import read_records
from jslds_bench.runner import run_suite
from jslds_bench.suite import Suite, load_suite, parse, select

SUITE = """
schema = 1
name = "refused"
seeds = [0, 1]

[[tasks]]
name = "nascar"

[[tasks]]
name = "lorenz"

[[models]]
name = "persistence"

[[models]]
name = "taylor_at_state"
tasks = ["nascar", "lorenz"]

[[models]]
name = "dmdc"
"""
"""Models of networks on recordings: each job is recorded as unsupported, without a worker."""


@pytest.fixture
def suite(tmp_path) -> Suite:
    (tmp_path / "refused.toml").write_text(SUITE)
    return load_suite(tmp_path / "refused.toml")


def run(suite: Suite, out: Path) -> Suite:
    """What the folder has been asked for after a run of `suite`."""
    n = run_suite(suite, out, progress=Board()).n_unsupported
    about = read_json(out / "run.json", "run")
    assert about["jobs"] == n
    return parse(tomllib.loads(about["suite_text"]), out / "run.json")


def test_a_narrower_run_keeps_what_was_asked_before_in_its_order(suite, tmp_path):
    assert run(suite, tmp_path / "out") == suite
    narrow = select(suite, tasks=["lorenz"], models=["dmdc", "taylor_at_state"], seeds=[1])
    assert run(narrow, tmp_path / "out") == suite
    assert len(list(read_records(tmp_path / "out"))) == 12


def test_a_wider_run_adds_to_it(suite, tmp_path):
    run(select(suite, models=["dmdc"], seeds=[7]), tmp_path / "out")
    asked = run(select(suite, tasks=["lorenz"], seeds=[0, 9]), tmp_path / "out")
    assert asked.seeds == (0, 7, 9)
    assert [task.label for task in asked.tasks] == ["nascar", "lorenz"]
    assert [model.label for model in asked.models] == ["dmdc", "persistence", "taylor_at_state"]
    assert run(suite, tmp_path / "out").seeds == (0, 1, 7, 9)


def test_a_folder_that_does_not_say_what_it_was_asked_is_asked_for_this(suite, tmp_path):
    narrow = select(suite, models=["dmdc"])
    for spoilt in ({}, {"suite_text": "no = toml ="}, {"suite_text": "schema = 99"}):
        write_json(tmp_path / "out" / "run.json", {"suite": "refused", **spoilt})
        assert run(narrow, tmp_path / "out") == narrow
