"""docs/own_network.md: its blocks run in their order, and end in a report and verdicts."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import jslds_bench
from jslds_bench import load_run
from jslds_bench.suite import load_suite

PAGE = Path(__file__).resolve().parents[1] / "docs" / "own_network.md"
PROGRAMS = {"jslds-bench": [sys.executable, "-m", "jslds_bench"], "python": [sys.executable]}


@pytest.mark.timeout(900)
def test_the_page_s_blocks_run_in_their_order(tmp_path, unoptimised):
    package = str(Path(jslds_bench.__file__).parents[1])
    env = {**os.environ, **unoptimised, "PYTHONPATH": package, "JSLDS_BENCH_CACHE": str(tmp_path / "cache")}
    said = {}

    def run(*words: str) -> str:
        command = [*PROGRAMS[words[0]], *words[1:]]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=env, timeout=400)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    for language, text in re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S):
        if language == "sh":
            said |= {line: run(*shlex.split(line)) for line in text.splitlines()}
        else:
            (tmp_path / text.splitlines()[0].removeprefix("# ")).write_text(text, "utf-8")
    _, imported, network, _, task, ran, again, compared = said.values()
    assert imported.startswith("network.npz: cell gru_after, 8 units, 2 inputs, 1 outputs")
    assert network.startswith("checkpoint keeps the contract of a network")
    assert task.startswith("my_trials keeps the contract of a task")
    assert ran.rstrip().endswith("reports/mine/index.html")
    assert again.rstrip().endswith("reports/mine/index.html")
    assert "fixed_points" in compared
    assert "lds" in compared
    rows = load_run(tmp_path / "reports" / "mine")
    assert {*rows.model} == {model.label for model in load_suite(tmp_path / "mine.toml").models}
    assert {*rows.seed} == {*range(6)}
    # the file of the trials is part of what decides the jobs
    plan = ["jslds-bench", "run", "--suite", "mine.toml", "--seeds", "0-5", "--dry-run"]
    assert "24 kept" in (kept := run(*plan)), kept
    (tmp_path / "trials.py").write_text(
        (tmp_path / "trials.py").read_text().replace("default_rng(1)", "default_rng(2)")
    )
    run("python", "trials.py")
    assert "24 to run" in (changed := run(*plan)), changed
