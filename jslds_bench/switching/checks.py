"""What is refused before a fit, and what is noted: data, widths, counts and how much there is of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from jslds_bench.errors import UsageError
from jslds_bench.switching.parameters import Data, Spec


def _trials(name: str, value: Any, letters: str) -> np.ndarray:
    array = np.asarray(value, np.float64)
    if array.ndim != 3:
        hint = f"; add the trial axis: {name}[None]" if array.ndim == 2 else ""
        raise UsageError(f"{name} have shape {array.shape}, expected {letters}{hint}")
    return array


def _mask(lengths: Any, n_trials: int, n_steps: int) -> np.ndarray:
    if lengths is None:
        return np.ones((n_trials, n_steps))
    lengths = np.asarray(lengths)
    if lengths.shape != (n_trials,) or not np.issubdtype(lengths.dtype, np.integer):
        raise UsageError(
            f"lengths are {lengths.dtype} of shape {lengths.shape}, "
            f"expected one whole number per trial ({n_trials})"
        )
    if lengths.min() < 2 or lengths.max() > n_steps:
        raise UsageError(
            f"lengths run from {lengths.min()} to {lengths.max()}, expected 2 to {n_steps}, the padded length"
        )
    return (np.arange(n_steps) < lengths[:, None]).astype(np.float64)


def check_data(spec: Spec, observations: Any, inputs: Any, lengths: Any, n_inputs: int | None = None) -> Data:
    """Float64 data with padding zeroed.

    Args:
        n_inputs: the width that fitted parameters expect; None before a fit.

    Raises:
        UsageError: wrong shapes or widths, values that are not finite, counts that are not whole.
    """
    y = _trials("observations", observations, "[B, T, N]")
    if min(y.shape) < 1 or y.shape[1] < 2:
        raise UsageError(f"observations have shape {y.shape}, expected at least one trial of two steps")
    u = np.zeros((*y.shape[:2], 0)) if inputs is None else _trials("inputs", inputs, "[B, T, U]")
    if u.shape[:2] != y.shape[:2]:
        raise UsageError(
            f"inputs have shape {u.shape}, expected {y.shape[0]} trials of {y.shape[1]} steps "
            "as the observations have; u_t drives the step into x_t, so put a row of zeros before the first "
            "step's input"
        )
    if n_inputs is not None and u.shape[2] != n_inputs:
        raise UsageError(
            f"inputs have width {u.shape[2]}, expected {n_inputs}, as the model was fitted: "
            "give the same columns"
        )
    mask = _mask(lengths, *y.shape[:2])
    valid = mask[..., None] > 0
    for name, array in (("observations", y), ("inputs", u)):
        bad = np.argwhere(~np.isfinite(array) & valid)
        if len(bad):
            b, t, i = bad[0]
            raise UsageError(
                f"{name}[{b}, {t}, {i}] is {array[b, t, i]} ({len(bad)} values are not finite): "
                "drop or fill those steps"
            )
    y, u = np.where(valid, y, 0.0), np.where(valid, u, 0.0)
    if spec.emissions == "poisson":
        bad = np.argwhere((y < 0) | (y != np.round(y)))
        if len(bad):
            b, t, i = bad[0]
            raise UsageError(
                f"observations[{b}, {t}, {i}] is {y[b, t, i]:g}, expected counts (0, 1, 2, …) for Poisson "
                "emissions: bin the spikes without smoothing, or use gaussian emissions"
            )
    return Data(y, u, mask)


def check_enough(spec: Spec, data: Data) -> tuple[str, ...]:
    """Notes on constant units; raises where there is nothing, or too little, to fit.

    Raises:
        UsageError: constant data, D above what the data span, or fewer steps than coefficients.
    """
    rows = data.y[data.mask > 0]
    varies = rows.std(axis=0) > 1e-12 * np.abs(rows).max(axis=0)
    if not varies.any():
        raise UsageError("observations are constant: there are no dynamics to fit; give data that vary")
    n_latent = rows.shape[1] if spec.n_latent is None else spec.n_latent
    if n_latent > rows.shape[1]:
        raise UsageError(f"n_latent is {n_latent}, expected at most the {rows.shape[1]} observed units")
    steps, each = int(data.mask[:, 1:].sum()), n_latent + data.u.shape[2] + 1
    if steps < spec.n_modes * each:
        raise UsageError(
            f"{steps} steps are too few for {spec.n_modes} modes with {each} coefficients per equation: "
            f"expected at least {spec.n_modes * each}; take fewer modes or dimensions, or more data"
        )
    flat = np.flatnonzero(~varies)
    if len(flat):
        return (
            f"{len(flat)} observed units are constant (first: {flat[0]}): their noise is held at the floor",
        )
    return ()
