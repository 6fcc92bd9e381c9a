"""A scan whose reverse pass is written out: what follows each matrix product is kept on a tape.

XLA's CPU backend runs the reverse of an ordinary `lax.scan` over a JSLDS step at 2.4 to 3 times
the cost of the forward pass (docs/speed.md), where its products would be twice: it stacks every
element-wise intermediate of every step. Here the forward pass keeps the finished products alone (what an
activation's derivative needs is its value), the reverse pass redoes the arithmetic between them,
multiplies by weights transposed once, and accumulates each weight's gradient where it arises. What a step
writes and reads beyond the products costs about as much as they do: less is faster.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jslds_bench.types.core import IDENTITY, Activation

Weights = dict[str, jax.Array]
Kept = dict[str, list[jax.Array]]
MatMul = Callable[..., jax.Array]
Step = Callable[[MatMul, Any, Any, Any], tuple[Any, Any]]


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _recall(f: Activation, left: jax.Array, add: Any, probe: Any, y: jax.Array, w_t: jax.Array) -> jax.Array:
    """y = f(left @ w + add) from the tape; the cotangent of f's argument goes to left, add and probe."""
    return y


def _recall_bar(f: Activation, kept: Any, y_bar: jax.Array) -> Any:
    y, w_t, add = kept
    z_bar = y_bar * f.slope(y)
    return z_bar @ w_t, None if add is None else z_bar, z_bar, None, None


_recall.defvjp(lambda f, left, add, probe, y, w_t: (y, (y, w_t, add)), _recall_bar)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def tape_scan(step: Step, weights: Weights, consts: Any, init: Any, xs: Any) -> tuple[Any, Any]:
    """`lax.scan` of ``step(matmul, consts, carry, x) -> (carry, y)`` with a fast reverse pass.

    Args:
        step: calls ``matmul(name, left, add, f)``, that is ``f(left @ weights[name] + add)``, with `add` of
            the product's shape or None and `f` an `Activation`, the identity if left out. It touches
            `weights` in no other way, and multiplies by each at least once. All of `left` must be
            two-dimensional.
        weights: the matrices.
        consts: differentiable arrays that every step sees.
        init: the carry before the first step.
        xs: inputs, leading axis T.

    Returns:
        The last carry and the stacked y, as `lax.scan` does. Values and first derivatives agree with
        `lax.scan` up to the order of summation; forward-mode and second derivatives are not defined.
    """
    return _forward(step, weights, consts, init, xs)[0]


def _record(step: Step, weights: Weights, consts: Any, carry: Any, x: Any) -> tuple[Any, Kept]:
    """A step, and what its products became."""
    tape: Kept = {name: [] for name in weights}

    def matmul(name: str, left: jax.Array, add: Any = None, f: Activation = IDENTITY) -> jax.Array:
        z = left @ weights[name]
        tape[name].append(f.value(z if add is None else z + add))
        return tape[name][-1]

    out = step(matmul, consts, carry, x)
    unused = {name for name, made in tape.items() if not made}
    assert not unused, f"a tape step left out {unused}"
    return out, tape


def _forward(step: Step, weights: Weights, consts: Any, init: Any, xs: Any) -> tuple[Any, Any]:
    def body(carry: Any, x: Any) -> tuple[Any, Any]:
        (after, y), tape = _record(step, weights, consts, carry, x)
        return after, (y, carry, tape)

    last, (ys, carries, tapes) = jax.lax.scan(body, init, xs)
    return (last, ys), (weights, consts, carries, tapes, xs)


def _backward(step: Step, residuals: Any, cotangents: Any) -> tuple[Any, Any, Any, Any]:
    weights, consts, carries, tapes, xs = residuals
    last_bar, ys_bar = cotangents
    transposed = {name: w.T for name, w in weights.items()}

    def body(state: Any, slices: Any) -> tuple[Any, Any]:
        carry_bar, weights_bar, consts_bar = state
        carry, tape, x, y_bar = slices
        lefts: Kept = {name: [] for name in weights}

        def replay(consts: Any, carry: Any, x: Any, probes: Kept) -> tuple[Any, Kept]:
            def matmul(name: str, left: jax.Array, add: Any = None, f: Activation = IDENTITY) -> jax.Array:
                i = len(lefts[name])
                lefts[name].append(left)
                return _recall(f, left, add, probes[name][i], tape[name][i], transposed[name])

            return step(matmul, consts, carry, x), lefts

        # An activation has the shape of its argument: zeros of y's shape gather the argument's cotangent.
        probes = jax.tree.map(jnp.zeros_like, tape)
        _, pull, lefts = jax.vjp(replay, consts, carry, x, probes, has_aux=True)
        more_consts, carry_bar, x_bar, z_bars = pull((carry_bar, y_bar))
        more_weights = {
            name: sum(left.T @ z_bar for left, z_bar in zip(lefts[name], z_bars[name], strict=True))
            for name in weights
        }
        weights_bar, consts_bar = jax.tree.map(
            jnp.add, (weights_bar, consts_bar), (more_weights, more_consts)
        )
        return (carry_bar, weights_bar, consts_bar), x_bar

    zeros = (last_bar, jax.tree.map(jnp.zeros_like, weights), jax.tree.map(jnp.zeros_like, consts))
    (init_bar, weights_bar, consts_bar), xs_bar = jax.lax.scan(
        body, zeros, (carries, tapes, xs, ys_bar), reverse=True
    )
    return weights_bar, consts_bar, init_bar, xs_bar


tape_scan.defvjp(_forward, _backward)
