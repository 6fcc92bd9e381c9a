"""What every model must answer once it is fitted: to a frozen network and a co-trained one, to other data."""

import jax
import numpy as np
import pytest

from jslds_bench.contract.fitting import watched
from jslds_bench.contract.instances import smoke
from jslds_bench.contract.settings import of
from jslds_bench.contract.words import one_line
from jslds_bench.dynamics.rollout import free_run
from jslds_bench.settings.networks.calls import on_model
from jslds_bench.suite import registries
from jslds_bench.types import Linearization


def test_a_model_keeps_the_contract(a_model_rule, subject):
    setting, name, case, rule = a_model_rule
    fitted = subject(name, of(setting).cases()[case]())
    assert fitted.faults == ()
    assert watched(of(setting).model_rules[rule])(fitted) == []


def test_a_model_says_whether_it_can_serve(a_model, case):
    made = smoke("models", a_model)
    for name in registries()["networks"].registered():
        network = smoke("networks", name, path="x")
        reason = case.setting.why_unsupported(case.shared.task, network, made)
        assert reason is None or one_line(reason)


def test_a_free_run_is_a_loop_of_steps(a_model, case, subject):
    model = subject(a_model, case).fitted
    network, trials = case.shared.network, case.shared.fit_trials
    assert isinstance(model, Linearization)
    run = np.asarray(on_model(free_run, model)(network.h0, trials.inputs, trials.u_star))
    assert run.shape == (*trials.inputs.shape[:2], network.n_state)
    star = trials.u_star[1]
    h, carry = network.h0, model.init(network.h0, star)
    step = jax.jit(lambda carry, h, u: model.step(carry, h, u, star))
    for u, expected in zip(trials.inputs[1], run[1], strict=True):
        carry, h = step(carry, h, u)
        np.testing.assert_allclose(h, expected, atol=1e-4 * max(1, np.abs(expected).max()))


def test_an_evaluation_is_complete_and_read_only(a_model, case, evaluated):
    made = evaluated(a_model, case)
    network = case.shared.network
    b, t, n = *made.trials.inputs.shape[:2], network.n_state
    assert made.states.shape == made.free_run.shape == (b, t + 1, n)
    assert made.one_step.shape == (b, t, n)
    np.testing.assert_array_equal(made.free_run[:, 0], made.states[:, 0])
    np.testing.assert_array_equal(made.states[:, 0], np.broadcast_to(network.h0, (b, n)))
    # From the same state h_0 both horizons begin with the same prediction.
    np.testing.assert_allclose(made.free_run[:, 1], made.one_step[:, 0], atol=1e-5)
    arrays = (made.trials, made.states, made.free_run, made.one_step, made.local, made.jacobians)
    for array in jax.tree.leaves(arrays):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
