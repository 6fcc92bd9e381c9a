"""Made-up records of models of spikes: planted rotations, an RNN that finds them, and baselines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from places import detail, measured

from jslds_bench.analysis.jpca import jpca
from jslds_bench.analysis.planes import complex_planes, plane_angles, random_plane_angles
from jslds_bench.records.record import Record
from jslds_bench.records.store import write_record

Arrays = dict[str, np.ndarray]
PLANTED = (2.0, 1.3, 0.6)
SYNTHETIC = "Synthetic spikes with planted rotations."
BIN, N_BINS, N_UNITS, N_STATES = 0.01, 70, 4, 12
UNITS = {
    "co_bits_per_spike": ("bits", "higher"),
    "bits_per_spike": ("bits", "higher"),
    "rate_r2": ("", "higher"),
    "psth_r2": ("", "higher"),
    "velocity_r2": ("", "higher"),
    "relative_error": ("", "lower"),
    "frequency_error": ("Hz", "lower"),
    "plane_angle": ("°", "lower"),
    "single_system_spread": ("", "lower"),
}
LEVELS = {"lfads_jslds": 0.30, "lfads": 0.29, "lds": 0.22, "smoothing": 0.08}
WITHOUT_GENERATOR = UNITS.keys() - {
    "co_bits_per_spike",
    "bits_per_spike",
    "rate_r2",
    "psth_r2",
    "velocity_r2",
}


def rotation_system(rng: np.random.Generator) -> np.ndarray:
    """Three damped rotations of the planted frequencies, and real modes that die out; x' = A x."""
    blocks = np.diag(np.linspace(0.9, 0.3, N_STATES))
    for i, hertz in enumerate(PLANTED):
        angle = 2 * np.pi * hertz * BIN
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        blocks[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = np.exp(-BIN / (0.5 - 0.1 * i)) * turn
    basis = np.linalg.qr(rng.normal(size=(N_STATES, N_STATES)))[0]
    return basis @ blocks @ basis.T


def spike_arrays(seed: int = 0, n_conditions: int = 27, n_trials: int = 3) -> Arrays:
    """The arrays of an LFADS-JSLDS that has found the planted rotations, nearly."""
    rng = np.random.default_rng(seed)
    a = rotation_system(rng)
    states = np.zeros((n_conditions + n_trials, N_BINS + 1, N_STATES))
    states[:, 0] = rng.normal(size=(len(states), N_STATES))
    for t in range(N_BINS):
        states[:, t + 1] = states[:, t] @ a.T
    loadings = rng.normal(size=(N_STATES, N_UNITS)) * 0.5
    rates = np.exp(states[:, 1:] @ loadings + np.log([4.0, 12.0, 25.0, 2.0]))
    means, trials = states[:n_conditions], states[n_conditions:]
    axes = np.linalg.svd(means.reshape(-1, N_STATES), full_matrices=False)[2][:3].T
    found, own = jpca(means[:, 1:41], BIN), complex_planes(a, 5, BIN)
    noise = 0.002 * rng.normal(size=(200, N_STATES, N_STATES))
    cloud = np.linalg.eigvals(a + noise).astype(complex)
    null = random_plane_angles(N_STATES, 500, rng)[:, 0]
    shown = rates[: min(12, n_conditions)]
    true = rates[n_conditions:]
    linear = trials + 0.05 * np.cumsum(rng.normal(size=trials.shape), axis=1) / 8
    return {
        "spikes_time": -0.25 + BIN * (np.arange(N_BINS) + 0.5),
        "spikes_bin": np.array(BIN),
        "spikes_example_counts": rng.poisson(true * BIN).astype(np.float32),
        "spikes_example_rates": true * np.exp(0.1 * rng.normal(size=(n_trials, 1, N_UNITS))),
        "spikes_example_rates_jslds": true * np.exp(0.12 * rng.normal(size=(n_trials, 1, N_UNITS))),
        "spikes_example_rates_true": true,
        "spikes_example_units": np.array([3, 17, 101, 140]),
        "spikes_psth": shown,
        "spikes_psth_data": shown + rng.normal(size=shown.shape),
        "spikes_jpca_projection": found.projection[..., :4],
        "spikes_jpca_frequencies": found.rotation.frequencies,
        "spikes_jpca_r2": np.array([found.rotation.r2, found.rotation.r2_skew]),
        "spikes_states": trials @ axes,
        "spikes_linear_states": linear @ axes,
        "spikes_expansion_points": 0.05 * rng.normal(size=(n_trials, N_BINS, 3)),
        "spikes_fixed_points": np.zeros((1, 3)),
        "spikes_eigenvalues": np.linalg.eigvals(a).astype(complex),
        "spikes_eigenvalue_cloud": cloud,
        "spikes_plane_frequencies": own.frequencies,
        "spikes_plane_eigenvalues": own.values,
        "spikes_jpca_angles": plane_angles(own.planes, found.planes)[..., 0],
        "spikes_jpca_angles_null": np.percentile(null, [5, 50]),
        "spikes_true_frequencies": np.array(PLANTED),
    }


def arrays_of(model: str, seed: int = 0) -> Arrays:
    """What a model of this name would leave: only a JSLDS has two branches, only some have states."""
    arrays = spike_arrays(seed)
    lacking = {
        "lfads": ("rates_jslds", "linear", "expansion", "eigen", "plane", "angles"),
        "lds": ("rates_jslds", "linear", "expansion", "fixed", "cloud"),
        "smoothing": ("rates_jslds", "states", "expansion", "fixed", "eigen", "plane", "jpca", "frequencies"),
    }.get(model, ())
    return {name: array for name, array in arrays.items() if not any(part in name for part in lacking)}


def spike_record(
    task: str = "spiking_rotations",
    model: str = "lfads_jslds",
    seed: int = 0,
    entry: str = "",
    **changes: Any,
) -> Record:
    """A record of a model of spikes; `entry` is the registry name of the task where its label differs."""
    rng = np.random.default_rng([seed, *map(ord, task + model)])
    level = LEVELS.get(model, 0.2)
    numbers = {name: level * rng.uniform(0.95, 1.05) for name in UNITS} | {"plane_angle": 9 / level}
    values = {name: measured(name, numbers[name], *UNITS[name]) for name in UNITS}
    if model in ("smoothing", "lds"):
        for name in WITHOUT_GENERATOR:
            values[name] = measured(name, None, *UNITS[name], f"{model} has no generator")
    steps = np.arange(40)
    series = {"objective": (60 + 500 * np.exp(-steps / 5) + rng.normal(size=40)).tolist()}
    if model.startswith("lfads"):
        series |= {"kl": (5 * (1 - np.exp(-steps / 9))).tolist(), "reconstruction": series["objective"]}
    fields: dict[str, Any] = {
        "suite": "spikes",
        "task": task,
        "network": "data",
        "model": model,
        "seed": seed,
        "parameters": {
            "task": {"name": entry or task},
            "network": {"name": "data"},
            "model": {"name": model},
        },
        "status": "ok",
        "reason": None,
        "values": values,
        "series": {} if model == "smoothing" else series,
        "detail": detail(24, n_trials=90, n_held_out=24, n_units=N_UNITS, n_held_out_units=1),
        "environment": {},
        "digest": "0" * 16,
        "setting": "spikes",
        "origin": "synthetic",
        "caption": SYNTHETIC if (entry or task) == "spiking_rotations" else "",
    }
    return Record(**fields | changes)


def write_spikes(run: Path, task: str = "spiking_rotations", seeds: int = 2, **changes: Any) -> Path:
    """Records of four models of spikes, into a run folder that has its run.json."""
    for model in LEVELS:
        for seed in range(seeds):
            write_record(run, spike_record(task, model, seed, **changes), arrays_of(model, seed))
    return run
