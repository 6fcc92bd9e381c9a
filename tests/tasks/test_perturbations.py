"""The perturbations task: levels, their jumps, and contexts."""

import jax
import numpy as np
import pytest
import scipy.stats

from jslds_bench.errors import UsageError
from jslds_bench.tasks.perturbations import Perturbations

sample = jax.jit(Perturbations.sample, static_argnums=(0, 2))


@pytest.mark.parametrize("n_contexts", [0, 1, 3])
def test_inputs_are_the_jumps_of_the_level_and_the_context(n_contexts):
    task = Perturbations(n_channels=2, n_contexts=n_contexts, n_steps=9)
    trials = jax.device_get(sample(task, jax.random.key(0), 200))
    np.testing.assert_allclose(trials.inputs[..., :2].cumsum(axis=1), trials.targets, atol=1e-6)
    assert np.abs(trials.targets).max() <= 1
    static = trials.inputs[..., 2:]
    np.testing.assert_array_equal(static, np.broadcast_to(trials.u_star[:, None, 2:], static.shape))
    assert (static.sum(axis=-1) == (n_contexts > 0)).all()
    assert not trials.u_star[:, :2].any()
    assert len(np.unique(trials.u_star, axis=0)) == max(1, n_contexts)
    assert (trials.mask == 1).all()


def test_levels_are_uniform_and_jump_as_often_as_said():
    trials = sample(Perturbations(n_channels=1, p_jump=0.3), jax.random.key(1), 4000)
    jumps = np.asarray(trials.inputs)[..., 0] != 0
    assert jumps[:, 0].all()
    assert scipy.stats.binomtest(int(jumps[:, 1:].sum()), jumps[:, 1:].size, 0.3).pvalue > 1e-3
    for t in (0, 24):
        levels = np.asarray(trials.targets)[:, t, 0]
        assert scipy.stats.kstest(levels, scipy.stats.uniform(-1, 2).cdf).pvalue > 1e-3


@pytest.mark.parametrize(
    "parameters", [{"n_channels": 0}, {"n_contexts": -1}, {"n_steps": 0}, {"p_jump": 1.5}]
)
def test_impossible_parameters_are_refused(parameters):
    with pytest.raises(UsageError, match="perturbations needs n_channels ≥ 1"):
        Perturbations(**parameters)
