"""What the `analytic` networks are made of."""

from __future__ import annotations

import dataclasses

from jslds_bench.entries.registry import CELLS
from jslds_bench.types.core import Cell


@CELLS.register("affine")
@dataclasses.dataclass(frozen=True)
class AffineMap:
    """h' = h W + u V + b."""

    def build(self) -> Cell:
        return Cell(name="affine", widths=(1,), lefts=(lambda h, zs: h,), output=lambda h, zs: zs[0])


@CELLS.register("cubic")
@dataclasses.dataclass(frozen=True)
class Cubic:
    """y = h W_1 + u V_1 + b_1;  h' = (y ∘ (y² W_2 + u V_2 + b_2)) W_3 + u V_3 + b_3.

    Normal forms of bifurcations in a frame of their own: what the ring and the limit cycle of the `analytic`
    networks are made of.
    """

    def build(self) -> Cell:
        return Cell(
            name="cubic",
            widths=(1, 1, 1),
            lefts=(lambda h, zs: h, lambda h, zs: zs[0] ** 2, lambda h, zs: zs[0] * zs[1]),
            output=lambda h, zs: zs[2],
        )
