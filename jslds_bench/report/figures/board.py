"""Figures of a leaderboard: error against cost, mean ranks and what they cannot part, profiles."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from jslds_bench.analysis import stats
from jslds_bench.report.board.board import ERROR, Entry, front
from jslds_bench.report.style import INK, RASTER_ABOVE, Style, log_axis, plain, sheet, stroke, title

LEGEND_UP_TO = 8
NAMED_ON_FRONT = 6


def pareto(heading: str, panels: Mapping[str, Sequence[Entry]], styles: Mapping[str, Style]) -> Figure:
    """Error against cost, one panel per task and machine; the line joins what nothing beats in both."""
    shown = {e.model for entries in panels.values() for e in entries}
    legend = [styles[m].line() for m in styles if m in shown] if len(shown) <= LEGEND_UP_TO else []
    legend.append(stroke(INK, "nothing better and cheaper", width=0.8))
    figure, axes = sheet(heading, len(panels), 1 if len(panels) == 1 else 2, 2.3, legend)
    for k, (ax, (name, entries)) in enumerate(zip(axes, panels.items(), strict=True)):
        drawn = [e for e in entries if _place(e) is not None]
        for model in dict.fromkeys(e.model for e in drawn):
            points = np.array([_place(e) for e in drawn if e.model == model])
            ax.plot(
                *points.T, linestyle="none", marker="o", markersize=4, color=styles[model].color, alpha=0.8,
                rasterized=len(drawn) > RASTER_ABOVE,
            )  # fmt: skip
        best = [e for e in front(drawn) if _place(e) is not None]
        edge = np.array([_place(e) for e in best]).reshape(-1, 2)
        ax.plot(*edge.T, color=INK, linewidth=0.8, drawstyle="steps-post", zorder=1)
        for entry, (cost, error) in list(zip(best, edge, strict=True))[-NAMED_ON_FRONT:]:
            ax.annotate(
                plain(entry.model, 16), (cost, error), xytext=(3, 3), textcoords="offset points", fontsize=6.8
            )
        if drawn:
            ax.set_xscale("log")
            ax.set_yscale("log")
            log_axis(ax.xaxis)
            log_axis(ax.yaxis)
        ax.set_xlabel("cost, processor seconds")
        if k % 2 == 0:
            ax.set_ylabel("relative error")
        title(ax, plain(name, 34))
    return figure


def mean_ranks(heading: str, labels: Sequence[str], found: stats.CriticalDifference) -> Figure:
    """Critical-difference diagram: methods by mean rank; a bar at the right spans what no test parts."""
    order = np.argsort(found.mean_ranks, kind="stable")
    place = {int(i): row for row, i in enumerate(order)}
    longest = max((len(plain(label, 34)) for label in labels), default=0)
    figure, (ax,) = sheet(
        heading, 1, 1, height=0.21 * len(labels) + 0.1, left=min(2.4, 0.3 + 0.066 * longest), title_lines=0
    )
    ax.plot(
        found.mean_ranks[order], range(len(order)), linestyle="none", marker="o", markersize=4.5, color=INK
    )
    ax.set_yticks(range(len(order)), [plain(labels[i], 34) for i in order])
    ax.set_ylim(len(order) - 0.5, -0.5)
    end = len(labels) + 0.4
    step = 0.03 * len(labels)
    for k, clique in enumerate(found.cliques):
        rows = [place[i] for i in clique]
        x = end + step * (k % 6)
        ax.plot([x, x], [min(rows) - 0.25, max(rows) + 0.25], color=INK, linewidth=2.2, solid_capstyle="butt")
    ax.set_xlim(0.7, end + 6 * step + 0.1)
    ax.set_xticks(_whole_ticks(len(labels)))
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("mean rank over tasks and seeds")
    return figure


def profiles(
    heading: str, labels: Sequence[str], scores: np.ndarray, styles: Sequence[Style], top: float = 100.0
) -> Figure:
    """Share of tasks and seeds in which a method's error is within a factor of the least."""
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
    ax.set_xlabel("within this factor of the least relative error")
    ax.set_ylabel("share of tasks × seeds")
    return figure


def _place(entry: Entry) -> tuple[float, float] | None:
    """(cost, error) where both can stand on a logarithmic axis and every seed gave them."""
    cost, error = entry.cost.mean, entry.cells[ERROR].mean
    usable = entry.complete and entry.cost.complete and math.isfinite(error) and cost > 0 and error > 0
    return (cost, error) if usable else None


def _whole_ticks(top: int) -> list[int]:
    return list(range(1, top + 1, max(1, top // 8)))
