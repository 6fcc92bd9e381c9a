"""The one visual language of all figures: inks, a colour and a dash per model, panels laid out in inches.

Networks are drawn in ink, targets in grey, a model always in its own colour. Crosses are fixed points,
open circles expansion points. Every colour is a pair (light, dark): files carry the light one, the page
swaps in whichever the reader's system asks for.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Any, cast

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from jslds_bench.records.numbers import number

INK, MUTED, GRID, PAPER = "#15191e", "#6a737d", "#dde2e7", "#fffffe"
THEME = {
    INK: "#e8ebee",
    MUTED: "#9aa4ae",
    GRID: "#343c45",
    PAPER: "#14181d",
    "#0072b2": "#4ea9e6",  # blue
    "#c84e00": "#ff8f4a",  # vermilion
    "#00855f": "#35c79b",  # green
    "#b0458a": "#e58bc4",  # purple
    "#a07400": "#e3b53e",  # amber
    "#2592c9": "#8fd2f7",  # sky
    "#6a4fb3": "#ab98f2",  # violet
    "#80502c": "#cf9f7a",  # brown
}
"""Light colour → its dark counterpart. Distinguishable under the common colour-vision deficiencies in the
order given (after Okabe and Ito, 2008); beyond eight models the dashes tell them apart."""

PALETTE = tuple(THEME)[4:]
MODE_THEME = {
    "#1e27bd": "#6084ff",  # navy
    "#c17400": "#dc9b57",  # amber
    "#44a58f": "#3b8977",  # teal
    "#e27dea": "#973c9f",  # pink
    "#b73c3d": "#be202d",  # red
    "#77c317": "#94e344",  # lime
    "#61437a": "#d3aff4",  # plum
    "#6e5ef9": "#5d48e1",  # violet
    "#772d03": "#dd5e1a",  # brown
}
"""Colours of a model's modes, light → dark: nine that differ by hue and by lightness, so that any two are
told apart in either theme with normal vision and with each of the three colour-vision deficiencies."""

CONDITION_THEME = {
    "#5b2a86": "#b78be0",  # purple
    "#3457b2": "#7d9df0",  # blue
    "#1f7fa6": "#5cbbe0",  # cyan
    "#1c8f7a": "#4fcdb4",  # teal
    "#5f8f1e": "#9fce5a",  # green
    "#a8860f": "#e0bf4a",  # yellow
    "#c8641b": "#f59a55",  # orange
    "#b3272d": "#f0706f",  # red
}
"""Colours of experimental conditions, light → dark: a ramp by hue, for conditions that have an order."""

CONDITION_COLORS = tuple(CONDITION_THEME)
MODE_COLORS = tuple(MODE_THEME)
MODE_SYMBOLS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
THEME |= MODE_THEME | CONDITION_THEME
SLOTS = ("jslds", "fixed_points", "taylor_at_state", "persistence", "slds", "rslds", "lds")
DASHES: tuple[Any, ...] = ("solid", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.2, 1, 1.2)))
WIDTH = 4.7  # inches of a figure; the page shows one on a phone, two side by side on a desk
RASTER_ABOVE = 1500  # points in one scatter, from which it is stored as pixels inside the SVG
LABEL_LENGTH = 26

RC: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.titlesize": 8.5,
    "axes.titlelocation": "left",
    "axes.labelsize": 8.5,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.4,
    "figure.facecolor": PAPER,
    "axes.facecolor": "none",
    "savefig.facecolor": PAPER,
    "svg.fonttype": "none",
    "svg.hashsalt": "jslds-bench",
    "path.simplify": True,
}


@contextlib.contextmanager
def theme() -> Iterator[None]:
    """Matplotlib's settings for building and saving figures; restored afterwards."""
    settings: dict[str, Any] = dict(mpl.rcParamsDefault) | RC  # whatever the caller has set is left aside
    with mpl.rc_context(settings):  # type: ignore[arg-type]
        yield


@dataclasses.dataclass(frozen=True)
class Style:
    """How a model is drawn, in every figure."""

    label: str
    color: str
    dash: Any = "solid"

    def line(self) -> Line2D:
        """The model's entry in a legend."""
        return Line2D([], [], color=self.color, linestyle=self.dash, label=plain(self.label))


