"""Process noise: part of training where a task or a network asks for it, and of nothing else."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jslds_bench.dynamics import batches, optimizers
from jslds_bench.dynamics.batches import Noisy, NoisyTrials
from jslds_bench.dynamics.jslds import expansion_point, jslds_step
from jslds_bench.dynamics.training import Recipe, co_training_loss, network_loss, task_error
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


@pytest.mark.parametrize("source", [Standard(), CoTrained()])
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


@pytest.mark.parametrize("source", [CoTrained(), CoTrained(initial="standard"), Standard(matched=True)])
def test_what_comes_before_has_the_noise_too(source):
    recipe = Recipe("fast", 40, 16, optimizers.fast, n_first=20)
    for noise in (None, 0.0, 0.3):
        first = dataclasses.replace(source, process_noise=noise).first(recipe)
        assert isinstance(first, Standard)
        assert first.process_noise == noise


def test_no_part_of_a_split_key_is_the_noise_s():
    """Folding k in gives what splitting has for its part k: tasks split the keys of their trials."""
    key = jax.random.key(2)
    own = jax.random.key_data(jax.random.fold_in(key, batches._NOISE))
    parts = jax.random.key_data(jax.random.split(key, 2**16))
    assert not np.asarray(parts == own).all(axis=1).any()


@pytest.mark.parametrize("noise", [-0.1, float("nan")])
def test_a_task_that_asks_for_what_is_no_standard_deviation_is_refused(noise):
    @dataclasses.dataclass(frozen=True)
    class Asks(NBitMemory):
        @property
        def setup(self):
            return super().setup._replace(process_noise=noise)

    with pytest.raises(UsageError, match="process_noise is"):
        Standard("paper", n_state=N, n_steps=2).build(Asks(n_bits=1), jax.random.key(0))


@pytest.mark.parametrize("source", [Standard, CoTrained])
@pytest.mark.parametrize("noise", [-0.1, float("inf"), float("nan")])
def test_what_is_no_standard_deviation_is_refused(source, noise):
    with pytest.raises(UsageError, match="process_noise is"):
        source(process_noise=noise)
