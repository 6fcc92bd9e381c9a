"""What a task asks: the inputs of one trial over time, and the target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from jslds_bench.report.figures.states import span_of
from jslds_bench.report.style import MUTED, PALETTE, THEME, sheet, stroke, title

BLUE, SKY, RED = PALETTE[0], PALETTE[5], list(THEME)[5]


class Strip(NamedTuple):
    """One panel: its name, lines over time [T] with their names, and the target [T]."""

    name: str
    lines: Sequence[np.ndarray]
    names: Sequence[str]
    target: np.ndarray | None = None


def trial(heading: str, strips: Sequence[Strip], steps: bool) -> Figure:
    """The strips of one trial, one under the other; `steps`: inputs are symbols, drawn as steps."""
    colors = (BLUE, SKY)
    legend = [stroke(colors[i % 2], name) for i, name in enumerate(strips[0].names)]
    if any(strip.target is not None for strip in strips):
        legend.append(stroke(RED, "target", (0, (3, 2))))
    figure, axes = sheet(heading, len(strips), columns=1, height=0.8, legend=legend, below=0.12)
    for i, (ax, strip) in enumerate(zip(axes, strips, strict=True)):
        at = np.arange(1, len(strip.lines[0]) + 1)
        for color, line in zip(colors, strip.lines, strict=False):
            ax.plot(at, line, color=color, linewidth=1.4, drawstyle="steps-mid" if steps else "default")
        drawn = list(strip.lines)
        if strip.target is not None:
            ax.plot(at, strip.target, color=RED, linestyle=(0, (3, 2)), linewidth=1.4)
            drawn.append(strip.target)
        ax.axhline(0, color=MUTED, linewidth=0.4)
        ax.set_ylim(*span_of(np.concatenate(drawn)))
        ax.set_xlim(0.5, len(at) + 0.5)
        title(ax, strip.name)
        if i == len(strips) - 1:
            ax.set_xlabel("step t")
        else:
            ax.tick_params(labelbottom=False)
    return figure


def along(heading: str, note: str, sizes: np.ndarray, color: str) -> Figure:
    """|λ| [T, G] against the step of a trial, a line for each mode; 1 keeps what it holds."""
    figure, (ax,) = sheet(heading, 1, columns=1, height=1.8, title_lines=2)
    steps = np.arange(1, len(sizes) + 1)
    ax.axhline(1, color=MUTED, linewidth=0.8)
    for k in range(sizes.shape[1]):
        ax.plot(steps, sizes[:, k], color=color, linewidth=1.3, alpha=1 - 0.12 * k, marker=".", markersize=3)
    ax.set_ylim(*span_of(np.append(sizes.ravel(), 1.0)))
    ax.set_xlim(0.5, len(steps) + 0.5)
    ax.set_xlabel("step t")
    ax.set_ylabel("|λ|", labelpad=1)
    title(ax, "sizes of the leading eigenvalues", note)
    return figure
