"""Mean ranks, and what no test parts: critical-difference diagrams, one class of methods after another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from jslds_bench.analysis.stats import CriticalDifference
from jslds_bench.report.style import GRID, INK, MUTED, PAPER, plain, sheet

LANES = 6  # bars beside each other


class Ranks(NamedTuple):
    """The methods of a class.

    Attributes:
        name: of the class; empty: it is the only one, and has no heading.
        says: behind the name, what tests say of all methods together, or why there are none.
        labels, colors: of each method.
        found: mean ranks and cliques; bars are drawn only where it has no note, `tested`.
        parts: [networks, methods], mean ranks on each network alone.
    """

    name: str
    says: str
    labels: Sequence[str]
    colors: Sequence[str]
    found: CriticalDifference
    tested: bool
    parts: Sequence[np.ndarray] = ()


def mean_ranks(heading: str, groups: Sequence[Ranks], xlabel: str) -> Figure:
    """Methods by mean rank; a bar at the right spans what no test parts, hollow dots are of no test."""
    longest = max((len(plain(label, 34)) for group in groups for label in group.labels), default=0)
    rows = sum(len(group.labels) + 1.2 * bool(group.name) for group in groups)
    figure, (ax,) = sheet(
        heading, 1, 1, height=0.21 * rows + 0.1, left=min(2.4, 0.3 + 0.066 * longest), title_lines=0
    )
    most = max((len(group.labels) for group in groups), default=1)
    y, ticks, names = 0.0, [], []
    for group in groups:
        if group.name:
            _head(ax, y, group)
            y += 1.2
        order = np.argsort(group.found.mean_ranks, kind="stable")
        _group(ax, y, group, order, most)
        ticks += [y + row for row in range(len(order))]
        names += [plain(group.labels[i], 34) for i in order]
        y += len(order)
    ax.set_yticks(ticks, names)
    ax.set_ylim(y - 0.4, -0.6)
    ax.set_xlim(1 - 0.06 * most, most * (1.06 + 0.03 * LANES) + 0.3)
    ax.set_xticks(range(1, most + 1, math.ceil(most / 8)))
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel(xlabel)
    return figure


def _head(ax: Any, y: float, group: Ranks) -> None:
    ax.annotate(
        plain(group.name, 40), (0, y), xycoords=("axes fraction", "data"), xytext=(2, 0), va="center",
        textcoords="offset points", fontweight="bold", fontsize=8,
    )  # fmt: skip
    ax.annotate(
        plain(group.says, 60), (1, y), xycoords=("axes fraction", "data"), va="center", ha="right",
        fontsize=7.2, color=MUTED,
    )  # fmt: skip


def _group(ax: Any, y: float, group: Ranks, order: np.ndarray, most: int) -> None:
    found, k = group.found, len(order)
    for row, i in enumerate(order):
        color = group.colors[i]
        ax.plot([1, k], [y + row] * 2, color=GRID, linewidth=0.8, zorder=0)  # ranks that it could have
        for part in group.parts if len(group.parts) > 1 else ():
            ax.plot([part[i]] * 2, [y + row - 0.2, y + row + 0.2], color=color, linewidth=0.9, alpha=0.7)
        ax.plot(
            found.mean_ranks[i], y + row, marker="o", markersize=5.5, color=color, linestyle="none", zorder=3,
            markerfacecolor=color if group.tested else PAPER,
        )  # fmt: skip
    place = {int(i): row for row, i in enumerate(order)}
    for lane, clique in enumerate(found.cliques if group.tested else ()):
        own = [y + place[i] for i in clique]
        x = k + most * (0.06 + 0.03 * (lane % LANES))
        ax.plot([x, x], [min(own) - 0.25, max(own) + 0.25], color=INK, linewidth=2.2, solid_capstyle="butt")
