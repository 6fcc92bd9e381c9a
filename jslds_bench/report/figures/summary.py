"""Figures over all seeds: error against horizon, the network × model matrix, bars of mean error."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from jslds_bench.records.numbers import number
from jslds_bench.report.data.summary import Summary
from jslds_bench.report.style import (
    FEW,
    INK,
    MUTED,
    PAPER,
    WIDE,
    WIDTH,
    Name,
    Style,
    log_axis,
    names_beside,
    plain,
    sheet,
    title,
)

LEAVES = 10.0  # relative error above which a curve is said to have left the plot
SEED_LINES = 12  # models up to which every seed has its own thin line
HEAT = LinearSegmentedColormap.from_list("heat", ["#f4f1de", "#9cc5a1", "#4a8fa8", "#3d5a8a", "#33285e"])


class Bar(NamedTuple):
    """One bar: its label, the Summary it shows, one value per seed, its style and whether it is hollow."""

    label: str
    summary: Summary
    values: Sequence[float]
    style: Style
    hollow: bool = False


def horizon(
    heading: str, panels: Mapping[str, Mapping[str, np.ndarray]], styles: Mapping[str, Style]
) -> Figure:
    """Relative error at step t. `panels`: title → model → errors [seeds, T]; thick lines are seed means."""
    models = [m for m in styles if any(m in series for series in panels.values())]
    # Few lines are named beside their ends; of many there is a legend.
    few = all(len(series) <= FEW for series in panels.values())
    longest = max((len(plain(m)) for m in models), default=0)
    room = 0.2 + 0.056 * longest if few else 0.14
    figure, axes = sheet(
        heading, len(panels), min(len(panels), 3), 2.3, [] if few else [styles[m].line() for m in models],
        gap=0.5 + (room if few else 0), right=room, width=WIDTH if len(panels) < 2 else WIDE,
    )  # fmt: skip
    shown = np.concatenate([np.ravel(v) for series in panels.values() for v in series.values()])
    shown = shown[np.isfinite(shown) & (shown <= LEAVES)]
    top = 1.25 * float(shown.max(initial=1e-6))
    positive = shown[shown > 0]
    floor = float(np.quantile(positive, 0.01)) if positive.size else 0.0
    logarithmic = floor > 0 and top / floor > 20
    for ax, (name, series) in zip(axes, panels.items(), strict=True):
        gone = []
        for model, errors in series.items():
            style, steps = styles[model], np.arange(1, errors.shape[1] + 1)
            mean = errors.mean(axis=0)
            for row in errors if len(errors) > 1 and len(models) <= SEED_LINES else []:
                ax.plot(steps, _within(row, top), color=style.color, linewidth=0.5, alpha=0.45)
            ax.plot(steps, _within(mean, top), color=style.color, linestyle=style.dash, linewidth=1.7)
            out = np.flatnonzero(~(mean <= top))
            if out.size:
                gone.append((style, int(steps[out[0]])))
        if logarithmic:
            ax.set_yscale("log")
            log_axis(ax.yaxis)
        ax.set_ylim(floor / 1.5 if logarithmic else 0, top)
        _departures(ax, gone)
        if few:
            ends = [(m, errors.shape[1], float(errors.mean(axis=0)[-1])) for m, errors in series.items()]
            names_beside(ax, [Name(t, y, plain(m), styles[m].color) for m, t, y in ends if y <= top])
        ax.set_xlabel("step t")
        title(ax, plain(name))
    if axes:
        axes[0].set_ylabel("relative error")
    return figure


def matrix(
    heading: str, networks: Sequence[str], models: Sequence[str], panels: Mapping[str, Mapping[Any, Summary]]
) -> Figure:
    """Networks as columns, models as rows, the seed mean in each cell; one block per panel title."""
    left = min(2.1, 0.35 + 0.066 * max((len(plain(m)) for m in models), default=0))
    height = 0.3 * len(models)
    room = (WIDTH - left - 0.14 - 0.2) / 2 / max(len(networks), 1)
    longest = max((len(plain(n)) for n in networks), default=0)
    tilted = longest * 0.066 > room
    figure, axes = sheet(heading, len(panels), height=height, left=left, gap=0.2)
    means = np.array([s.mean for cells in panels.values() for s in cells.values()])
    means = means[np.isfinite(means) & (means > 0)]
    low, high = (float(means.min()), float(means.max())) if means.size else (0.1, 1.0)
    norm = LogNorm(low, high) if high > 10 * low else Normalize(0, high)
    for k, (ax, (name, cells)) in enumerate(zip(axes, panels.items(), strict=True)):
        for (network, model), summary in cells.items():
            column, row = networks.index(network), models.index(model)
            square(ax, column, row, *_heat(summary, norm))
        ax.set_xlim(-0.5, len(networks) - 0.5)
        ax.set_ylim(len(models) - 0.5, -0.5)
        turn: dict[str, Any] = {"rotation": 20, "ha": "right"} if tilted else {}
        ax.set_xticks(range(len(networks)), [plain(n, 16) for n in networks], **turn)
        ax.set_yticks(range(len(models)), [plain(m) for m in models] if k % 2 == 0 else [""] * len(models))
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        title(ax, name)
    return figure


def bars(heading: str, groups: Mapping[str, Sequence[Bar]]) -> Figure:
    """Mean relative error with its sd over seeds, a dot per seed and the numbers beside; grouped."""
    rows = sum(len(group) for group in groups.values()) + len(groups)
    everything = [bar for group in groups.values() for bar in group]
    longest = max((len(plain(bar.label, 34)) for bar in everything), default=0)
    figure, (ax,) = sheet(
        heading, 1, 1, height=0.21 * rows + 0.05, left=min(2.3, 0.3 + 0.066 * longest), title_lines=0
    )
    finite = [b.summary.mean for b in everything if math.isfinite(b.summary.mean)]
    top = min(max(finite, default=1.0), 2.0) or 1.0
    inner = WIDTH * ax.get_position().width
    room = 0.1 + 0.058 * max((len(b.summary.text) + 2 for b in everything), default=0)
    ticks, labels, y = [], [], 0.0
    for name, group in groups.items():
        ax.annotate(
            plain(name, 60), (0, y), xycoords=("axes fraction", "data"), xytext=(2, 0), va="center",
            textcoords="offset points", fontweight="bold", fontsize=8,
        )  # fmt: skip
        y += 1
        for bar in group:
            _bar(ax, y, bar, top)
            ticks.append(y)
            labels.append(plain(bar.label, 34))
            y += 1
    ax.set_yticks(ticks, labels)
    ax.set_ylim(y - 0.4, -0.7)
    ax.set_xlim(0, 1.06 * top * inner / max(inner - room, 0.3 * inner))
    ax.locator_params(axis="x", nbins=5)
    ax.set_xticks([t for t in ax.get_xticks() if 0 <= t <= top * 1.001])
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("relative error")
    return figure


def _bar(ax: Any, y: float, bar: Bar, top: float) -> None:
    color, mean, sd = bar.style.color, bar.summary.mean, bar.summary.sd
    length = min(mean, top) if math.isfinite(mean) else (top if bar.summary.n_diverged else 0.0)
    look = {"facecolor": "none" if bar.hollow else color, "edgecolor": color, "alpha": 0.85, "linewidth": 1.0}
    ax.barh(y, length, height=0.62, linestyle="--" if bar.summary.n_diverged else "-", **look)
    if math.isfinite(sd) and mean <= top:
        ax.plot([max(mean - sd, 0), min(mean + sd, 1.5 * top)], [y, y], color=INK, linewidth=0.9)
    dots = [v for v in bar.values if math.isfinite(v) and v <= top * 1.02]
    # One path for all seeds, however many: up, down, a gap.
    ticks = np.array([(x, y + d) for x in dots for d in (-0.13, 0.13, math.nan)]).reshape(-1, 2)
    ax.plot(*ticks.T, color=INK, linewidth=0.8)
    end = min(max([length, length + (sd if math.isfinite(sd) and mean <= top else 0), *dots]), 1.05 * top)
    arrow = "→ " if bar.summary.n_diverged or mean > top else ""
    ax.annotate(
        arrow + bar.summary.text,
        (end, y),
        xytext=(4, 0),
        textcoords="offset points",
        va="center",
        fontsize=7.2,
    )


def _heat(summary: Summary, norm: Normalize) -> tuple[Any, str, str]:
    """Cell colour, ink and text; what has no number stays empty, what diverged is darkest."""
    if summary.n_finite + summary.n_diverged == 0:
        return "none", MUTED, "n/a"
    if not math.isfinite(summary.mean):
        return *heat(1.0), f"{number(summary.mean)} ({summary.n_diverged}/{summary.n_asked})"
    subset = "" if summary.complete else f" [{summary.n_finite}/{summary.n_asked}]"
    return *heat(norm(max(summary.mean, norm.vmin or 0.0))), number(summary.mean) + subset


def heat(share: float) -> tuple[Any, str]:
    """The colour of a cell, and the ink that is read on it."""
    red, green, blue, _ = color = HEAT(share)
    return color, "#ffffff" if 0.3 * red + 0.59 * green + 0.11 * blue < 0.55 else "#000001"


def square(ax: Any, column: int, row: int, color: Any, ink: str, text: str) -> None:
    """One cell of a matrix."""
    ax.add_patch(Rectangle((column - 0.49, row - 0.48), 0.98, 0.96, facecolor=color, edgecolor="none"))
    ax.text(column, row, text, ha="center", va="center", color=ink, fontsize=7.5)


def _within(errors: np.ndarray, top: float) -> np.ndarray:
    """`errors` up to the first that leaves the plot, which is drawn at twice the height; nothing after it."""
    shown = np.array(errors, dtype=float)
    out = np.flatnonzero(~(shown <= top))
    if out.size:
        shown[out[0]] = 2 * top
        shown[out[0] + 1 :] = np.nan
    return shown


def _departures(ax: Any, gone: Sequence[tuple[Style, int]]) -> None:
    """Say at the top of the panel which curves left it, and when."""
    for i, (style, step) in enumerate(gone[:4]):
        text = f"↑ {plain(style.label, 18)}: off at t = {step}"
        if i == 3 and len(gone) > 4:
            text = f"↑ and {len(gone) - 3} more"
        ax.annotate(
            text, (1, 1), xycoords="axes fraction", xytext=(0, -2 - 10 * i), textcoords="offset points",
            ha="right", va="top", fontsize=7, color=style.color, zorder=9,
            bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.6, "alpha": 0.85},
        )  # fmt: skip
