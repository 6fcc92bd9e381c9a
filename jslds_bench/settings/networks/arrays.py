"""What the report draws from, of one evaluation: series and arrays, small enough to keep beside each record.

`report.settings.networks` has their names and shapes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jslds_bench.dynamics.once import once
from jslds_bench.dynamics.spectrum import eigenvalues
from jslds_bench.metrics.complexity import effective_number
from jslds_bench.metrics.fixed_points import precision_and_recall
from jslds_bench.metrics.states import relative_errors
from jslds_bench.settings.networks.calls import local_at, on_model
from jslds_bench.settings.networks.evaluation import N_SAMPLES, context_of
from jslds_bench.settings.networks.portrait import along_trial, evidence, in_blocks, systems
from jslds_bench.settings.settling import settled
from jslds_bench.types.core import Linearization, Network
from jslds_bench.types.modes import Switching
from jslds_bench.types.networks import Evaluation

N_EXAMPLES = 8
N_POINTS = 500  # of a model's points are kept, per u*


def series(model: Linearization, evaluation: Evaluation) -> dict[str, list[float]]:
    """Sequences for figures: relative error at each step, precision and recall against ε, a fit's course."""
    true = evaluation.states[:, 1:]
    out = {
        "horizon_free_run": relative_errors(evaluation.free_run[:, 1:], true).mean(axis=0).tolist(),
        "horizon_one_step": relative_errors(evaluation.one_step, true).mean(axis=0).tolist(),
    }
    countable = all(len(r.points) and r.completeness is not None for r in evaluation.reference)
    if evaluation.found is not None and countable:
        out["epsilon"] = epsilons = np.geomspace(1e-3, 1, 13).tolist()
        precision, recall = precision_and_recall(evaluation, *epsilons)
        out["precision_by_epsilon"], out["recall_by_epsilon"] = precision, recall
    if evaluation.in_force is not None:
        out["systems_apart"] = list(evaluation.in_force.apart)
        out["n_systems_effective_by_apart"] = [effective_number(x) for x in evaluation.in_force.labels]
    if isinstance(model, Switching):
        out |= model.fit_series()
    return out


