"""The rotations of a linear system: its eigenvalues, and how its planes and frequencies match jPCA's."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from scipy.optimize import linear_sum_assignment

from jslds_bench.report.figures.spectrum import FRAME, complex_plane, window
from jslds_bench.report.figures.states import span_of
from jslds_bench.report.figures.summary import heat, square
from jslds_bench.report.style import INK, MUTED, RASTER_ABOVE, Style, marker, sheet, title

Array = np.ndarray


class Rotations(NamedTuple):
    """What a record says of one model's rotations; None: nothing.

    Attributes:
        style: the model's.
        bin_seconds: one step of the system, s.
        eigenvalues: of the mean linear system, [H]; `cloud`: the largest at each of A sampled steps, [A, V].
        pairs, pair_hertz: the leading complex pairs and their frequencies, [W].
        jpc_hertz: frequencies of the jPC planes, [Q].
        angles: the smaller principal angle between the planes of both, degrees, [W, Q].
        planted_hertz: the true frequencies, [I].
        spread, chance: what the panels of eigenvalues and of angles add in words.
    """

    style: Style
    bin_seconds: float | None = None
    eigenvalues: Array | None = None
    cloud: Array | None = None
    pairs: Array | None = None
    pair_hertz: Array | None = None
    jpc_hertz: Array | None = None
    angles: Array | None = None
    planted_hertz: Array | None = None
    spread: str = ""
    chance: str = ""


Panel = Callable[[Axes, Rotations], None]


def rotations(heading: str, found: Rotations) -> Figure:
    """The panels that `found` has something for: eigenvalues, leading pairs, plane angles, frequencies."""
    drawn = panels(found)
    legend = []
    if disc in drawn and found.cloud is not None:
        legend.append(marker(".", found.style.color, "system at a step"))
    if disc in drawn and found.eigenvalues is not None:
        legend.append(marker("x", INK, "mean system"))
    if pairs in drawn or strips in drawn:
        if found.pair_hertz is not None or found.pairs is not None:
            legend.append(marker("o", found.style.color, "leading pair", True))
        for hertz, symbol, name in (
            (found.jpc_hertz, "s", "jPC plane"),
            (found.planted_hertz, "D", "planted"),
        ):
            if hertz is not None and hertz.size:
                legend.append(marker(symbol, MUTED if symbol == "D" else INK, name))
    figure, axes = sheet(heading, len(drawn), 1 if len(drawn) == 1 else 2, 1.85, legend, title_lines=2)
    for ax, draw in zip(axes, drawn, strict=True):
        draw(ax, found)
    return figure


def panels(found: Rotations) -> list[Panel]:
    """Which panels there is something to draw in."""
    drawn: list[Panel] = []
    if any(_some(values) for values in (found.eigenvalues, found.cloud)):
        drawn.append(disc)
    if _some(found.pairs):
        drawn.append(pairs)
    if _some(found.angles):
        drawn.append(angles)
    if sum(_some(h) for h in (found.pair_hertz, found.jpc_hertz, found.planted_hertz)) >= 2:
        drawn.append(strips)
    return drawn


def matches(cost: Array) -> list[tuple[int, int]]:
    """Rows and columns of the one-to-one matching of least total cost, without those of no finite cost."""
    known = np.isfinite(cost)
    far = 1e3 * (1 + np.abs(cost[known]).max(initial=0.0)) * (1 + cost.size)
    rows, columns = linear_sum_assignment(np.where(known, cost, far))
    return [(int(r), int(c)) for r, c in zip(rows, columns, strict=True) if known[r, c]]


def _matched_planes(found: Rotations) -> list[tuple[int, int]]:
    """Pairs with jPC planes: by their angles, or by frequency where the record holds no angles."""
    if _some(found.angles):
        return matches(np.asarray(found.angles))
    if found.pair_hertz is None or found.jpc_hertz is None:
        return []
    return matches(np.abs(found.pair_hertz[:, None] - found.jpc_hertz))


def _some(values: Array | None) -> bool:
    return values is not None and bool(np.isfinite(values).any())


def disc(ax: Axes, found: Rotations) -> None:
    """All eigenvalues against the unit circle."""
    complex_plane(ax)
    everything = [v[np.isfinite(v)].ravel() for v in (found.cloud, found.eigenvalues) if v is not None]
    looks: list[dict[str, Any]] = []
    if found.cloud is not None:
        looks.append({"marker": ".", "color": found.style.color, "markersize": 3, "alpha": 0.4})
    if found.eigenvalues is not None:
        looks.append({"marker": "x", "color": INK, "markersize": 4.5, "markeredgewidth": 0.9})
    for values, look in zip(everything, looks, strict=True):
        raster = len(values) > RASTER_ABOVE
        ax.plot(values.real, values.imag, linestyle="none", rasterized=raster, **look)
    known = np.concatenate(everything)
    window(ax, known)
    beyond = int((np.abs(known) > FRAME).sum())
    title(
        ax,
        "eigenvalues",
        "; ".join(t for t in (found.spread, f"{beyond} beyond the frame" * (beyond > 0)) if t),
    )


def pairs(ax: Axes, found: Rotations) -> None:
    """The leading pairs, a line from each to its jPC plane on the unit circle, exp(i 2π f dt)."""
    complex_plane(ax)
    own = np.asarray(found.pairs)
    shown = [own]
    if found.bin_seconds is not None:
        turn = 2j * np.pi * found.bin_seconds
        if found.planted_hertz is not None:
            planted = np.exp(turn * found.planted_hertz)
            shown.append(planted)
            ax.plot(planted.real, planted.imag, "D", color=MUTED, markerfacecolor="none", markersize=6.5)
        if found.jpc_hertz is not None:
            jpc = np.exp(turn * found.jpc_hertz)
            shown.append(jpc)
            for w, q in _matched_planes(found):
                both = np.array([own[w], jpc[q]])
                ax.plot(both.real, both.imag, color=MUTED, linewidth=0.8)
            ax.plot(jpc.real, jpc.imag, "s", color=INK, markerfacecolor="none", markersize=4.5)
    ax.plot(own.real, own.imag, "o", color=found.style.color, markersize=4.5)
    known = np.concatenate(shown)
    known = known[np.isfinite(known) & (np.abs(known) <= FRAME)]
    ax.set_xlim(*span_of(known.real, 0.2))
    ax.set_ylim(*span_of(known.imag, 0.2))
    title(ax, "leading pairs, close-up", "lines: matched planes")


def angles(ax: Axes, found: Rotations) -> None:
    """Smaller principal angles in degrees as a matrix; matched planes are framed."""
    values = np.asarray(found.angles)
    for (row, column), angle in np.ndenumerate(values):
        known = math.isfinite(angle)
        color, ink = heat(1 - min(max(angle, 0.0), 90.0) / 90) if known else ("none", MUTED)
        square(ax, column, row, color, ink, f"{angle:.0f}" if known else "–")
    for row, column in _matched_planes(found):
        ax.add_patch(
            Rectangle((column - 0.45, row - 0.44), 0.9, 0.88, facecolor="none", edgecolor=INK, linewidth=1.6)
        )
    n_rows, n_columns = values.shape
    ax.set_xlim(-0.5, n_columns - 0.5)
    ax.set_ylim(n_rows - 0.5, -0.5)
    ax.set_xticks(range(n_columns), _hertz(found.jpc_hertz, n_columns))
    ax.set_yticks(range(n_rows), _hertz(found.pair_hertz, n_rows))
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_xlabel("jPC planes, Hz")
    ax.set_ylabel("leading pairs, Hz", labelpad=2)
    title(ax, "smaller angle between planes, °", found.chance)


def strips(ax: Axes, found: Rotations) -> None:
    """Frequencies of leading pairs, jPC planes and what was planted, a row each, matched ones joined."""
    kinds = (
        ("jPC", found.jpc_hertz, "s"),
        ("pairs", found.pair_hertz, "o"),
        ("planted", found.planted_hertz, "D"),
    )
    rows = [(name, np.asarray(hertz), symbol) for name, hertz, symbol in kinds if _some(hertz)]
    y = {name: float(i) for i, (name, _, _) in enumerate(rows)}
    if "jPC" in y and "pairs" in y:
        _join(ax, found.pair_hertz, found.jpc_hertz, _matched_planes(found), y["pairs"], y["jPC"])
    if "planted" in y:
        own, name = (found.pair_hertz, "pairs") if "pairs" in y else (found.jpc_hertz, "jPC")
        near = matches(np.abs(np.asarray(own)[:, None] - found.planted_hertz))
        _join(ax, own, found.planted_hertz, near, y[name], y["planted"])
    looks = {"o": (found.style.color, found.style.color), "s": (INK, "none"), "D": (MUTED, "none")}
    for name, hertz, symbol in rows:
        color, face = looks[symbol]
        ax.plot(
            hertz, np.full(np.shape(hertz), y[name]), symbol, color=color, markerfacecolor=face, markersize=5
        )
    known = np.concatenate([hertz for _, hertz, _ in rows])
    ax.set_xlim(*span_of(np.append(known, 0.0), 0.1))
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_yticks(list(y.values()), list(y))
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("frequency, Hz")
    title(ax, "frequencies", "lines: matched")


def _join(
    ax: Axes, one: Any, other: Any, joined: list[tuple[int, int]], y_one: float, y_other: float
) -> None:
    for i, k in joined:
        ax.plot([one[i], other[k]], [y_one, y_other], color=MUTED, linewidth=0.8)


def _hertz(values: Array | None, count: int) -> list[str]:
    """Tick labels: the frequencies, or numbers of planes where they are not known."""
    if values is None:
        return [str(i + 1) for i in range(count)]
    return [f"{v:.2f}" if math.isfinite(v) else "–" for v in values]
