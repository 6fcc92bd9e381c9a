"""Models of spiking data: rates along single trials, averages over conditions, and the planes of jPCA."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jslds_bench.report.figures.states import corner_note, span_of
from jslds_bench.report.style import CONDITION_COLORS, GRID, INK, MUTED, marker, plain, sheet, stroke, title

Array = np.ndarray
TICK = 0.07  # height of one spike's tick, as a share of the panel's span of rates
HIGHEST = 3  # spikes in a bin up to which its tick grows


class Curve(NamedTuple):
    """A rate along a trial, spikes/s, [T], and how it is drawn."""

    name: str
    rate: Array
    color: str
    dash: Any = "solid"
    width: float = 1.3


class Trial(NamedTuple):
    """One panel: a unit on one trial. `counts` per bin, [T], or None."""

    name: str
    curves: Sequence[Curve]
    counts: Array | None = None


def rates(heading: str, time: Array, panels: Sequence[Trial]) -> Figure:
    """Rates against `time` [T], s, with the spikes below them: a tick per bin that has any."""
    legend = [stroke(c.color, c.name, c.dash, c.width) for c in panels[0].curves]
    if any(p.counts is not None for p in panels):
        legend.append(marker("|", MUTED, "spikes"))
    figure, axes = sheet(heading, len(panels), height=0.95, legend=legend, gap=0.4, below=0.24)
    for i, (ax, panel) in enumerate(zip(axes, panels, strict=True)):
        known = np.concatenate([c.rate[np.isfinite(c.rate)] for c in panel.curves])
        high = 1.1 * float(known.max(initial=0.0)) or 1.0
        for curve in panel.curves:
            ax.plot(time, curve.rate, color=curve.color, linestyle=curve.dash, linewidth=curve.width)
        _event(ax, time)
        if panel.counts is not None:
            _ticks(ax, time, panel.counts, high)
        ax.set_ylim(-(HIGHEST + 1) * TICK * high, high)
        ax.set_yticks([t for t in ax.get_yticks() if 0 <= t <= high])
        if lost := [c.name for c in panel.curves if not np.isfinite(c.rate).any()]:
            corner_note(ax, f"not finite: {', '.join(lost)}")
        title(ax, plain(panel.name, 40))
        _name_axes(ax, i, len(axes), "spikes/s")
    return figure


def _ticks(ax: Axes, time: Array, counts: Array, high: float) -> None:
    """One line for all spikes of the panel: up as far as there are spikes in the bin, down, a gap."""
    fired = np.flatnonzero(np.isfinite(counts) & (counts > 0))
    foot = -(HIGHEST + 0.5) * TICK * high
    tops = foot + np.minimum(counts[fired], HIGHEST) * TICK * high
    x = np.repeat(time[fired], 3)
    y = np.column_stack([np.full(len(fired), foot), tops, np.full(len(fired), np.nan)]).ravel()
    ax.plot(x, y, color=MUTED, linewidth=0.9)


def psths(heading: str, time: Array, units: Sequence[str], data: Array, model: Array) -> Figure:
    """Condition averages [F, T, Y], spikes/s, a row per unit: left the data's, right the model's."""
    figure, axes = sheet(heading, 2 * len(units), height=0.95, gap=0.4, below=0.24)
    for i, (ax, shown) in enumerate(zip(axes, [data, model] * len(units), strict=True)):
        unit = i // 2
        for color, line in zip(ramp(len(shown)), shown[..., unit], strict=True):
            ax.plot(time, line, color=color, linewidth=1.1)
        _event(ax, time)
        low, high = span_of(np.concatenate([data[..., unit], model[..., unit]]), 0.08)
        ax.set_ylim(min(low, 0.0), high)
        title(ax, plain(f"{units[unit]}, {('data', 'model')[i % 2]}", 40))
        _name_axes(ax, i, len(axes), "spikes/s")
    return figure


def jpc_planes(heading: str, projection: Array, frequencies: Array | None) -> Figure:
    """Condition means [C, J, 4] on two jPC planes; the ramp of colours goes by where each starts."""
    legend = [marker("s", INK, "start", True), marker("o", INK, "end", True)]
    figure, axes = sheet(heading, 2, height=1.85, legend=legend, title_lines=2)
    for i, ax in enumerate(axes):
        paths = projection[..., 2 * i : 2 * i + 2]
        order = np.argsort(np.nan_to_num(paths[:, 0, 0]), kind="stable")
        width = 0.7 if len(paths) > 30 else 1.1
        for color, path in zip(ramp(len(paths)), paths[order], strict=True):
            ax.plot(*path.T, color=color, linewidth=width)
            ax.plot(*path[:1].T, linestyle="none", marker="s", markersize=2.6, color=color)
            ax.plot(*path[-1:].T, linestyle="none", marker="o", markersize=3.0, color=color)
        _square(ax, paths)
        ax.set_xlabel(f"jPC {2 * i + 1}")
        ax.set_ylabel(f"jPC {2 * i + 2}", labelpad=1)
        known = frequencies is not None and i < len(frequencies) and np.isfinite(frequencies[i])
        title(ax, f"plane {i + 1}", f"{cast(Array, frequencies)[i]:.2f} Hz" if known else "")
    return figure


def ramp(count: int) -> list[str]:
    """A colour for each of `count` conditions in their order; beyond eight, neighbours share one."""
    n = len(CONDITION_COLORS)
    return [CONDITION_COLORS[i * (n - 1) // max(count - 1, 1)] for i in range(count)]


def _event(ax: Axes, time: Array) -> None:
    """A line at the aligning event, where it is in view."""
    if time[0] < 0 < time[-1]:
        ax.axvline(0, color=GRID, linewidth=1.0, zorder=0)


def _name_axes(ax: Axes, i: int, count: int, name: str) -> None:
    if i >= count - 2:
        ax.set_xlabel("time, s")
    if i % 2 == 0:
        ax.set_ylabel(name, labelpad=2)


def _square(ax: Axes, points: Array) -> None:
    """Equal scales, with room for all finite `points` [*, 2]."""
    spans = [span_of(points[..., k].ravel(), 0.08) for k in range(2)]
    box, (width, height) = ax.get_position(), cast(Figure, ax.figure).get_size_inches()
    room = np.array([box.width * width, box.height * height])
    scale = max((high - low) / inches for (low, high), inches in zip(spans, room, strict=True))
    for k, (low, high) in enumerate(spans):
        middle, half = (low + high) / 2, scale * room[k] / 2
        (ax.set_xlim, ax.set_ylim)[k](middle - half, middle + half)
