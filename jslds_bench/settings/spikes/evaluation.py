"""One model fitted to spikes: everything that its metrics and figures read, as host arrays.

Pure of files and clocks, like `recordings.evaluation`. The trials of a (task, seed) are drawn here, the same
for all; on trials that it is scored on a model is shown the held-in units alone.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import scipy

from jslds_bench.analysis.jpca import jpca
from jslds_bench.analysis.planes import complex_planes, plane_angles, random_plane_angles
from jslds_bench.analysis.spikes import PSTH_SECONDS, condition_means
from jslds_bench.dynamics.spectrum import eigenvalues
from jslds_bench.errors import UsageError
from jslds_bench.settings.draws import purpose_key, read_only
from jslds_bench.settings.networks.arrays import small
from jslds_bench.types.spikes import Inferred, SpikeEvaluation, SpikeModel, SpikeTrials

N_SAMPLES = 64
"""States of held-out trials at which linear systems are asked for."""
N_DECODED = 432
"""Fit trials that velocity is regressed on, the same for all models: inference of thousands takes minutes."""
N_EXAMPLES, N_UNITS, N_CONDITIONS = 4, 6, 12  # that figures show
N_PLANES = 5
"""Complex pairs that are compared with jPC planes. Reference: Smith et al. (2021), figure 4F."""
N_JPCA = 6
N_NULL = 500


def shown(trials: SpikeTrials) -> SpikeTrials:
    """What a model may see of trials to fit to: all but the truth about their origin."""
    return dataclasses.replace(trials, rates=None, rotations=None, regimes=None)


def evaluate_spikes(model: SpikeModel, fit: SpikeTrials, held_out: SpikeTrials, seed: int) -> SpikeEvaluation:
    """`model` on the trials that it was fitted to and on others, from their held-in units."""
    some = _some(fit)
    inferred_fit, inferred = (_infer(model, trials, seed) for trials in (some, held_out))
    systems = sampled = None
    if inferred.visited is not None:
        flat = inferred.visited.reshape(-1, inferred.visited.shape[-1])
        chosen = np.random.default_rng(seed).choice(len(flat), min(N_SAMPLES, len(flat)), replace=False)
        systems = model.systems(flat[chosen])
        sampled = np.stack(np.unravel_index(chosen, inferred.visited.shape[:2]), axis=1)
    return SpikeEvaluation(some, held_out, inferred_fit, inferred, systems, model.loadings(), sampled)


def _some(trials: SpikeTrials) -> SpikeTrials:
    """At most `N_DECODED` of the trials, the same ones for every model."""
    n = len(trials.counts)
    chosen = np.sort(np.random.default_rng(0).choice(n, min(n, N_DECODED), replace=False))
    of_trials = ("counts", "conditions", "rates", "velocity")
    arrays = {k: read_only(v[chosen]) for k in of_trials if (v := getattr(trials, k)) is not None}
    if trials.regimes is not None:
        arrays["regimes"] = trials.regimes._replace(at=read_only(trials.regimes.at[chosen]))
    return SpikeTrials(**{**vars(trials), **arrays})


def _infer(model: SpikeModel, trials: SpikeTrials, seed: int) -> Inferred:
    """What it makes of arrays of their own, of the units that it may see."""
    held_in, conditions = read_only((trials.held_in, trials.conditions))
    return model.infer(held_in, conditions, purpose_key(seed, "inference"))


def spike_arrays(model: SpikeModel, evaluation: SpikeEvaluation) -> dict[str, np.ndarray]:
    """The arrays that the report draws figure 4 of the paper from."""
    trials, inferred = evaluation.held_out, evaluation.inferred
    hz = 1 / trials.bin_seconds
    units = _sample_units(trials)
    few = slice(0, N_EXAMPLES)
    out: dict[str, Any] = {
        "spikes_time": trials.start + (np.arange(trials.counts.shape[1]) + 0.5) * trials.bin_seconds,
        "spikes_bin": np.array(trials.bin_seconds),
        "spikes_example_counts": trials.counts[few][..., units],
        "spikes_example_rates": hz * inferred.rates[few][..., units],
        "spikes_example_units": units,
    }
    if inferred.jslds_rates is not None:
        out["spikes_example_rates_jslds"] = hz * inferred.jslds_rates[few][..., units]
    if trials.rates is not None:
        out["spikes_example_rates_true"] = hz * trials.rates[few][..., units]
    if trials.rotations is not None:
        out["spikes_true_frequencies"] = trials.rotations.frequencies
    if trials.conditions is not None:
        n = len(np.unique(trials.conditions))
        shown = np.linspace(0, n, min(N_CONDITIONS, n), endpoint=False).astype(int)
        smoothed = scipy.ndimage.gaussian_filter1d(trials.counts, PSTH_SECONDS * hz, axis=1, mode="nearest")
        for name, rates in (("spikes_psth", inferred.rates), ("spikes_psth_data", smoothed)):
            out[name] = hz * condition_means(rates, trials.conditions)[shown][..., units]
    if inferred.states is not None:
        out |= _trajectories(model, inferred)
    if evaluation.systems is not None and np.isfinite(evaluation.systems).all():
        out |= _spectra(evaluation)
    return {name: small(np.asarray(array)) for name, array in out.items()}


def _sample_units(trials: SpikeTrials) -> np.ndarray:
    """Units spread over the ranks of activity among the busier half, held-in and held-out alike."""
    order = np.argsort(-trials.counts.sum(axis=(0, 1)), kind="stable")
    half = order[: max(1, len(order) // 2)]
    return half[np.linspace(0, len(half), min(N_UNITS, len(half)), endpoint=False).astype(int)]


def _trajectories(model: SpikeModel, inferred: Inferred) -> dict[str, Any]:
    """Example trajectories of both systems, expansion points and fixed points, in the states' first PCs."""
    assert inferred.states is not None
    flat = inferred.states.reshape(-1, inferred.states.shape[-1])
    mean = flat.mean(axis=0)
    axes = np.linalg.svd(flat - mean, full_matrices=False)[2][:3].T
    few = slice(0, N_EXAMPLES)
    out = {"spikes_states": (inferred.states[few] - mean) @ axes}
    if inferred.linear_states is not None:
        out["spikes_linear_states"] = (inferred.linear_states[few] - mean) @ axes
    if inferred.expansion_points is not None:
        out["spikes_expansion_points"] = (inferred.expansion_points[few] - mean) @ axes
    points = model.fixed_points()
    if points is not None:
        out["spikes_fixed_points"] = (points - mean) @ axes
    return out