def figure_arrays(
    task: Any, network: Network, model: Linearization, evaluation: Evaluation
) -> dict[str, np.ndarray]:
    """The arrays that the report draws from (`report.settings.networks` has their names and shapes)."""
    trials, few = evaluation.trials, slice(0, N_EXAMPLES)
    mean, axes = once(_principal_axes, evaluation.states)
    contexts = context_of(evaluation.u_stars, trials.u_star[few])
    out = {
        "example_inputs": trials.inputs[few],
        "example_targets": trials.targets[few],
        "example_u_star": contexts,
        "example_states": evaluation.states[few],
        "example_free_run": evaluation.free_run[few],
        "example_one_step": evaluation.one_step[few],
        "mask": trials.mask,
        "readout_w": evaluation.readout.w,
        "readout_b": evaluation.readout.b,
        "pca_mean": mean,
        "pca_axes": axes,
    }
    reference = evaluation.reference
    out |= _labelled("network_points", [r.points for r in reference])
    out["network_points_q"] = np.concatenate([r.q for r in reference])
    out["network_points_n_unstable"] = np.concatenate([r.n_unstable for r in reference])
    if evaluation.found is not None:
        out |= _labelled(
            "model_points", [points[:: -(-len(points) // N_POINTS)] for points in evaluation.found]
        )
    if evaluation.local is not None and evaluation.local_e is not None:
        at = evaluation.free_run[few, :-1]
        stars = np.broadcast_to(trials.u_star[few, None], (*at.shape[:2], trials.u_star.shape[-1]))
        flat = [x.reshape(-1, x.shape[-1]) for x in (at, trials.inputs[few], stars)]
        out["expansion"] = e = in_blocks(on_model(local_at, model), tuple(flat), N_SAMPLES).e
        out["expansion_u_star"] = of_u_star = np.repeat(contexts, at.shape[1])
        late = settled(trials.mask, len(at))
        there = (flat[0][late], flat[1][late], flat[2][late])
        kept = systems(model, there, e[late], of_u_star[late], N_SAMPLES)
        out |= kept | evidence(task, network, model, evaluation, kept)
        if kept:
            first = slice(0, at.shape[1])
            out |= along_trial(model, (flat[0][first], flat[1][first], flat[2][first]), N_SAMPLES)
        out |= _example_spectra(evaluation, evaluation.local, evaluation.local_e)
    if isinstance(model, Switching):
        out |= _mode_arrays(network, model, evaluation, mean, axes[:2])
    return {name: small(array) for name, array in out.items()}


def _mode_arrays(
    network: Network, model: Switching, evaluation: Evaluation, mean: np.ndarray, axes: np.ndarray
) -> dict[str, np.ndarray]:
    """States and modes of the example trials, and each mode's flow under the first u*, in a plane of axes.

    Modes are asked for of all trials, as the evaluation has: for a few they would be compiled again.
    """
    few, u_star = slice(0, N_EXAMPLES), evaluation.u_stars[0]

    def plane(h: Any) -> np.ndarray:
        return (np.asarray(h) - mean) @ axes.T

    inputs = evaluation.trials.inputs
    points = model.mode_points(u_star)
    at = grid(plane(evaluation.states[:, 1:]))
    ahead, chosen = model.by_mode(mean + at @ axes, u_star)
    out = {
        "modes_path": plane(evaluation.states[few, 1:]),
        "modes_inferred": model.smoothed_modes(evaluation.states, inputs)[few],
        "modes_free_path": plane(evaluation.free_run[few, 1:]),
        "modes_free": np.argmax(model.free_modes(network.h0, inputs)[few], axis=-1),
        "mode_points": plane(points.points),
        "mode_real": points.real,
        "mode_eigenvalues": points.eigenvalues,
        "flow_at": at,
        "flow": plane(ahead) - at,
    }
    return out if chosen is None else {**out, "flow_mode": chosen}


def grid(points: np.ndarray, n: int = 15) -> np.ndarray:
    """n × n points of a plane, row by row, over the box of `points` and a tenth more on each side."""
    low, high = points.reshape(-1, 2).min(axis=0), points.reshape(-1, 2).max(axis=0)
    sides = [np.linspace(a - 0.1 * (b - a), b + 0.1 * (b - a), n) for a, b in zip(low, high, strict=True)]
    return np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, 2)


def _example_spectra(evaluation: Evaluation, a: Any, e: Any) -> dict[str, np.ndarray]:
    """Eigenvalues of the model's A at one sample per u*, and of the network's nearest fixed point."""
    model, network = [], []
    for k, reference in enumerate(evaluation.reference):
        chosen = np.flatnonzero(evaluation.sample_u_star == k)
        if not len(chosen) or not len(reference.points) or not np.isfinite(a[chosen[0]]).all():
            return {}
        model.append(eigenvalues(a[chosen[0]]))
        gaps = np.linalg.norm(reference.points - e[chosen[0]], axis=-1)
        network.append(reference.eigenvalues[np.argmin(gaps)])
    return {"eigenvalues": np.array(model), "network_eigenvalues": np.array(network)}


def _principal_axes(states: np.ndarray, n: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Mean and first principal axes of the visited states, [N] and [n, N], each axis with a fixed sign.

    At least two axes, so that a scalar network can be drawn in a plane: its second is 0.
    """
    flat = states[:, 1:].reshape(-1, states.shape[-1]).astype(np.float64)
    mean = flat.mean(axis=0)
    _, vectors = np.linalg.eigh(np.atleast_2d(np.cov((flat - mean).T)))
    axes = vectors[:, ::-1][:, :n].T
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1)
    axes = axes * np.sign(largest)
    return mean, np.pad(axes, ((0, max(0, 2 - len(axes))), (0, 0)))


def _labelled(name: str, sets: list[Any]) -> dict[str, np.ndarray]:
    labels = np.repeat(np.arange(len(sets)), [len(points) for points in sets])
    return {name: np.concatenate(sets), f"{name}_u_star": labels}


def small(array: np.ndarray) -> np.ndarray:
    """float64 as float32, complex128 as complex64: figures need no more."""
    kinds = {"f": np.float32, "c": np.complex64}
    return array.astype(kinds.get(array.dtype.kind, array.dtype))
