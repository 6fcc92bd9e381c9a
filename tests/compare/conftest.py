"""Sides and runs made from numbers."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jslds_bench.compare.sides import Metric, Results, Side
from jslds_bench.compare.tolerance import Tolerance
from jslds_bench.records.provenance import fingerprint
from jslds_bench.records.record import Record, Value
from jslds_bench.records.sealed import write_json
from jslds_bench.records.store import write_record

METRICS = {
    "relative_error": ("1", "lower"),
    "skill": ("1", "higher"),
    "steps_per_second": ("steps/s", "higher"),
    "fit_seconds": ("s", "lower"),
}
MACHINE = {"machine": "x86_64", "cpu": "a CPU", "cores": 2, "threads": 2, "device": "cpu: cpu"}
LEVELS = {"relative_error": 0.2, "skill": 0.9, "steps_per_second": 2e5, "fit_seconds": 3.0}


def side(
    values: Mapping[str, Any],
    model: str = "jslds",
    tolerance: Tolerance | None = None,
    machine: Mapping[str, Any] = MACHINE,
    **changes: Any,
) -> Side:
    """One group with `values`: metric → a number per seed (None: no value)."""
    results = Results(dict.fromkeys(range(max(map(len, values.values()), default=0)), ("ok", "")))
    metrics = {}
    for name, numbers in values.items():
        metrics[name] = Metric(*METRICS[name], tolerance)
        results.values[name] = {
            s: Value(x, *METRICS[name], None if x is not None else "no reason") for s, x in enumerate(numbers)
        }
    made = Side(
        "s", "run", "suite", {("t", "n", model): results}, metrics, {fingerprint(machine): dict(machine)}
    )
    return dataclasses.replace(made, **changes)


def grid(
    n_seeds: int = 3,
    noise: float = 0.0,
    draw: int = 0,
    factors: Mapping[str, float] | None = None,
    n_models: int = 4,
    sample: Callable[[np.random.Generator], float] = lambda rng: rng.normal(),
) -> list[Record]:
    """Records of two tasks, two networks and `n_models` models whose seeds differ by a factor of three.

    `noise` times a `sample` is what a repetition moves each logarithm by; `factors` multiply metrics.
    """
    of_seed = np.random.default_rng(0).uniform(1, 3, size=n_seeds)
    rng = np.random.default_rng([draw, 1])
    records = []
    for task in ("memory", "context"):
        for network in ("standard", "cotrained"):
            for m in range(n_models):
                for seed in range(n_seeds):
                    values = {}
                    for name, (unit, better) in METRICS.items():
                        level = LEVELS[name] * (m + 1) * of_seed[seed] * (factors or {}).get(name, 1.0)
                        values[name] = Value(float(level * np.exp(noise * sample(rng))), unit, better)
                    records.append(record(task, network, f"model_{m}", seed, values))
    return records


def record(
    task: str, network: str, model: str, seed: int, values: Mapping[str, Value], **changes: Any
) -> Record:
    made = Record(
        "made", task, network, model, seed, {}, "ok", None, dict(values), {},
        {"timing": {"gemm_flops": 2e11}}, dict(MACHINE), "0" * 16, "networks",
    )  # fmt: skip
    return dataclasses.replace(made, **changes)


def write(
    run: Path, records: list[Record], suite: str = "made", machine: Mapping[str, Any] = MACHINE
) -> Path:
    write_json(run / "run.json", {"suite": suite, "environment": dict(machine), "started": "now"})
    for one in records:
        write_record(run, one, {})
    return run


@pytest.fixture
def make_side() -> Callable[..., Side]:
    return side


@pytest.fixture(scope="session")
def make_grid() -> Callable[..., list[Record]]:
    return grid


@pytest.fixture
def write_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Writes records as the run folder of that name."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # most of the time of writing many small files
    return lambda name, records, **more: write(tmp_path / name, records, **more)
