"""The one visual language of all figures: inks, a colour and a dash per model, panels laid out in inches.

Networks are drawn in ink, targets in grey, a model always in its own colour. Crosses are fixed points,
open circles expansion points. Every colour is a pair (light, dark): files carry the light one, the page
swaps in whichever the reader's system asks for.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, cast

import matplotlib as mpl
import numpy as np
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
    "#20209a": "#6f78ff",  # navy
    "#8c1d40": "#ff5570",  # maroon
    "#4f5d00": "#b4dc3c",  # olive
    "#e23ad0": "#c94ff2",  # magenta
}
"""Light colour → its dark counterpart: twelve, any two of which normal vision tells apart (the first after
Okabe and Ito, 2008). With a deficiency some are alike, so figures name their lines and points beside them."""

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
SLOTS = (
    "jslds", "fixed_points", "taylor_at_state", "persistence", "slds", "rslds", "lds", "codebook", "dmdc",
)  # fmt: skip
"""Entries whose colour is the same in every run, in the order of `PALETTE`."""
DASHES: tuple[Any, ...] = ("solid", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.2, 1, 1.2)))
WIDTH = 4.7  # inches of a figure; the page shows one on a phone, two side by side on a desk
WIDE = 9.7  # of one that takes the whole width of the page
FEW = 5  # lines of a plot that are still read at a glance
RASTER_ABOVE = 1500  # points in one scatter, from which it is stored as pixels inside the SVG
LABEL_LENGTH = 26
UNDER: dict[str, Any] = {"color": INK, "linewidth": 3.4, "alpha": 0.3, "solid_capstyle": "round"}
"""How a network's states are drawn where a model's lie upon them: broad and pale, so that both are seen."""

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
    """How a model is drawn, in every figure. Beyond twelve models colours come again, dashed and hollow."""

    label: str
    color: str
    dash: Any = "solid"

    @property
    def hollow(self) -> bool:
        """Whether its chips and points are outlines."""
        return self.dash != "solid"

    @property
    def face(self) -> str:
        """What fills its points."""
        return PAPER if self.hollow else self.color

    def line(self) -> Line2D:
        """The model's entry in a legend."""
        return Line2D([], [], color=self.color, linestyle=self.dash, label=plain(self.label))


