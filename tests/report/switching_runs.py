"""Made-up records of switching models: on a network, and on recorded data whose truth is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from places import detail, measured

from jslds_bench.records.record import Record
from jslds_bench.records.store import write_record

Arrays = dict[str, np.ndarray]


def rotation(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def grid(low: np.ndarray, high: np.ndarray, n: int = 15) -> np.ndarray:
    """A regular grid of n × n points, row-major, [G, 2]."""
    x, y = np.meshgrid(np.linspace(low[0], high[0], n), np.linspace(low[1], high[1], n))
    return np.stack([x.ravel(), y.ravel()], axis=1)


def memory_arrays(n_modes: int = 8, seed: int = 0, reads_state: bool = True) -> Arrays:
    """A network that goes from corner to corner of a skewed cube, and a model with about a mode per corner.

    One mode of few states has its point far away; `reads_state` False: no regions.
    """
    rng = np.random.default_rng(seed)
    corners = np.stack(np.meshgrid(*[[-1.0, 1.0]] * 3), -1).reshape(-1, 3) @ rng.normal(size=(3, 2))
    points = np.concatenate([corners, 1.2 * rng.normal(size=(max(n_modes - 8, 0), 2))])[:n_modes]
    n_trials, n_steps = 4, 26
    wanted = np.repeat(rng.integers(0, min(n_modes, 8), size=(n_trials, 7)), 4, axis=1)[:, :n_steps]
    path = np.zeros((n_trials, n_steps, 2))
    path[:, 0] = 0.1 * rng.normal(size=(n_trials, 2))
    turns = 0.45 * np.stack([rotation(a) for a in rng.uniform(-1.0, 1.0, n_modes)])
    for t in range(1, n_steps):
        z = wanted[:, t]
        path[:, t] = points[z] + np.einsum("nij,nj->ni", turns[z], path[:, t - 1] - points[z])
        path[:, t] += 0.03 * rng.normal(size=(n_trials, 2))
    free = path + 0.08 * np.cumsum(rng.normal(size=path.shape), axis=1) * np.linspace(0, 1, n_steps)[:, None]
    if n_modes > 4:
        points[-1] = (9.0, 2.0)
    low, high = path.min((0, 1)) - 0.5, path.max((0, 1)) + 0.5
    at = grid(low, high)
    flow = np.einsum("zij,zgj->zgi", turns - np.eye(2), at[None] - points[:, None])
    nearest = ((at[:, None] - points) ** 2).sum(-1).argmin(1)
    inside = ((points >= low) & (points <= high)).all(1)
    real = inside & (np.arange(n_modes) % 3 != 2)
    angles = rng.uniform(0.1, 1.0, size=(n_modes, 5))
    radius = rng.uniform(0.2, 1.02, size=(n_modes, 5))
    values = radius * np.exp(1j * angles)
    arrays = {
        "modes_path": path,
        "modes_inferred": wanted,
        "modes_free_path": free,
        "modes_free": np.where(rng.random(wanted.shape) < 0.05, 0, wanted),
        "mode_points": points,
        "mode_real": real,
        "mode_eigenvalues": np.concatenate([values, values.conj()], axis=1),
        "flow_at": at,
        "flow": flow,
    }
    return arrays | ({"flow_mode": nearest} if reads_state else {})


def track_arrays(seed: int = 0, n_modes: int = 4, accuracy: float = 0.98, n_steps: int = 600) -> Arrays:
    """NASCAR: two half-turns and two straights; the model names the modes in another order and errs a little.

    Source of the system: Linderman et al. (2017), section 5.1.
    """
    rng = np.random.default_rng(seed)
    a = np.stack([rotation(np.pi / 24), rotation(np.pi / 48), np.eye(2), np.eye(2)])
    centres = np.array([[2.0, 0.0], [-2.0, 0.0]])
    b = np.concatenate([np.einsum("kij,kj->ki", np.eye(2) - a[:2], centres), [[-0.1, 0.0], [0.25, 0.0]]])

    def pick(x: np.ndarray) -> np.ndarray:
        turn = np.where(x[..., 0] > 2, 0, 1)
        return np.where(np.abs(x[..., 0]) > 2, turn, np.where(x[..., 1] > 0, 2, 3))

    x, modes = np.zeros((2, n_steps, 2)), np.zeros((2, n_steps), dtype=int)
    x[:, 0] = [[0.0, 1.0], [0.0, -1.0]]
    modes[:, 0] = pick(x[:, 0])
    for t in range(1, n_steps):
        modes[:, t] = pick(x[:, t - 1])
        z = modes[:, t]
        x[:, t] = np.einsum("nij,nj->ni", a[z], x[:, t - 1]) + b[z] + 0.01 * rng.normal(size=(2, 2))
    order = rng.permutation(n_modes)
    wrong = rng.random(modes.shape) > accuracy
    inferred = order[np.where(wrong, rng.integers(0, n_modes, modes.shape), modes) % n_modes]
    at = grid(x.min((0, 1)) - 0.5, x.max((0, 1)) + 0.5)
    flow = np.zeros((n_modes, len(at), 2))
    points = np.full((n_modes, 2), np.nan)
    real = np.zeros(n_modes, dtype=bool)
    values = np.ones((n_modes, 2), dtype=complex)
    for k in range(min(n_modes, 4)):
        flow[order[k]] = at @ (a[k] - np.eye(2)).T + b[k]
        values[order[k]] = np.linalg.eigvals(a[k])
        points[order[k]] = centres[k] if k < 2 else (-60.0, 1.0 + k)
    return {
        "modes_path": x,
        "modes_true": modes,
        "modes_inferred": inferred,
        "modes_inferred_path": x + 0.02 * rng.normal(size=x.shape),
        "mode_points": points,
        "mode_real": real,
        "mode_eigenvalues": values,
        "flow_at": at,
        "flow": flow,
        "flow_mode": order[pick(at) % n_modes],
    }


def fit_series(model: str, seed: int = 0) -> dict[str, list[float]]:
    """The objective of a fit, and for switching models a curve of K."""
    rng = np.random.default_rng([seed, *map(ord, model)])
    n, level = int(rng.integers(15, 60)), {"lds": 1.0, "slds": 2.1, "rslds": 2.6}.get(model, 2.0)
    steps = np.arange(n)
    objective = level - 3 * np.exp(-steps / 1.5) - 0.5 * np.exp(-steps / (6 + 6 * rng.random()))
    series = {"objective": objective.tolist()}
    if model == "lds":
        return series
    tried = np.array([1, 2, 4, 6, 8, 12])
    error = 0.6 * np.exp(-tried / 3) + 0.05 + 0.003 * tried + 0.01 * rng.random(6)
    if model == "slds":
        error[-1] = np.inf
    return series | {
        "n_modes_tried": tried.astype(float).tolist(),
        "n_modes_error": error.tolist(),
        "n_modes_chosen": [8.0 if seed else 6.0],
    }


def recorded_record(task: str = "nascar", model: str = "rslds", seed: int = 0, **changes: Any) -> Record:
    """A record of a model fitted to recorded data; LDS knows no modes, Gaussian data no spikes."""
    rng = np.random.default_rng([seed, *map(ord, task + model)])
    level = {"lds": 0.45, "slds": 0.85, "rslds": 0.985}.get(model, 0.8)
    spikes = "poisson" in task
    no_modes = "lds has one mode: there is nothing to compare" if model == "lds" else None
    unknown = "the true modes of lorenz are not linear" if "lorenz" in task else no_modes
    numbers: dict[str, tuple[float | None, str, str, str | None]] = {
        "mode_accuracy": (None if no_modes else level + 0.01 * rng.random(), "", "higher", no_modes),
        "mode_eigenvalue_error": (None if unknown else 0.02 / level**4 * rng.random(), "", "lower", unknown),
        "mode_point_error": (None if unknown else 0.03 / level**4 * rng.random(), "", "lower", unknown),
        "elbo_per_step": (3 * level + 0.1 * rng.random(), "nats", "higher", None),
        "held_out_elbo_per_step": (3 * level - 0.1 * rng.random() - 2, "nats", "higher", None),
        "held_out_bits_per_spike": (0.3 * level, "bits", "higher", None)
        if spikes
        else (None, "bits", "higher", "the emissions are not counts"),
        "forecast_error": (0.5 * (1.1 - level) + 0.01 * rng.random(), "", "lower", None),
        "seconds_per_iteration": (0.15 + 0.05 * rng.random(), "s", "lower", None),
        "fit_seconds": (12.0 + rng.random(), "s", "lower", None),
    }
    fields: dict[str, Any] = {
        "suite": "switching",
        "task": task,
        "network": "data",
        "model": model,
        "seed": seed,
        "parameters": {
            "task": {"name": task.split("_poisson")[0]},
            "network": {"name": "data"},
            "model": {"name": model},
        },
        "status": "ok",
        "reason": None,
        "values": {name: measured(name, *what) for name, what in numbers.items()},
        "series": fit_series(model, seed),
        "detail": detail(8, n_trials=32, n_held_out=8),
        "environment": {},
        "digest": "0" * 16,
        "setting": "recordings",
        "origin": "synthetic",
    }
    return Record(**fields | changes)


def write_recorded(
    run: Path, tasks: tuple[str, ...] = ("nascar", "nascar_poisson", "lorenz"), seeds: int = 3
) -> Path:
    """Records of three models fitted to recorded data, into a run folder that has its run.json."""
    for task in tasks:
        for model in ("lds", "slds", "rslds"):
            for seed in range(seeds):
                arrays = track_arrays(seed, accuracy=0.98 if model == "rslds" else 0.85)
                if model != "rslds":
                    del arrays["flow_mode"]
                if model == "lds":
                    arrays = {k: v for k, v in arrays.items() if k.startswith("modes")}
                    arrays["modes_inferred"] = np.zeros_like(arrays["modes_inferred"])
                write_record(run, recorded_record(task, model, seed), arrays)
    return run
