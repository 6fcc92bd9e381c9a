"""What every model must answer once it is fitted, on a frozen network and on a co-trained one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from entries import fit, host, smoke

from jslds_bench import evaluation as ev
from jslds_bench.dynamics.linearize import apply_local
from jslds_bench.dynamics.rollout import free_run
from jslds_bench.networks.format import network_bytes
from jslds_bench.suite import registries
from jslds_bench.types import Linearization


@pytest.fixture(scope="module")
def model(a_model, case, fitted):
    return fitted(a_model, case)


@pytest.fixture
def somewhere(case):
    """A state near a visited one, its input, and u*, of five trials."""
    states = ev.states_of(case.network, case.trials)[:5, 3]
    noise = np.random.default_rng(0).normal(size=states.shape).astype(np.float32)
    return states + 0.1 * noise, case.trials.inputs[:5, 3], case.trials.u_star[:5]


def test_a_model_says_whether_it_can_serve(a_model, case):
    made = smoke("models", a_model)
    sources = registries()["networks"]
    for name in sources.names():
        reason = made.unsupported(case.task, smoke("networks", name, path="x"))
        assert reason is None or (isinstance(reason, str) and reason and "\n" not in reason)


def test_fitting_leaves_the_network_as_it_was(a_model, case):
    before = network_bytes(case.network)
    fit(a_model, case)
    assert network_bytes(case.network) == before


def test_fitting_is_determined_by_the_key(a_model, case, model, somewhere):
    again = fit(a_model, case)
    for h, u, star in zip(*somewhere, strict=True):
        for one, other in zip(
            host(model.step(model.init(h, star), h, u, star)),
            host(again.step(again.init(h, star), h, u, star)),
            strict=True,
        ):
            assert one.tobytes() == other.tobytes()


def test_shapes_and_the_carry_are_stable(model, case, somewhere):
    assert isinstance(model, Linearization)
    h, u, star = (x[0] for x in somewhere)
    carry = jax.eval_shape(model.init, h, star)
    after, ahead = jax.eval_shape(model.step, carry, h, u, star)
    assert after == carry  # structure, shapes and types: what lax.scan asks for
    assert (ahead.shape, ahead.dtype) == (h.shape, jnp.float32)
    local = jax.eval_shape(model.local, h, u, star)
    if local is not None:
        n, m = case.network.n_state, case.network.n_inputs
        assert [x.shape for x in local] == [(n,), (m,), (n, n), (n, m), (n,)]
        assert all(x.dtype == jnp.float32 for x in local)


def test_a_step_is_its_local_linear_system(model, somewhere):
    """h' = c + A (h − e) + B (u − u*): the fast path and the matrices are one model."""
    h, u, star = (x[0] for x in somewhere)
    if jax.eval_shape(model.local, h, u, star) is None:
        pytest.skip("this model has no linear system")
    for h, u, star in zip(*somewhere, strict=True):
        _, ahead = model.step(model.init(h, star), h, u, star)
        local = model.local(h, u, star)
        np.testing.assert_allclose(ahead, apply_local(local, h, u), atol=2e-5)
        np.testing.assert_allclose(local.u_star, star)


def test_stepping_is_pure_under_jit_and_vmap(model, somewhere):
    def step(h, u, star):
        return model.step(model.init(h, star), h, u, star)[1]

    loop = np.stack([step(*row) for row in zip(*somewhere, strict=True)])
    jitted = jax.jit(jax.vmap(step))
    np.testing.assert_allclose(jitted(*somewhere), loop, atol=1e-5)
    assert np.asarray(jitted(*somewhere)).tobytes() == np.asarray(jitted(*somewhere)).tobytes()


def test_a_free_run_is_a_loop_of_steps(model, case):
    run = np.asarray(ev.on_model(free_run, model)(case.network.h0, case.trials.inputs, case.trials.u_star))
    assert run.shape == (*case.trials.inputs.shape[:2], case.network.n_state)
    star = case.trials.u_star[1]
    h, carry = case.network.h0, model.init(case.network.h0, star)
    step = jax.jit(lambda carry, h, u: model.step(carry, h, u, star))
    for u, expected in zip(case.trials.inputs[1], run[1], strict=True):
        carry, h = step(carry, h, u)
        np.testing.assert_allclose(h, expected, atol=1e-4 * max(1, np.abs(expected).max()))


def test_fixed_points_are_points_or_none(model, case):
    answers = [model.fixed_points(u) for u in case.task.expansion_inputs()]
    assert len({points is None for points in answers}) == 1
    for points in answers:
        if points is not None:
            assert points.ndim == 2
            assert points.shape[1] == case.network.n_state
            assert np.isfinite(points).all()


def test_an_evaluation_is_complete_and_read_only(a_model, case, evaluated):
    made = evaluated(a_model, case)
    b, t, n = *made.trials.inputs.shape[:2], case.network.n_state
    assert made.states.shape == made.free_run.shape == (b, t + 1, n)
    assert made.one_step.shape == (b, t, n)
    np.testing.assert_array_equal(made.free_run[:, 0], made.states[:, 0])
    np.testing.assert_array_equal(made.states[:, 0], np.broadcast_to(case.network.h0, (b, n)))
    # From the same state h_0 both horizons begin with the same prediction.
    np.testing.assert_allclose(made.free_run[:, 1], made.one_step[:, 0], atol=1e-5)
    for array in host((made.trials, made.states, made.free_run, made.one_step, made.local, made.jacobians)):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
