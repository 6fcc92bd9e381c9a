"""The tanh network."""

from __future__ import annotations

import dataclasses

from jslds_bench.entries.registry import CELLS
from jslds_bench.types.core import TANH, Cell


@CELLS.register("vanilla")
@dataclasses.dataclass(frozen=True)
class Vanilla:
    """h' = tanh(h W + u V + b)."""

    def build(self) -> Cell:
        return Cell(
            name="vanilla",
            widths=(1,),
            lefts=(lambda h, zs: h,),
            output=lambda h, zs: zs[0],
            activations=(TANH,),
        )
