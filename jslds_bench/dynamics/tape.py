"""A scan whose reverse pass is written out: matrix products kept on a tape, weight gradients summed in place.

XLA's CPU backend runs the reverse of an ordinary `lax.scan` over a JSLDS step at seven times the cost of
the forward pass: it stacks every element-wise intermediate of every step. Here the forward pass keeps
the matrix products alone (everything between them is cheap to redo), the reverse pass multiplies by
weights transposed once, and each weight's gradient is accumulated where it arises. The result is a
forward-to-gradient ratio of three, the least that exact back-propagation can have.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

Weights = dict[str, jax.Array]
MatMul = Callable[[str, jax.Array], jax.Array]
Step = Callable[[MatMul, Any, Any, Any], tuple[Any, Any]]


@jax.custom_vjp
def _recall(left: jax.Array, z: jax.Array, w_t: jax.Array) -> jax.Array:
    """The product z = left @ w from the tape; its cotangent goes both to `left` and to z's tape slot."""
    return z


_recall.defvjp(lambda left, z, w_t: (z, w_t), lambda w_t, g: (g @ w_t, g, None))


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def tape_scan(step: Step, weights: Weights, consts: Any, init: Any, xs: Any) -> tuple[Any, Any]:
    """`lax.scan` of ``step(matmul, consts, carry, x) -> (carry, y)`` with a fast reverse pass.

    Args:
        step: calls ``matmul(name, left)``, that is ``left @ weights[name]``, exactly once for each name,
            and touches `weights` in no other way. All of `left` must be two-dimensional.
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
        tape: Weights = {}

        def matmul(name: str, left: jax.Array) -> jax.Array:
            assert name not in tape, f"a tape step multiplies by {name!r} twice"
            tape[name] = left @ weights[name]
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
        carry_bar, weights_bar, consts_bar = state
        carry, tape, x, y_bar = slices

        def replay(consts: Any, carry: Any, x: Any, tape: Weights) -> tuple[Any, Weights]:
            lefts: Weights = {}

            def matmul(name: str, left: jax.Array) -> jax.Array:
                lefts[name] = left
                return _recall(left, tape[name], transposed[name])

            return step(matmul, consts, carry, x), lefts

        _, pull, lefts = jax.vjp(replay, consts, carry, x, tape, has_aux=True)
        more_consts, carry_bar, x_bar, tape_bar = pull((carry_bar, y_bar))
        weights_bar = {name: bar + lefts[name].T @ tape_bar[name] for name, bar in weights_bar.items()}
        return (carry_bar, weights_bar, jax.tree.map(jnp.add, consts_bar, more_consts)), x_bar

    zeros = (last_bar, jax.tree.map(jnp.zeros_like, weights), jax.tree.map(jnp.zeros_like, consts))
    (init_bar, weights_bar, consts_bar), xs_bar = jax.lax.scan(
        body, zeros, (carries, tapes, xs, ys_bar), reverse=True
    )
    return weights_bar, consts_bar, init_bar, xs_bar


tape_scan.defvjp(_forward, _backward)
