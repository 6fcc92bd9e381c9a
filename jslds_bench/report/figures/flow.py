"""The flow of each mode of a switching model in the plane, its fixed point, and the modes' regions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from jslds_bench.report.data.modes import Modes
from jslds_bench.report.style import INK, MUTED, PAPER, marker, sheet, stroke, title

Array = np.ndarray
ARROWS = 15  # arrows along each side of a panel
DOTS: dict[str, Any] = {"linestyle": "none", "marker": ".", "markersize": 2.2, "alpha": 0.5, "zorder": 4}


class Field(NamedTuple):
    """The panel of one mode: displacement per step [G, 2]; states from which it took a step [V, 2]; its fixed
    point [2], real or virtual, if known."""

    mode: int
    flow: Array
    visited: Array
    point: Array | None = None
    real: bool = False


class Plane(NamedTuple):
    """What the panels of a record share: a grid [G, 2], the mode picked at each point, states [V, 2]."""

    at: Array
    picked: Array | None
    states: Array | None

    @property
    def step(self) -> Array:
        """The grid's spacing, [2]."""
        return np.ptp(self.at, axis=0) / max(math.isqrt(len(self.at)) - 1, 1)

    @property
    def bounds(self) -> Array:
        """The lower and the upper limits, half a cell beyond the grid, [2, 2]."""
        return np.stack([self.at.min(axis=0) - self.step / 2, self.at.max(axis=0) + self.step / 2])

    @property
    def cells(self) -> Array:
        """Column and row of each grid point, whatever their order, [G, 2]."""
        return np.rint((self.at - self.at.min(axis=0)) / self.step).astype(int)


def flows(heading: str, fields: Sequence[Field], plane: Plane, modes: Modes, labels: Sequence[str]) -> Figure:
    """The regions, then a panel per mode: its flow, strong where the gate picks it, and its fixed point."""
    several = has_regions(plane, modes)
    n = len(fields) + several
    columns = {1: 1, 2: 2, 4: 2}.get(n, 3)
    height = {1: 2.6, 2: 1.75, 3: 1.2}[columns]
    figure, axes = sheet(
        heading, n, columns, height, _legend(fields, several), gap=0.12, title_lines=2, below=0.1
    )
    size = np.array([axes[0].get_position().width * figure.get_figwidth(), height])
    reach = _reach(fields, plane, size)
    low, high = plane.bounds
    for i, ax in enumerate(axes):
        ax.set_xlim(low[0], high[0])
        ax.set_ylim(low[1], high[1])
        lowest = i >= n - columns
        ax.tick_params(labelbottom=lowest, labelleft=i % columns == 0)
        ax.set_xlabel(labels[0] if lowest else "")
        ax.set_ylabel(labels[1] if i % columns == 0 else "", labelpad=1)
        if several and i == 0:
            _regions(ax, plane, modes)
        else:
            _field(ax, fields[i - several], plane, modes, size, reach)
    return figure


def has_regions(plane: Plane, modes: Modes) -> bool:
    """Whether `flows` has a panel of regions: a gate that reads the state, and more than one mode."""
    return plane.picked is not None and len(modes.order) > 1


def _legend(fields: Sequence[Field], regions: bool) -> list[Any]:
    entries = []
    if regions:
        entries += [
            stroke(INK, "flow where the gate picks the mode"),
            stroke(MUTED, "flow elsewhere", width=0.5),
        ]
    if any(len(f.visited) for f in fields):
        entries.append(marker(".", INK, "states of example trials", True))
    known = {f.real for f in fields if f.point is not None}
    if True in known:
        entries.append(marker("X", INK, "real fixed point", True))
    if False in known:
        entries.append(marker("X", INK, "virtual fixed point"))
    return entries


def _reach(fields: Sequence[Field], plane: Plane, size: Array) -> float:
    """The displacement in inches that the longest arrow stands for: 90 % of those that are taken are less."""
    lengths = []
    for field in fields:
        taken = slice(None) if plane.picked is None else plane.picked == field.mode
        lengths.append(_inches(field.flow, plane, size)[taken])
    every = np.linalg.norm(np.concatenate(lengths), axis=-1) if lengths else np.zeros(0)
    every = every[np.isfinite(every) & (every > 0)]
    return float(np.quantile(every, 0.9)) if every.size else 1.0


def _inches(flow: Array, plane: Plane, size: Array) -> Array:
    return flow * size / np.ptp(plane.bounds, axis=0)


