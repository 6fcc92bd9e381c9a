"""Draws the figures of the documentation from the reference runs: ``python reports/draw.py``.

``docs/variants.png``: free-run error against the effective number of systems of networks co-trained with
variants of a JSLDS, from ``reports/reference/variants/values.csv``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from jslds_bench.report.style import MUTED, PALETTE, theme

ROOT = Path(__file__).resolve().parents[1]
KINDS = {
    "cotrained": ("JSLDS", PALETTE[0]),
    "cotrained_heavier": ("λ ten times", PALETTE[1]),
    "refined": ("refined", PALETTE[2]),
}
ERROR, SYSTEMS = "relative_error", "n_systems_effective"


def seeds_of(run: str) -> pd.DataFrame:
    """The values of a reference run: (task, network, seed) × metric, of the network's own JSLDS."""
    frame = pd.read_csv(ROOT / "reports" / "reference" / run / "values.csv")
    frame = frame[(frame.model == "jslds") & frame.metric.isin([ERROR, SYSTEMS])]
    return frame.astype({"value": float}).pivot(
        index=["task", "network", "seed"], columns="metric", values="value"
    )


def variants(values: pd.DataFrame) -> Figure:
    """A panel per task: dots are seeds, rings geometric means, lines lead from the paper's JSLDS."""
    tasks = list(dict.fromkeys(values.index.get_level_values("task")))
    figure = Figure(figsize=(12, 5.6))
    panels = np.ravel(figure.subplots(2, 4, gridspec_kw={"hspace": 0.4, "wspace": 0.28}))
    for ax, task in zip(panels, tasks, strict=False):
        panel(ax, task.replace("_", " "), values.loc[task])
    for ax in panels[len(tasks) :]:
        ax.axis("off")
    for i, (network, (name, color)) in enumerate(KINDS.items()):
        text = f"● {name}\n    ({network})"
        panels[-1].text(0.1, 0.8 - 0.22 * i, text, color=color, fontsize=10, transform=panels[-1].transAxes)
    figure.supxlabel("effective number of local systems", fontsize=11, color=MUTED)
    figure.supylabel("free-run relative error", fontsize=11, color=MUTED)
    return figure


def panel(ax: Axes, name: str, values: pd.DataFrame) -> None:
    """One task of `variants`."""
    ax.set_xscale("log")
    ax.set_yscale("log")
    first = None
    for network, (_, color) in KINDS.items():
        own = values.loc[network]
        mean = np.exp(np.log(own).mean())
        ax.plot(own[SYSTEMS], own[ERROR], ".", color=color, alpha=0.7, markersize=6)
        ax.plot(mean[SYSTEMS], mean[ERROR], "o", color=color, markersize=9, markerfacecolor="white", zorder=4)
        if first is not None:
            ax.plot([first[SYSTEMS], mean[SYSTEMS]], [first[ERROR], mean[ERROR]], color=color, alpha=0.6)
        first = mean if first is None else first
    ax.set_title(name, fontsize=10)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
        axis.set_minor_formatter(NullFormatter())


def main() -> None:
    with theme():
        variants(seeds_of("variants")).savefig(ROOT / "docs" / "variants.png", dpi=100, bbox_inches="tight")


if __name__ == "__main__":
    main()
