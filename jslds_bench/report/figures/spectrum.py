"""Eigenvalues of the models' local systems against the unit circle and the network's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jslds_bench.report.style import GRID, INK, MUTED, Style, marker, plain, sheet, title

SYMBOLS = ("x", ".", "+", "1", "2", "3")
CIRCLE = np.exp(1j * np.linspace(0, 2 * np.pi, 721))
FRAME = 1.6  # modulus beyond which eigenvalues are counted, not drawn


class Spectrum(NamedTuple):
    """One panel: eigenvalues [K, N] of a model, one row per distinct u*, and the network's own, if known."""

    name: str
    note: str
    style: Style
    model: np.ndarray
    network: np.ndarray | None


def spectra(heading: str, panels: Sequence[Spectrum], names: Sequence[str]) -> Figure:
    """One panel per Spectrum, in the complex plane; symbols tell the distinct u* apart: `names`."""
    n_inputs = max(len(p.model) for p in panels)
    kinds = [marker(SYMBOLS[k], MUTED, f"{names[k]}", True) for k in range(min(n_inputs, 6))]
    legend = kinds if n_inputs > 1 else [marker(SYMBOLS[0], MUTED, "model")]
    if any(p.network is not None for p in panels):
        legend = [*legend, marker("o", INK, "network, at a fixed point")]
    one = len(panels) == 1
    figure, axes = sheet(
        heading, len(panels), 1 if one else 2, 2.6 if one else 1.75, legend, title_lines=2, gap=0.55
    )
    for ax, panel in zip(axes, panels, strict=True):
        complex_plane(ax)
        if panel.network is not None:
            values = panel.network[np.isfinite(panel.network)]
            ax.plot(values.real, values.imag, "o", color=INK, markerfacecolor="none", markersize=4, alpha=0.6,
                    markeredgewidth=0.7)  # fmt: skip
        outside = 0
        for k, row in enumerate(panel.model):
            values = row[np.isfinite(row)]
            outside += int((np.abs(values) > FRAME).sum())
            ax.plot(values.real, values.imag, SYMBOLS[k % 6], color=panel.style.color, markersize=4.5,
                    markeredgewidth=1.0)  # fmt: skip
        known = [panel.model.ravel()] + ([panel.network.ravel()] if panel.network is not None else [])
        window(ax, np.concatenate(known))
        beyond = f"{outside} beyond the frame" if outside else ""
        title(ax, plain(panel.name, 34), "; ".join(t for t in (panel.note, beyond) if t))
    return figure


def complex_plane(ax: Axes) -> None:
    """Axes, names and the unit circle, to draw eigenvalues in."""
    ax.axhline(0, color=GRID, linewidth=0.6)
    ax.axvline(0, color=GRID, linewidth=0.6)
    ax.plot(CIRCLE.real, CIRCLE.imag, color=MUTED, linewidth=0.8)
    ax.set_xlabel("real part")
    ax.set_ylabel("imaginary part", labelpad=0)


def window(ax: Axes, values: np.ndarray) -> None:
    """The whole unit circle, with equal scales, and up to modulus 1.6 where eigenvalues are there."""
    size = np.abs(values[np.isfinite(values)])
    edge = float(np.clip(1.06 * size.max(initial=0.0), 1.12, FRAME))
    box, (width, height) = ax.get_position(), cast(Figure, ax.figure).get_size_inches()
    ratio = box.width * width / (box.height * height)
    ax.set_xlim(-edge * max(ratio, 1), edge * max(ratio, 1))
    ax.set_ylim(-edge / min(ratio, 1), edge / min(ratio, 1))
