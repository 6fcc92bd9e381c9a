"""Records of networks that bear every claim of the paper out, made by hand, for tests to break."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from jslds_bench.records.record import Record, Value
from jslds_bench.records.sealed import write_json
from jslds_bench.records.store import write_record

N, T, TRIALS, SEEDS = 24, 25, 8, (0, 1, 2)
CORNERS = np.stack(np.meshgrid(*[[-1.0, 1.0]] * 3, indexing="ij"), -1).reshape(-1, 3)
NETWORKS = ("standard", "cotrained", "from_standard", "rnn_only", "slds_only")
FAR = "from_random"
MODELS = ("fixed_points", "jslds", "fixed_points_actual", "fixed_points_blind", "codebook")
ERRORS = {
    ("nbit_memory", "standard"): {"fixed_points": (0.5, 0.28), "fixed_points_actual": (0.1, 0.1)},
    ("nbit_memory", "cotrained"): {"fixed_points": (0.2, 0.1), "fixed_points_actual": (0.08, 0.05)},
    ("context_integration", "standard"): {"fixed_points": (0.14, 0.05), "fixed_points_actual": (0.12, 0.05)},
    ("context_integration", "cotrained"): {"fixed_points": (0.03, 0.01)},
}
"""(free-run, one-step); all others have 0.01, and 0.009."""

Arrays = dict[str, Any]


def memory(standard: bool, far: bool) -> Arrays:
    """Example trials between eight corners, expanded about them (or, standard, about 27 points of a cube).

    `far`: about points away from all states, by a step that the readout does not see, and slow in more ways.
    """
    rng = np.random.default_rng(0)
    *axes, aside = np.linalg.qr(rng.normal(size=(N, N)))[0][:4]
    axes, away = np.stack(axes), 3.0 * far * aside
    at = rng.integers(0, 8, (TRIALS, T + 1))
    at[:, 5:13] = np.arange(8)  # each is visited
    states = CORNERS[at] @ axes + 0.02 * rng.normal(size=(TRIALS, T + 1, N))
    expansion = CORNERS[at[:, :-1]] @ axes + 0.01 * rng.normal(size=(TRIALS, T, N))
    if standard:
        expansion = rng.integers(-1, 2, (TRIALS, T, 3)) @ axes
    points = (
        np.unique((CORNERS if not standard else expansion.reshape(-1, N) @ axes.T).round(6), axis=0) @ axes
    )
    expansion, points = expansion + away, points + away
    values = np.tile(
        [0.8, 0.7, 0.6] + [0.1] * (N - 3) if standard else [1.01, 0.99, 0.9] + [0.1] * (N - 3), (8, 1)
    )
    if far:
        values[:, 2:5] = 1.0
    inputs = np.zeros((8, N, 6))
    for k, corner in enumerate(CORNERS):
        for bit in range(3):
            inputs[k, :, 2 * bit + (corner[bit] < 0)] = axes[bit]  # the symbol that flips it
        inputs[k] += 0.02 * axes[0][:, None]
    return {
        "example_inputs": np.zeros((TRIALS, T, 6)),
        "example_targets": np.zeros((TRIALS, T, 3)),
        "example_states": states,
        "example_free_run": states,
        "example_one_step": states[:, 1:],
        "example_u_star": np.zeros(TRIALS, int),
        "mask": np.arange(T) >= 5,
        "readout_w": axes.T,
        "readout_b": np.zeros(3),
        "expansion": expansion.reshape(-1, N),
        "expansion_u_star": np.zeros(TRIALS * T, int),
        "model_points": points,
        "model_points_u_star": np.zeros(len(points), int),
        "trial_values": np.ones((T, 6), complex),
        "systems_e": CORNERS @ axes + away,
        "systems_u_star": np.zeros(8, int),
        "systems_values": values.astype(complex),
        "systems_right": np.tile(axes, (8, 1, 1)).astype(complex),
        "systems_left": np.tile(axes, (8, 1, 1)).astype(complex),
        "systems_b": inputs,
    }


def context() -> Arrays:
    """Two lines, one for each context; selection vectors along the relevant input; 72 conditions."""
    rng = np.random.default_rng(1)
    choice, motion, color, apart = np.linalg.qr(rng.normal(size=(N, N)))[0][:4]
    of = np.arange(TRIALS) % 2
    along = np.cumsum(0.2 * rng.normal(size=(TRIALS, T + 1)), axis=1)[..., None] * choice
    states = along + (2 * of - 1)[:, None, None] * apart
    expansion = states[:, 1:] + 0.005 * rng.normal(size=(TRIALS, T, N))
    points = np.concatenate([np.linspace(-3, 3, 120)[:, None] * choice + side * apart for side in (-1, 1)])
    contexts = np.repeat([0, 1], 4)
    line = np.linspace(-1, 1, 4)[:, None] * choice
    left = np.stack([choice + 2 * motion] * 4 + [choice + 2 * color] * 4)
    inputs = np.stack([np.column_stack([motion, color, apart, apart])] * 8)
    levels = np.array([-0.04, -0.02, -0.009, 0.009, 0.02, 0.04])
    evidence = np.tile(np.stack(np.meshgrid(levels, levels, indexing="ij"), -1).reshape(-1, 2), (2, 1))
    conditions = np.repeat([0, 1], 36)
    relevant = evidence[np.arange(72), conditions]
    steps = np.arange(T + 1)
    run = np.stack(
        [relevant[:, None] * steps, *(np.tile(evidence[:, s, None], T + 1) for s in (0, 1))], axis=-1
    )
    return {
        "example_inputs": np.zeros((TRIALS, T, 4)),
        "example_targets": np.zeros((TRIALS, T, 1)),
        "example_states": states,
        "example_free_run": states,
        "example_one_step": states[:, 1:],
        "example_u_star": of,
        "mask": np.ones(T, bool),
        "readout_w": choice[:, None],
        "readout_b": np.zeros(1),
        "expansion": expansion.reshape(-1, N),
        "expansion_u_star": of.repeat(T),
        "model_points": points,
        "model_points_u_star": np.repeat([0, 1], 120),
        "trial_values": np.ones((T, 6), complex),
        "systems_e": np.concatenate([line - apart, line + apart]),
        "systems_u_star": contexts,
        "systems_values": np.tile([0.99] + [0.3] * (N - 1), (8, 1)).astype(complex),
        "systems_right": np.tile(np.stack([choice, motion, color]), (8, 1, 1)).astype(complex),
        "systems_left": np.stack([left, left, left], axis=1).astype(complex),
        "systems_b": inputs,
        "choice_axes": np.stack([choice, motion, color]),
        "choice_states": run,
        "choice_run": run,
        "choice_e": run[:, ::6],
        "choice_evidence": evidence,
        "choice_u_star": conditions,
        "choice_streams": np.array([0, 1]),
        "choice_relevant": np.array([0, 1]),
    }


def values(task: str, network: str, model: str) -> dict[str, float]:
    """Metrics as the claims have them."""
    free, one = ERRORS.get((task, network), {}).get(model, (0.01, 0.009))
    memory = task == "nbit_memory"
    return {
        "relative_error": free,
        "nrmse": (0.9 if network == "standard" else 0.6) if memory else 0.2,
        "relative_error_one_step": one,
        "relative_error_one_step_from_h1": one,
        "relative_error_from_h1": 5 * free if model == "jslds" else free,
        "fixed_point_speed": 0.05 if network == "standard" and model == "jslds" else 1e-5,
        "n_systems_effective": 14.0,
        "task_error_network": 3e-5 if memory else 3e-4,
        "task_error_model": 3e-5 if memory else 3e-4,
    }


def write_networks(folder: Path, change: Any = None, only: Any = None) -> Path:
    """The run of suite `reproduce`; `change(key, arrays, values)` alters a record before it is written.

    `only(key)`: which records are written, into a folder that has the others.
    """
    for task in ("nbit_memory", "context_integration"):
        for network in (*NETWORKS, FAR) if task == "nbit_memory" else NETWORKS:
            arrays = memory(network == "standard", network == FAR) if task == "nbit_memory" else context()
            for model in MODELS:
                for seed in SEEDS:
                    key = task, network, model, seed
                    if only is not None and not only(key):
                        continue
                    own, numbers = {k: np.array(v) for k, v in arrays.items()}, values(task, network, model)
                    if change is not None:
                        change(key, own, numbers)
                    write(folder, "reproduce", *key, numbers, own, "networks")
    return _with_meta(folder, "reproduce")


def write_spikes(folder: Path) -> Path:
    """The run of suite `reproduce_spikes`."""
    for model in ("lfads", "lfads_jslds", "lfads_jslds_identity"):
        for seed in SEEDS:
            numbers = {"relative_error": 0.03, "single_system_spread": 0.01, "single_system_angle": 1.0}
            # The first plane is the nearest to two of them, and can be met by one.
            angles = {
                "spikes_jpca_angles": np.array([[10.0, 20, 80], [80, 30, 80], [80, 80, 39]]),
                "spikes_jpca_frequencies": np.array([2.0, 1.0, -0.5]),
                "spikes_plane_frequencies": np.array([2.2, 0.9, 0.55]),
            }
            write(
                folder,
                "reproduce_spikes",
                "spiking_rotations",
                "data",
                model,
                seed,
                numbers,
                angles,
                "spikes",
            )
    return _with_meta(folder, "reproduce_spikes")


def write(
    folder: Path, suite: str, task: str, network: str, model: str, seed: int,
    numbers: dict[str, float], arrays: Arrays, setting: str,
) -> None:  # fmt: skip
    """One record with its arrays."""
    entries = {"task": task, "network": network, "model": model}
    record = Record(
        suite, task, network, model, seed,
        parameters={kind: {"name": name} for kind, name in entries.items()},
        status="ok", reason=None, values={k: Value(x, "1", "lower") for k, x in numbers.items()},
        series={}, detail={}, environment={}, digest="0" * 16, setting=setting, origin="synthetic",
    )  # fmt: skip
    kinds = {"f": np.float32, "c": np.complex64}
    write_record(folder, record, {k: v.astype(kinds.get(v.dtype.kind, v.dtype)) for k, v in arrays.items()})


def _with_meta(folder: Path, suite: str) -> Path:
    write_json(folder / "run.json", {"suite": suite, "suite_text": "", "environment": {}})
    return folder
