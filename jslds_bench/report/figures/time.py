"""Where the time of a run went."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from jslds_bench.report.style import GRID, MUTED, PALETTE, plain, sheet, title

PARTS = (
    "network",
    "fitting",
    "compiling",
    "evaluating",
    "preparing",
    "metrics",
    "figures",
    "measuring speeds",
)
COLORS = dict(zip(PARTS, PALETTE, strict=False)) | {"other": MUTED, "halted": "#b9a9c9", "idle": GRID}


def time_parts(heading: str, rows: Mapping[str, Mapping[str, float]]) -> Figure:
    """One bar per row, its parts in seconds stacked, the total beside it."""
    names = list(dict.fromkeys(name for parts in rows.values() for name in parts))
    names.sort(key=lambda name: list(COLORS).index(name) if name in COLORS else len(COLORS))
    legend = [Patch(facecolor=COLORS.get(name, MUTED), label=plain(name)) for name in names]
    longest = max((len(plain(row)) for row in rows), default=0)
    figure, (ax,) = sheet(
        heading, 1, height=0.22 * len(rows) + 0.1, left=min(2.3, 0.3 + 0.066 * longest), legend=legend
    )
    y, left = np.arange(len(rows)), np.zeros(len(rows))
    for name in names:
        widths = np.array([parts.get(name, 0.0) for parts in rows.values()])
        ax.barh(y, widths, 0.7, left=left, color=COLORS.get(name, MUTED))
        left += widths
    for at, total in zip(y, left, strict=True):
        ax.annotate(f" {total:.0f} s", (total, at), va="center", fontsize=7.5)
    ax.set_yticks(y, [plain(row) for row in rows])
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_xlim(0, 1.15 * max(left.max(initial=0.0), 1e-9))
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("seconds of all workers")
    title(ax, "")
    return figure
