"""Errors against the seconds of training that they took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from jslds_bench.report.style import INK, MUTED, PALETTE, log_axis, marker, plain, sheet, stroke, title

SHOWN = {"relative_error": "free-run error", "task_error_network": "task error of the network"}


def quality(
    heading: str,
    rows: Sequence[dict[str, Any]],
    medians: Sequence[dict[str, Any]],
    targets: Mapping[str, Mapping[str, float]],
    paper: Mapping[str, Mapping[str, float]],
) -> Figure:
    """Free-run and task errors by seconds of one core: seeds, medians, the paper's rule and mark."""
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    legend = [
        stroke(PALETTE[0], "a seed", width=0.6),
        stroke(PALETTE[0], "median"),
        stroke(MUTED, "the paper's figure", width=0.8),
        marker("D", INK, "the paper's recipe", filled=True),
    ]
    figure, axes = sheet(heading, len(SHOWN) * len(tasks), columns=len(tasks), legend=legend, title_lines=2)
    panels = iter(axes)
    for error, words in SHOWN.items():
        for task in tasks:
            ax = next(panels)
            for seed in dict.fromkeys(row["seed"] for row in rows):
                _line(ax, [r for r in rows if (r["task"], r["seed"]) == (task, seed)], error, 0.6)
            _line(ax, [r for r in medians if r["task"] == task], error, 1.8)
            ax.axhline(targets[task][error], color=MUTED, linewidth=0.8)
            ax.plot(paper[task]["seconds"], targets[task][error], "D", color=INK, markersize=5)
            ax.set_xscale("log")
            ax.set_yscale("log")
            log_axis(ax.xaxis)
            log_axis(ax.yaxis)
            ax.set_xlabel("seconds of one core")
            title(ax, words, plain(task))
    return figure


def _line(ax: Any, rows: Sequence[dict[str, Any]], error: str, width: float) -> None:
    points = sorted((row["seconds"], row[error]) for row in rows)
    ax.plot(*zip(*points, strict=True), color=PALETTE[0], linewidth=width, marker="." if width > 1 else "")
