"""Draws the figures of the documentation from the reference runs: ``python reports/draw.py``.

Both show free-run error against the effective number of local systems: ``docs/results.png`` of the models of
`synthetic`, ``docs/variants.png`` of networks co-trained with variants of a JSLDS.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from jslds_bench.report.style import GRID, MUTED, PALETTE, theme

ROOT = Path(__file__).resolve().parents[1]
KINDS = {
    "cotrained": ("JSLDS", PALETTE[0]),
    "cotrained_heavier": ("λ ten times", PALETTE[1]),
    "refined": ("ten times, refined", PALETTE[2]),
}
ERROR, SYSTEMS = "relative_error", "n_systems_effective"


SHOWN = {
    "jslds": PALETTE[0],
    "fixed_points": PALETTE[1],
    "fixed_points_actual": PALETTE[1],
    "fixed_points_start": PALETTE[1],
    "codebook": PALETTE[2],
    "taylor_at_state": PALETTE[3],
    "rslds": PALETTE[4],
    "lds": PALETTE[7],
    "persistence": MUTED,
}
"""Models of `synthetic` in the figure; the others are variants of these, and in the table."""


def results() -> Figure:
    """A panel per task and network: the geometric mean over seeds of each model, with its name."""
    values = pd.read_csv(ROOT / "reports" / "reference" / "synthetic" / "values.csv")
    values = values[values.metric.isin([ERROR, SYSTEMS]) & values.model.isin(SHOWN)].astype({"value": float})
    means = values.groupby(["task", "network", "model", "metric"]).value.agg(
        lambda x: np.exp(np.log(x).mean())
    )
    table = means.unstack("metric")
    figure = Figure(figsize=(10, 6.4))
    panels = figure.subplots(2, 2, sharex=True, sharey=True, gridspec_kw={"hspace": 0.22, "wspace": 0.06})
    for row, (network, trained) in zip(
        panels,
        (("standard", "trained on its task alone"), ("cotrained", "co-trained with a JSLDS")),
        strict=True,
    ):
        for ax, task in zip(row, ("nbit_memory", "context_integration"), strict=True):
            ax.set_title(f"{task.replace('nbit', '3-bit').replace('_', ' ')}, network {trained}", fontsize=10)
            named_points(ax, table.loc[task, network])
    figure.supxlabel("effective number of local systems", fontsize=11, color=MUTED, y=0.03)
    figure.supylabel("free-run relative error", fontsize=11, color=MUTED, x=0.05)
    return figure


WIDE, HIGH, LETTER = (0.7, 30_000), (1e-3, 2), 0.092
"""Of a panel of `results`: its range of systems, that of errors, and the decades of systems to a letter."""


def named_points(ax: Axes, table: pd.DataFrame) -> None:
    """Models at their systems and errors, each name beside its dot, where it meets no other."""
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlim(*WIDE)
    ax.set_ylim(*HIGH)
    ax.axhline(1, color=GRID, linewidth=0.8, zorder=0)
    dots = np.log10(table[[SYSTEMS, ERROR]])
    taken: list[tuple[float, float, float]] = []
    for model in table[ERROR].sort_values().index:
        x, y = dots.loc[model]
        ax.plot(10**x, 10**y, "o", color=SHOWN[model], markersize=7)
        side, up = _free_place(model, dots.drop(model), (x, y), taken)
        ax.annotate(
            model, (10**x, 10 ** (y + up)), (7 * side, 0), textcoords="offset points", color=SHOWN[model],
            fontsize=9, va="center", ha="left" if side > 0 else "right",
        )  # fmt: skip
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())


def _free_place(
    name: str, dots: pd.DataFrame, at: tuple[float, float], taken: list[tuple[float, float, float]]
) -> tuple[int, float]:
    """Right or left of a dot (1 or -1) and how far up: the nearest place without another dot or name."""
    (x, y), width = at, LETTER * len(name)
    for up in sorted(np.arange(-0.6, 0.61, 0.05), key=abs):
        for side in (1, -1):
            left = x + 0.08 if side > 0 else x - 0.08 - width
            inside = np.log10(WIDE[0]) < left and left + width < np.log10(WIDE[1])
            on_dot = ((dots[ERROR] - y - up).abs() < 0.13) & dots[SYSTEMS].between(left - 0.06, left + width)
            on_name = any(
                abs(y + up - b) < 0.2 and left < end and start < left + width for start, end, b in taken
            )
            if inside and not on_dot.any() and not on_name:
                taken.append((left, left + width, y + up))
                return side, up
    return 1, 0.0


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
    figure.supylabel("free-run relative error", fontsize=11, color=MUTED, x=0.06)
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
        for name, figure in (("results", results()), ("variants", variants(seeds_of("variants")))):
            figure.savefig(
                ROOT / "docs" / f"{name}.png", dpi=100, bbox_inches="tight", metadata={"Software": None}
            )


if __name__ == "__main__":
    main()
