"""The update rules F(h, u; θ), each as affine stages with element-wise functions between them."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jslds_bench.dynamics.piecewise import fixed_points
from jslds_bench.entries.registry import nearest
from jslds_bench.errors import UsageError
from jslds_bench.types.core import IDENTITY, Activation, Cell

TANH = Activation(jnp.tanh, lambda y: 1 - y**2)
SIGMOID = Activation(jax.nn.sigmoid, lambda y: y * (1 - y))
RELU = Activation(jax.nn.relu, lambda y: jnp.where(y > 0, 1.0, 0.0).astype(y.dtype))
SOFTPLUS = Activation(jax.nn.softplus, lambda y: -jnp.expm1(-y))
FUNCTIONS = {"tanh": TANH, "relu": RELU, "softplus": SOFTPLUS}


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

_IMPORTED = "its matrices hold zeros and repeated columns, which training would not keep"

GRU_AFTER = Cell(
    name="gru_after",
    widths=(2, 1, 1),
    lefts=(lambda h, zs: h, lambda h, zs: h, lambda h, zs: zs[0] * zs[2]),
    output=lambda h, zs: zs[1] * h + (1 - zs[1]) * zs[3],
    activations=(SIGMOID, IDENTITY, TANH),
    frozen=_IMPORTED,
)
"""r, s = σ(h W_rs + u V_rs + b_rs);  n = h W_n + b_n;  c = tanh(r∘n + u V_c + b_c);  h' = s∘h + (1−s)∘c.

