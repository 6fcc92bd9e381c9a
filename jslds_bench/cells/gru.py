"""The gated recurrent unit whose reset gate comes before the product."""

from __future__ import annotations

import dataclasses

from jslds_bench.entries.registry import CELLS
from jslds_bench.types.core import SIGMOID, TANH, Cell


@CELLS.register("gru")
@dataclasses.dataclass(frozen=True)
class GRU:
    """r, s = σ(h W_rs + u V_rs + b_rs);  c = tanh((r∘h) W_c + u V_c + b_c);  h' = s∘h + (1−s)∘c.

    The reset gate multiplies the state *before* the candidate's matrix product, and nothing is added to the
    update gate. Reference: Cho et al. (2014), the form that Smith et al. (2021) use.
    """

    def build(self) -> Cell:
        return Cell(
            name="gru",
            widths=(2, 1),
            lefts=(lambda h, zs: h, lambda h, zs: zs[0] * h),
            output=lambda h, zs: zs[1] * h + (1 - zs[1]) * zs[2],
            activations=(SIGMOID, TANH),
        )
