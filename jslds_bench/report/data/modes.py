"""The modes of a switching model as figures name, order and colour them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from scipy.optimize import linear_sum_assignment

from jslds_bench.report.data.arrays import Arrays
from jslds_bench.report.style import MODE_COLORS, MODE_SYMBOLS, MUTED

SHAPES = {
    "modes_path": "E S 2",
    "modes_true": "E S whole",
    "modes_inferred": "E S whole",
    "modes_inferred_path": "E S 2",
    "modes_free_path": "E S 2",
    "modes_free": "E S whole",
    "mode_points": "Z 2",
    "mode_real": "Z",
    "mode_eigenvalues": "Z L complex",
    "flow_at": "G 2",
    "flow": "Z G 2",
    "flow_mode": "G whole",
}
"""The arrays of a switching model: Z modes, S steps of the example trials and a grid of G points, all in the
plane of the first two coordinates. Whole numbers are of modes, −1 where there is none."""


@dataclasses.dataclass(frozen=True)
class Modes:
    """The modes of one record: equal in all its figures.

    Attributes:
        order: mode numbers as the record has them, the busiest on the example trials first, [Z].
        share: the share of the example trials' steps that each spends, by mode number, [Z].
        color: mode number → colour; beyond the palette all are grey.
        true_color: true mode → the colour of the model's mode that covers it best.
        agreement: the share of steps in the mode matched to the true one; None where the truth is not known.
    """

    order: tuple[int, ...]
    share: np.ndarray
    color: Mapping[int, str]
    true_color: Mapping[int, str]
    agreement: float | None = None

    def symbol(self, mode: int) -> str:
        """A marker for `mode`, so that colour does not carry its name alone."""
        place = self.order.index(mode)
        return MODE_SYMBOLS[place] if place < len(MODE_SYMBOLS) else "."

    def name(self, mode: int) -> str:
        """``mode 3 · 52 %``."""
        return f"mode {mode} · {100 * self.share[mode]:.0f} %"


def read_modes(arrays: Arrays) -> Modes | None:
    """The Modes of a record's arrays; None where it has none."""
    count = max((_count(arrays, name) for name in ("modes_inferred", "modes_free", "flow_mode")), default=0)
    for name in ("mode_points", "mode_real", "mode_eigenvalues", "flow"):
        count = max(count, len(arrays[name]) if name in arrays else 0)
    if not count:
        return None
    visited = next((arrays[n] for n in ("modes_inferred", "modes_free", "flow_mode") if n in arrays), None)
    steps = np.zeros(count) if visited is None else _tally(visited, count)
    order = tuple(int(k) for k in np.argsort(-steps, kind="stable"))
    color = {mode: _color(place) for place, mode in enumerate(order)}
    share = steps / max(steps.sum(), 1)
    if "modes_true" not in arrays or "modes_inferred" not in arrays:
        return Modes(order, share, color, color)
    return Modes(order, share, color, *_match(arrays["modes_true"], arrays["modes_inferred"], order, color))


def _match(
    true: np.ndarray, inferred: np.ndarray, order: tuple[int, ...], color: Mapping[int, str]
) -> tuple[dict[int, str], float]:
    """Colours of the true modes by the one-to-one matching that most steps agree with, and their share."""
    known = (true >= 0) & (inferred >= 0)
    together = np.zeros((int(true.max(initial=-1)) + 1, len(order)))
    np.add.at(together, (true[known], inferred[known]), 1)
    rows, columns = linear_sum_assignment(together, maximize=True)
    found = {int(r): color[int(c)] for r, c in zip(rows, columns, strict=True)}
    rest = [r for r in range(len(together)) if r not in found]
    found |= {r: _color(len(order) + i) for i, r in enumerate(rest)}
    return found, float(together[rows, columns].sum() / max(together.sum(), 1))


def _count(arrays: Arrays, name: str) -> int:
    return int(arrays[name].max(initial=-1)) + 1 if name in arrays else 0


def _tally(modes: np.ndarray, count: int) -> np.ndarray:
    return np.bincount(modes[modes >= 0].ravel().astype(int), minlength=count)[:count].astype(float)


def _color(place: int) -> str:
    return MODE_COLORS[place] if place < len(MODE_COLORS) else MUTED