def _spectra(evaluation: SpikeEvaluation) -> dict[str, Any]:
    """Eigenvalues at the samples and of their mean; the angles of its planes to the states' jPC planes."""
    assert evaluation.systems is not None
    trials, mean = evaluation.held_out, evaluation.systems.mean(axis=0)
    out: dict[str, Any] = {
        "spikes_eigenvalues": eigenvalues(mean),
        "spikes_eigenvalue_cloud": eigenvalues(evaluation.systems)[:, : 2 * N_PLANES],
    }
    found = complex_planes(mean, N_PLANES, trials.bin_seconds)
    if not len(found.frequencies):
        return out
    out["spikes_plane_frequencies"] = found.frequencies
    out["spikes_plane_eigenvalues"] = found.values
    visited = evaluation.inferred.visited
    if visited is None:
        return out
    means = visited
    if trials.conditions is not None:
        means = condition_means(visited, trials.conditions)
    try:
        rotated = jpca(means, trials.bin_seconds, min(N_JPCA, means.shape[-1] // 2 * 2))
    except UsageError:  # fewer directions than planes need, or a single condition: there is no jPCA of it
        return out
    flat = means.reshape(-1, means.shape[-1])
    within = np.linalg.svd(flat - flat.mean(axis=0), full_matrices=False)[2][: 2 * N_JPCA].T
    null = random_plane_angles(means.shape[-1], N_NULL, np.random.default_rng(0), within)[:, 0]
    out["spikes_jpca_projection"] = rotated.projection[..., :4]
    out["spikes_jpca_frequencies"] = rotated.rotation.frequencies
    out["spikes_jpca_r2"] = np.array([rotated.rotation.r2, rotated.rotation.r2_skew])
    out["spikes_jpca_angles"] = plane_angles(found.planes, rotated.planes)[..., 0]
    out["spikes_jpca_angles_null"] = np.percentile(null, [5, 50])
    return out
