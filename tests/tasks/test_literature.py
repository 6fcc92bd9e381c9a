"""Tasks of the literature beyond the paper's, each trial read back from its inputs alone."""

import jax
import numpy as np
import pytest

from jslds_bench.dynamics.rollout import trajectories
from jslds_bench.errors import UsageError
from jslds_bench.networks.standard import Standard
from jslds_bench.settings.networks.evaluation import draw_trials
from jslds_bench.tasks.delayed_match import DelayedMatch
from jslds_bench.tasks.path_integration import PathIntegration
from jslds_bench.tasks.poisson_clicks import PoissonClicks
from jslds_bench.tasks.ready_set_go import ReadySetGo
from jslds_bench.tasks.sine_generator import SineGenerator

N = 300


def drawn(task, how="sample"):
    return jax.tree.map(np.asarray, getattr(task, how)(jax.random.key(1), N))


BOTH = pytest.mark.parametrize("how", ["sample", "sample_held_out"])


def test_the_input_sets_the_frequency():
    task = SineGenerator()
    trials = drawn(task)
    assert len(np.unique(trials.u_star)) == task.n_frequencies
    for u, x, y in zip(trials.u_star[:, 0], trials.inputs[..., 0], trials.targets[..., 0], strict=True):
        assert (x == u).all()
        k = round((u - 0.25) * task.n_frequencies)
        f = np.linspace(task.slowest, task.fastest, task.n_frequencies)[k]
        np.testing.assert_allclose(y, np.sin(2 * np.pi * f * np.arange(1, task.n_steps + 1)), atol=1e-4)


def test_the_heading_is_the_integral_of_what_turns_it():
    task = PathIntegration()
    trials = drawn(task)
    turns, shown = trials.inputs[..., 0], trials.inputs[..., 1:]
    assert not shown[:, 1:].any()
    assert not turns[:, 0].any()
    start = np.arctan2(shown[:, 0, 1], shown[:, 0, 0])
    heading = start[:, None] + task.speed * np.cumsum(turns, axis=1)
    expected = np.stack([np.cos(heading), np.sin(heading)], axis=-1)
    np.testing.assert_allclose(trials.targets, expected, atol=1e-4)
    later = turns[:, 1:]
    assert later.std() == pytest.approx(1, abs=0.1)
    assert np.corrcoef(later[:, :-1].ravel(), later[:, 1:].ravel())[0, 1] == pytest.approx(0.8, abs=0.03)


def test_the_answer_is_the_side_with_more_clicks():
    task = PoissonClicks()
    trials = drawn(task)
    left, right, go = np.moveaxis(trials.inputs, -1, 0)
    assert (go.sum(axis=1) == task.n_response).all()
    assert not (left + right)[go > 0].any()
    answer = np.sign((right - left).sum(axis=1))
    np.testing.assert_array_equal(trials.targets[..., 0], answer[:, None] * go)
    assert (left + right)[go == 0].mean() == pytest.approx(task.rate, rel=0.05)
    assert {-1, 1} <= set(answer)


@BOTH
def test_the_answer_is_whether_the_two_shown_are_one(how):
    trials = drawn(DelayedMatch(), how)
    delays = set()
    for x, y in zip(trials.inputs, trials.targets[..., 0], strict=True):
        steps = np.flatnonzero(x.any(axis=1))
        (first,), (second,) = (np.unique(x[part].argmax(axis=1)) for part in (steps[:3], steps[3:]))
        assert (np.diff(steps) == 1).sum() >= 4
        assert len(steps) == 6
        delays.add(int(steps[3]) - 3)
        np.testing.assert_array_equal(y[: steps[3] + 1], 0)
        np.testing.assert_array_equal(y[steps[3] + 1 :], 1 if first == second else -1)
    assert (min(delays), max(delays)) == (5, 20)
    assert np.mean(trials.targets[:, -1, 0] == 1) == pytest.approx(0.5, abs=0.1)


@BOTH
def test_the_ramp_takes_as_long_as_the_interval(how):
    task = ReadySetGo()
    trials = drawn(task, how)
    for x, y in zip(trials.inputs, trials.targets[..., 0], strict=True):
        (ready,), (go,) = (np.flatnonzero(x[:, i]) for i in (0, 1))
        interval = go - ready
        assert task.shortest <= interval <= task.longest
        assert not y[: go + 1].any()
        assert y[go + interval] == 1
        np.testing.assert_allclose(np.diff(y)[go : go + interval], 1 / interval, rtol=1e-4)
        assert (y[go + interval :] == 1).all()


@pytest.mark.parametrize(
    ("task", "wrong", "words"),
    [
        (SineGenerator, {"slowest": 0.0}, "0 < slowest ≤ fastest"),
        (PathIntegration, {"smoothness": 1.0}, "0 ≤ smoothness < 1"),
        (PoissonClicks, {"n_response": 40}, "0 < n_response < n_steps"),
        (DelayedMatch, {"n_stimuli": 1}, "n_stimuli ≥ 2"),
        (ReadySetGo, {"shortest": 16}, "1 ≤ shortest ≤ longest"),
    ],
)
def test_parameters_that_mean_nothing_are_refused(task, wrong, words):
    with pytest.raises(UsageError, match=words):
        task(**wrong)


LEARNED = {
    SineGenerator: 0.99,
    PathIntegration: 0.99,
    PoissonClicks: 0.95,
    DelayedMatch: 0.95,
    ReadySetGo: 0.99,
}
"""What a standard network has to reach by recipe `fast`: R² of the output, or the share of right answers."""


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("task", LEARNED)
def test_standard_networks_learn_the_task(task):
    made = task()
    network = Standard().build(made, jax.random.key(0))
    trials = draw_trials(made, 0, "evaluation", 512)
    told = np.asarray(network.readout(trajectories(network, trials.inputs)[:, 1:]))
    wanted = np.asarray(trials.targets)
    if task in (PoissonClicks, DelayedMatch):
        asked = wanted[:, -1, 0] != 0
        reached = np.mean(np.sign(told[asked, -1, 0]) == wanted[asked, -1, 0])
    else:
        reached = 1 - np.mean((told - wanted) ** 2) / wanted.var()
    print(f"{task.__name__}: {reached:.4f}")
    assert reached >= LEARNED[task]
