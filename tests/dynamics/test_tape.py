"""The scan with the written-out reverse pass against `lax.scan`, over drawn steps and shapes."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jslds_bench.dynamics.tape import tape_scan
from jslds_bench.types.core import IDENTITY, SIGMOID, TANH

ACTIVATIONS = [IDENTITY, TANH, SIGMOID]
FUNCTIONS = [jnp.tanh, jnp.sin, lambda z: z, lambda z: z * jax.nn.sigmoid(z)]


@st.composite
def problems(draw):
    """A step of one to three products with functions between them, and arrays for it.

    What follows a product is an activation that the tape knows or a function that it does not; the first
    matrix may be met a second time.
    """
    rows, n_steps, n_state, n_inputs = (draw(st.integers(1, 3)) for _ in range(4))
    inner = draw(st.lists(st.integers(1, 4), max_size=2))
    widths = [n_state + n_inputs, *inner, n_state]
    functions = draw(st.lists(st.sampled_from(FUNCTIONS), min_size=len(widths), max_size=len(widths)))
    carry_again = draw(st.booleans())  # a residual connection from the carry
    known = draw(st.lists(st.sampled_from([*ACTIVATIONS, None]), min_size=len(widths), max_size=len(widths)))
    twice = draw(st.booleans())
    seed = draw(st.integers(0, 2**31))

    def step(matmul, consts, carry, x):
        z = jnp.concatenate([carry["h"], x], axis=-1)
        for i, bias in enumerate(consts["b"]):
            if known[i] is None:
                z = functions[i](matmul(f"m{i}", z) + bias)
            else:
                z = matmul(f"m{i}", z, jnp.broadcast_to(bias, (rows, len(bias))), known[i])
        if twice:
            again = jnp.concatenate([jnp.sin(carry["h"]), x * x], axis=-1)
            z = z + jnp.sum(matmul("m0", again, f=SIGMOID), axis=-1, keepdims=True)
        h = functions[-1](z) + (carry["h"] * consts["leak"] if carry_again else 0)
        return {"h": h, "n": carry["n"] + 1}, (h, jnp.sum(z * x[:, :1], axis=-1))

    rng = np.random.default_rng(seed)
    shapes = list(itertools.pairwise(widths))
    weights = {f"m{i}": rng.normal(size=shape) for i, shape in enumerate(shapes)}
    consts = {"b": [rng.normal(size=width) for width in widths[1:]], "leak": rng.normal(size=n_state)}
    init = {"h": rng.normal(size=(rows, n_state)), "n": np.zeros(())}
    xs = rng.normal(size=(n_steps, rows, n_inputs))
    return step, (weights, consts, init, xs)


def by_lax_scan(step, weights, consts, init, xs):
    def matmul(name, left, add=None, f=IDENTITY):
        return f.value(left @ weights[name] + (0 if add is None else add))

    return jax.lax.scan(lambda c, x: step(matmul, consts, c, x), init, xs)


def pulled_back(scan, step, args, seed):
    """The scan's outputs and the gradients, by every argument, of a random linear function of them."""
    rng = np.random.default_rng(seed)

    @jax.jit
    def values_and_gradients(*args):
        out, pull = jax.vjp(lambda *a: scan(step, *a), *args)
        return out, pull(jax.tree.map(lambda x: jnp.asarray(rng.normal(size=x.shape), x.dtype), out))

    return values_and_gradients(*args)


def assert_close(got, expected):
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    for g, e in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(g, e, rtol=1e-10, atol=1e-10)


@settings(max_examples=12, deadline=None)
@given(problems())
def test_values_and_all_gradients_are_those_of_lax_scan(problem):
    step, args = problem
    with jax.enable_x64(True):
        assert_close(pulled_back(tape_scan, step, args, 7), pulled_back(by_lax_scan, step, args, 7))


@pytest.mark.parametrize("axes", [(None, None, 0, 0), (0, None, 0, None), (0, 0, 0, 0)], ids=str)
def test_vmap_is_a_loop(axes):
    """Over the carry alone (trials), over weights (seeds trained together), and over everything."""

    def step(matmul, consts, h, x):
        h = jnp.tanh(matmul("w", h) + matmul("v", x) + consts)
        return h, h**2

    rng = np.random.default_rng(3)
    with jax.enable_x64(True):

        def array(axis, *shape):
            return rng.normal(size=shape if axis is None else (3, *shape))

        args = (
            {"w": array(axes[0], 4, 4), "v": array(axes[0], 2, 4)},
            array(axes[1], 4),
            array(axes[2], 2, 4),
            array(axes[3], 5, 2, 2),
        )

        def value_and_gradients(*args):
            return jax.value_and_grad(
                lambda *a: sum(jnp.sum(jnp.sin(x)) for x in tape_scan(step, *a)), argnums=(0, 1, 2, 3)
            )(*args)

        got = jax.jit(jax.vmap(value_and_gradients, in_axes=axes))(*args)
        one = jax.jit(value_and_gradients)
        rows = [
            one(
                *(
                    a if axis is None else jax.tree.map(lambda x, i=i: x[i], a)
                    for a, axis in zip(args, axes, strict=True)
                )
            )
            for i in range(3)
        ]
        assert_close(got, jax.tree.map(lambda *x: np.stack(x), *rows))


def test_a_step_must_use_every_weight():
    def step(matmul, consts, h, x):
        return matmul("w", h), None

    weights = {"w": jnp.eye(2), "v": jnp.eye(2)}
    with pytest.raises(AssertionError, match="left out"):
        tape_scan(step, weights, (), jnp.ones((1, 2)), jnp.zeros(3))
