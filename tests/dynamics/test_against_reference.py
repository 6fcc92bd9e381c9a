"""The fast core against the paper's equations written out: values and gradients, float32 and float64."""

import contextlib
import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference

from jslds_bench.dynamics.jslds import co_rollout, expansion_point, jslds_step
from jslds_bench.dynamics.linearize import expand, expansion_step
from jslds_bench.dynamics.rollout import rollout
from jslds_bench.dynamics.training import Parameters, co_training_loss, network_loss
from jslds_bench.types import LossWeights
from jslds_bench.types.core import NetworkStep

WEIGHTS = LossWeights(rnn=0.7, jslds=1.3, e=11.0, a=5.0, l2=0.01)
SIZES = [(1, 1, 1, 1, 1), (7, 3, 5, 2, 3)]  # T, B, N, U, O
cases = pytest.mark.parametrize("size", SIZES, ids=["ones", "odd"])
CELLS = [
    "vanilla",
    "gru",
    "leaky(alpha=0.3, f=tanh)",
    "leaky(alpha=0.5, f=relu)",
    "leaky(alpha=1.0, f=softplus)",
    "al_rnn(p=2)",
    "low_rank(rank=2, alpha=0.4)",
]
cells = pytest.mark.parametrize("cell", CELLS)
with_expansion = pytest.mark.parametrize(
    ("cell", "kind"),
    [*((cell, "state") for cell in CELLS)]
    + [(cell, kind) for cell in ("vanilla", "gru", "al_rnn(p=2)") for kind in ("input", "refined", "units")],
    indirect=["kind"],
)
precisions = pytest.mark.parametrize("x64", [False, True], ids=["float32", "float64"])


@pytest.fixture
def kind(request):
    """Of E: it sees the state, the input too, ends with two steps of the network, or has it all, in units."""
    return getattr(request, "param", "state")


@pytest.fixture
def units(kind):
    return jnp.asarray(1.5, jnp.float32) if kind == "units" else None


@pytest.fixture
def network(cell, kind, size, make_network):
    _, _, n, u, o = size
    made = make_network(cell, n, u, o, seed=n, sees_input=kind in ("input", "units"))
    if kind not in ("refined", "units"):
        return made
    return dataclasses.replace(made, expansion=(*made.expansion, NetworkStep(), NetworkStep()))


@pytest.fixture
def trials(size, make_trials):
    t, b, _, u, o = size
    return make_trials(b, t, u, o)


def precision(x64):
    return jax.enable_x64(True) if x64 else contextlib.nullcontext()


def plain(tree):
    """The tree's arrays in NumPy's float64: what the reference reads."""
    return jax.tree.map(lambda x: np.asarray(x, np.float64), tree)


def cast(tree, x64):
    return jax.tree.map(jnp.asarray, plain(tree)) if x64 else tree


def assert_close(got, expected, x64):
    """Every array within rounding of its reference, as measured against the largest entry."""
    got, expected = jax.tree.leaves(got), jax.tree.leaves(expected)
    assert len(got) == len(expected)
    tolerance = 1e-12 if x64 else 3e-6
    for g, e in zip(got, expected, strict=True):
        g, e = np.asarray(g), np.asarray(e)
        assert g.shape == e.shape
        assert g.dtype == (np.float64 if x64 else np.float32)
        np.testing.assert_allclose(g, e, rtol=0, atol=tolerance * max(1, np.abs(e).max(initial=0)))


@with_expansion
@cases
@precisions
def test_both_systems_follow_equations_3_5_and_6(cell, size, x64, network, units, trials):
    theta, phi, h0, inputs, u_star, s = plain(
        (network.params, network.expansion, network.h0, trials.inputs, trials.u_star, units)
    )
    runs = [reference.run(cell, theta, phi, h0, us, star, s) for us, star in zip(inputs, u_star, strict=True)]
    expected = [np.array(series) for series in zip(*runs, strict=True)]
    with precision(x64):
        params, phi, h0, inputs, u_star, s = cast(
            (network.params, network.expansion, network.h0, trials.inputs, trials.u_star, units), x64
        )
        h0 = jnp.broadcast_to(h0, (len(inputs), len(h0)))
        both = jax.jit(co_rollout, static_argnums=0)(network.cell, params, phi, h0, inputs, u_star, s)
        alone = jax.jit(rollout, static_argnums=0)(network.cell, params, h0, inputs)
    assert_close(both, expected, x64)
    assert_close(alone, expected[0], x64)


