"""The leaky rate network."""

from __future__ import annotations

import dataclasses
from typing import Literal

from jslds_bench.entries.registry import CELLS
from jslds_bench.errors import UsageError
from jslds_bench.types.core import RELU, SOFTPLUS, TANH, Cell

FUNCTIONS = {"tanh": TANH, "relu": RELU, "softplus": SOFTPLUS}


@CELLS.register("leaky")
@dataclasses.dataclass(frozen=True)
class Leaky:
    """h' = (1 − α) h + α f(h W + u V + b): the Euler step of τ dh/dt = −h + f(h W + u V + b), α = Δt/τ.

    The rate network of most models in neuroscience.

    Attributes:
        alpha: α, above 0 and at most 1.
        f: the rate of a unit, by its current.
    """

    alpha: float = 0.2
    f: Literal["tanh", "relu", "softplus"] = "tanh"

    def __post_init__(self) -> None:
        if not 0 < self.alpha <= 1:
            raise UsageError(f"leaky needs 0 < alpha ≤ 1, got {self.alpha:g}")

    def build(self) -> Cell:
        return Cell(
            name="leaky",
            widths=(1,),
            lefts=(lambda h, zs: h,),
            output=lambda h, zs: (1 - self.alpha) * h + self.alpha * zs[0],
            activations=(FUNCTIONS[self.f],),
        )