def _field(ax: Any, field: Field, plane: Plane, modes: Modes, size: Array, reach: float) -> None:
    color = modes.color[field.mode]
    taken = np.ones(len(plane.at), bool) if plane.picked is None else plane.picked == field.mode
    if has_regions(plane, modes):
        ax.add_patch(_area(plane, taken, color, 0.13))
    arrows, thin = _arrows(field.flow, plane, size, reach), _thinned(plane)
    for chosen, width, alpha in ((~taken, 0.5, 0.35), (taken, 0.95, 1.0)):
        ax.plot(*arrows[chosen & thin].reshape(-1, 2).T, color=color, linewidth=width, alpha=alpha,
                solid_joinstyle="round", solid_capstyle="butt")  # fmt: skip
    ax.plot(*field.visited.T, color=INK, **DOTS)
    title(ax, modes.name(field.mode), _point(ax, field, plane, size, color))


def _thinned(plane: Plane) -> Array:
    """Grid points that have an arrow, [G]."""
    cells, n = plane.cells, math.isqrt(len(plane.at))
    stride = math.ceil(n / ARROWS)
    return (cells % stride == (n - 1) % stride // 2).all(axis=1)


def _arrows(flow: Array, plane: Plane, size: Array, reach: float) -> Array:
    """Shaft and head of an arrow centred on each grid point, with a NaN to end its line, [G, 6, 2].

    Lengths go with the square root of the displacement, so that slow modes show too, up to a cell's size.
    """
    step = _inches(flow, plane, size)
    length = np.linalg.norm(step, axis=-1, keepdims=True)
    stride = math.ceil(math.isqrt(len(plane.at)) / ARROWS)
    longest = 0.9 * stride * float((plane.step * size / np.ptp(plane.bounds, axis=0)).min())
    with np.errstate(all="ignore"):
        step = step / length * longest * np.sqrt(np.minimum(length / reach, 1.0))
    across = 0.2 * step[:, ::-1] * (-1.0, 1.0)
    barbs = [0.5 * step - 0.38 * step + side for side in (across, -across)]
    line = np.stack([-0.5 * step, 0.5 * step, barbs[0], 0.5 * step, barbs[1], np.full_like(step, np.nan)], 1)
    return plane.at[:, None] + line * np.ptp(plane.bounds, axis=0) / size


def _point(ax: Any, field: Field, plane: Plane, size: Array, color: str) -> str:
    """Draw the mode's fixed point, or an arrow at the edge towards it; returns what to say of it."""
    if field.point is None:
        return ""
    kind = "real" if field.real else "virtual"
    if not np.isfinite(field.point).all():
        return "no fixed point"
    look = {"color": color if field.real else PAPER, "markeredgecolor": INK if field.real else color}
    low, high = plane.bounds
    if ((field.point >= low) & (field.point <= high)).all():
        ax.plot(*field.point, marker="X", markersize=8.5, zorder=6, markeredgewidth=0.9, **look)
        return f"{kind} point"
    away = (field.point - (low + high) / 2) / (high - low)
    edge = 0.5 + away * 0.46 / np.abs(away).max()
    angle = math.degrees(math.atan2(away[1] * size[1], away[0] * size[0])) - 90
    ax.plot(
        *edge,
        marker=(3, 0, angle),
        markersize=8,
        zorder=6,
        transform=ax.transAxes,
        markeredgewidth=0.9,
        **look,
    )
    return f"{kind} point, outside"


def _regions(ax: Any, plane: Plane, modes: Modes) -> None:
    """The map of the mode that the gate picks, its number in each region, and the states visited."""
    assert plane.picked is not None
    for mode in modes.order:
        inside = plane.picked == mode
        if not inside.any():
            continue
        ax.add_patch(_area(plane, inside, modes.color[mode], 0.4))
        if inside.mean() > 0.015:
            middle = plane.at[inside].mean(axis=0)
            nearest = plane.at[inside][np.argmin(((plane.at[inside] - middle) ** 2).sum(axis=1))]
            ax.text(*nearest, str(mode), ha="center", va="center", fontsize=8.5, fontweight="bold", zorder=5,
                    bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.8, "alpha": 0.7})  # fmt: skip
    if plane.states is not None:
        ax.plot(*plane.states.T, color=INK, **DOTS)
    title(ax, "regions", "mode picked there")


def _area(plane: Plane, inside: Array, color: str, alpha: float) -> PathPatch:
    """The cells of the grid points `inside` [G] as one shape: a rectangle per unbroken run of each row."""
    n = math.isqrt(len(plane.at))
    table = np.zeros((n, n + 2), bool)
    columns, rows = plane.cells[inside].T
    table[rows, columns + 1] = True
    corners: list[Array] = []
    for row, flags in enumerate(table):
        edges = np.flatnonzero(flags[1:] != flags[:-1]).reshape(-1, 2)
        for left, right in edges:
            corners.append(
                np.array([[left, row], [right, row], [right, row + 1], [left, row + 1], [left, row]])
            )
    low = plane.bounds[0]
    paths = [Path(low + c * plane.step, closed=True) for c in corners]
    shape = Path.make_compound_path(*paths) if paths else Path(np.zeros((0, 2)))
    return PathPatch(shape, facecolor=color, edgecolor="none", alpha=alpha, antialiased=False, zorder=0.5)
