"""Process noise: part of training where a task or a network asks for it, and of nothing else."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jslds_bench.dynamics.jslds import expansion_point, jslds_step
from jslds_bench.dynamics.rollout import rollout
from jslds_bench.dynamics.training import Noisy, NoisyTrials, co_training_loss, network_loss, task_error
from jslds_bench.errors import UsageError
from jslds_bench.networks._shared.modules import initial_parameters
from jslds_bench.networks.cotrained import CoTrained
from jslds_bench.networks.standard import Standard
from jslds_bench.tasks.nbit_memory import NBitMemory
from jslds_bench.types.networks import LossWeights

TASK = NBitMemory(n_bits=1, n_steps=5, n_unscored=1)
CELLS = ("vanilla", "gru", "leaky", "al_rnn(p=2)", "low_rank(rank=2)")
N = 6


@dataclasses.dataclass(frozen=True)
class NoisyMemory(NBitMemory):
    """The task as one that asks for noise."""

    @property
    def setup(self):
        return super().setup._replace(process_noise=0.3)


def drawn(cell, expansion):
    from jslds_bench.dynamics.cells import get_cell

    start = initial_parameters(cell, TASK.n_inputs, N, TASK.n_outputs, jax.random.key(0), expansion=expansion)
    return get_cell(cell), start, NoisyTrials(TASK.sample, N, 0.3)(jax.random.key(1), 7)


def plainly(cell, p, data, system):
    """States [B, T, N] of x_t = F(x_{t−1}, u_t) + ε_t, or of the JSLDS in place of F, and e* − F(e*, u*)."""

    def trial(us, star, noise):
        def step(x, given):
            u, added = given
            e = None
            if system == "jslds":
                e = expansion_point(p.phi, x, u - star)
                e = e - cell.step(p.theta, e, star)
                x = jslds_step(cell, p.theta, p.phi, x, u, star) + added
            else:
                x = cell.step(p.theta, x, u) + added
            return x, (x, e)

        return jax.lax.scan(step, p.h0, (us, noise))[1]

    return jax.vmap(trial)(data.trials.inputs, data.trials.u_star, data.noise)


def assert_same(got, expected):
    for g, e in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(g, e, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_the_loss_of_a_network_is_that_of_noisy_states_in_value_and_gradient(cell):
    cell, start, data = drawn(cell, expansion=False)

    def plain(p):
        return task_error(p.readout, plainly(cell, p, data, "network")[0], data.trials)

    fast = network_loss(cell, LossWeights())
    assert_same(jax.value_and_grad(lambda p: fast(p, data)[0])(start), jax.value_and_grad(plain)(start))
    assert float(fast(start, data)[0]) != pytest.approx(float(fast(start, data.trials)[0]), rel=1e-3)


@pytest.mark.parametrize("cell", CELLS)
def test_the_losses_of_co_training_have_the_noise_in_both_systems(cell):
    cell, start, data = drawn(cell, expansion=True)
    weights = LossWeights(rnn=1.0, jslds=0.7, e=3.0, a=2.0)

    def plain(p):
        h, a = (plainly(cell, p, data, system) for system in ("network", "jslds"))
        rnn, jslds = (task_error(p.readout, states, data.trials) for states in (h[0], a[0]))
        return rnn + 0.7 * jslds + 3.0 * jnp.mean(a[1] ** 2) + 2.0 * jnp.mean((a[0] - h[0]) ** 2)

    fast = co_training_loss(cell, weights)
    assert_same(jax.value_and_grad(lambda p: fast(p, data)[0])(start), jax.value_and_grad(plain)(start))


def test_noise_is_white_of_the_size_asked_and_leaves_the_trials_as_they_are():
    key = jax.random.key(2)
    trials, noise = NoisyTrials(TASK.sample, 100, 0.2)(key, 40)
    assert_same(trials, TASK.sample(key, 40))
    noise = np.asarray(noise)
    assert noise.shape == (40, 5, 100)
    assert noise.std() == pytest.approx(0.2, rel=0.03)
    for axis in range(3):  # from trial to trial, step to step and unit to unit
        before, after = np.delete(noise, -1, axis), np.delete(noise, 0, axis)
        assert abs(np.corrcoef(before.ravel(), after.ravel())[0, 1]) < 0.03
    assert isinstance(NoisyTrials(TASK.sample, 3, 0.2)(key, 2), Noisy)


@pytest.mark.parametrize("source", [Standard(), CoTrained(), Standard(matched=True)])
def test_the_task_asks_and_the_network_may_have_its_own(source):
    few = dataclasses.replace(source, recipe="paper", n_state=N, n_steps=4)
    key = jax.random.key(3)
    quiet, asked = few.build(TASK, key), few.build(NoisyMemory(n_bits=1, n_steps=5, n_unscored=1), key)
    own = dataclasses.replace(few, process_noise=0.3).build(TASK, key)
    none = dataclasses.replace(few, process_noise=0.0).build(
        NoisyMemory(n_bits=1, n_steps=5, n_unscored=1), key
    )
    assert_same(asked.params, own.params)
    assert_same(none.params, quiet.params)
    assert not np.allclose(quiet.params[0].w, own.params[0].w, atol=1e-4)


def test_several_at_once_have_the_noise_that_each_has_alone():
    source = Standard("paper", n_state=N, n_steps=4, process_noise=0.3)
    keys = [jax.random.key(3), jax.random.key(4)]
    for network, key in zip(source.build_many(TASK, keys), keys, strict=True):
        assert_same(network.params, source.build(TASK, key).params)


def test_what_comes_before_co_training_has_the_noise_too():
    first = CoTrained(process_noise=0.3, initial="standard").first(None)
    assert first == Standard(process_noise=0.3)
    assert Standard(matched=True, process_noise=0.3).process_noise == 0.3


@pytest.mark.parametrize("source", [Standard, CoTrained])
@pytest.mark.parametrize("noise", [-0.1, float("inf"), float("nan")])
def test_what_is_no_standard_deviation_is_refused(source, noise):
    with pytest.raises(UsageError, match="process_noise is"):
        source(process_noise=noise)


@pytest.mark.long
def test_a_network_trained_with_noise_does_its_task_under_noise():
    """What it is for: networks of animals do theirs so."""

    def error(network, noise):
        trials, added = NoisyTrials(task.sample, 32, noise)(jax.random.key(9), 200)
        h0 = jnp.broadcast_to(network.h0, (200, 32))
        states = rollout(network.cell, network.params, h0, trials.inputs, added)
        return float(task_error(network.readout, states, trials))

    task = NBitMemory(n_bits=2)
    made = {
        noise: Standard(n_state=32, n_steps=1500, process_noise=noise).build(task, jax.random.key(5))
        for noise in (0.0, 0.2)
    }
    assert error(made[0.2], 0.2) < 0.5 * error(made[0.0], 0.2)
    assert error(made[0.2], 0.0) < 0.05
