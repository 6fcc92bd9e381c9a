"""All fixed points of an almost-linear RNN: one linear equation per region, kept where it is consistent."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from jaxtyping import Float

MOST_REGIONS = 2**12
_AT_ONCE = 128
_FLAT = 1e-7
"""Least singular value of I − J, relative to the largest, under which a region holds a continuum or none."""


def fixed_points(p: int, params: Any, u_star: Float[Any, " U"]) -> Float[np.ndarray, "P N"] | None:
    """All solutions of h = a∘h + φ(h) W + u* V + b, φ rectifying the last `p` units, in float64.

    Where d says which of these are positive, h (I − diag(a) − D W) = u* V + b with D = diag(1, d); h is a
    fixed point if its own signs are d. Reference: Brenner et al. (2024).

    Returns:
        The points; None where there are more regions than `MOST_REGIONS`, or a region is singular.
    """
    dense, gain = params
    w, v, b, a = (np.asarray(x, np.float64) for x in (dense.w, dense.v, dense.b, gain.w))
    n = len(a)
    p = min(p, n)
    if 2**p > MOST_REGIONS:
        return None
    rest, whole = np.diag(1 - a), np.asarray(u_star, np.float64) @ v + b
    found = []
    signs = np.array(list(itertools.product([0.0, 1.0], repeat=p)))
    for some in np.split(signs, range(_AT_ONCE, len(signs), _AT_ONCE)):
        d = np.concatenate([np.ones((len(some), n - p)), some], axis=1)
        matrices = rest - d[:, :, None] * w
        spread = np.linalg.svd(matrices, compute_uv=False)
        if (spread[:, -1] <= _FLAT * spread[:, 0]).any():
            return None
        h = np.linalg.solve(np.swapaxes(matrices, 1, 2), np.broadcast_to(whole, (len(some), n))[..., None])[
            ..., 0
        ]
        found.append(h[((h[:, n - p :] > 0) == (some > 0)).all(axis=1)])
    return np.concatenate(found)
