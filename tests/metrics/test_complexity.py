"""How many systems a model uses, and what it is linear in: by hand, and of models whose answer is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jslds_bench.contract.settings.networks.cases import random_network
from jslds_bench.dynamics.fixed_points import groups_within
from jslds_bench.entries.registry import METRICS
from jslds_bench.errors import Unsupported
from jslds_bench.metrics.complexity import effective_number
from jslds_bench.models.codebook import CodebookModel
from jslds_bench.models.dmdc import DMDc
from jslds_bench.models.fixed_points import FixedPointModel
from jslds_bench.models.persistence import Persistence
from jslds_bench.models.switching import RecurrentSLDS
from jslds_bench.models.taylor_at_state import TaylorAtState
from jslds_bench.settings.networks import evaluation as ev
from jslds_bench.settings.networks.systems import N_STEPS
from jslds_bench.tasks.nbit_memory import NBitMemory

TASK = NBitMemory(n_bits=2, n_steps=12, n_unscored=2)
N_INPUTS = 9
SEARCH = {"n_trials": 16, "slow_tolerance": 1.0, "merge": 0.3}
"""Slow points of a random network: it hardly has fixed ones."""


@pytest.fixture(scope="module")
def network():
    return random_network("vanilla", 12, TASK.n_inputs, TASK.n_outputs, gain=1.2)


@pytest.fixture(scope="module")
def measured(network):
    """(model, network) → the values of the metrics of complexity."""
    fit, trials = (ev.draw_trials(TASK, 0, purpose, 200) for purpose in ("fit", "evaluation"))

    def values(model):
        fitted = model.fit(TASK, network, fit, jax.random.key(0))
        made = ev.evaluate(TASK, network, fitted, trials, [], 0)
        names = ("n_systems", "n_systems_effective", "linear_in_state", "linear_in_input", "free_numbers")
        return [METRICS.make(name, {}).compute(made) for name in names]

    return values


def test_the_effective_number_by_hand():
    assert effective_number([3, 3, 3]) == pytest.approx(1)
    assert effective_number([0, 1, 2, 3]) == pytest.approx(4)
    assert effective_number([0, 0, 0, 1]) == pytest.approx(np.exp(-0.75 * np.log(0.75) - 0.25 * np.log(0.25)))


def test_systems_closer_than_the_distance_are_one_and_no_chain_joins_what_is_farther():
    line = np.arange(11)[:, None] * 0.04
    assert groups_within(line, 0.05).tolist() == [0, 0, 2, 2, 4, 4, 6, 6, 8, 8, 10]
    assert len(np.unique(groups_within(100 + line, 1.0))) == 1


@pytest.mark.parametrize(
    ("model", "numbers"), [(Persistence(), 0), (DMDc(), 12 * 12 + 12 * TASK.n_inputs + 12)]
)
def test_one_linear_system_everywhere(measured, model, numbers):
    assert measured(model) == [1, pytest.approx(1), 1, 1, numbers]


def test_where_there_is_no_other_input_nothing_is_said_of_it(network):
    still = ev.draw_trials(TASK, 0, "evaluation", 50)
    still = still._replace(inputs=np.zeros_like(still.inputs))
    fitted = Persistence().fit(TASK, network, still, jax.random.key(0))
    made = ev.evaluate(TASK, network, fitted, still, [], 0)
    with pytest.raises(Unsupported, match="never have another input"):
        METRICS.make("linear_in_input", {}).compute(made)
    assert METRICS.make("linear_in_state", {}).compute(made) == 1


def test_a_system_for_every_state(measured):
    n, effective, in_state, in_input, numbers = measured(TaylorAtState())
    assert N_STEPS / 4 < effective < n <= N_STEPS
    assert in_state < 0.1
    assert (in_input, numbers) == (1, 0)


def test_expansions_about_points_are_as_many_as_points_times_inputs(measured):
    n, _, in_state, in_input, numbers = measured(FixedPointModel(**SEARCH))
    assert in_input == 1
    assert in_state > 0.9
    assert n <= numbers / 12
    more, _, _, in_input, same = measured(FixedPointModel(**SEARCH, expand_input="actual"))
    assert n < more <= n * N_INPUTS
    assert in_input < 0.1
    assert same == numbers


def test_a_codebook_has_at_most_its_centres_for_each_input(measured):
    n, effective, in_state, in_input, numbers = measured(CodebookModel(n_centres=(3,)))
    assert 1 < effective <= n <= 3 * N_INPUTS
    assert in_state > 0.9
    assert in_input < 0.1
    assert numbers == 3 * N_INPUTS * 12


def test_modes_are_systems(measured):
    n, _, in_state, _, _ = measured(RecurrentSLDS(n_modes=(3,), n_latent=4, max_iterations=5))
    assert 1 < n <= 3
    assert in_state > 0.9


def test_a_model_that_diverges_or_has_no_systems_has_no_complexity(network):
    class Opaque:
        def init(self, h0, u_star):
            return ()

        def step(self, carry, h, u, u_star):
            return carry, 1e6 * h * h

        def local(self, h, u, u_star):
            return None

        def fixed_points(self, u_star):
            return None

    trials = ev.draw_trials(TASK, 0, "evaluation", 20)
    made = ev.evaluate(TASK, network, Opaque(), trials, [], 0)
    assert made.in_force is None
    assert made.n_numbers is None
    assert not np.isfinite(made.free_run).all()


def test_the_run_from_h1_starts_at_the_networks_own(network):
    fit, trials = (ev.draw_trials(TASK, 0, purpose, 50) for purpose in ("fit", "evaluation"))
    model = FixedPointModel(**SEARCH).fit(TASK, network, fit, jax.random.key(0))
    made = ev.evaluate(TASK, network, model, trials, [], 0)
    h = jnp.asarray(made.states[:, 1])
    np.testing.assert_array_equal(made.late_run[:, 0], h)
    step = jax.jit(jax.vmap(lambda *args: model.step((), *args)[1]))
    for t in range(1, TASK.n_steps):
        h = step(h, trials.inputs[:, t], trials.u_star)
        np.testing.assert_allclose(made.late_run[:, t], h, rtol=2e-4, atol=2e-5)
    errors = np.linalg.norm(made.late_run[:, 1:] - made.states[:, 2:], axis=-1)
    found = METRICS.make("relative_error_from_h1", {}).compute(made)
    assert found == pytest.approx(np.mean(errors / np.linalg.norm(made.states[:, 2:], axis=-1)), rel=1e-4)


def test_h0_is_a_point_to_expand_about_and_no_fixed_point(network):
    fit = ev.draw_trials(TASK, 0, "fit", 50)
    with_start, without = (
        FixedPointModel(**SEARCH, start_point=start).fit(TASK, network, fit, jax.random.key(0))
        for start in (True, False)
    )
    u, star = fit.inputs[0, 0], fit.u_star[0]
    np.testing.assert_array_equal(with_start.local(network.h0, u, star).e, network.h0)
    np.testing.assert_array_equal(with_start.fixed_points(star), without.fixed_points(star))
    assert with_start.n_numbers() == without.n_numbers()
