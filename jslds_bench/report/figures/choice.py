"""Integration of evidence: mean paths on choice and input axes, and how lines and selection vectors lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from jslds_bench.report.figures.states import span_of
from jslds_bench.report.style import CONDITION_COLORS, INK, MUTED, PALETTE, marker, sheet, stroke, title

RAMP = (CONDITION_COLORS[7], CONDITION_COLORS[6], CONDITION_COLORS[5], *CONDITION_COLORS[3:0:-1])
"""From the strongest evidence against to the strongest for."""


class Paths(NamedTuple):
    """One panel: mean paths [S, T, 2] by rising strength of evidence, and expansion points [P, 2]."""

    name: str
    note: str
    paths: np.ndarray
    points: np.ndarray
    labels: tuple[str, str]


def choice_paths(heading: str, panels: Sequence[Paths], strengths: Sequence[str]) -> Figure:
    """Two panels a row; colours go by the strength of the evidence that the panel is sorted by."""
    legend = [stroke(RAMP[i % len(RAMP)], text) for i, text in enumerate(strengths)]
    legend.append(marker("x", INK, "expansion point"))
    figure, axes = sheet(heading, len(panels), 2, 1.5, legend, title_lines=2)
    for ax, panel in zip(axes, panels, strict=True):
        ax.plot(*panel.points.T, "x", color=INK, markersize=4, markeredgewidth=0.8, alpha=0.6, zorder=2)
        for i, path in enumerate(panel.paths):
            color = RAMP[i % len(RAMP)]
            ax.plot(*path.T, color=color, linewidth=1.2, marker=".", markersize=3, zorder=3)
        drawn = np.concatenate([panel.paths.reshape(-1, 2), panel.points])
        ax.set_xlim(*span_of(drawn[:, 0]))
        ax.set_ylim(*span_of(drawn[:, 1]))
        ax.set_xlabel(panel.labels[0])
        ax.set_ylabel(panel.labels[1], labelpad=1)
        title(ax, panel.name, panel.note)
    return figure


class Line(NamedTuple):
    """A context's expansion points on two axes [P, 2], and what its selection vectors take up [P, 2]."""

    name: str
    points: np.ndarray
    selection: np.ndarray


def arrangement(
    heading: str, lines: Sequence[Line], axes_of: tuple[str, str], streams: tuple[str, str]
) -> Figure:
    """Left: points on `axes_of`. Right: cosines of selection vectors with the inputs of both streams."""
    colors = (PALETTE[1], PALETTE[0], PALETTE[2])
    legend = [marker("x", colors[i % 3], line.name) for i, line in enumerate(lines)]
    figure, axes = sheet(heading, 2, 2, 1.9, legend, title_lines=2)
    for i, line in enumerate(lines):
        color = colors[i % 3]
        axes[0].plot(*line.points.T, "x", color=color, markersize=5)
        for vector in line.selection:
            axes[1].plot([0, vector[0]], [0, vector[1]], color=color, linewidth=0.9, alpha=0.7)
        axes[1].plot(*line.selection.T, "o", color=color, markersize=3)
    title(axes[0], "expansion points", "a line for each context")
    title(axes[1], "selection vectors", "cosine with each input")
    axes[0].set_xlabel(axes_of[0])
    axes[0].set_ylabel(axes_of[1], labelpad=1)
    axes[1].set_xlabel(streams[0])
    axes[1].set_ylabel(streams[1], labelpad=1)
    axes[1].axhline(0, color=MUTED, linewidth=0.4)
    axes[1].axvline(0, color=MUTED, linewidth=0.4)
    edge = 1.15 * max(np.abs(line.selection).max(initial=0.01) for line in lines)
    axes[1].set_xlim(-edge, edge)
    axes[1].set_ylim(-edge, edge)
    return figure
