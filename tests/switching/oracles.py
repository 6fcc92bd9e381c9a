"""What a fit is held against where the truth is known."""

from typing import NamedTuple

import numpy as np

from jslds_bench.dynamics.spectrum import eigenvalues, matched_distance
from jslds_bench.switching.scoring import mode_points


class ModeErrors(NamedTuple):
    """Per true mode: mean |λ̂ − λ| over mean |λ|, and ‖x̂* − x*‖ / ‖x*‖, [K]."""

    eigenvalues: np.ndarray
    fixed_points: np.ndarray


def mode_errors(true, fitted, order, u, true_view=lambda x: x, fitted_view=lambda x: x):
    """How far each mode's eigenvalues and fixed point are off, fixed points compared through the two views.

    Latent states are known up to an affine map only: compare C x + d there.
    """
    spectra = [eigenvalues(m.a) for m in (true, fitted)]
    points = true_view(mode_points(true, u)), fitted_view(mode_points(fitted, u))
    eig = [
        matched_distance(spectra[0][k], spectra[1][j]) / np.abs(spectra[0][k]).mean()
        for k, j in enumerate(order)
    ]
    fix = [
        np.linalg.norm(points[1][j] - points[0][k]) / np.linalg.norm(points[0][k])
        for k, j in enumerate(order)
    ]
    return ModeErrors(np.array(eig), np.array(fix))
