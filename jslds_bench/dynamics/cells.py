"""Cells by name.

The built-in ones are imported, and so registered, here: code that finds a cell by name rests on all of them.
"""

from __future__ import annotations

import dataclasses
import functools

import jslds_bench.cells
from jslds_bench.entries import calls
from jslds_bench.entries.registry import CELLS
from jslds_bench.types.core import Cell, CellSource


def get_cell(name: str) -> Cell:
    """The cell called `name`, its parameters in brackets: "gru", "leaky(alpha=0.1, f=relu)".

    Raises:
        UsageError: no such cell (the message suggests the nearest), or parameters that it does not take.
    """
    entry, parameters = calls.parsed(name)
    return cell_of(CELLS.make(entry, parameters))


@functools.cache
def cell_of(entry: CellSource) -> Cell:
    """The cell of a made entry, its parameters in its name.

    One object for each, as a static argument of what is compiled for it.
    """
    return dataclasses.replace(entry.build(), name=calls.text_of(entry))


def is_built_in(cell: Cell) -> bool:
    """Whether a registered cell is one of this package's."""
    return CELLS.get(calls.name_in(cell.name)).__module__.startswith(f"{jslds_bench.cells.__name__}.")
