"""The update rules F(h, u; θ), each as affine stages with element-wise functions between them."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jslds_bench.entries.registry import nearest
from jslds_bench.errors import UsageError
from jslds_bench.types.core import Activation, Cell

TANH = Activation(jnp.tanh, lambda y: 1 - y**2)
SIGMOID = Activation(jax.nn.sigmoid, lambda y: y * (1 - y))


def _value(h: jax.Array, zs: list[jax.Array]) -> jax.Array:
    return zs[0]


VANILLA = Cell(
    name="vanilla",
    widths=(1,),
    lefts=(lambda h, zs: h,),
    output=_value,
    activations=(TANH,),
)
"""h' = tanh(h W + u V + b)."""


def _gru_output(h: jax.Array, zs: list[jax.Array]) -> jax.Array:
    _, s, c = zs
    return s * h + (1 - s) * c


GRU = Cell(
    name="gru",
    widths=(2, 1),
    lefts=(lambda h, zs: h, lambda h, zs: zs[0] * h),
    output=_gru_output,
    activations=(SIGMOID, TANH),
)
"""r, s = σ(h W_rs + u V_rs + b_rs);  c = tanh((r∘h) W_c + u V_c + b_c);  h' = s∘h + (1−s)∘c.

The reset gate multiplies the state *before* the candidate's matrix product, and nothing is added to the
update gate. Reference: Cho et al. (2014), the form that Smith et al. (2021) use.
"""

AFFINE = Cell(
    name="affine",
    widths=(1,),
    lefts=(lambda h, zs: h,),
    output=_value,
)
"""h' = h W + u V + b."""

CUBIC = Cell(
    name="cubic",
    widths=(1, 1, 1),
    lefts=(lambda h, zs: h, lambda h, zs: zs[0] ** 2, lambda h, zs: zs[0] * zs[1]),
    output=lambda h, zs: zs[2],
)
"""y = h W_1 + u V_1 + b_1;  h' = (y ∘ (y² W_2 + u V_2 + b_2)) W_3 + u V_3 + b_3.

Normal forms of bifurcations in a frame of their own: what the ring and the limit cycle of the `analytic`
networks are made of.
"""

CELLS = {cell.name: cell for cell in (VANILLA, GRU, AFFINE, CUBIC)}


def get_cell(name: str) -> Cell:
    """The cell called `name`; raises UsageError with the nearest name."""
    if name not in CELLS:
        raise UsageError(f"unknown cell {name!r}{nearest(name, list(CELLS))} (known: {', '.join(CELLS)})")
    return CELLS[name]
