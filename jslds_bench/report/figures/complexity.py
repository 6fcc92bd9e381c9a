"""Error against the effective number of local systems, with the models that nothing beats in both."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jslds_bench.report.style import (
    FEW,
    INK,
    WIDE,
    WIDTH,
    Name,
    Style,
    log_axis,
    marker,
    names_at,
    plain,
    sheet,
    stroke,
    title,
)

FEW_SYSTEMS = 50
"""Local systems that one can still look through. Models with more of them are spoken of beside those."""
MARKS = {"state, input": "o", "state": "s", "input": "^", "neither": "v", "unknown": "D", "": "o"}


class Point(NamedTuple):
    """A model: its style, the means over seeds, (cost, error) of each seed, and what it is linear in.

    `name`: what it is called in the panel.
    """

    style: Style
    cost: float
    error: float
    seeds: Sequence[tuple[float, float]]
    linear_in: str
    name: str


def front(points: Sequence[Point]) -> list[Point]:
    """The points that no other one beats in both cost and error, by rising cost."""
    best, chosen = np.inf, []
    for point in sorted(points, key=lambda p: (p.cost, p.error)):
        if point.error < best:
            best = point.error
            chosen.append(point)
    return chosen


def complexity(heading: str, panels: Mapping[str, Sequence[Point]]) -> Figure:
    """One panel per network, in which every model is named; a line joins what nothing beats."""
    kinds = dict.fromkeys(p.linear_in for points in panels.values() for p in points)
    legend = [marker(MARKS[kind], INK, f"linear in {kind}", filled=True) for kind in kinds if kind]
    legend.append(stroke(INK, "nothing better and simpler", width=0.8))
    columns = min(len(panels), 3)
    figure, axes = sheet(
        heading, len(panels), columns, 2.7, legend, gap=0.5, width=WIDTH if columns == 1 else WIDE
    )
    for ax, (network, points) in zip(axes, panels.items(), strict=True):
        draw_points(ax, [points], every=True)
        title(ax, plain(network))
    if axes:
        axes[0].set_ylabel("relative error, free-run")
    return figure


def draw_points(ax: Axes, networks: Sequence[Sequence[Point]], every: bool = False) -> None:
    """The points of one panel, and for each network the line that joins what nothing on it beats.

    Of what one line joins some `FEW` are named; of several, the least error of each by at most `FEW_SYSTEMS`,
    and that of all. `every`: all are. What no line joins is pale.
    """
    fronts = [front(points) for points in networks]
    points, best = [p for of in networks for p in of], [p for of in fronts for p in of]
    edges = [np.array([(p.cost, p.error) for p in of]) for of in fronts]
    for edge in edges:
        ax.plot(*edge.T, color=INK, linewidth=0.8, drawstyle="steps-post", zorder=1)
    if len(fronts) == 1:
        told = sorted(best, key=lambda p: p.error)[:FEW]
    else:
        told = [([p for p in of if p.cost <= FEW_SYSTEMS] or of[:1])[-1] for of in fronts]
        told.append(min(best, key=lambda p: p.error))
    named = points if every else [p for i, p in enumerate(told) if p not in told[:i]]
    for p in points:
        mark, alpha = MARKS[p.linear_in], 1.0 if every or p in best else 0.35
        if p in named:
            ax.plot(*np.array(p.seeds).T, linestyle="none", marker=mark, markersize=2, color=p.style.color,
                    alpha=0.5, markeredgewidth=0)  # fmt: skip
        ax.plot(p.cost, p.error, linestyle="none", marker=mark, markersize=5.5, color=p.style.color,
                markerfacecolor=p.style.face, zorder=3, alpha=alpha)  # fmt: skip
    ax.set_xscale("log")
    log_axis(ax.xaxis)
    errors = [p.error for p in points]
    if max(errors) > 10 * min(errors):  # or a logarithmic axis would hold no tick to read by
        ax.set_yscale("log")
        log_axis(ax.yaxis)
    ax.margins(x=0.12, y=0.12)
    ax.set_xlim(ax.get_xlim())
    ax.set_ylim(ax.get_ylim())
    ax.set_xlabel("effective number of systems")
    others = [(p.cost, p.error) for p in points if p not in named]
    steps = itertools.chain.from_iterable(map(itertools.pairwise, edges))
    for (x0, y0), (x1, y1) in steps:  # names keep off the lines, too
        others += [(x, y0) for x in np.geomspace(x0, x1, 12)] + [(x1, y) for y in np.geomspace(y0, y1, 8)]
    names_at(ax, [Name(p.cost, p.error, plain(p.name, 34), p.style.color) for p in named], others)
