"""How long one waits before anything runs: a process each."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path


def environment() -> dict[str, str]:
    """With the very package that this process would import."""
    spec = importlib.util.find_spec("jslds_bench")
    assert spec is not None
    assert spec.origin is not None
    return os.environ | {"PYTHONPATH": str(Path(spec.origin).parents[1])}


def run(*words: str) -> None:
    subprocess.run([sys.executable, *words], env=environment(), check=True, stdout=subprocess.DEVNULL)


class StartUp:
    """Seconds of a fresh process: its help, its import, and a worker that says that it is ready."""

    sample_time, repeat, rounds = 0.0, 5, 1

    def time_help(self) -> None:
        run("-m", "jslds_bench", "--help")

    def time_import(self) -> None:
        run("-c", "import jslds_bench")

    def time_worker_ready(self) -> None:
        run("-c", WORKER)


WORKER = """
import inspect, tempfile
from jslds_bench.runner.pool import Pool
# Earlier revisions, which are timed too, have a folder of programs of their own.
told = "programs" in inspect.signature(Pool).parameters
with tempfile.TemporaryDirectory() as folder, Pool(*[folder] * told) as pool:
    pool.start(0)
    said = [event for _, event in pool.events(120.0)]
assert said and said[0]["event"] == "ready", said
"""
