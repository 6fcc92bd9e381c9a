"""Layers of other libraries, written out as stages."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp

from jslds_bench.entries.registry import CELLS
from jslds_bench.types.core import IDENTITY, SIGMOID, TANH, Cell

FROZEN = "its matrices hold zeros and repeated columns, which training would not keep"


@CELLS.register("gru_after")
@dataclasses.dataclass(frozen=True)
class GRUAfter:
    """r, s = σ(h W_rs + u V_rs + b_rs);  n = h W_n + b_n;  c = tanh(r∘n + u V_c + b_c);  h' = s∘h + (1−s)∘c.

    The reset gate multiplies the *product* with the state, as in PyTorch, Flax and Keras by default. As
    stages: n has no V, and the product of c's stage is with the unit matrix. For imported networks.
    """

    def build(self) -> Cell:
        return Cell(
            name="gru_after",
            widths=(2, 1, 1),
            lefts=(lambda h, zs: h, lambda h, zs: h, lambda h, zs: zs[0] * zs[2]),
            output=lambda h, zs: zs[1] * h + (1 - zs[1]) * zs[3],
            activations=(SIGMOID, IDENTITY, TANH),
            frozen=FROZEN,
        )


@CELLS.register("lstm")
@dataclasses.dataclass(frozen=True)
class LSTM:
    """i, f, o = σ(·), g = tanh(·) of h W + u V + b;  c' = f∘c + i∘g;  h' = o∘tanh(c').

    The state is (c, h), 2M units, of which h alone is read out. So that everything between products acts unit
    by unit each gate stands twice, above c and above h, and the last stage copies c to both places. For
    imported networks.
    Reference: Hochreiter and Schmidhuber (1997), with the forget gate of Gers et al. (2000).
    """

    def build(self) -> Cell:
        def output(s: Any, zs: list[Any]) -> Any:
            i, f, o, g, c_before = zs
            n = s.shape[-1]
            c = f * c_before + i * g
            return jnp.where(jnp.arange(n) < n // 2, c, o * jnp.tanh(c))

        return Cell(
            name="lstm",
            widths=(3, 1, 1),
            lefts=(lambda s, zs: s, lambda s, zs: s, lambda s, zs: s),
            output=output,
            activations=(SIGMOID, TANH, IDENTITY),
            frozen=FROZEN,
        )
