"""Synthetic runs that look like real ones: two tasks, several models, some jobs gone wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from places import detail, measured

from jslds_bench.records.record import Record, Value
from jslds_bench.records.sealed import write_json
from jslds_bench.records.store import write_record
from jslds_bench.report import write_report

N, T, E = 16, 25, 4
LEVELS = {"jslds": 0.04, "fixed_points": 0.25, "taylor_at_state": 0.1, "persistence": 0.5}
UNITS = {
    "relative_error": ("", "lower"),
    "relative_error_one_step": ("", "lower"),
    "skill": ("", "higher"),
    "skill_one_step": ("", "higher"),
    "nrmse": ("", "lower"),
    "valid_prediction_time": ("steps", "higher"),
    "task_error_network": ("", "lower"),
    "task_error_model": ("", "lower"),
    "fixed_point_recall": ("", "higher"),
    "eigenvalue_error": ("", "lower"),
    "steps_per_second": ("1/s", "higher"),
    "compile_seconds": ("s", "lower"),
    "fit_seconds": ("s", "lower"),
    "network_seconds": ("s", "lower"),
}


def example_arrays(task: str, level: float, seed: int) -> dict[str, np.ndarray]:
    """Arrays of a made-up network and a model that misses its states by about `level`."""
    rng = np.random.default_rng([seed, sum(map(ord, task))])
    memory = task == "nbit_memory"
    n_out = 3 if memory else 1
    u_star = np.zeros(E, dtype=int) if memory else np.arange(E) % 2
    if memory:
        flips = rng.integers(-1, 2, size=(E, T, n_out))
        targets = np.full((E, T, n_out), -1.0)
        for t in range(T):
            before = targets[:, t - 1] if t else targets[:, 0]
            targets[:, t] = np.where(flips[:, t] != 0, flips[:, t], before)
    else:
        targets = np.cumsum(0.2 * rng.normal(size=(E, T, 1)), axis=1)
    w = np.linalg.qr(rng.normal(size=(N, N)))[0]
    shift = (2 * u_star[:, None] - 1) * (0 if memory else 1) * w[:, n_out][None]
    latent = np.zeros((E, T + 1, n_out))
    latent[:, 0] = -0.6 if memory else 0
    for t in range(T):
        latent[:, t + 1] = latent[:, t] + 0.6 * (targets[:, t] - latent[:, t])
    states = latent @ w[:, :n_out].T + shift[:, None] + 0.03 * rng.normal(size=(E, T + 1, N))
    drift = np.cumsum(rng.normal(size=states.shape), axis=1) * level / np.sqrt(T)
    drift[:, 0] = 0
    if memory:
        corners = np.stack(np.meshgrid(*[[-1.0, 1.0]] * 3), -1).reshape(-1, 3)
        fixed, contexts = corners @ w[:, :3].T, np.zeros(8, dtype=int)
    else:
        line = np.linspace(-2, 2, 40)[:, None] @ w[:, :1].T
        fixed = np.concatenate([line - w[:, 1], line + w[:, 1]])
        contexts = np.repeat([0, 1], 40)
    flat = states.reshape(-1, N)
    axes = np.linalg.svd(flat - flat.mean(0), full_matrices=False)[2][:3]
    kinds = np.unique(contexts).size
    radius = np.linspace(1.0, 0.1, N)
    turn = np.exp(1j * np.repeat(rng.uniform(0, 1.2, N // 2), 2) * np.tile([1, -1], N // 2))
    eigenvalues = np.tile(radius * turn, (kinds, 1))
    arrays = {
        "example_inputs": rng.normal(size=(E, T, 6)),
        "example_targets": targets,
        "example_u_star": u_star,
        "example_states": states,
        "example_free_run": states + drift,
        "example_one_step": states[:, 1:] + 0.5 * level * rng.normal(size=(E, T, N)),
        "mask": np.arange(T) >= (5 if memory else 0),
        "readout_w": w[:, :n_out],
        "readout_b": np.zeros(n_out),
        "pca_mean": flat.mean(0),
        "pca_axes": axes,
        "expansion": fixed.repeat(3, 0) + 0.3 * level * rng.normal(size=(3 * len(fixed), N)),
        "expansion_u_star": contexts.repeat(3),
        "model_points": fixed + 0.1 * level * rng.normal(size=fixed.shape),
        "model_points_u_star": contexts,
        "network_points": fixed,
        "network_points_u_star": contexts,
        "network_points_q": np.full(len(fixed), 1e-9),
        "network_points_n_unstable": np.zeros(len(fixed), dtype=int),
        "network_eigenvalues": eigenvalues,
        "trial_values": np.tile(np.linspace(1, 0.3, 6), (T, 1)).astype(np.complex64),
        "eigenvalues": eigenvalues * (1 + 0.2 * level * rng.normal(size=eigenvalues.shape)),
    }
    if not memory:
        arrays |= evidence_arrays(w, fixed[::10], contexts[::10])
    return {k: v.astype(np.float32) if v.dtype == np.float64 else v for k, v in arrays.items()}


def evidence_arrays(w: np.ndarray, points: np.ndarray, contexts: np.ndarray) -> dict[str, np.ndarray]:
    """Systems about some points, and mean paths of 2 × 4 conditions that go with the relevant evidence."""
    n, vectors = len(points), np.tile(w[:, :3].T, (len(points), 1, 1)).astype(np.complex64)
    levels = np.array([[x, y] for x in (-0.04, 0.04) for y in (-0.04, 0.04)])
    evidence, conditions = np.tile(levels, (2, 1)), np.repeat([0, 1], 4)
    relevant = evidence[np.arange(8), conditions]
    run = np.stack([np.outer(x, np.arange(T + 1)) for x in (relevant, *evidence.T)], axis=-1)
    return {
        "systems_e": points,
        "systems_u_star": contexts,
        "systems_values": np.tile(np.linspace(1, 0.1, N), (n, 1)).astype(np.complex64),
        "systems_right": vectors,
        "systems_left": vectors,
        "systems_b": np.tile(w[:, :6], (n, 1, 1)),
        "choice_axes": w[:, :3].T,
        "choice_states": run,
        "choice_run": run,
        "choice_e": run[:, 2::6],
        "choice_evidence": evidence,
        "choice_u_star": conditions,
        "choice_streams": np.array([0, 1]),
        "choice_relevant": np.array([0, 1]),
    }


def make_record(
    task: str = "nbit_memory",
    network: str = "standard",
    model: str = "jslds",
    seed: int = 0,
    *,
    entries: tuple[str, str, str] | None = None,
    status: Any = "ok",
    reason: str | None = None,
    values: dict[str, Value] | None = None,
    level: float | None = None,
    diverged: bool = False,
) -> Record:
    """A record with plausible values; `entries` are the registry names where labels differ from them."""
    names = entries or (task, network, model)
    rng = np.random.default_rng([seed, *map(ord, task + network + model)])
    level = LEVELS.get(names[2], 0.3) if level is None else level
    level *= (0.4 if names[1] == "cotrained" else 1.0) * rng.uniform(0.9, 1.1)
    numbers = {name: level * rng.uniform(0.5, 1.5) for name in UNITS}
    numbers |= {"relative_error": level, "relative_error_one_step": 0.4 * level, "task_error_network": 4e-4}
    numbers |= {"skill": 1 - level, "steps_per_second": 2e5 / level, "fit_seconds": 12 * level}
    made = {name: measured(name, number, *UNITS[name]) for name, number in numbers.items()}
    if names[2] == "persistence":
        made["fixed_point_recall"] = measured(
            "fixed_point_recall", None, "", "higher", "persistence has no fixed points"
        )
    steps = np.arange(1, T + 1)
    free = level * np.sqrt(steps / T) * rng.uniform(0.95, 1.05, T)
    if diverged:
        free = level * 1.8**steps
        free[20:] = np.inf
        made["relative_error"] = measured("relative_error", np.inf, "", "lower")
    series = {"horizon_free_run": free.tolist(), "horizon_one_step": (0.4 * level * np.ones(T)).tolist()}
    bare = status in ("failed", "timeout", "unsupported")
    kinds = zip(("task", "network", "model"), names, strict=True)
    return Record(
        suite="synthetic",
        task=task,
        network=network,
        model=model,
        seed=seed,
        parameters={kind: {"name": name} for kind, name in kinds},
        status=status,
        reason=reason,
        values=(values if values is not None else {} if bare else made),
        series={} if bare else series,
        detail={}
        if bare
        else detail(
            64, 7 if diverged else 0, 2.1e11 + 1e9 * seed, n_trials=64, n_fit_trials=256, u_star_names=[]
        ),
        environment={},
        digest="0" * 16,
        setting="networks",
        origin="synthetic",
    )


def write_meta(run: Path, suite_text: str = "", **changes: Any) -> None:
    """run.json of a finished run."""
    meta = {
        "suite": "synthetic",
        "suite_text": suite_text,
        "environment": {
            "version": "0.1.0", "commit": "0123abcd", "dirty": True, "python": "3.11.9", "jax": "0.10.2",
            "numpy": "2.4.6", "cpu": "a CPU", "cores": 2, "threads": 2, "device": "cpu: cpu",
            "x64": False,
        },
        "started": "2026-01-02T03:04:05.678+00:00",
        "finished": "2026-01-02T03:20:05+00:00",
        "seconds": 960.0,
        "jobs": 48,
    }  # fmt: skip
    write_json(run / "run.json", meta | changes)


SUITE = """schema = 1
name = "synthetic"
seeds = [0, 1, 2]
[[tasks]]
name = "nbit_memory"
[[tasks]]
name = "context_integration"
[[networks]]
name = "standard"
[[networks]]
name = "cotrained"
[[models]]
name = "jslds"
[[models]]
name = "fixed_points"
[[models]]
name = "taylor_at_state"
[[models]]
name = "persistence"
"""


def write_records(run: Path, records: Sequence[Record], suite_text: str = SUITE, **meta: Any) -> Path:
    """A run folder of `records`; those that are ok have arrays."""
    write_meta(run, suite_text, **meta)
    for record in records:
        value = record.values.get("relative_error")
        level = value.value if value and value.value is not None else 0.1
        task = str(record.parameters["task"]["name"])
        arrays = {} if record.status != "ok" else example_arrays(task, min(level, 3.0), record.seed)
        write_record(run, record, arrays)
    return run


def synthetic_records() -> list[Record]:
    """Two tasks × two networks × four models × three seeds, with every kind of ending."""
    records = []
    for task in ("nbit_memory", "context_integration"):
        for network in ("standard", "cotrained"):
            for model in LEVELS:
                for seed in range(3):
                    change: dict[str, Any] = {}
                    if (task, network, model, seed) == ("nbit_memory", "standard", "fixed_points", 2):
                        change = {"diverged": True}
                    if (task, network, model, seed) == (
                        "context_integration",
                        "standard",
                        "taylor_at_state",
                        1,
                    ):
                        change = {"status": "failed", "reason": "LinAlgError: singular matrix"}
                    if (task, network, model, seed) == ("context_integration", "cotrained", "persistence", 0):
                        change = {"status": "timeout", "reason": "took longer than 600 s"}
                    if (task, network, model) == ("context_integration", "standard", "jslds"):
                        change = {"status": "unsupported", "reason": "needs an expansion network"}
                    records.append(make_record(task, network, model, seed, **change))
    return records


@pytest.fixture
def write_run(tmp_path: Path) -> Callable[..., Path]:
    """`write_records` into a fresh folder."""
    return lambda records, suite_text=SUITE, **meta: write_records(
        tmp_path / "run", records, suite_text, **meta
    )


@pytest.fixture(scope="session")
def synthetic_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A large run that tests only read."""
    return write_records(tmp_path_factory.mktemp("synthetic") / "run", synthetic_records())


@pytest.fixture(scope="session")
def report(synthetic_run: Path) -> Path:
    """The page of `synthetic_run`."""
    return write_report(synthetic_run)


@pytest.fixture
def make() -> Callable[..., Record]:
    """A function that makes a record (see `make_record`)."""
    return make_record


@pytest.fixture
def example() -> Callable[..., dict[str, np.ndarray]]:
    """A function that makes a record's arrays (see `example_arrays`)."""
    return example_arrays


@pytest.fixture
def write_named(tmp_path: Path) -> Callable[..., Path]:
    """`write_records` into a folder of that name."""
    return lambda name, records, **meta: write_records(tmp_path / name, records, **meta)
