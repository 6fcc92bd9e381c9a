"""A scan whose reverse pass is written out: what follows each matrix product is kept on a tape.

XLA's CPU backend runs the reverse of an ordinary `lax.scan` over a JSLDS step at seven times the cost of the
forward pass: it stacks every element-wise intermediate of every step. Here the forward pass keeps the finished
products alone (what an activation's derivative needs is its value), the reverse pass redoes the cheap arithmetic
between them and multiplies by weights transposed once, and weight gradients are one product over all steps of a
chunk: many small products are slower than a large one, and what a chunk holds stays bounded.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

CHUNK = 50
"""Steps whose weight gradients are one product."""

Weights = dict[str, jax.Array]
MatMul = Callable[..., Any]
Step = Callable[[MatMul, Any, Any, Any], tuple[Any, Any]]


class Finish(NamedTuple):
    """What becomes of a product z: y = value(z, adds), with a reverse that reads y alone.

    Attributes:
        value: (z, adds) → y, a pytree; `adds` is a pytree of arrays that may be differentiated.
        reverse: (y, ȳ) → z̄ and the cotangent of `adds`.
    """

    value: Callable[[jax.Array, Any], Any]
    reverse: Callable[[Any, Any], tuple[jax.Array, Any]]


PLAIN = Finish(lambda z, adds: z, lambda y, y_bar: (y_bar, ()))


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _recall(finish: Finish, left: jax.Array, adds: Any, probe: jax.Array, y: Any, w_t: jax.Array) -> Any:
    """The finished product of `left` from the tape; z's cotangent goes to `left` and to the probe."""
    return y


def _recall_bar(finish: Finish, kept: Any, y_bar: Any) -> Any:
    y, w_t = kept
    z_bar, adds_bar = finish.reverse(y, y_bar)
    return z_bar @ w_t, adds_bar, z_bar, None, None


_recall.defvjp(lambda finish, left, adds, probe, y, w_t: (y, (y, w_t)), _recall_bar)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def tape_scan(step: Step, weights: Weights, consts: Any, init: Any, xs: Any) -> tuple[Any, Any]:
    """`lax.scan` of ``step(matmul, consts, carry, x) -> (carry, y)`` with a fast reverse pass.

    Args:
        step: calls ``matmul(name, left, finish, adds)``, that is ``finish.value(left @ weights[name], adds)``
            (the product alone if left out), exactly once for each name, and touches `weights` in no other way.
            All of `left` must be two-dimensional.
        weights: the matrices.
        consts: differentiable arrays that every step sees.
        init: the carry before the first step.
        xs: inputs, leading axis T.

    Returns:
        The last carry and the stacked y, as `lax.scan` does. Values and first derivatives agree with
        `lax.scan` up to the order of summation; forward-mode and second derivatives are not defined.
    """
    return _forward(step, weights, consts, init, xs)[0]


def _forward(step: Step, weights: Weights, consts: Any, init: Any, xs: Any) -> tuple[Any, Any]:
    def body(carry: Any, x: Any) -> tuple[Any, Any]:
        tape: dict[str, Any] = {}

        def matmul(name: str, left: jax.Array, finish: Finish = PLAIN, adds: Any = ()) -> Any:
            assert name not in tape, f"a tape step multiplies by {name!r} twice"
            tape[name] = finish.value(left @ weights[name], adds)
            return tape[name]

        after, y = step(matmul, consts, carry, x)
        assert tape.keys() == weights.keys(), f"a tape step left out {weights.keys() - tape.keys()}"
        return after, (y, carry, tape)

    last, (ys, carries, tapes) = jax.lax.scan(body, init, xs)
    return (last, ys), (weights, consts, carries, tapes, xs)


def _backward(step: Step, residuals: Any, cotangents: Any) -> tuple[Any, Any, Any, Any]:
    weights, consts, carries, tapes, xs = residuals
    last_bar, ys_bar = cotangents
    transposed = {name: w.T for name, w in weights.items()}

    def body(state: Any, slices: Any) -> tuple[Any, Any]:
        carry_bar, consts_bar = state
        carry, tape, x, y_bar = slices
        lefts: Weights = {}

        def replay(consts: Any, carry: Any, x: Any, probes: Weights) -> tuple[Any, Weights]:
            def matmul(name: str, left: jax.Array, finish: Finish = PLAIN, adds: Any = ()) -> Any:
                lefts[name] = left
                return _recall(finish, left, adds, probes[name], tape[name], transposed[name])

            return step(matmul, consts, carry, x), lefts

        probes = _probes(step, weights, consts, carry, x)
        _, pull, lefts = jax.vjp(replay, consts, carry, x, probes, has_aux=True)
        more_consts, carry_bar, x_bar, z_bars = pull((carry_bar, y_bar))
        return (carry_bar, jax.tree.map(jnp.add, consts_bar, more_consts)), (x_bar, lefts, z_bars)

    def chunk(state: Any, slices: Any) -> tuple[Any, Any]:
        weights_bar, *state = state
        state, (x_bar, lefts, z_bars) = jax.lax.scan(body, tuple(state), slices, reverse=True)
        weights_bar = {
            name: bar + jnp.einsum("trk,trm->km", lefts[name], z_bars[name])
            for name, bar in weights_bar.items()
        }
        return (weights_bar, *state), x_bar

    state = (jax.tree.map(jnp.zeros_like, weights), last_bar, jax.tree.map(jnp.zeros_like, consts))
    state, xs_bar = _in_chunks(chunk, state, (carries, tapes, xs, ys_bar))
    weights_bar, init_bar, consts_bar = state
    return weights_bar, consts_bar, init_bar, xs_bar


def _probes(step: Step, weights: Weights, consts: Any, carry: Any, x: Any) -> Weights:
    """Zeros of the shapes of the products of one step."""
    found: Weights = {}

    def matmul(name: str, left: jax.Array, finish: Finish = PLAIN, adds: Any = ()) -> Any:
        z = left @ weights[name]
        found[name] = jnp.zeros(z.shape, z.dtype)
        return finish.value(z, adds)

    jax.eval_shape(lambda *args: step(matmul, *args), consts, carry, x)
    return found


def _in_chunks(chunk: Any, state: Any, slices: Any) -> tuple[Any, Any]:
    """`chunk` on the last steps first, at most `CHUNK` of them at a time; its outputs in the order of steps."""
    n_steps = jax.tree.leaves(slices)[0].shape[0]
    whole, rest = divmod(n_steps, CHUNK)
    parts = []
    if rest:
        state, last = chunk(state, jax.tree.map(lambda x: x[n_steps - rest :], slices))
        parts.append(last)
    if whole:
        folded = jax.tree.map(lambda x: x[: n_steps - rest].reshape(whole, CHUNK, *x.shape[1:]), slices)
        state, early = jax.lax.scan(chunk, state, folded, reverse=True)
        parts.insert(0, jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), early))
    return state, jax.tree.map(lambda *x: jnp.concatenate(x), *parts) if len(parts) > 1 else parts[0]


tape_scan.defvjp(_forward, _backward)
