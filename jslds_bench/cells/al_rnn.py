"""The almost-linear RNN."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from jslds_bench.cells._shared.piecewise import fixed_points
from jslds_bench.entries.registry import CELLS
from jslds_bench.errors import UsageError
from jslds_bench.types.core import Cell


@CELLS.register("al_rnn")
@dataclasses.dataclass(frozen=True)
class AlmostLinear:
    """h' = a∘h + φ(h) W + u V + b, φ the identity but max(0, ·) on the last P units (the almost-linear RNN).

    Piecewise linear with 2^P regions, in each of which its dynamics are a linear system exactly: all of its
    fixed points are known, trained or not (`piecewise.fixed_points`).
    Reference: Brenner, Hemmer, Monfared and Durstewitz (2024), arXiv 2410.14240.

    Attributes:
        p: P, at least 1.
    """

    p: int = 8

    SMOKE: ClassVar[dict[str, Any]] = {"p": 3}

    def __post_init__(self) -> None:
        if self.p < 1:
            raise UsageError(f"al_rnn needs p ≥ 1, got {self.p}")

    def build(self) -> Cell:
        def rectified(h: jax.Array, zs: list[jax.Array]) -> jax.Array:
            n = h.shape[-1]
            return jnp.where(jnp.arange(n) < n - self.p, h, jax.nn.relu(h))

        return Cell(
            name="al_rnn",
            widths=(1, 1),
            lefts=(rectified, lambda h, zs: h),
            output=lambda h, zs: zs[0] + zs[1],
            gains=(1,),
            points=functools.partial(fixed_points, self.p),
        )
