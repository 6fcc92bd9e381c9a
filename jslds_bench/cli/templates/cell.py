"""my_entry: units that keep a part of their state. A start: make it yours."""

from __future__ import annotations

import dataclasses

from jslds_bench.errors import UsageError
from jslds_bench.types import CELLS, TANH, Cell


@CELLS.register("my_entry")
@dataclasses.dataclass(frozen=True)
class MyEntry:
    """h' = γ h + (1 − γ) tanh(h W + u V + b). Fields are parameters, named in brackets: my_entry(gamma=0.3).

    Attributes:
        gamma: γ, at least 0 and below 1.
    """

    gamma: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.gamma < 1:
            raise UsageError(f"my_entry needs 0 ≤ gamma < 1, got {self.gamma:g}")

    def build(self) -> Cell:
        # Stage i appends activations[i](lefts[i](h, zs) W_i + u V_i + b_i), in widths[i] blocks, to zs.
        # Functions act unit by unit: all mixing is in the products.
        return Cell(
            name="my_entry",
            widths=(1,),
            lefts=(lambda h, zs: h,),
            output=lambda h, zs: self.gamma * h + (1 - self.gamma) * zs[0],
            activations=(TANH,),
        )
