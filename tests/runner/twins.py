"""A suite of small jobs, and whether two runs of it came to the same, to the last bit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from jslds_bench.records.record import is_time
from jslds_bench.records.store import read_arrays, read_record, record_paths

SUITE = """
schema = 1
name = "twins"
seeds = [0, 1, 2, 3, 4, 5]
n_trials = 16
[[tasks]]
name = "context_integration"
n_steps = 5
[[networks]]
name = "standard"
n_state = 6
n_steps = 3
recipe = "paper"
[[models]]
name = "persistence"
[[models]]
name = "taylor_at_state"
[[models]]
name = "jslds"
n_steps = 3
"""
N_JOBS = 18


def content(path: Path) -> dict:
    """A record but for what measures time and how often it was tried."""
    body = json.loads(path.read_text())
    del body["checksum"], body["arrays"], body["detail"]["timing"]
    body["detail"].pop("attempts", None)
    body["values"] = {k: v for k, v in body["values"].items() if not is_time(v["unit"])}
    return body


def same(run: Path, other: Path, n: int = N_JOBS) -> bool:
    """Whether both runs have the same `n` records and arrays."""
    for path in record_paths(run):
        twin = other / path.relative_to(run)
        ours, theirs = (read_arrays(p, read_record(p)) for p in (path, twin))
        if content(path) != content(twin) or ours.keys() != theirs.keys():
            return False
        if not all(np.array_equal(ours[name], theirs[name], equal_nan=True) for name in ours):
            return False
    return len(record_paths(run)) == len(record_paths(other)) == n
