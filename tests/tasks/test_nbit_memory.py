"""The n-bit memory task, item by item."""

import jax
import numpy as np
import pytest
import scipy.stats

from jslds_bench.errors import UsageError
from jslds_bench.tasks.nbit_memory import NBitMemory


def symbols_of(inputs):
    """−1, 0 or +1 per trial, step and channel; the pairs themselves must be [1,0], [0,0] or [0,1]."""
    pairs = np.asarray(inputs).reshape(*inputs.shape[:2], -1, 2)
    assert set(np.unique(pairs)) <= {0.0, 1.0}
    assert (pairs.sum(axis=-1) <= 1).all()
    return pairs[..., 1] - pairs[..., 0]


@pytest.mark.parametrize(("n_bits", "n_steps", "n_unscored"), [(1, 1, 0), (2, 9, 8), (3, 25, 5), (7, 12, 0)])
def test_targets_are_the_last_non_zero_symbol_starting_at_minus_one(n_bits, n_steps, n_unscored):
    task = NBitMemory(n_bits, n_steps, n_unscored)
    trials = task.sample(jax.random.key(n_bits), 3)
    symbols = symbols_of(trials.inputs)
    for trial, targets in zip(symbols, np.asarray(trials.targets), strict=True):
        last = [-1.0] * n_bits
        for row, target in zip(trial, targets, strict=True):
            last = [new if new != 0 else old for old, new in zip(last, row, strict=True)]
            assert target.tolist() == last
    assert trials.mask.tolist() == [float(t >= n_unscored) for t in range(n_steps)]
    assert trials.inputs.shape == (3, n_steps, 2 * n_bits) == (3, task.n_steps, task.n_inputs)
    assert trials.targets.shape == (3, n_steps, n_bits) == (3, task.n_steps, task.n_outputs)
    np.testing.assert_array_equal(trials.u_star, np.zeros((3, 2 * n_bits)))
    np.testing.assert_array_equal(task.expansion_inputs(), np.zeros((1, 2 * n_bits)))


def test_symbols_are_uniform_and_independent_over_steps_and_channels():
    symbols = symbols_of(NBitMemory().sample(jax.random.key(0), 2_000).inputs).astype(int) + 1
    counts = np.stack([(symbols == s).sum(axis=0) for s in range(3)])  # [3, T, bits], 2000 draws each
    p_values = scipy.stats.chisquare(counts, axis=0).pvalue
    assert scipy.stats.kstest(p_values.ravel(), "uniform").pvalue > 1e-3
    assert scipy.stats.chisquare(counts.sum(axis=(1, 2))).pvalue > 1e-3
    across = np.zeros((3, 3), int)
    np.add.at(across, (symbols[:, :-1].ravel(), symbols[:, 1:].ravel()), 1)
    between = np.zeros((3, 3), int)
    np.add.at(between, (symbols[..., 0].ravel(), symbols[..., 1].ravel()), 1)
    for table in (across, between):
        assert scipy.stats.chi2_contingency(table).pvalue > 1e-3


def test_the_reference_set_up_is_the_paper_s():
    task = NBitMemory()
    assert (task.n_bits, task.n_steps, task.n_unscored) == (3, 25, 5)
    setup = task.setup
    assert (setup.cell, setup.n_state, setup.paper_steps) == ("gru", 100, 40_000)
    assert setup.weights == (3, 1, 100, 10, 0)
    assert NBitMemory().sample(jax.random.key(0), 1).mask.tolist() == [0.0] * 5 + [1.0] * 20


@pytest.mark.parametrize(
    "parameters", [{"n_bits": 0}, {"n_steps": 5}, {"n_unscored": -1}, {"n_unscored": 25}], ids=str
)
def test_impossible_parameters_are_refused(parameters):
    with pytest.raises(UsageError, match="nbit_memory needs n_bits ≥ 1 and 0 ≤ n_unscored < n_steps, got"):
        NBitMemory(**parameters)
