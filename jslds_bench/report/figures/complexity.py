"""Error against the effective number of local systems, with the models that nothing beats in both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from jslds_bench.report.style import INK, Style, log_axis, marker, plain, sheet, stroke, title

MARKS = {"state, input": "o", "state": "s", "input": "^", "neither": "v", "unknown": "D", "": "o"}


class Point(NamedTuple):
    """A model: its style, the means over seeds, (cost, error) of each seed, and what it is linear in."""

    style: Style
    cost: float
    error: float
    seeds: Sequence[tuple[float, float]]
    linear_in: str


def front(points: Sequence[Point]) -> list[Point]:
    """The points that no other one beats in both cost and error, by rising cost."""
    best, chosen = np.inf, []
    for point in sorted(points, key=lambda p: (p.cost, p.error)):
        if point.error < best:
            best = point.error
            chosen.append(point)
    return chosen


def complexity(heading: str, panels: Mapping[str, Sequence[Point]]) -> Figure:
    """One panel per network; a line joins what nothing beats."""
    shown = {p.style.label: p for points in panels.values() for p in points}
    kinds = dict.fromkeys(p.linear_in for p in shown.values())
    legend = [marker("o", p.style.color, plain(p.style.label), filled=True) for p in shown.values()]
    legend += [marker(MARKS[kind], INK, f"linear in {kind}") for kind in kinds if kind]
    legend.append(stroke(INK, "nothing better and simpler", width=0.8))
    figure, axes = sheet(heading, len(panels), height=2.5, legend=legend)
    for ax, (network, points) in zip(axes, panels.items(), strict=True):
        best = front(points)
        edge = np.array([(p.cost, p.error) for p in best])
        ax.plot(*edge.T, color=INK, linewidth=0.8, drawstyle="steps-post", zorder=1)
        for p in points:
            ax.plot(*np.array(p.seeds).T, linestyle="none", marker=MARKS[p.linear_in], markersize=2,
                    color=p.style.color, alpha=0.5, markeredgewidth=0)  # fmt: skip
            ax.plot(p.cost, p.error, linestyle="none", marker=MARKS[p.linear_in], markersize=5.5,
                    color=p.style.color, zorder=3)  # fmt: skip
        ax.set_xscale("log")
        log_axis(ax.xaxis)
        errors = [p.error for p in points]
        if max(errors) > 10 * min(errors):  # or a logarithmic axis would hold no tick to read by
            ax.set_yscale("log")
            log_axis(ax.yaxis)
        ax.set_xlabel("effective number of systems")
        title(ax, plain(network))
    if axes:
        axes[0].set_ylabel("relative error, free-run")
    return figure
