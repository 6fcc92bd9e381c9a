"""What process noise is for."""

import jax
import jax.numpy as jnp

from jslds_bench.dynamics.batches import NoisyTrials
from jslds_bench.dynamics.rollout import rollout
from jslds_bench.dynamics.training import task_error
from jslds_bench.networks.standard import Standard
from jslds_bench.tasks.nbit_memory import NBitMemory


def test_a_network_trained_with_noise_does_its_task_under_noise():
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
