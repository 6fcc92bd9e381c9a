"""Figures of example trials: outputs over time, readout space, trajectories and points in the PCA plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jslds_bench.report.style import (
    GRID,
    INK,
    MUTED,
    PAPER,
    RASTER_ABOVE,
    UNDER,
    Style,
    marker,
    network_line,
    plain,
    sheet,
    stroke,
    title,
)

Array = np.ndarray


VIEWS = ((22, -58), (22, 20))
"""Elevation and azimuth, in degrees, of the views of a space of three dimensions."""


class Path(NamedTuple):
    """A model's states along one trial: [T, D]. `dots`: separate predictions rather than one trajectory."""

    style: Style
    states: Array
    dots: bool = False


class Cloud(NamedTuple):
    """Points [P, D] of one kind: the symbol says the kind, the colour whose they are."""

    points: Array
    symbol: str
    color: str
    name: str

    @property
    def key(self) -> Any:
        return marker(self.symbol, self.color, self.name)


class Scene(NamedTuple):
    """One panel: its title lines, the network's trials [E, T+1, D], the model's paths, and points.

    `labels`: names of its axes, where they are not those of the whole figure; `view`: elevation and azimuth.
    """

    name: str
    note: str
    network: Array
    paths: Sequence[Path]
    clouds: Sequence[Cloud] = ()
    labels: Sequence[str] = ()
    view: tuple[int, int] | None = None


def outputs(
    heading: str,
    network: Array,
    targets: Array | None,
    mask: Array | None,
    models: Sequence[Path],
    names: Sequence[str],
) -> Figure:
    """Readout against time, one panel per trial and output: `network` [E, T, O], `targets` [E, T, O]."""
    n_trials, n_steps, n_outputs = network.shape
    legend = [network_line("network"), *(m.style.line() for m in models)]
    if targets is not None:
        legend.insert(1, stroke(MUTED, "target", (0, (3, 2))))
    figure, axes = sheet(heading, n_trials * n_outputs, height=1.25, legend=legend, gap=0.5)
    steps = np.arange(1, n_steps + 1)
    for i, ax in enumerate(axes):
        trial, output = divmod(i, n_outputs)
        span = [network[trial, :, output]]
        if mask is not None and not mask.all():
            ax.axvspan(0.5, 0.5 + int(np.argmax(mask > 0)), color=GRID, alpha=0.5, linewidth=0)
        if targets is not None:
            span.append(targets[trial, :, output])
            ax.plot(steps, span[-1], color=MUTED, linestyle=(0, (3, 2)), linewidth=1.2)
        ax.plot(steps, span[0], **UNDER)
        low, high = span_of(np.concatenate(span), 0.5)  # as far as a model may go before it leaves the plot
        for model in models:
            line = model.states[trial, :, output]
            ax.plot(steps, line, color=model.style.color, linestyle=model.style.dash, linewidth=1.1)
            span.append(line[(line >= low) & (line <= high)])
        ax.set_ylim(*span_of(np.concatenate(span)))
        if gone := [m.style.label for m in models if not _within(m.states[trial, :, output], low, high)]:
            corner_note(ax, f"off the plot: {plain(', '.join(gone), 40)}")
        ax.set_xlim(0.5, n_steps + 0.5)
        title(ax, names[i])
        if i >= len(axes) - 2:
            ax.set_xlabel("step t")
    return figure


def _within(line: Array, low: float, high: float) -> bool:
    return bool(((line >= low) & (line <= high)).all())


def scenes(heading: str, panels: Sequence[Scene], labels: Sequence[str], legend: Sequence[Any]) -> Figure:
    """One panel per Scene in the space that `labels` name: two axes, or three for a 3-D view.

    The limits are those of the network and its points, so that a model that runs away leaves the plot;
    the panel then says at which step.
    """
    deep = len(labels) == 3
    if deep:  # no single view shows what lies behind what
        panels = [p._replace(view=view) for p in panels for view in VIEWS]
    columns, height = (1, 3.2) if len(panels) == 1 else (2, 2.0 if deep else 1.9)
    figure, axes = sheet(
        heading,
        len(panels),
        columns,
        height,
        legend,
        left=0.2 if deep else 0.62,
        gap=0.75 if deep else 0.62,
        projection="3d" if deep else None,
        title_lines=2,
    )
    for ax, scene in zip(axes, panels, strict=True):
        _limits(ax, scene, deep)
        line = UNDER
        if scene.clouds and not scene.paths:  # the trials are only the backdrop of the points
            line = {"color": MUTED, "linewidth": 0.6, "alpha": 0.55}
        for trial in scene.network:
            ax.plot(*trial.T, zorder=1.5, **line)
        if len(scene.network) == 1:
            ax.plot(*scene.network[0][:1].T, marker="s", markersize=4, color=INK, linestyle="none")
        away = [_path(ax, path) for path in scene.paths]
        beyond = sum(_cloud(ax, cloud) for cloud in scene.clouds)
        _axes_names(ax, scene.labels or labels, scene.view if deep else None)
        notes = [scene.note] + ([f"{beyond} out of view"] if beyond else [])
        if scene.view == VIEWS[1]:
            title(ax, "the same, turned", " ")
        else:
            title(ax, plain(scene.name, 34), ", ".join(n for n in notes if n))
        left = [t for t in away if t is not None]
        if left:
            corner_note(ax, f"free-run leaves the plot at t = {min(left)}")
    return figure


