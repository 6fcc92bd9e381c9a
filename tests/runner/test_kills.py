"""Runs that are killed at random moments, they or their workers, come to the same records."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from twins import SUITE, same

from jslds_bench.records.store import read_record, record_paths

N_KILLS = int(os.environ.get("JSLDS_BENCH_KILLS", "40"))
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
MARK = "JSLDS_BENCH_TEST_OF_KILLS"


def command(suite: Path, out: Path) -> list[str]:
    words = ["run", "--suite", str(suite), "--out", str(out), "--quiet", "--workers", "2"]
    return [sys.executable, "-m", "jslds_bench", *words]


def marked(mark: str) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"{MARK}={mark}".encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="processes are found in Linux's process table")
@pytest.mark.timeout(7200)
def test_random_kills_lose_nothing(tmp_path, monkeypatch, heeded):
    suite = tmp_path / "killed.toml"
    suite.write_text(SUITE)
    monkeypatch.setenv(MARK, "of the undisturbed run")
    monkeypatch.setenv("JSLDS_BENCH_CACHE", str(tmp_path / "cache"))
    undisturbed = tmp_path / "undisturbed"
    start = time.monotonic()
    assert subprocess.run(command(suite, undisturbed), stdout=subprocess.DEVNULL).returncode == 0
    usual = time.monotonic() - start
    dice = random.Random(14)
    kills, runs, finished = {"runner": 0, "worker": 0}, 0, 0
    while sum(kills.values()) < N_KILLS:
        # Every other time its networks are not there either.
        out, cache = tmp_path / f"run-{finished}", tmp_path / f"cache-{finished // 2}"
        mark = f"of run {runs}"
        environment = {**os.environ, MARK: mark, "JSLDS_BENCH_CACHE": str(cache)}
        process = subprocess.Popen(
            command(suite, out), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        runs += 1
        victim = ""
        while process.poll() is None and victim != "runner" and sum(kills.values()) < N_KILLS:
            time.sleep(
                dice.uniform(0.5, usual / 2)
            )  # before that Python starts, and says so where it is stopped
            others = [pid for pid in marked(mark) if pid != process.pid]
            victim = dice.choice(["runner", "worker"] if others else ["runner"])
            try:
                if victim == "runner":
                    process.send_signal(dice.choice(SIGNALS))
                else:
                    os.kill(dice.choice(others), signal.SIGKILL)
            except ProcessLookupError:
                continue
            kills[victim] += process.poll() is None or victim == "runner"
        _, complaint = process.communicate(timeout=600)
        for _ in range(100):
            if not (left := marked(mark)):
                break
            time.sleep(0.1)
        assert not left, "processes are left"
        assert b"Traceback" not in complaint, f"after {kills}: {complaint.decode()}"
        for path in record_paths(out):
            read_record(path)
        if process.returncode == 0:
            assert same(out, undisturbed)
            finished += 1
        print(f"{kills} after {(time.monotonic() - start) / 60:.1f} min", flush=True)  # seen with -s
    for number in range(finished + 1):
        out = tmp_path / f"run-{number}"
        if out.exists():
            assert subprocess.run(command(suite, out), stdout=subprocess.DEVNULL).returncode == 0
            assert same(out, undisturbed)
    print(f"{kills} in {runs} runs, {finished} of which came to an end")
