"""Context-dependent integration, item by item."""

import jax
import numpy as np
import pytest
import scipy.stats

from jslds_bench.errors import UsageError
from jslds_bench.tasks.context_integration import ContextIntegration

B, T = 4_000, 25
sample = jax.jit(ContextIntegration.sample, static_argnums=(0, 2))


@pytest.fixture(scope="module")
def trials():
    return jax.device_get(sample(ContextIntegration(), jax.random.key(0), B))


def test_targets_are_the_running_sum_of_the_cued_stream(trials):
    for i in range(20):
        context = trials.inputs[i, 0, 2:]
        cued = {(1.0, 0.0): 0, (0.0, 1.0): 1}[tuple(context.tolist())]
        total = 0.0
        for t in range(T):
            total += float(trials.inputs[i, t, cued])
            assert trials.targets[i, t, 0] == pytest.approx(total, abs=1e-5)


def test_context_is_static_one_hot_and_the_expansion_input(trials):
    context = trials.inputs[..., 2:]
    assert (context == context[:, :1]).all()
    assert (np.sort(context[:, 0], axis=-1) == [0, 1]).all()
    np.testing.assert_array_equal(trials.u_star[:, :2], 0)
    np.testing.assert_array_equal(trials.u_star[:, 2:], context[:, 0])
    assert scipy.stats.binomtest(int(context[:, 0, 0].sum()), B).pvalue > 1e-3
    distinct = np.asarray(ContextIntegration().expansion_inputs())
    assert sorted(map(tuple, distinct)) == sorted({tuple(u) for u in trials.u_star})


def test_streams_are_a_bias_per_trial_and_white_noise(trials):
    """x_t = b + 0.125 ε_t with b = 0.02 (N(0, 1) − 0.5), per stream: every moment that follows from it."""
    streams = trials.inputs[..., :2].astype(np.float64)
    noise, bias = 0.025 / (1 / 25) ** 0.5, 0.02
    assert noise == pytest.approx(0.125)
    means = streams.mean(axis=1)
    sd_of_means = (bias**2 + noise**2 / T) ** 0.5
    standard = (means + 0.5 * bias) / sd_of_means
    within = (streams - means[:, None]) / noise
    for stream in range(2):
        assert scipy.stats.kstest(standard[:, stream], "norm").pvalue > 1e-3
        chi2 = (within[..., stream] ** 2).sum(axis=1)
        assert scipy.stats.kstest(chi2, scipy.stats.chi2(T - 1).cdf).pvalue > 1e-3
    # White: with the bias common to all steps, two steps share the bias's variance and nothing else.
    early, late = streams[:, 3, 0], streams[:, 17, 0]
    expected = bias**2 / (bias**2 + noise**2)
    assert np.corrcoef(early, late)[0, 1] == pytest.approx(expected, abs=4 / B**0.5)
    assert np.corrcoef(streams[:, 0, 0], streams[:, 0, 1])[0, 1] == pytest.approx(0, abs=4 / B**0.5)
    assert np.corrcoef(means[:, 0], trials.inputs[:, 0, 2])[0, 1] == pytest.approx(0, abs=4 / B**0.5)


def test_the_reference_set_up_is_the_paper_s(trials):
    setup = ContextIntegration().setup
    assert (setup.cell, setup.n_state, setup.paper_steps) == ("vanilla", 128, 50_000)
    assert setup.weights == pytest.approx((1, 1, 100, 10, 1e-5))
    assert trials.mask.tolist() == [1.0] * T
    assert trials.inputs.shape == (B, T, 4)
    assert trials.targets.shape == (B, T, 1)


def test_parameters_scale_what_they_name():
    quiet = sample(ContextIntegration(n_steps=8, noise=0.0, bias=0.5), jax.random.key(1), 500)
    streams = np.asarray(quiet.inputs[..., :2])
    assert (streams == streams[:, :1]).all()
    assert streams[:, 0].std() == pytest.approx(0.5, rel=0.1)
    loud = sample(ContextIntegration(n_steps=4, noise=1.0, bias=0.0), jax.random.key(1), 500)
    assert np.asarray(loud.inputs[..., :2]).std() == pytest.approx(2.0, rel=0.1)  # 1/√dt with dt = 1/4


@pytest.mark.parametrize("parameters", [{"n_steps": 0}, {"noise": -0.1}], ids=str)
def test_impossible_parameters_are_refused(parameters):
    with pytest.raises(UsageError, match="context_integration needs n_steps ≥ 1 and"):
        ContextIntegration(**parameters)


def test_conditions_are_all_pairs_of_biases_in_either_context_with_one_noise():
    task = ContextIntegration()
    made = task.conditions(jax.random.key(0), 72 * 4)
    evidence = np.asarray(made.evidence)
    assert len({(*pair, k) for pair, k in zip(evidence.tolist(), made.u_star.tolist(), strict=True)}) == 72
    assert set(np.abs(evidence).ravel()) == {0.009, 0.02, 0.04}
    np.testing.assert_array_equal(np.bincount(made.condition), 4)
    streams = np.asarray(made.trials.inputs)[..., list(made.streams)].reshape(72, 4, T, 2)
    np.testing.assert_allclose(streams.mean(axis=1), np.tile(evidence[:, None], (1, T, 1)), atol=1e-6)
    noise = streams - evidence[:, None, None]
    np.testing.assert_allclose(noise, np.tile(noise[:1], (72, 1, 1, 1)), atol=1e-6)
    assert noise[0, 0].std() == pytest.approx(0.125, rel=0.3)
    distinct = np.asarray(task.expansion_inputs())
    np.testing.assert_array_equal(made.trials.u_star, distinct[made.u_star[made.condition]])
    relevant = np.array(made.relevant)[made.u_star[made.condition]]
    own = np.take_along_axis(np.asarray(made.trials.inputs), relevant[:, None, None], axis=2)
    np.testing.assert_allclose(made.trials.targets, np.cumsum(own, axis=1), atol=1e-5)


def test_there_are_two_trials_of_a_condition_at_least():
    assert len(ContextIntegration(n_steps=3).conditions(jax.random.key(1), 5).condition) == 144
