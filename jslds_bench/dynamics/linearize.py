"""First-order expansions of a network (eqs. 3–4) and its Jacobians."""

from __future__ import annotations

from typing import Any, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jslds_bench.types.core import Cell, CellParams, LocalLinear

ExpandInput = Literal["star", "actual"]
"""The input that an expansion is about: the trial's u* (the paper's), or the input u_t of the moment."""


def recurrent_jacobian(
    cell: Cell, params: CellParams, h: Float[Array, " N"], u: Float[Array, " U"]
) -> Float[Array, "N N"]:
    """∂F/∂h at (h, u): entry [i, j] is ∂F_i/∂h_j.

    By the chain rule over the cell's stages. Everything between the matrix products acts unit by unit, so its
    derivatives are diagonals, and the first stage costs no product at all: a third of the work of N
    Jacobian-vector products for a GRU, none of it for a vanilla cell.
    """
    zs: list[jax.Array] = []
    dzs: list[jax.Array] = []  # ∂z_i/∂h, [width, N, N]: one block of N rows for each N units of z_i
    for left, p, width in zip(cell.lefts, params, cell.widths, strict=True):
        by_h, through_zs = _unitwise(left, h, zs, dzs)
        w = p.w.reshape(h.shape[0], width, -1)
        dz = jnp.einsum("lwm,l->wml", w, by_h)
        if through_zs is not None:
            dz = dz + jnp.einsum("lwm,ln->wmn", w, through_zs)
        dzs.append(dz)
        zs.append(left(h, zs) @ p.w + u @ p.v + p.b)
    by_h, through_zs = _unitwise(cell.output, h, zs, dzs)
    assert through_zs is not None, "a cell has at least one stage"
    return jnp.diag(by_h) + through_zs


def _unitwise(
    function: Any, h: jax.Array, zs: list[jax.Array], dzs: list[jax.Array]
) -> tuple[jax.Array, jax.Array | None]:
    """Derivative of a unit-by-unit f(h, zs) by h: the diagonal of its direct part, [N], and the rest.

    The rest is what comes through the zs, Σ diag(∂f/∂z) ∂z/∂h, [N, N]; None where there are none.
    """
    nothing = [jnp.zeros_like(z) for z in zs]
    _, by_h = jax.jvp(function, (h, zs), (jnp.ones_like(h), nothing))
    total = None
    for i, dz in enumerate(dzs):
        for block in range(dz.shape[0]):
            ones = jnp.zeros((dz.shape[0], h.shape[0]), h.dtype).at[block].set(1).reshape(-1)
            _, by_z = jax.jvp(function, (h, zs), (jnp.zeros_like(h), [*nothing[:i], ones, *nothing[i + 1 :]]))
            part = by_z[:, None] * dz[block]
            total = part if total is None else total + part
    return by_h, total


def input_jacobian(
    cell: Cell, params: CellParams, h: Float[Array, " N"], u: Float[Array, " U"]
) -> Float[Array, "N U"]:
    """∂F/∂u at (h, u)."""
    return jax.jacfwd(lambda x: cell.step(params, h, x))(u)


def expand(
    cell: Cell,
    params: CellParams,
    e: Float[Array, " N"],
    u_star: Float[Array, " U"],
    zeroth: Literal["value", "point"],
) -> LocalLinear:
    """The first-order expansion of F at (e, u*), with both Jacobians formed.

    Args:
        zeroth: the constant term. "value" is F(e, u*) (eq. 3, right for any e); "point" is e itself
            (eqs. 4–5, which take e for a fixed point).
    """
    constant = cell.step(params, e, u_star) if zeroth == "value" else e
    return LocalLinear(
        e=e,
        u_star=u_star,
        A=recurrent_jacobian(cell, params, e, u_star),
        B=input_jacobian(cell, params, e, u_star),
        c=constant,
    )


def expansion_step(
    cell: Cell,
    params: CellParams,
    e: Float[Array, " N"],
    u_star: Float[Array, " U"],
    h: Float[Array, " N"],
    u: Float[Array, " U"],
    zeroth: Literal["value", "point"],
) -> Float[Array, " N"]:
    """The same expansion applied to (h, u) by one Jacobian-vector product; no Jacobian is formed."""
    value, tangent = jax.jvp(lambda x, v: cell.step(params, x, v), (e, u_star), (h - e, u - u_star))
    return (value if zeroth == "value" else e) + tangent


def apply_local(local: LocalLinear, h: Float[Array, " N"], u: Float[Array, " U"]) -> Float[Array, " N"]:
    """c + A (h − e) + B (u − u*)."""
    return local.c + local.A @ (h - local.e) + local.B @ (u - local.u_star)


def jacobians(
    cell: Cell, params: CellParams, hs: Float[Array, "P N"], us: Float[Array, "P U"]
) -> Float[Array, "P N N"]:
    """∂F/∂h at many points."""
    return jax.vmap(lambda h, u: recurrent_jacobian(cell, params, h, u))(hs, us)


def speeds(
    cell: Cell, params: CellParams, hs: Float[Array, "P N"], us: Float[Array, "P U"]
) -> Float[Array, " P"]:
    """q = ½‖F(h, u) − h‖² at many points."""
    return 0.5 * jnp.sum((cell.step(params, hs, us) - hs) ** 2, axis=-1)
