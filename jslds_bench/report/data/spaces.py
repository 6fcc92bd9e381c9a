"""The spaces that states are shown in: principal components and the network's outputs."""

from __future__ import annotations

import numpy as np

from jslds_bench.report.data.arrays import Arrays

PLANE = ("PC 1", "PC 2")


def project(arrays: Arrays, points: np.ndarray, n_axes: int = 2) -> np.ndarray:
    """`points` [*, N] in the first principal components that the record stores, [*, n_axes]."""
    with np.errstate(all="ignore"):  # states that have run away give inf or NaN, which figures leave out
        return (points - arrays["pca_mean"]) @ arrays["pca_axes"][:n_axes].T


def read_out(arrays: Arrays, states: np.ndarray) -> np.ndarray:
    """o = h W + b for states [*, N]."""
    with np.errstate(all="ignore"):
        return states @ arrays["readout_w"] + arrays["readout_b"]


def readout_space(arrays: Arrays, states: np.ndarray) -> np.ndarray:
    """States [*, N] as points to draw: outputs 1–3, outputs 1–2, or output 1 against the first PC."""
    out = read_out(arrays, states)
    if out.shape[-1] >= 2:
        return out[..., :3]
    first = project(arrays, states, 1) if not arrays.missing("pca_mean", "pca_axes") else 0 * out
    return np.concatenate([first, out], axis=-1)


def readout_labels(arrays: Arrays) -> tuple[str, ...]:
    """Names of the axes of `readout_space`."""
    n = arrays["readout_w"].shape[1]
    return ("PC 1", "output") if n == 1 else tuple(f"output {i + 1}" for i in range(min(n, 3)))
