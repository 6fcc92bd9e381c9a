"""Speed against the size of the problem, beside what the machine can do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from jslds_bench.report.style import DASHES, INK, PALETTE, log_axis, plain, sheet, stroke, title

AXES = {"n": "units N", "t": "steps T", "b": "trials B"}


def throughput(heading: str, rows: Sequence[dict[str, Any]], base: dict[str, int], gemm: float) -> Figure:
    """Rate of matrix products against N, T and B, and of Jacobians against N, by function and cell."""
    kinds = list(dict.fromkeys((row["function"], row["cell"]) for row in rows))
    look = {kind: (PALETTE[i % len(PALETTE)], DASHES[i // len(PALETTE)]) for i, kind in enumerate(kinds)}
    legend = [stroke(color, plain(f"{f}, {c}")) for (f, c), (color, _) in look.items()]
    legend.append(stroke(INK, "product of 1024² matrices", width=0.8))
    figure, axes = sheet(heading, 4, height=2.0, legend=legend)
    for ax, axis in zip(axes, AXES, strict=False):
        others = [x for x in AXES if x != axis]
        for kind, (color, dash) in look.items():
            swept = sorted(
                (row[axis], row["flops"] / 1e9)
                for row in rows
                if (row["function"], row["cell"]) == kind and all(row[x] == base[x] for x in others)
            )
            points = np.array([p for p in swept if np.isfinite(p[1])])
            if len(points) > 1:
                ax.plot(*points.T, color=color, linestyle=dash, marker=".")
        ax.axhline(gemm / 1e9, color=INK, linewidth=0.8)
        _logarithmic(ax)
        ax.set_xlabel(AXES[axis])
        title(ax, "GFLOP/s of products")
    for (name, cell), (color, dash) in look.items():
        points = np.array(
            sorted((r["n"], r["per_second"]) for r in rows if (r["function"], r["cell"]) == (name, cell))
        )
        if name == "jacobians" and len(points) > 1:
            axes[3].plot(*points.T, color=color, linestyle=dash, marker=".")
    _logarithmic(axes[3])
    axes[3].set_xlabel(AXES["n"])
    title(axes[3], "Jacobians per second")
    return figure


def _logarithmic(ax: Any) -> None:
    ax.set_xscale("log")
    ax.set_yscale("log")
    log_axis(ax.xaxis)
    log_axis(ax.yaxis)
