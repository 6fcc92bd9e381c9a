"""The figure arrays of a record, checked: what has the wrong shape is left out, with a note saying so."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from jslds_bench.errors import UsageError
from jslds_bench.records.record import Record
from jslds_bench.records.store import read_arrays

DTYPES = {"whole": "iu", "complex": "fiubc"}
"""What an array may hold besides real numbers, by the word behind its dimensions."""
Shapes = Mapping[str, str]
"""Name → dimensions; equal letters are equal sizes within one record, and T1 = T + 1. ``whole`` or
``complex`` behind them says that there are such numbers."""


@dataclasses.dataclass(frozen=True)
class Arrays:
    """The usable arrays of one record, by name, and one line for each that is not usable."""

    found: Mapping[str, np.ndarray]
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> np.ndarray:
        return self.found[name]

    def __contains__(self, name: str) -> bool:
        return name in self.found

    def missing(self, *names: str) -> list[str]:
        """Those of `names` that the record lacks."""
        return [n for n in names if n not in self.found]


def load_arrays(path: Path, record: Record, shapes: Shapes) -> Arrays:
    """The arrays of `record`, stored at `path`; damaged or ill-shaped ones become notes, never errors."""
    try:
        return check_arrays(read_arrays(path, record), shapes)
    except UsageError as error:
        return Arrays({}, (str(error),))


def check_arrays(raw: Mapping[str, np.ndarray], shapes: Shapes) -> Arrays:
    """Those of `raw` that have these shapes, consistently; unknown names are ignored."""
    sizes = {digit: int(digit) for digit in "234"}
    found, notes = {}, []
    for name, words in shapes.items():
        if name not in raw:
            continue
        array, axes = raw[name], [word for word in words.split() if word not in DTYPES]
        kind = words.rpartition(" ")[2]
        known = [sizes.get(letter, n) for letter, n in zip(axes, array.shape, strict=False)]
        right = array.dtype.kind in DTYPES.get(kind, "fiub")
        if not right or array.ndim != len(axes) or list(array.shape) != known:
            wanted = f"[{', '.join(axes)}]" + (" of integers" if kind == "whole" else "")
            notes.append(f"{name} has shape {array.shape} of {array.dtype}, expected {wanted}")
            continue
        sizes.update(zip(axes, array.shape, strict=True))
        if "T1" in sizes:
            sizes["T"] = sizes["T1"] - 1
        elif "T" in sizes:
            sizes["T1"] = sizes["T"] + 1
        found[name] = array
    return Arrays(found, tuple(notes))
