"""Figures of a leaderboard: quality against cost, mean ranks and what they cannot part, profiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from jslds_bench.analysis import stats
from jslds_bench.report.board.board import Board, Entry, front
from jslds_bench.report.style import INK, RASTER_ABOVE, Style, log_axis, plain, sheet, stroke, title

LEGEND_UP_TO = 8
NAMED_ON_FRONT = 6


def pareto(heading: str, panels: Mapping[str, Sequence[Entry]], board: Board) -> Figure:
    """What ranks are by against cost, one panel per task and machine; a line joins what nothing beats."""
    styles, shown = board.styles, {e.model for entries in panels.values() for e in entries}
    legend = [styles[m].line() for m in styles if m in shown] if len(shown) <= LEGEND_UP_TO else []
    legend.append(stroke(INK, "nothing better and cheaper", width=0.8))
    figure, axes = sheet(heading, len(panels), 1 if len(panels) == 1 else 2, 2.3, legend, title_lines=2)
    for ax, (name, entries) in zip(axes, panels.items(), strict=True):
        column = board.ranked_by[entries[0].task]
        assert column is not None  # or no entry had a place
        turn = np.array([1, column.sign])
        for model in dict.fromkeys(e.model for e in entries):
            points = np.array([e.place for e in entries if e.model == model]) * turn
            ax.plot(
                *points.T, linestyle="none", marker="o", markersize=4, color=styles[model].color, alpha=0.8,
                rasterized=len(entries) > RASTER_ABOVE,
            )  # fmt: skip
        best = front(entries)
        edge = np.array([e.place for e in best]) * turn
        ax.plot(*edge.T, color=INK, linewidth=0.8, drawstyle="steps-post", zorder=1)
        for entry, at in list(zip(best, edge, strict=True))[-NAMED_ON_FRONT:]:
            ax.annotate(plain(entry.model, 16), at, xytext=(3, 3), textcoords="offset points", fontsize=6.8)
        ax.set_xscale("log")
        log_axis(ax.xaxis)
        if column.sign > 0 and all(e.place and e.place[1] > 0 for e in entries):
            ax.set_yscale("log")
            log_axis(ax.yaxis)
        ax.set_xlabel("cost, processor seconds")
        title(ax, plain(name, 34), column.title)
    return figure


def profiles(
    heading: str, labels: Sequence[str], scores: np.ndarray, styles: Sequence[Style], top: float = 100.0
) -> Figure:
    """Share of tasks and seeds in which a method's loss is within a factor of the least."""
    factors = np.geomspace(1, top, 200)
    shares = stats.performance_profile(scores, factors)
    legend = [
        stroke(style.color, plain(label, 34), style.dash) for label, style in zip(labels, styles, strict=True)
    ]
    figure, (ax,) = sheet(heading, 1, 1, 2.2, legend, title_lines=0)
    for share, style in zip(shares, styles, strict=True):
        ax.plot(factors, share, color=style.color, linestyle=style.dash, drawstyle="steps-post")
    ax.set_xscale("log")
    log_axis(ax.xaxis)
    ax.set_ylim(-0.02, 1.03)
    ax.set_xlabel("within this factor of the least")
    ax.set_ylabel("share of tasks × seeds")
    return figure