@with_expansion
@pytest.mark.parametrize("size", SIZES[1:], ids=["odd"])
@precisions
def test_one_step_and_the_expansions(cell, size, x64, network, units, trials):
    points = jnp.asarray(np.random.default_rng(0).normal(size=(2, 5)), jnp.float32)
    where = (network.params, network.expansion, points, trials.inputs[0, 0], trials.u_star[0], units)
    theta, phi, (h, e), u, star, s = plain(where)
    point = reference.expansion_network(cell, theta, phi, h, u, star, s)
    value = reference.update(cell, theta, e, star)
    expected = (
        reference.update(cell, theta, h, u),
        point,
        reference.expansion(cell, theta, point, star, h, u, "point"),
        reference.expansion(cell, theta, e, star, h, u, "value"),
        reference.expansion(cell, theta, e, star, h, u, "point"),
    )
    by_hand = (
        reference.recurrent_jacobian(cell, theta, e, star),
        reference.input_jacobian(cell, theta, e, star),
    )
    with precision(x64):
        params, phi, (h, e), u, star, s = cast(where, x64)
        f = network.cell
        got = (
            f.step(params, h, u),
            expansion_point(phi, h, u - star, lambda x: f.step(params, x, star), s),
            jslds_step(f, params, phi, h, u, star, s),
            expansion_step(f, params, e, star, h, u, "value"),
            expansion_step(f, params, e, star, h, u, "point"),
        )
        local = {zeroth: expand(f, params, e, star, zeroth) for zeroth in ("value", "point")}
    assert_close(got, expected, x64)
    for zeroth, constant in (("value", value), ("point", plain(e))):
        assert_close(local[zeroth], (plain(e), plain(star), *by_hand, constant), x64)


def assert_loss_and_gradient_agree(loss, slow, params, trials):
    """`loss` in both precisions against `slow`, a function of the list of parameter arrays."""
    leaves, structure = jax.tree.flatten(plain(params))
    expected = slow(leaves), structure.unflatten(reference.gradient(slow, leaves))
    compiled = jax.jit(jax.value_and_grad(loss, has_aux=True))
    for x64 in (False, True):
        with precision(x64):
            (total, terms), grads = compiled(cast(params, x64), cast(trials, x64))
        assert_close((total, grads), expected, x64)
    return terms


@with_expansion
@cases
def test_the_co_training_loss_is_equation_9_in_value_and_gradient(cell, size, network, units, trials):
    params = Parameters(network.params, network.h0, network.readout, network.expansion)
    structure = jax.tree.structure(params)

    def slow(leaves):
        p = structure.unflatten(leaves)
        args = (p.theta, p.phi, p.h0, p.readout, plain(trials), plain(units))
        return reference.co_training_loss(cell, WEIGHTS, *args)

    def loss(p, data):
        return co_training_loss(network.cell, WEIGHTS)(p, data, units)

    terms = assert_loss_and_gradient_agree(loss, slow, params, trials)
    p = plain(params)
    args = (p.theta, p.phi, p.h0, p.readout, plain(trials), plain(units))
    expected = reference.co_training_terms(cell, *args)
    assert terms.keys() == expected.keys()
    assert_close(terms, expected, x64=True)


@cells
@cases
def test_the_task_loss_in_value_and_gradient(cell, size, network, trials):
    params = Parameters(network.params, network.h0, network.readout, None)
    structure = jax.tree.structure(params)

    def slow(leaves):
        p = structure.unflatten(leaves)
        return reference.network_loss(cell, WEIGHTS, p.theta, p.h0, p.readout, plain(trials))

    terms = assert_loss_and_gradient_agree(network_loss(network.cell, WEIGHTS), slow, params, trials)
    assert terms.keys() == {"rnn"}


@cells
def test_the_oracle_s_own_jacobians_are_its_derivatives(cell, make_network):
    theta = plain(make_network(cell, 4, 3).params)
    h, u = np.random.default_rng(1).normal(size=(2, 4))
    u = u[:3]
    for i in range(4):
        rows = reference.gradient(lambda x, i=i: reference.update(cell, theta, *x)[i], [h, u])
        np.testing.assert_allclose(reference.recurrent_jacobian(cell, theta, h, u)[i], rows[0], atol=1e-14)
        np.testing.assert_allclose(reference.input_jacobian(cell, theta, h, u)[i], rows[1], atol=1e-14)
