"""Estimates with their intervals, in groups, and shares of runs within a bound."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from jslds_bench.report.style import INK, MUTED, PAPER, Style, log_axis, plain, sheet, title

Ends = tuple[float, float]


class Estimate(NamedTuple):
    """A row: what it is of, whether that is a claim, its value, and intervals over seeds and over tasks."""

    label: str
    color: str
    claim: bool
    value: float
    seeds: Ends | None
    tasks: Ends | None


class Scale(NamedTuple):
    """The axis: its words, where nothing differs, and whether it is logarithmic; `ends` None: by the data."""

    words: str
    even: float
    logarithmic: bool = False
    ends: Ends | None = None


def intervals(heading: str, groups: Mapping[str, Sequence[Estimate]], scale: Scale) -> Figure:
    """A dot per row, hollow where nothing is claimed; thick lines over seeds, thin ones over tasks."""
    everything = [e for group in groups.values() for e in group]
    longest = max((len(plain(e.label, 40)) for e in everything), default=0)
    rows = len(everything) + 1.2 * sum(map(bool, groups))
    left = min(2.6, 0.3 + 0.062 * longest)
    figure, (ax,) = sheet(heading, 1, 1, height=0.21 * rows + 0.1, left=left, title_lines=0)
    low, high = scale.ends or _ends(everything, scale)
    if scale.logarithmic:
        ax.set_xscale("log")
        log_axis(ax.xaxis)
    ax.set_xlim(low, high)
    ax.axvline(scale.even, color=MUTED, linewidth=0.8, zorder=0)
    y, ticks, names = 0.0, [], []
    for name, group in groups.items():
        if name:
            ax.annotate(
                plain(name, 60), (0, y), xycoords=("axes fraction", "data"), xytext=(2, 0), va="center",
                textcoords="offset points", fontweight="bold", fontsize=8,
                bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.6},
            )  # fmt: skip
            y += 1.2
        for estimate in group:
            _estimate(ax, y, estimate, (low, high))
            ticks.append(y)
            names.append(plain(estimate.label, 40))
            y += 1
    ax.set_yticks(ticks, names, fontsize=7.5)
    ax.set_ylim(y - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel(scale.words)
    return figure


def _estimate(ax: Any, y: float, estimate: Estimate, ends: Ends) -> None:
    color, (low, high) = estimate.color, ends
    for found, width in ((estimate.tasks, 1.0), (estimate.seeds, 3.4)):
        if found is not None:
            ax.plot(np.clip(found, low, high), [y, y], color=color, linewidth=width, solid_capstyle="butt")
    gone = not low <= estimate.value <= high
    ax.plot(
        min(max(estimate.value, low), high), y, color=color, linestyle="none", zorder=3, clip_on=False,
        marker=">" if gone else "o", markersize=4.8, markerfacecolor=color if estimate.claim else PAPER,
    )  # fmt: skip


def _ends(estimates: Sequence[Estimate], scale: Scale) -> Ends:
    """All finite values and interval ends, and where nothing differs."""
    found = [e.value for e in estimates] + [x for e in estimates for i in (e.seeds, e.tasks) if i for x in i]
    finite = [x for x in [*found, scale.even] if math.isfinite(x)]
    low, high = min(finite), max(finite)
    if scale.logarithmic:
        wide = max(high / low, 2.0) ** 0.06
        return low / wide, high * wide
    wide = 0.06 * max(high - low, 0.1)
    return low - wide, high + wide


class Line(NamedTuple):
    """A curve of shares by bound, and the style of its method."""

    style: Style
    shares: np.ndarray


def shares(heading: str, bounds: np.ndarray, panels: Mapping[str, Sequence[Line]], words: str) -> Figure:
    """Shares of runs by bound, a panel per class; lines are named where each crosses a height of its own."""
    figure, axes = sheet(heading, len(panels), 1, 1.5, below=0.2)
    for ax, (name, lines) in zip(axes, panels.items(), strict=True):
        # By the bound that half of the runs keep: left ones are named high up, where others are not yet.
        ordered = sorted(lines, key=lambda line: (np.searchsorted(line.shares, 0.5), -line.shares.sum()))
        for k, height in zip(range(len(ordered)), np.linspace(0.9, 0.12, max(len(lines), 2)), strict=False):
            line = ordered[k]
            color = line.style.color
            ax.plot(bounds, line.shares, color=color, linestyle=line.style.dash, drawstyle="steps-post")
            at = min(int(np.searchsorted(line.shares, height)), len(bounds) - 1)
            to_left = at > (0.3 if k == 0 else 0.8) * len(bounds)  # there is room on the left of the first
            ax.annotate(
                plain(line.style.label), (bounds[at], min(height, line.shares[at])), color=color,
                xytext=(-4 if to_left else 4, 0), textcoords="offset points", va="center",
                ha="right" if to_left else "left", fontsize=7.5, zorder=5,
                bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.4, "alpha": 0.85},
            )  # fmt: skip
        ax.set_xscale("log")
        log_axis(ax.xaxis)
        ax.set_xlim(bounds[0], bounds[-1])
        ax.set_ylim(0, 1.03)
        ax.set_yticks([0, 0.5, 1])
        ax.axhline(0.5, color=INK, linewidth=0.4, alpha=0.3, zorder=0)
        title(ax, plain(name, 60))
        if ax is not axes[-1]:
            ax.tick_params(labelbottom=False)
    axes[-1].set_xlabel(words)
    axes[0].set_ylabel("share of runs")
    return figure
