"""The first figure of a page: a panel per task that answers it, by error against complexity or in order."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jslds_bench.report.data.summary import Summary
from jslds_bench.report.figures.complexity import Point, draw_points
from jslds_bench.report.style import INK, MUTED, WIDE, WIDTH, Style, plain, sheet, title

HEIGHT = 1.8


class Against(NamedTuple):
    """Error against complexity: the points of each network of a task, each named by `Point.name`."""

    networks: Sequence[Sequence[Point]]


class Place(NamedTuple):
    """A row of an order: what it is called, its mean, and its style."""

    label: str
    summary: Summary
    style: Style


class Order(NamedTuple):
    """The best of a task from top to bottom, by a metric called `title`."""

    title: str
    places: Sequence[Place]


def headline(heading: str, panels: Mapping[str, Against | Order]) -> Figure:
    """The panels of all tasks, one beside the other."""
    orders = [panel for panel in panels.values() if isinstance(panel, Order)]
    longest = max((len(plain(place.label, 34)) for order in orders for place in order.places), default=0)
    left = max(0.62, min(2.4, 0.25 + 0.062 * longest)) if orders else 0.62
    wide = len(panels) > 1
    figure, axes = sheet(
        heading, len(panels), columns=len(panels), height=HEIGHT, left=left, gap=left,
        width=WIDE if wide else WIDTH,
    )  # fmt: skip
    for ax, (name, panel) in zip(axes, panels.items(), strict=True):
        title(ax, plain(name, 40))
        if isinstance(panel, Against):
            draw_points(ax, panel.networks)
            ax.set_ylabel("relative error, free-run")
        else:
            _order(ax, panel)
    return figure


def _order(ax: Axes, order: Order) -> None:
    """A dot per row with its spread, and its number beside."""
    means = np.array([place.summary.mean for place in order.places])
    finite = means[np.isfinite(means)]
    top = float(finite.max(initial=0)) if finite.size else 1.0
    low = min(0.0, float(finite.min(initial=0)))
    room = (top - low or 1.0) * 0.45
    for y, place in enumerate(order.places):
        mean, sd, color = place.summary.mean, place.summary.sd, place.style.color
        at = mean if math.isfinite(mean) else top
        ax.plot([low, at], [y, y], color=color, linewidth=0.8, alpha=0.5)
        if math.isfinite(mean):
            ax.plot([at], [y], marker="o", markersize=5, color=color, markerfacecolor=place.style.face)
        if math.isfinite(sd):
            ax.plot([at - sd, at + sd], [y, y], color=INK, linewidth=0.9)
        end = at + (sd if math.isfinite(sd) else 0)
        ax.annotate(place.summary.text, (end, y), xytext=(6, 0), textcoords="offset points", va="center",
                    fontsize=7, color=INK if math.isfinite(mean) else MUTED)  # fmt: skip
    ax.set_ylim(len(order.places) - 0.4, -0.6)
    ax.set_xlim(low, top + room)
    ax.set_yticks(range(len(order.places)), [plain(place.label, 34) for place in order.places])
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel(order.title)
