"""What the tasks of known systems share: one system's trials, parted into those to fit and those held out."""

from __future__ import annotations

from typing import Any

import numpy as np

from jslds_bench.dynamics.spectrum import eigenvalues
from jslds_bench.errors import UsageError
from jslds_bench.switching.parameters import Emission, EmissionKind
from jslds_bench.switching.scoring import mode_points
from jslds_bench.switching.systems import System
from jslds_bench.types import Recording


def check_sizes(name: str, n_trials: int, n_held_out: int, n_steps: int, n_observed: int) -> None:
    """Refuses sizes that leave nothing to fit or to hold out."""
    if min(n_trials, n_held_out, n_observed) < 1 or n_steps < 2:
        raise UsageError(
            f"{name} needs n_trials, n_held_out and n_observed ≥ 1 and n_steps ≥ 2, got {n_trials}, "
            f"{n_held_out}, {n_observed} and {n_steps}"
        )


def expected(kind: EmissionKind, emission: Emission, x: Any) -> np.ndarray:
    """E y given x: x itself, C x + d, or the rate exp(C x + d)."""
    if kind == "identity":
        return np.asarray(x)
    eta = np.asarray(x) @ emission.c.T + emission.d
    return np.exp(eta) if kind == "poisson" else eta


def parted(system: System, kind: EmissionKind, n_trials: int) -> tuple[Recording, Recording]:
    """The first `n_trials` trials to fit to, and the others held out."""
    points = spectra = None
    if system.params is not None:
        linear = system.params.linear
        points = expected(kind, system.emission, mode_points(linear, np.zeros(linear.v.shape[2])))
        spectra = eigenvalues(linear.a)
        points[np.abs(spectra - 1).min(axis=1) < 1e-9] = np.nan
    parts = []
    for part in (slice(None, n_trials), slice(n_trials, None)):
        x = system.states[part]
        truth = (x, system.modes[part], expected(kind, system.emission, x), points, spectra)
        parts.append(Recording(system.observations[part], system.inputs[part], kind, *truth))
    return parts[0], parts[1]
