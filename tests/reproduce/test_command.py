"""`jslds-bench reproduce` as a process of its own, on claims and a suite of a user's."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SUITE = """
schema = 1
name = "tiny"
seeds = [0]
n_trials = 16
[[tasks]]
name = "perturbations"
n_steps = 6
[[networks]]
name = "analytic"
system = "affine"
[[models]]
name = "persistence"
"""
CLAIMS = """
schema = 1
[[claims]]
id = "moves"
says = "a network moves"
place = "nowhere"
suite = "tiny.toml"
task = "perturbations"
[[claims.tests]]
says = "error of staying put"
of = { value = "relative_error", network = "analytic", model = "persistence" }
at_least = 1e-9
because = "It is not at rest all the time."
"""


@pytest.fixture
def place(tmp_path):
    (tmp_path / "tiny.toml").write_text(SUITE)
    (tmp_path / "mine.toml").write_text(CLAIMS)
    return tmp_path


def reproduce(place: Path, *words: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "JSLDS_BENCH_CACHE": str(place / "cache")}
    return subprocess.run(
        [sys.executable, "-P", "-m", "jslds_bench", "reproduce", "--file", "mine.toml", *words],
        cwd=place, env=environment, capture_output=True, text=True, timeout=250, check=False,
    )  # fmt: skip


def test_it_runs_what_claims_need_judges_them_and_goes_on_where_it_was(place):
    done = reproduce(place, "--workers", "1")
    assert done.returncode == 0, done.stderr
    assert "1 reproduced" in done.stdout
    out = place / "reports" / "reproduce"
    card = json.loads((out / "claims.json").read_text())
    assert [claim["verdict"] for claim in card["claims"]] == ["reproduced"]
    assert sorted(card["claims"][0]["tests"][0]["values"]) == ["0", "1", "2"]
    assert (out / "tiny" / "index.html").exists()
    page, records = (out / "index.html").read_bytes(), sorted((out / "tiny").rglob("seed-*.json"))
    written = [record.stat().st_mtime_ns for record in records]
    again = reproduce(place, "--no-run")
    assert again.stdout == done.stdout
    assert (out / "index.html").read_bytes() == page
    assert [record.stat().st_mtime_ns for record in records] == written


def test_an_error_is_one_line_without_a_traceback(place):
    (place / "tiny.toml").unlink()
    done = reproduce(place)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert "no suite file" in done.stderr
