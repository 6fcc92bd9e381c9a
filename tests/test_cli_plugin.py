"""`jslds-bench run --plugin`: a method of one's own beside a suite's, and what dry runs say of it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import jslds_bench
from jslds_bench.cli import main
from jslds_bench.records.store import read_records
from jslds_bench.suite import registries

PLUGIN = '''
import dataclasses
from typing import Literal

from jslds_bench.models.persistence import Persistence
from jslds_bench.types import MODELS


@MODELS.register("my_method")
@dataclasses.dataclass(frozen=True)
class MyMethod(Persistence):
    """Trained by a recipe, it says."""

    recipe: Literal["fast", "paper"] = "fast"


@MODELS.register("my_other")
@dataclasses.dataclass(frozen=True)
class MyOther(Persistence):
    """Nobody chooses it."""
'''
SUITE = """
schema = 1
name = "tiny"
seeds = [0]
n_trials = 8

[[tasks]]
name = "perturbations"
n_steps = 4

[[networks]]
name = "analytic"
system = "bistable"
n_state = 2

[[models]]
name = "persistence"

[[models]]
name = "jslds"
"""
RUN = ["run", "--suite", "tiny.toml", "--plugin", "mine/my_method.py", "--out", "out"]


@pytest.fixture(scope="module")
def here(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("mine")
    (folder / "mine").mkdir()
    (folder / "mine" / "my_method.py").write_text(PLUGIN)
    (folder / "tiny.toml").write_text(SUITE)
    return folder


@pytest.fixture(scope="module")
def command(here, unoptimised) -> Callable[..., subprocess.CompletedProcess[str]]:
    package = str(Path(jslds_bench.__file__).parents[1])
    env = {**os.environ, **unoptimised, "PYTHONPATH": package, "JSLDS_BENCH_CACHE": "cache"}

    def command(*words: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "jslds_bench", *words]
        return subprocess.run(line, cwd=here, env=env, capture_output=True, text=True, timeout=250)

    return command


@pytest.fixture(scope="module")
def own_entries():
    """What the plug-in registers in this process is forgotten when this module's tests are done."""
    with pytest.MonkeyPatch.context() as patch:
        for registry in registries().values():
            patch.setattr(registry, "_entries", dict(registry._entries))
        yield


@pytest.fixture
def dry_run(here, own_entries, unoptimised, monkeypatch, capsys):
    """Words → what would be done by (model, seed), and the last line; a dry run starts no process."""
    monkeypatch.chdir(here)
    monkeypatch.setenv("JSLDS_BENCH_CACHE", "cache")
    monkeypatch.setenv("XLA_FLAGS", unoptimised["XLA_FLAGS"])  # as of the run: networks are kept by them

    def dry_run(*words: str) -> tuple[dict[tuple[str, int], str], str]:
        assert main([*words, "--dry-run"]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        _, *rows, _, last = out.splitlines()
        cells = [row.split(maxsplit=4) for row in rows]
        assert len(cells) == len({(c[2], c[3]) for c in cells})  # no job twice
        return {(c[2], int(c[3])): c[4] for c in cells}, last

    return dry_run


@pytest.fixture(scope="module")
def finished(command) -> subprocess.CompletedProcess[str]:
    """A run of the plug-in's one model and one of the suite's."""
    chosen = ["--model", "my_method", "--model", "persistence", "--recipe", "paper"]
    return command(*RUN, *chosen, "--workers", "1")


def test_the_chosen_models_of_suite_and_plug_in_are_run_and_no_others(finished, here):
    assert finished.returncode == 0, finished.stderr
    records = {record.model: record for record in read_records(here / "out")}
    assert {model: record.status for model, record in records.items()} == {
        "my_method": "ok",
        "persistence": "ok",
    }
    assert records["my_method"].values["skill"] == records["persistence"].values["skill"]
    assert records["my_method"].parameters["model"] == {"name": "my_method", "recipe": "paper"}


def test_a_dry_run_tells_what_is_kept_and_which_networks_are_there(finished, dry_run):
    found, last = dry_run(*RUN, "--seeds", "0-1", "--recipe", "paper")
    new = "to run, network to be made"
    assert found == {
        ("persistence", 0): "kept",
        ("jslds", 0): "to run, network cached",
        ("my_method", 0): "kept",
        ("my_other", 0): "to run, network cached",
        **{(model, 1): new for model in ("persistence", "jslds", "my_method", "my_other")},
    }
    assert last == "tiny: 8 jobs: 6 to run, 2 kept, 0 unsupported; nothing was run"
    found, last = dry_run(*RUN, "--no-resume", "--model", "persistence", "--model", "my_method")
    assert found == {("persistence", 0): new, ("my_method", 0): new}
    assert last == "tiny: 2 jobs: 2 to run, 0 kept, 0 unsupported; nothing was run"
    # By another recipe it is another job, and the suite's own are as they were.
    found, _ = dry_run(*RUN)
    assert (found["my_method", 0], found["persistence", 0]) == ("to run, network cached", "kept")


def test_models_that_the_suite_names_are_not_added_twice(here, dry_run):
    named = SUITE + '\n[[models]]\nname = "my_method"\nlabel = "mine"\nrecipe = "paper"\n'
    (here / "named.toml").write_text(f'plugins = ["mine/my_method.py"]\n{named}')
    found, last = dry_run(*RUN, "--suite", "named.toml", "--out", "elsewhere")
    assert {model for model, _ in found} == {"persistence", "jslds", "mine", "my_other"}
    assert last.startswith("tiny: 4 jobs: 4 to run")


def test_progress_says_whether_the_network_is_made_or_read(finished, here, command):
    assert "perturbations · analytic · making the network · seed 0" in finished.stderr
    again = command(*RUN, "--model", "my_other", "--workers", "1")
    assert again.returncode == 0, again.stderr
    assert "perturbations · analytic · reading the network · seed 0" in again.stderr
    assert "making the network" not in again.stderr
    assert {record.model for record in read_records(here / "out")} == {"my_method", "persistence", "my_other"}
