"""How models were fitted and how well: the K curve, the objective by iteration, metrics side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jslds_bench.report.figures.states import span_of
from jslds_bench.report.figures.summary import Bar
from jslds_bench.report.style import INK, MUTED, PAPER, WIDTH, Style, log_axis, marker, plain, sheet, title

Array = np.ndarray


class Curve(NamedTuple):
    """Held-out error of one model and seed against the number of modes, [C] each; K as chosen, or NaN."""

    style: Style
    n_modes: Array
    error: Array
    chosen: float


class Trace(NamedTuple):
    """The objective of one model and seed by EM iteration, nats per step."""

    style: Style
    objective: Array


def k_curve(heading: str, curves: Sequence[Curve]) -> Figure:
    """Held-out error against K; the chosen K is filled, and a triangle stands for an infinite one."""
    legend = [*_lines(curves), marker("o", INK, "chosen K", True)]
    figure, (ax,) = sheet(heading, 1, height=1.9, legend=legend)
    errors = np.concatenate([c.error for c in curves])
    finite = errors[np.isfinite(errors)]
    if finite.size and finite.min() > 0 and finite.max() > 8 * finite.min():
        ax.set_yscale("log")
        log_axis(ax.yaxis)
    for curve in curves:
        _curve(ax, curve)
    tried = np.unique(np.concatenate([c.n_modes for c in curves]))
    if tried.min() > 0:
        ax.set_xscale("log", base=2)
        ax.set_xticks(tried, [f"{k:g}" for k in tried])
        ax.minorticks_off()
    ax.set_xlabel("number of modes K")
    title(ax, "held-out error ↓")
    return figure


def _curve(ax: Any, curve: Curve) -> None:
    color, k = curve.style.color, curve.n_modes
    values = np.where(np.isfinite(curve.error), curve.error, np.nan)
    ax.plot(k, values, color=color, linestyle=curve.style.dash, linewidth=1.0)
    ax.plot(k, values, linestyle="none", marker="o", markersize=4, color=color, markerfacecolor=PAPER)
    at, away = k == curve.chosen, k[~np.isfinite(curve.error)]
    ax.plot(k[at], values[at], linestyle="none", marker="o", markersize=7, color=color)
    ax.plot(away, np.ones(len(away)), linestyle="none", marker="^", markersize=5, clip_on=False, color=color,
            transform=ax.get_xaxis_transform())  # fmt: skip


def traces(heading: str, lines: Sequence[Trace]) -> Figure:
    """The objective by iteration, and on the right what it still lacks to its last value."""
    figure, (left, right) = sheet(heading, 2, height=1.9, legend=_lines(lines))
    for line in lines:
        steps = np.arange(len(line.objective))
        look: dict[str, Any] = {"color": line.style.color, "linestyle": line.style.dash, "linewidth": 0.9}
        left.plot(steps, line.objective, **look)
        left.plot(steps[-1:], line.objective[-1:], marker=".", markersize=5, color=line.style.color)
        gap = line.objective[-1] - line.objective[:-1]
        right.plot(steps[:-1], np.where(gap > 0, gap, np.nan), **look)
    right.set_yscale("log")
    log_axis(right.yaxis)
    left.set_ylim(*_worth_seeing(lines))
    for ax, name in ((left, "objective, nats per step"), (right, "gain still to come")):
        ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        ax.set_xlabel("EM iteration")
        title(ax, name)
    return figure


def progress(heading: str, panels: Mapping[str, Sequence[Trace]]) -> Figure:
    """One panel per series that a fit has left, a line per seed."""
    figure, axes = sheet(heading, len(panels), height=1.3, gap=0.5)
    for ax, (name, lines) in zip(axes, panels.items(), strict=True):
        for line in lines:
            ax.plot(np.arange(len(line.objective)), line.objective, color=line.style.color, linewidth=0.9)
        ax.set_ylim(*_worth_seeing(lines))
        ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        ax.set_xlabel("entry of the fit's log")
        title(ax, plain(name, 34))
    return figure


def _worth_seeing(lines: Sequence[Trace]) -> tuple[float, float]:
    """Limits without the first few iterations of a poor start, which would flatten all the rest."""
    late = [line.objective[min(2, len(line.objective) - 1) :] for line in lines]
    return span_of(np.concatenate(late), 0.08)


def _lines(items: Sequence[Curve] | Sequence[Trace]) -> list[Any]:
    styles = {item.style.label: item.style for item in items}
    return [style.line() for style in styles.values()]


def scores(heading: str, panels: Mapping[str, Sequence[Bar]]) -> Figure:
    """One panel per metric: a dot for each model's mean, its sd, ticks for seeds, the number beside."""
    longest = max((len(plain(b.label, 22)) for bars in panels.values() for b in bars), default=0)
    rows = max(map(len, panels.values()), default=1)
    left = min(2.0, 0.3 + 0.066 * longest)
    figure, axes = sheet(heading, len(panels), 2, 0.24 * rows + 0.06, left=left, gap=0.3, below=0.3)
    inner = (WIDTH - left - 0.14 - 0.3) / 2
    for i, (ax, (name, bars)) in enumerate(zip(axes, panels.items(), strict=True)):
        for y, bar in enumerate(bars):
            _score(ax, y, bar)
        room = 0.12 + 0.056 * max((len(b.summary.text) for b in bars), default=0)
        known = [v for b in bars for v in (*b.values, b.summary.mean) if math.isfinite(v)]
        low, high = span_of(np.array(known), 0.1)
        ax.set_xlim(low, low + (high - low) * inner / max(inner - room, 0.25 * inner))
        ticks = [t for t in MaxNLocator(2).tick_values(low, high) if low <= t <= high]
        ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
        ax.set_ylim(len(bars) - 0.4, -0.6)
        ax.set_yticks(range(len(bars)), [plain(b.label, 22) if i % 2 == 0 else "" for b in bars])
        ax.tick_params(axis="y", length=0)
        title(ax, name)
    return figure


def _score(ax: Any, y: int, bar: Bar) -> None:
    color, mean, sd = bar.style.color, bar.summary.mean, bar.summary.sd
    text = {"textcoords": "offset points", "va": "center", "fontsize": 7.2}
    ax.axhline(y, color=MUTED, linewidth=0.4, alpha=0.35, zorder=0)
    dots = [v for v in bar.values if math.isfinite(v)]
    if not math.isfinite(mean):
        ax.annotate(
            bar.summary.text, (0, y), xycoords=("axes fraction", "data"), xytext=(3, 0), color=MUTED, **text
        )
        return
    if math.isfinite(sd):
        ax.plot([mean - sd, mean + sd], [y, y], color=INK, linewidth=0.9)
    ax.plot(dots, [y] * len(dots), linestyle="none", marker="|", color=INK, markersize=5, markeredgewidth=0.8)
    ax.plot(mean, y, marker="o", markersize=5.5, color=color)
    end = max([mean + (sd if math.isfinite(sd) else 0.0), *dots])
    ax.annotate(bar.summary.text, (end, y), xytext=(5, 0), **text)
