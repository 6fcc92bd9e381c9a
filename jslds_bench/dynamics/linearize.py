"""First-order expansions of a network (eqs. 3–4) and its Jacobians."""

from __future__ import annotations

import functools
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jslds_bench.types.core import Cell, CellParams, LocalLinear

ExpandInput = Literal["star", "actual"]
"""The input that an expansion is about: the trial's u* (the paper's), or the input u_t of the moment."""


def recurrent_jacobian(
    cell: Cell, params: CellParams, h: Float[Array, " N"], u: Float[Array, " U"]
) -> Float[Array, "N N"]:
    """∂F/∂h at (h, u): entry [i, j] is ∂F_i/∂h_j.

    By the chain rule over the cell's stages. Everything between the matrix products acts unit by unit, so
    its derivatives are diagonals, and the first stage costs no product at all. A later one costs a product
    for each block of an earlier stage that it reads: (W_iᵀ diag(∂left/∂z)) ∂z/∂h, in this order, so that
    for many points at once it is one product with the first stage's own matrix.
    """
    zs: list[jax.Array] = []
    slopes: list[jax.Array] = []
    dzs: list[jax.Array] = []  # of each block, ∂/∂h of what it is the activation of, [N, N]
    for i, (left, p, width) in enumerate(zip(cell.lefts, params, cell.widths, strict=True)):
        by_h, by_zs = _unitwise(cell, i, left, h, zs, slopes)
        f = cell.activation(i)
        if i in cell.gains:
            z, dz = f.value(left(h, zs) * p.w), jnp.diag(p.w * by_h)
            for k, by_z in by_zs.items():
                dz = dz + (p.w * by_z)[:, None] * dzs[k]
            zs, slopes, dzs = [*zs, z], [*slopes, f.slope(z)], [*dzs, dz]
            continue
        made = f.value(left(h, zs) @ p.w + u @ p.v + p.b)
        for z, w in zip(jnp.split(made, width), jnp.split(p.w, width, axis=1), strict=True):
            dz = _transposed(w) * by_h
            for k, by_z in by_zs.items():
                dz = dz + jnp.einsum("lm,ln->mn", w * by_z[:, None], dzs[k])
            dzs.append(dz)
            zs.append(z)
            slopes.append(f.slope(z))
    by_h, by_zs = _unitwise(cell, len(cell.lefts), cell.output, h, zs, slopes)
    out = jnp.diag(by_h)
    for k, by_z in by_zs.items():
        out = out + by_z[:, None] * dzs[k]
    return out


def _transposed(w: Float[Array, "N M"]) -> Float[Array, "M N"]:
    """wᵀ as a product with 1, which is exact.

    XLA's CPU compiler (jaxlib 0.10.2) would fuse a mere transpose with what is made of it for every point,
    and read w column by column each time: Jacobians of a tanh network then take four times as long.
    """
    one = jnp.eye(w.shape[0], dtype=w.dtype)
    return jax.lax.dot_general(w, one, (((0,), (0,)), ((), ())), precision=jax.lax.Precision.HIGHEST)


def _unitwise(
    cell: Cell, stage: int, function: Any, h: jax.Array, zs: list[jax.Array], slopes: list[jax.Array]
) -> tuple[jax.Array, dict[int, jax.Array]]:
    """Derivatives of a unit-by-unit f(h, zs), all diagonals: by h, and by what each block that it reads is
    the activation of."""
    nothing = [jnp.zeros_like(z) for z in zs]
    _, by_h = jax.jvp(function, (h, zs), (jnp.ones_like(h), nothing))
    by_zs = {}
    for k in _read_blocks(cell, h.shape[0])[stage]:
        tangents = [*nothing[:k], slopes[k], *nothing[k + 1 :]]
        _, by_zs[k] = jax.jvp(function, (h, zs), (jnp.zeros_like(h), tangents))
    return by_h, by_zs


@functools.lru_cache(maxsize=64)
def _read_blocks(cell: Cell, n: int) -> tuple[tuple[int, ...], ...]:
    """For each stage, and last for the output, the earlier blocks of `n` units that it reads.

    Found by asking whether a change of the block changes anything, at many random values.
    """
    rng, rows = np.random.default_rng(0), 4 * -(-128 // n)
    scales = np.resize([0.1, 1.0, 10.0, 100.0], (rows, 1))
    with jax.ensure_compile_time_eval():
        h, *zs = (
            jnp.asarray(scales * rng.normal(size=(rows, n)), jnp.float32) for _ in range(1 + sum(cell.widths))
        )
        found = []
        for stage, function in enumerate((*cell.lefts, cell.output)):
            before, reads = zs[: sum(cell.widths[:stage])], []
            for k, z in enumerate(before):
                moved = [*before[:k], -0.5 * z, *before[k + 1 :]]
                if not np.array_equal(function(h, before), function(h, moved), equal_nan=True):
                    reads.append(k)
            found.append(tuple(reads))
    return tuple(found)


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