def corner_note(ax: Any, text: str) -> None:
    """A line of small text in the lower right corner of a panel."""
    ax.annotate(
        text, (1, 0), xycoords="axes fraction", ha="right", va="bottom", xytext=(-1, 2),
        textcoords="offset points", fontsize=6.8, zorder=9,
        bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 1, "alpha": 0.8},
    )  # fmt: skip


def _path(ax: Any, path: Path) -> int | None:
    """Draw a model's states; returns the step at which a free run leaves the panel's limits, if it does."""
    bounds = np.array([getattr(ax, f"get_{axis}lim")() for axis in "xyz"[: path.states.shape[-1]]])
    inside = ((path.states >= bounds[:, 0]) & (path.states <= bounds[:, 1])).all(axis=-1)
    shown, out = np.array(path.states, dtype=float), np.flatnonzero(~inside)
    if out.size and not path.dots:
        shown[out[0] :] = np.nan
    shown[~inside] = np.nan
    color = path.style.color
    if path.dots:
        ax.plot(*shown.T, linestyle="-", linewidth=0.5, marker=".", markersize=4.5, color=color, alpha=0.9)
        return None
    ax.plot(*shown.T, linestyle=path.style.dash, linewidth=1.3, color=color)
    ax.plot(*shown[-1:].T, linestyle="none", marker="D", markersize=3.5, color=color)
    return int(out[0]) if out.size else None


def _cloud(ax: Any, cloud: Cloud) -> int:
    """Draw points, the many smaller and paler than the few; returns how many lie outside the panel."""
    finite = cloud.points[np.isfinite(cloud.points).all(axis=-1)]
    bounds = np.array([getattr(ax, f"get_{axis}lim")() for axis in "xyz"[: cloud.points.shape[-1]]])
    inside = ((finite >= bounds[:, 0]) & (finite <= bounds[:, 1])).all(axis=-1)
    many = len(finite) > 300
    ax.plot(
        *finite[inside].T,
        linestyle="none",
        marker=cloud.symbol,
        markersize=2.5 if many else {"x": 5.0}.get(cloud.symbol, 6.0),
        markeredgewidth=0.5 if many else 1.1,
        alpha=0.5 if many else 1.0,
        color=cloud.color,
        markerfacecolor="none",
        rasterized=len(finite) > RASTER_ABOVE,
        zorder=3 if many else 5,
    )
    return len(cloud.points) - int(inside.sum())


def _limits(ax: Any, scene: Scene, deep: bool) -> None:
    """Room for the network's states and for the points that lie near them."""
    known = scene.network.reshape(-1, scene.network.shape[-1])
    known = known[np.isfinite(known).all(axis=-1)]
    centre = known.mean(axis=0) if len(known) else np.zeros(scene.network.shape[-1])
    reach = 2.0 * np.abs(known - centre).max(axis=0, initial=1e-9)
    near = [
        c.points[(np.abs(c.points - centre) <= reach).all(axis=-1)] for c in scene.clouds if len(c.points)
    ]
    everything = np.concatenate([known, *near])
    for i, axis in enumerate("xyz"[: 3 if deep else 2]):
        getattr(ax, f"set_{axis}lim")(*span_of(everything[:, i], 0.3 if scene.paths else 0.12))


def span_of(values: Array, room: float = 0.12) -> tuple[float, float]:
    """Limits that leave `room`, as a share of the spread, at either end."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return -1.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    margin = room * (high - low) or 0.5
    return low - margin, high + margin


def _axes_names(ax: Any, labels: Sequence[str], view: tuple[int, int] | None) -> None:
    if view is None:
        ax.set_xlabel(labels[0])
        ax.set_ylabel(labels[1], labelpad=1)
        return
    ax.set_xlabel(labels[0], labelpad=-8)
    ax.set_ylabel(labels[1], labelpad=-8)
    ax.set_zlabel(labels[2], labelpad=-8)
    ax.tick_params(pad=-4, labelsize=6.5)
    ax.view_init(elev=view[0], azim=view[1])
    ax.set_box_aspect((1, 1, 0.85), zoom=1.22)
    ax.grid(False)
    for axis in (ax.xaxis, ax.yaxis, ax.zaxis):
        axis.set_pane_color((0, 0, 0, 0))
        axis.set_major_locator(MaxNLocator(4))
