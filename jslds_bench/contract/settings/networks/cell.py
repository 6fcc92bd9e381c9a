"""The rules for a cell: its stages say what a step is, and the core gives that step and its derivatives."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jslds_bench.contract.instances import SEED, smoke
from jslds_bench.contract.settings.networks.cases import random_network
from jslds_bench.contract.words import attempt, gap, one_line
from jslds_bench.dynamics.cells import cell_of, get_cell
from jslds_bench.dynamics.jslds import co_rollout, jslds_step
from jslds_bench.dynamics.linearize import recurrent_jacobian
from jslds_bench.dynamics.rollout import rollout
from jslds_bench.types.core import Cell, CellParams, Network

N, U, ROWS, T = 6, 2, 3, 4
SCALES = (0.1, 1.0, 10.0)
"""Of random states, where functions and outputs are looked at."""
EXACT, ROUNDED, DIFFERENCES = 1e-10, 1e-5, 1e-5
"""How far numbers may be apart, relative to the largest above 1: in float64, in float32, and what central
differences err by in float64."""


@dataclasses.dataclass(frozen=True)
class Built:
    """The cell that an entry makes, and a network of it with random weights (float32).

    Attributes:
        h, u: states and inputs, [R, N] and [R, U], float64 on the host.
    """

    cell: Cell
    network: Network
    h: np.ndarray
    u: np.ndarray

    def exact(self) -> tuple[CellParams, jax.Array, jax.Array]:
        """θ, h and u in float64, where that is enabled."""
        params = jax.tree.map(lambda x: jnp.asarray(np.asarray(x, np.float64)), self.network.params)
        return params, jnp.asarray(self.h), jnp.asarray(self.u)


def build(name: str) -> Built:
    """The cell of entry `name` on `N` units and `U` inputs."""
    return built(cell_of(smoke("cells", name)))


def built(cell: Cell) -> Built:
    """The subject of a cell that is made already."""
    rng = np.random.default_rng(SEED)
    h, u = (rng.normal(size=(ROWS, n)) for n in (N, U))
    return Built(cell, random_network(cell, N, U), h, u)


def form_faults(b: Built) -> Iterator[str]:
    """The stages fit each other, and the name is one that stands for this cell."""
    cell, n = b.cell, len(b.cell.widths)
    if not n or any(not isinstance(w, int) or w < 1 for w in cell.widths):
        yield f"its widths are {cell.widths!r}, expected a number of blocks of at least 1 for each stage"
    for what, several in (("lefts", cell.lefts), ("activations", cell.activations)):
        if len(several) != n and (what == "lefts" or several):
            yield f"it has {len(several)} {what} for {n} widths"
    if any(not 0 < i < n or cell.widths[i] != 1 for i in cell.gains):
        yield f"its gains are {cell.gains!r}, expected stages of one block, not the first"
    if cell.frozen is not None and not one_line(cell.frozen):
        yield "its reason not to be trained (`frozen`) is not one line of text"
    again, error = attempt(get_cell, cell.name)
    if error is not None or again is not cell:
        yield f"its name {cell.name!r} does not stand for it ({error or 'it is another cell'})"


def step_faults(b: Built) -> Iterator[str]:
    """A step is what the stages say, for one state as for many, of the type that it is given."""
    h, u = jnp.asarray(b.h, jnp.float32), jnp.asarray(b.u, jnp.float32)
    step = b.network.step
    after = step(h, u)
    if after.shape != h.shape or after.dtype != h.dtype:
        yield f"a step turns {h.dtype} states {list(h.shape)} into {after.dtype} {list(after.shape)}"
        return
    if miss := _far(after, _by_blocks(b.cell, b.network.params, h, u), ROUNDED):
        yield f"a step differs from what its stages say by {miss:.3g}"
    one, mapped, deep = jax.jit(lambda: (step(h[0], u[0]), jax.vmap(step)(h, u), step(h[None], u[None])[0]))()
    for what, other, same in (
        ("of one state", one, after[0]),
        ("under vmap", mapped, after),
        ("of states [1, R, N]", deep, after),
    ):
        if miss := _far(other, same, ROUNDED):
            yield f"a step {what} differs from a step of states [R, N] by {miss:.3g}"
    with jax.enable_x64(True):
        params, *where = b.exact()
        if (dtype := b.cell.step(params, *where).dtype) != np.float64:
            yield f"a step of float64 states is {dtype}: it names a precision of its own"


def finite_faults(b: Built) -> Iterator[str]:
    """Finite states go to finite ones."""
    for scale in SCALES:
        after = b.network.step(jnp.asarray(scale * b.h, jnp.float32), jnp.asarray(b.u, jnp.float32))
        if not np.isfinite(after).all():
            yield f"a step from random states of size {scale:g} is not finite"


def unit_faults(b: Built) -> Iterator[str]:
    """What lies between the products acts unit by unit; a slope, of the value, is the derivative."""
    cell, rng = b.cell, np.random.default_rng(SEED + 1)
    with jax.enable_x64(True):
        for scale in SCALES:
            blocks = [scale * rng.normal(size=N) for _ in range(1 + sum(cell.widths))]
            for what, function, reads in _functions(cell):
                if fault := _mixing(lambda h, *zs, f=function: f(h, list(zs)), blocks[: 1 + reads]):
                    yield f"{what} {fault}"
            for i, f in enumerate(cell.activations):
                z = jnp.asarray(blocks[0])
                if fault := _mixing(f.value, blocks[:1]):
                    yield f"activation {i} {fault}"
                    continue
                y, slope = jax.jvp(f.value, (z,), (jnp.ones_like(z),))
                if miss := _far(f.slope(y), slope, EXACT):
                    yield f"the slope of activation {i}, as a function of its value, errs by {miss:.3g}"


def derivative_faults(b: Built) -> Iterator[str]:
    """∂F/∂h by differences, by both modes and by the chain rule over stages is one matrix, in float64."""
    with jax.enable_x64(True):
        params, hs, us = b.exact()
        h, u = hs[0], us[0]
        moves = 1e-6 * jnp.eye(N)
        ahead, behind = (b.cell.step(params, h + sign * moves, jnp.tile(u, (N, 1))) for sign in (1, -1))
        differences = (ahead - behind).T / 2e-6
        forward, reverse, explicit = jax.jit(
            lambda h: (
                jax.jacfwd(lambda x: b.cell.step(params, x, u))(h),
                jax.jacrev(lambda x: b.cell.step(params, x, u))(h),
                recurrent_jacobian(b.cell, params, h, u),
            )
        )(h)
    for what, matrix in (("Jacobian-vector products", forward), ("vector-Jacobian products", reverse)):
        if miss := _far(matrix, differences, DIFFERENCES):
            yield f"its {what} differ from central differences by {miss:.3g}"
    if miss := _far(explicit, forward, EXACT):
        yield f"its explicit Jacobian differs from that by automatic differentiation by {miss:.3g}"


def tape_faults(b: Built) -> Iterator[str]:
    """Roll-outs on the tape, values and gradients, are those of `cell.step` under `lax.scan`, in float64."""
    with jax.enable_x64(True):
        params, h0, star = b.exact()
        phi = jax.tree.map(lambda x: jnp.asarray(np.asarray(x, np.float64)), b.network.expansion)
        inputs = jnp.asarray(np.random.default_rng(SEED + 2).normal(size=(ROWS, T, U)))
        bars = jnp.cos(jnp.arange(ROWS * T * N)).reshape(ROWS, T, N)  # what gradients are of: Σ bars∘states

        @jax.jit
        def runs(*args: Any) -> Any:
            """Of the network alone, and of both systems: states and gradients, plainly and on the tape."""
            (h, a), pull = jax.vjp(lambda *x: _plain_states(b.cell, x, star), *args)
            stacked = jax.vmap(pull)((jnp.stack([bars, bars]), jnp.stack([0 * bars, bars])))
            once, both = (jax.tree.map(lambda x, i=i: x[i], stacked) for i in range(2))
            alone, pull_alone = jax.vjp(lambda p, phi, h, x: rollout(b.cell, p, h, x), *args)
            pair, pull_pair = jax.vjp(lambda p, phi, h, x: co_rollout(b.cell, p, phi, h, x, star)[:2], *args)
            return (h, once, alone, pull_alone(bars)), ((h, a), both, pair, pull_pair((bars, bars)))

        found = runs(params, phi, h0, inputs)
    for what, (states, gradients, *on_tape) in zip(("rollout", "co_rollout"), found, strict=True):
        if miss := _furthest(on_tape[0], states):
            yield f"the states of `{what}` differ from those of plain steps by {miss:.3g}"
        elif miss := _furthest(on_tape[1], gradients):
            yield f"the gradients of `{what}` differ from those of plain steps by {miss:.3g}"


def point_faults(b: Built) -> Iterator[str]:
    """Where it knows its fixed points, they are some."""
    if b.cell.points is None:
        return
    points = b.cell.points(b.network.params, np.asarray(b.u[0], np.float32))
    if points is None:
        return
    if not isinstance(points, np.ndarray) or points.dtype != np.float64 or points.shape[1:] != (N,):
        yield "its `points` must answer float64 states [P, N] on the host, or None"
        return
    with jax.enable_x64(True):
        u = jnp.asarray(np.asarray(b.u[0], np.float32), jnp.float64)
        after = b.cell.step(b.exact()[0], jnp.asarray(points), jnp.tile(u, (len(points), 1)))
    if miss := _far(after, points, EXACT):
        yield f"its `points` are no fixed points: a step moves one by {miss:.3g}"


def _plain_states(cell: Cell, args: tuple[Any, ...], star: Any) -> tuple[Any, Any]:
    """h and a of network and JSLDS, [B, T, N], by plain steps; `args` are θ, φ, h_0 and the inputs."""
    params, phi, h0, inputs = args

    def step(state: Any, u: Any) -> Any:
        h, a = state
        ahead = jax.vmap(jslds_step, (None, None, None, 0, 0, 0))
        after = cell.step(params, h, u), ahead(cell, params, phi, a, u, star)
        return after, after

    h, a = jax.lax.scan(step, (h0, h0), jnp.swapaxes(inputs, 0, 1))[1]
    return jnp.swapaxes(h, 0, 1), jnp.swapaxes(a, 0, 1)


def _by_blocks(cell: Cell, params: CellParams, h: jax.Array, u: jax.Array) -> jax.Array:
    """F(h, u) from the description of a cell, a product for each block."""
    zs: list[jax.Array] = []
    for i, (left, p) in enumerate(zip(cell.lefts, params, strict=True)):
        x, f = left(h, zs), cell.activation(i)
        if i in cell.gains:
            zs.append(f.value(x * p.w))
            continue
        for k in range(0, cell.widths[i] * N, N):
            block = slice(k, k + N)
            zs.append(f.value(x @ p.w[:, block] + u @ p.v[:, block] + p.b[block]))
    return cell.output(h, zs)


def _functions(cell: Cell) -> Iterator[tuple[str, Any, int]]:
    """What is between the products: what to call it, the function of (h, zs), how many blocks it is given."""
    for i, left in enumerate(cell.lefts):
        yield f"left {i}", left, sum(cell.widths[:i])
    yield "the output", cell.output, sum(cell.widths)


def _mixing(function: Callable[..., Any], blocks: list[np.ndarray]) -> str | None:
    """How a function of blocks [R, N] fails to act unit by unit, if it does."""
    rows = [jnp.tile(jnp.asarray(x), (N, 1)) for x in blocks]
    before = np.asarray(function(*rows))
    if before.shape != (N, N):
        return f"turns blocks {[N, N]} into {list(before.shape)}"
    for k, x in enumerate(rows):
        moved = [*rows[:k], x + jnp.diag(1.0 - 0.5 * x[0]), *rows[k + 1 :]]
        after = np.asarray(function(*moved))
        same = (after == before) | (np.isnan(after) & np.isnan(before)) | np.eye(N, dtype=bool)
        if not same.all():
            return "mixes units: a change of one changes another (products alone may do so)"
    return None


def _far(got: Any, expected: Any, allowed: float) -> float:
    """How far two arrays are apart, 0 where that is allowed: relative to the largest entry above 1."""
    miss = gap(got, expected)
    return miss if miss > allowed * max(1.0, np.abs(np.asarray(expected)).max(initial=0.0)) else 0.0


def _furthest(got: Any, expected: Any) -> float:
    """The same over all arrays of two trees, in float64."""
    pairs = zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True)
    return max(_far(one, other, EXACT) for one, other in pairs)


RULES: dict[str, Callable[[Built], Iterator[str]]] = {
    "form": form_faults,
    "step": step_faults,
    "finite": finite_faults,
    "unit by unit": unit_faults,
    "derivatives": derivative_faults,
    "tape": tape_faults,
    "points": point_faults,
}
FIRST = ("form", "step", "finite", "unit by unit")