The reset gate multiplies the *product* with the state, as in PyTorch, Flax and Keras by default. As stages:
n has no V, and the product of c's stage is with the unit matrix.
"""


def _lstm_output(s: jax.Array, zs: list[jax.Array]) -> jax.Array:
    i, f, o, g, c_before = zs
    n = s.shape[-1]
    c = f * c_before + i * g
    return jnp.where(jnp.arange(n) < n // 2, c, o * jnp.tanh(c))


LSTM = Cell(
    name="lstm",
    widths=(3, 1, 1),
    lefts=(lambda s, zs: s, lambda s, zs: s, lambda s, zs: s),
    output=_lstm_output,
    activations=(SIGMOID, TANH, IDENTITY),
    frozen=_IMPORTED,
)
"""i, f, o = σ(·), g = tanh(·) of h W + u V + b;  c' = f∘c + i∘g;  h' = o∘tanh(c').

The state is (c, h), 2M units, of which h alone is read out. So that everything between products acts unit by
unit each gate stands twice, above c and above h, and the last stage copies c to both places.
Reference: Hochreiter and Schmidhuber (1997), with the forget gate of Gers et al. (2000).
"""

CELLS = {cell.name: cell for cell in (VANILLA, GRU, AFFINE, CUBIC, GRU_AFTER, LSTM)}


def leaky(alpha: float = 0.2, f: str = "tanh") -> Cell:
    """h' = (1 − α) h + α f(h W + u V + b): the Euler step of τ dh/dt = −h + f(h W + u V + b), α = Δt/τ.

    The rate network of most models in neuroscience; f of tanh, relu, softplus.

    Raises:
        UsageError: α outside (0, 1], or an unknown f.
    """
    if not 0 < alpha <= 1 or f not in FUNCTIONS:
        raise UsageError(f"leaky needs 0 < alpha ≤ 1 and f of {', '.join(FUNCTIONS)}, got {alpha:g} and {f}")
    return _leaky(float(alpha), f)


@functools.lru_cache(maxsize=64)
def _leaky(alpha: float, f: str) -> Cell:
    """One object for each, as a static argument of what is compiled for it."""
    return Cell(
        name=f"leaky(alpha={alpha!r}, f={f})",
        widths=(1,),
        lefts=(lambda h, zs: h,),
        output=lambda h, zs: (1 - alpha) * h + alpha * zs[0],
        activations=(FUNCTIONS[f],),
    )


def al_rnn(p: int = 8) -> Cell:
    """h' = a∘h + φ(h) W + u V + b, φ the identity but max(0, ·) on the last P units (the almost-linear RNN).

    Piecewise linear with 2^P regions, in each of which its dynamics are a linear system exactly: all of its
    fixed points are known, trained or not (`piecewise.fixed_points`).
    Reference: Brenner, Hemmer, Monfared and Durstewitz (2024), arXiv 2410.14240.

    Raises:
        UsageError: P below 1.
    """
    if p < 1:
        raise UsageError(f"al_rnn needs p ≥ 1, got {p}")
    return _al_rnn(int(p))


@functools.lru_cache(maxsize=64)
def _al_rnn(p: int) -> Cell:
    def rectified(h: jax.Array, zs: list[jax.Array]) -> jax.Array:
        n = h.shape[-1]
        return jnp.where(jnp.arange(n) < n - p, h, jax.nn.relu(h))

    return Cell(
        name=f"al_rnn(p={p})",
        widths=(1, 1),
        lefts=(rectified, lambda h, zs: h),
        output=lambda h, zs: zs[0] + zs[1],
        gains=(1,),
        points=functools.partial(fixed_points, p),
    )


def low_rank(rank: int = 2, alpha: float = 0.2) -> Cell:
    """κ = tanh(h) W_1 + u V_1 + b_1, its first `rank` units alone;  h' = (1 − α) h + α (κ W_2 + u V_2 + b_2).

    The rank-R network τ dh/dt = −h + M Nᵀ tanh(h) + …, N the first R columns of W_1 and M the first R rows of
    W_2: what the recurrence does lies in R dimensions. That κ reads the input too makes no other network (it
    is V_2 moved along M).
    References: Mastrogiuseppe and Ostojic (2018), Neuron 99; Dubreuil et al. (2022), Nat. Neurosci. 25.

    Raises:
        UsageError: rank below 1, or α outside (0, 1].
    """
    if rank < 1 or not 0 < alpha <= 1:
        raise UsageError(f"low_rank needs rank ≥ 1 and 0 < alpha ≤ 1, got {rank} and {alpha:g}")
    return _low_rank(int(rank), float(alpha))


@functools.lru_cache(maxsize=64)
def _low_rank(rank: int, alpha: float) -> Cell:
    def kappa(h: jax.Array, zs: list[jax.Array]) -> jax.Array:
        return jnp.where(jnp.arange(h.shape[-1]) < rank, zs[0], 0.0)

    return Cell(
        name=f"low_rank(rank={rank}, alpha={alpha!r})",
        widths=(1, 1),
        lefts=(lambda h, zs: jnp.tanh(h), kappa),
        output=lambda h, zs: (1 - alpha) * h + alpha * zs[1],
    )


MAKERS: dict[str, Callable[..., Cell]] = {"leaky": leaky, "al_rnn": al_rnn, "low_rank": low_rank}
"""Cells that take parameters, "leaky(alpha=0.1, f=relu)"; what is left out has its default."""


def get_cell(name: str) -> Cell:
    """The cell called `name`, its parameters in brackets; raises UsageError with the nearest name."""
    if name in CELLS:
        return CELLS[name]
    found = re.fullmatch(r"(\w+)\s*(?:\((.*)\))?", name)
    if found is None or found[1] not in MAKERS:
        known = [*CELLS, *(f"{maker}(…)" for maker in MAKERS)]
        near = nearest(found[1] if found else name, [*CELLS, *MAKERS])
        raise UsageError(f"unknown cell {name!r}{near} (known: {', '.join(known)})")
    takes = inspect.signature(MAKERS[found[1]]).parameters
    parameters: dict[str, Any] = {}
    for item in filter(None, (found[2] or "").replace(" ", "").split(",")):
        key, _, value = item.partition("=")
        if key not in takes:
            raise UsageError(f"cell {name!r}: {found[1]} takes {' and '.join(takes)}, not {key!r}")
        try:
            parameters[key] = type(takes[key].default)(value)
        except ValueError:
            raise UsageError(f"cell {name!r}: {key} is {value!r}, expected a number") from None
    return MAKERS[found[1]](**parameters)
