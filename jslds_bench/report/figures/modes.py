"""Switching models: states coloured by mode along example trials, and the eigenvalues of the modes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from jslds_bench.report.data.modes import Modes
from jslds_bench.report.figures.spectrum import FRAME, complex_plane, window
from jslds_bench.report.figures.states import corner_note, span_of
from jslds_bench.report.style import INK, MODE_COLORS, MUTED, PAPER, marker, plain, sheet, stroke, title

Array = np.ndarray
DOTS_BELOW = 300  # states up to which each has a dot and lines are thin
MAX_NAMED = len(MODE_COLORS)  # modes that a legend names
OTHERS = "used less"


class Track(NamedTuple):
    """One panel: states [E, S, 2], the mode at each [E, S], and a colour per mode."""

    name: str
    note: str
    states: Array
    modes: Array
    color: Mapping[int, str]


def tracks(heading: str, panels: Sequence[Track], modes: Modes, labels: Sequence[str]) -> Figure:
    """States along example trials, a line per trial in the colour of the mode of each step.

    All panels have the first one's limits; a trial that leaves them ends there, and the panel says so.
    """
    shown = [m for m in modes.order if any((p.modes == m).any() for p in panels)]
    legend = [stroke(modes.color[m], modes.name(m), width=2.2) for m in shown if m in modes.order[:MAX_NAMED]]
    if set(shown) - set(modes.order[:MAX_NAMED]):
        legend.append(stroke(MUTED, OTHERS, width=2.2))
    one = len(panels) == 1
    figure, axes = sheet(heading, len(panels), 1 if one else 2, 2.8 if one else 2.0, legend, title_lines=2)
    bounds = [span_of(panels[0].states[..., i], 0.14) for i in range(2)]
    for ax, panel in zip(axes, panels, strict=True):
        step = _track(ax, panel, bounds)
        ax.set_xlim(*bounds[0])
        ax.set_ylim(*bounds[1])
        ax.set_xlabel(labels[0])
        title(ax, plain(panel.name, 34), panel.note)
        if step is not None:
            corner_note(ax, f"leaves the plot at step {step + 1}")
    axes[0].set_ylabel(labels[1], labelpad=1)
    return figure


def _track(ax: Any, panel: Track, bounds: Sequence[tuple[float, float]]) -> int | None:
    """Draw one panel's trials; returns the first step outside of `bounds`, if there is one."""
    states, modes = np.array(panel.states, dtype=float), panel.modes
    low, high = np.array(bounds).T
    inside = ((states >= low) & (states <= high)).all(axis=-1)
    gone = np.maximum.accumulate(~inside, axis=1)  # NaN is never inside
    states[gone] = np.nan
    busiest = sorted(np.unique(modes), key=lambda m: -int((modes == m).sum()))
    dots = states[..., 0].size <= DOTS_BELOW
    line: dict[str, float] = {"linewidth": 0.8, "alpha": 0.7} if dots else {"linewidth": 1.3}
    for rank, mode in enumerate(busiest):
        color = panel.color.get(int(mode), MUTED)
        ax.plot(*_pieces(states, modes == mode).T, color=color, zorder=2 + 0.01 * rank, **line)
        if dots:
            at = states[modes == mode]
            ax.plot(*at.T, linestyle="none", marker="o", markersize=3.2, color=color, zorder=3)
    ax.plot(*states[:, 0].T, linestyle="none", marker="s", markersize=3.2, color=INK, zorder=4)
    steps = np.flatnonzero(gone.any(axis=0))
    return int(steps[0]) if steps.size else None


def _pieces(states: Array, chosen: Array) -> Array:
    """The steps of `states` [E, S, 2] that end where `chosen` [E, S], as one line broken by NaN, [*, 2]."""
    broken = np.full((1, 2), np.nan)
    parts = []
    for trial, mask in zip(states, chosen, strict=True):
        ends = np.flatnonzero(np.diff(np.concatenate([[False], mask[1:], [False]]).astype(int)))
        for start, stop in ends.reshape(-1, 2):
            parts += [trial[start : stop + 1], broken]
    return np.concatenate(parts) if parts else broken


def mode_spectrum(heading: str, values: Array, modes: Modes) -> Figure:
    """Eigenvalues [Z, L] of all modes with the unit circle, and a close-up; colour and symbol say whose."""
    legend = [marker(modes.symbol(m), modes.color[m], modes.name(m), True) for m in modes.order[:MAX_NAMED]]
    if len(modes.order) > MAX_NAMED:
        legend.append(marker(".", MUTED, OTHERS))
    figure, (whole, close) = sheet(heading, 2, 2, 1.9, legend)
    known = values[np.isfinite(values)]
    for ax in (whole, close):
        complex_plane(ax)
        for mode in reversed([m for m in modes.order if m < len(values)]):  # the busiest on top
            row = values[mode][np.isfinite(values[mode])]
            look: dict[str, Any] = {"marker": modes.symbol(mode), "color": modes.color[mode], "alpha": 0.85}
            ax.plot(row.real, row.imag, linestyle="none", markersize=4.6, markeredgecolor=PAPER,
                    markeredgewidth=0.4, **look)  # fmt: skip
    window(whole, values.ravel())
    near = known[np.abs(known) <= FRAME]
    close.set_xlim(*span_of(near.real, 0.15))
    close.set_ylim(*span_of(near.imag, 0.15))
    close.set_ylabel("")
    title(whole, f"{len(known) - len(near)} beyond the frame" if len(near) < len(known) else "unit circle")
    title(close, "close-up")
    return figure
