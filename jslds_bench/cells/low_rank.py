"""The network whose recurrence has low rank."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp

from jslds_bench.entries.registry import CELLS
from jslds_bench.errors import UsageError
from jslds_bench.types.core import Cell


@CELLS.register("low_rank")
@dataclasses.dataclass(frozen=True)
class LowRank:
    """κ = the first R units of tanh(h) W_1 + u V_1 + b_1;  h' = (1 − α) h + α (κ W_2 + u V_2 + b_2).

    The rank-R network τ dh/dt = −h + M Nᵀ tanh(h) + …, N the first R columns of W_1 and M the first R rows of
    W_2: what the recurrence does lies in R dimensions. That κ reads the input too makes no other network (it
    is V_2 moved along M).
    References: Mastrogiuseppe and Ostojic (2018), Neuron 99; Dubreuil et al. (2022), Nat. Neurosci. 25.

    Attributes:
        rank: R, at least 1.
        alpha: α, above 0 and at most 1.
    """

    rank: int = 2
    alpha: float = 0.2

    def __post_init__(self) -> None:
        if self.rank < 1 or not 0 < self.alpha <= 1:
            raise UsageError(f"low_rank needs rank ≥ 1 and 0 < alpha ≤ 1, got {self.rank} and {self.alpha:g}")

    def build(self) -> Cell:
        def kappa(h: jax.Array, zs: list[jax.Array]) -> jax.Array:
            return jnp.where(jnp.arange(h.shape[-1]) < self.rank, zs[0], 0.0)

        return Cell(
            name="low_rank",
            widths=(1, 1),
            lefts=(lambda h, zs: jnp.tanh(h), kappa),
            output=lambda h, zs: (1 - self.alpha) * h + self.alpha * zs[1],
        )
