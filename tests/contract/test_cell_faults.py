"""Cells that are wrong in one way each, and the words for it."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jslds_bench.contract.settings.networks import cell as contract
from jslds_bench.dynamics.cells import get_cell
from jslds_bench.types import TANH, Activation, Cell

VANILLA, GRU = get_cell("vanilla"), get_cell("gru")


class Overridden(Cell):
    """Whose step is not what its stages say."""

    def step(self, params, h, u):
        return super().step(params, h, u) + 0.1


@jax.custom_jvp
def bent(z):
    return jnp.tanh(z)


bent.defjvp(lambda z, dz: (jnp.tanh(z[0]), 0.5 * dz[0]))


def vanilla(**changes):
    return dataclasses.replace(VANILLA, **changes)


FAULTS = {
    "form": [
        (vanilla(activations=(TANH, TANH)), "it has 2 activations for 1 widths"),
        (vanilla(gains=(0,)), "its gains are (0,), expected stages of one block, not the first"),
        (vanilla(frozen=""), "its reason not to be trained"),
        (
            vanilla(output=lambda h, zs: -zs[0]),
            "its name 'vanilla' does not stand for it (it is another cell)",
        ),
    ],
    "step": [
        (Overridden(**vars(VANILLA)), "a step differs from what its stages say by 0.1"),
        (vanilla(output=lambda h, zs: zs[0].sum()), "a step turns float32 states [3, 6] into float32 []"),
        (
            vanilla(output=lambda h, zs: zs[0].astype(jnp.float32)),
            "a step of float64 states is float32: it names a precision of its own",
        ),
        (vanilla(output=lambda h, zs: zs[0] / h.ndim), "a step of one state differs from a step of states"),
    ],
    "finite": [
        (vanilla(output=lambda h, zs: jnp.exp(20 * h)), "a step from random states of size 10 is not finite")
    ],
    "unit by unit": [
        (vanilla(lefts=(lambda h, zs: h[..., ::-1],)), "left 0 mixes units"),
        (vanilla(output=lambda h, zs: jax.nn.softmax(zs[0])), "the output mixes units"),
        (vanilla(activations=(Activation(jnp.sort, jnp.ones_like),)), "activation 0 mixes units"),
        (
            vanilla(activations=(Activation(jnp.tanh, lambda z: 1 - jnp.tanh(z) ** 2),)),
            "the slope of activation 0",
        ),
    ],
    "derivatives": [
        (vanilla(output=lambda h, zs: bent(h) + zs[0]), "its Jacobian-vector products differ from central"),
        (
            dataclasses.replace(GRU, activations=(GRU.activations[0], Activation(jnp.tanh, jnp.ones_like))),
            "its explicit Jacobian differs",
        ),
    ],
    "tape": [
        (vanilla(activations=(Activation(jnp.tanh, lambda y: 1 - y),)), "the gradients of `rollout` differ"),
    ],
    "points": [
        (
            vanilla(points=lambda params, u: np.ones((2, 6))),
            "its `points` are no fixed points: a step moves one",
        ),
        (
            vanilla(points=lambda params, u: [0.0]),
            "its `points` must answer float64 states [P, N] on the host",
        ),
    ],
}


@pytest.mark.parametrize(
    ("rule", "cell", "said"),
    [(rule, cell, said) for rule, cases in FAULTS.items() for cell, said in cases],
    ids=[f"{rule}-{i}" for rule, cases in FAULTS.items() for i in range(len(cases))],
)
def test_a_cell_is_told_what_is_wrong_with_it(rule, cell, said):
    found = list(contract.RULES[rule](contract.built(cell)))
    assert any(text.startswith(said) for text in found), found