def model_styles(entries: Sequence[tuple[str, str]]) -> dict[str, Style]:
    """Label → Style for (label, registry name) pairs, no two alike as far as there are styles.

    Known entries keep their colour from run to run; any other label prefers one by its name, so that it does
    as a rule.
    """
    n = len(PALETTE)
    chosen: dict[str, int] = {}
    for label, entry in entries:
        if entry in SLOTS and SLOTS.index(entry) not in chosen.values():
            chosen[label] = SLOTS.index(entry)
    for label in sorted({label for label, _ in entries} - chosen.keys()):
        home = zlib.crc32(label.encode("utf-8", "replace")) % n
        rounds = (n * r + (home + i) % n for r in itertools.count() for i in range(n))
        chosen[label] = next(i for i in rounds if i not in chosen.values())
    return {
        label: Style(label, PALETTE[i % n], DASHES[i // n % len(DASHES)])
        for label, _ in entries
        for i in [chosen[label]]
    }


def plain(text: str, length: int = LABEL_LENGTH) -> str:
    """`text` fit for a figure: one line of at most `length` characters, the middle left out of longer ones.

    Labels differ at their ends. `theme` has turned mathtext off.
    """
    line = "".join(c if c.isprintable() else " " for c in text)
    if len(line) > length:
        tail = (length - 1) // 2
        line = line[: length - 1 - tail] + "…" + line[len(line) - tail :]
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
    width: float = WIDTH,
    right: float = 0.14,
) -> tuple[Figure, list[Axes]]:
    """A Figure of equal panels, `height` inches each, under a heading and over a legend; its axes by rows.

    `below` is the room under a panel for its axis labels; panels that share their axes need little. `right`
    and `gap` are that for names beside lines.
    """
    columns = min(columns, max(n_panels, 1))
    rows = math.ceil(n_panels / columns) if n_panels else 1
    above = 0.08 + 0.16 * title_lines  # room for the panels' own titles
    top, bottom, between = 0.25 + above, 0.46, below + above
    longest = max((len(str(entry.get_label())) for entry in legend), default=0)
    legend_columns = 3 if longest <= 16 and len(legend) != 4 else 2
    legend_columns *= 2 if width > WIDTH else 1
    legend_rows = math.ceil(len(legend) / legend_columns)
    foot = legend_rows * 0.19 + (0.08 if legend_rows else 0)
    total = top + rows * height + (rows - 1) * between + bottom + foot
    figure = Figure(figsize=(width, total))
    inner = (width - left - right - (columns - 1) * gap) / columns
    figure.text(0.06 / width, 1 - 0.05 / total, heading, ha="left", va="top", fontsize=9, fontweight="bold")
    axes = []
    for i in range(n_panels):
        row, column = divmod(i, columns)
        x = left + column * (inner + gap)
        y = total - top - (row + 1) * height - row * between
        box = (x / width, y / total, inner / width, height / total)
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


class Name(NamedTuple):
    """What a line or a point is called, where it is, and its colour."""

    x: float
    y: float
    text: str
    color: str


def names_beside(ax: Axes, names: Sequence[Name], size: float = 7) -> None:
    """Names to the right of the panel at the heights of their lines, moved apart where they would overlap.

    Limits and scales of the axes must be set. Of equal y the order is kept.
    """
    high, line = _points_high(ax), 1.25 * size
    at = [float(np.clip(_place(ax, n.x, n.y)[1], 0, high)) for n in names]
    order = sorted(range(len(names)), key=lambda i: at[i])
    shown = np.array([at[i] for i in order])
    for i in range(1, len(shown)):
        shown[i] = max(shown[i], shown[i - 1] + line)
    if len(shown) and shown[-1] > high:
        shown[-1] = high
        for i in range(len(shown) - 2, -1, -1):
            shown[i] = min(shown[i], shown[i + 1] - line)
    for i, y in zip(order, shown, strict=True):
        ax.annotate(
            names[i].text, (1, y / high), xycoords="axes fraction", xytext=(4, 0), textcoords="offset points",
            va="center", fontsize=size, color=names[i].color, annotation_clip=False,
        )  # fmt: skip


def names_at(
    ax: Axes, names: Sequence[Name], others: Sequence[tuple[float, float]] = (), size: float = 7
) -> None:
    """Names next to their points, each where it covers no other name and as few points as can be.

    Limits and scales of the axes must be set; `others` are points that have no name.
    """
    wide, high = _points_high(ax, 0), _points_high(ax)
    points = [_place(ax, n.x, n.y) for n in names] + [_place(ax, *xy) for xy in others]
    taken: list[tuple[float, float, float, float]] = []
    for name, (x, y) in zip(names, points, strict=False):
        w, h = 0.56 * size * len(name.text), 1.15 * size
        places: list[tuple[float, int, tuple[float, float, float, float]]] = []
        for far in (4.0, 9.0, 16.0, 26.0):
            for dx, dy in ((far, far / 2), (far, -h - far / 2), (-w - far, far / 2), (-w - far, -h - far / 2),
                           (-w / 2, far), (-w / 2, -h - far)):  # fmt: skip
                box = (x + dx, y + dy, x + dx + w, y + dy + h)
                outside = max(0, -box[0]) + max(0, box[2] - wide) + max(0, -box[1]) + max(0, box[3] - high)
                covered = sum(box[0] - 2 < a < box[2] + 2 and box[1] - 2 < b < box[3] + 2 for a, b in points)
                over = sum(_overlap(box, other) for other in taken)
                places.append((100 * over + 3 * covered + outside + 0.1 * far, len(places), box))
        _, _, box = min(places)
        taken.append(box)
        ax.annotate(
            name.text, ((box[0]) / wide, box[1] / high), xycoords="axes fraction", fontsize=size,
            va="bottom", color=name.color, zorder=8, annotation_clip=False,
        )  # fmt: skip


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _points_high(ax: Axes, axis: int = 1) -> float:
    """The height (or width, `axis` 0) of a panel in typographic points."""
    box, figure = ax.get_position(original=True), cast(Figure, ax.figure)
    return 72 * (box.height * figure.get_figheight() if axis else box.width * figure.get_figwidth())


def _place(ax: Axes, x: float, y: float) -> tuple[float, float]:
    """Data coordinates in typographic points from the panel's lower left corner."""
    fx, fy = ax.transAxes.inverted().transform(ax.transData.transform((x, y)))
    return float(fx) * _points_high(ax, 0), float(fy) * _points_high(ax)


def log_axis(axis: Any) -> None:
    """Plain numbers on a logarithmic axis (matplotlib's own would need mathtext).

    Of less than two decades 2 and 5 have theirs too, or there would be too few to read by.
    """

    def between(value: float, _: object) -> str:
        low, high = axis.get_view_interval()
        lead = round(value / 10 ** math.floor(math.log10(value)))
        return number(value, 1) if lead in (2, 5) and high < 100 * low else ""

    axis.set_major_formatter(FuncFormatter(lambda value, _: number(value, 1)))
    axis.set_minor_formatter(FuncFormatter(between))


def marker(symbol: str, color: str, label: str, filled: bool = False) -> Line2D:
    """A legend entry for points."""
    face = color if filled else "none"
    return Line2D(
        [], [], linestyle="none", marker=symbol, color=color, markerfacecolor=face, markersize=5, label=label
    )


def network_line(label: str) -> Line2D:
    """The legend entry of a network's states under those of its models."""
    return Line2D([], [], label=label, **UNDER)


def stroke(color: str, label: str, dash: Any = "solid", width: float = 1.4) -> Line2D:
    """A legend entry for a line."""
    return Line2D([], [], color=color, linestyle=dash, linewidth=width, label=label)