def model_styles(entries: Sequence[tuple[str, str]]) -> dict[str, Style]:
    """Label → Style for (label, registry name) pairs: known entries keep their colour from run to run."""
    taken: dict[str, int] = {}
    for label, entry in entries:
        if entry in SLOTS and SLOTS.index(entry) not in taken.values():
            taken[label] = SLOTS.index(entry)
    spare = (i for i in range(len(entries) + len(SLOTS)) if i not in set(taken.values()))
    chosen = {label: taken[label] if label in taken else next(spare) for label, _ in entries}
    n = len(PALETTE)
    return {label: Style(label, PALETTE[i % n], DASHES[i // n % len(DASHES)]) for label, i in chosen.items()}


def plain(text: str, length: int = LABEL_LENGTH) -> str:
    """`text` fit for a figure: one line, cut after `length` characters (`theme` has turned mathtext off)."""
    line = "".join(c if c.isprintable() else " " for c in text)
    line = line if len(line) <= length else line[: length - 1] + "…"
    return f" {line}" if line.startswith("_") else line  # matplotlib hides labels that begin with _


def sheet(
    heading: str,
    n_panels: int,
    columns: int = 2,
    height: float = 2.1,
    legend: Sequence[Any] = (),
    left: float = 0.62,
    gap: float = 0.62,
    projection: str | None = None,
    title_lines: int = 1,
    below: float = 0.46,
) -> tuple[Figure, list[Axes]]:
    """A Figure of equal panels, `height` inches each, under a heading and over a legend; its axes by rows.

    `below` is the room under a panel for its axis labels; panels that share their axes need little.
    """
    columns = min(columns, max(n_panels, 1))
    rows = math.ceil(n_panels / columns) if n_panels else 1
    above = 0.08 + 0.16 * title_lines  # room for the panels' own titles
    top, bottom, between, right = 0.25 + above, 0.46, below + above, 0.14
    longest = max((len(str(entry.get_label())) for entry in legend), default=0)
    legend_columns = 3 if longest <= 16 and len(legend) != 4 else 2
    legend_rows = math.ceil(len(legend) / legend_columns)
    foot = legend_rows * 0.19 + (0.08 if legend_rows else 0)
    total = top + rows * height + (rows - 1) * between + bottom + foot
    figure = Figure(figsize=(WIDTH, total))
    inner = (WIDTH - left - right - (columns - 1) * gap) / columns
    figure.text(0.06 / WIDTH, 1 - 0.05 / total, heading, ha="left", va="top", fontsize=9, fontweight="bold")
    axes = []
    for i in range(n_panels):
        row, column = divmod(i, columns)
        x = left + column * (inner + gap)
        y = total - top - (row + 1) * height - row * between
        box = (x / WIDTH, y / total, inner / WIDTH, height / total)
        axes.append(figure.add_axes(box, projection=projection))
        if columns > 1 and projection is None:
            axes[-1].locator_params(nbins=4)
    if legend:
        figure.legend(
            handles=list(legend),
            loc="lower left",
            bbox_to_anchor=(0.01, 0.0),
            ncols=legend_columns,
            borderaxespad=0.2,
            handlelength=2.0,
            columnspacing=1.2,
            labelspacing=0.3,
        )
    return figure, axes


def title(axes: Axes, text: str, second: str = "") -> None:
    """One or two lines, left aligned above the panel (also above a three-dimensional one)."""
    box, figure = axes.get_position(original=True), cast(Figure, axes.figure)
    inch = 1 / figure.get_figheight()
    figure.text(box.x0, box.y1 + (0.2 if second else 0.05) * inch, text, fontsize=8.5, va="bottom")
    if second:
        figure.text(box.x0, box.y1 + 0.05 * inch, second, fontsize=7.5, va="bottom", color=MUTED)


def log_axis(axis: Any) -> None:
    """Plain numbers on a logarithmic axis (matplotlib's own would need mathtext)."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: number(value, 1)))
    axis.set_minor_formatter(FuncFormatter(lambda value, _: ""))


def marker(symbol: str, color: str, label: str, filled: bool = False) -> Line2D:
    """A legend entry for points."""
    face = color if filled else "none"
    return Line2D(
        [], [], linestyle="none", marker=symbol, color=color, markerfacecolor=face, markersize=5, label=label
    )


def stroke(color: str, label: str, dash: Any = "solid", width: float = 1.4) -> Line2D:
    """A legend entry for a line."""
    return Line2D([], [], color=color, linestyle=dash, linewidth=width, label=label)
