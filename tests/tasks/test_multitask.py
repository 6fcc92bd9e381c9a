"""The twenty tasks in one: each answer read back from what the inputs show, another way than it was drawn."""

import jax
import numpy as np
import pytest
import scipy.optimize

from jslds_bench.dynamics.rollout import trajectories
from jslds_bench.errors import UsageError
from jslds_bench.networks.standard import Standard
from jslds_bench.settings.networks.evaluation import draw_trials
from jslds_bench.tasks.multitask import MultiTask

ALL = MultiTask().rules
GRID = np.linspace(0, 2 * np.pi, 180, endpoint=False)


def drawn(rule, n=40, **parameters):
    task = MultiTask(rules=(rule,), noise=0.0, **parameters)
    return task, jax.tree.map(np.asarray, task.sample(jax.random.key(3), n))


def things(activity):
    """Directions and strengths of what a modality shows, [(θ, strength)]: non-negative mixtures of rings."""
    if not activity.any():
        return []
    at = 2 * np.pi * np.arange(len(activity)) / len(activity)
    rings = np.exp(2 * np.cos(at[:, None] - GRID) - 2)
    weights, _ = scipy.optimize.nnls(rings, activity)
    found = []
    while weights.sum() > 0.05:
        top = GRID[weights.argmax()]
        near = np.cos(GRID - top) > np.cos(np.pi / 6)
        direction = np.angle(np.sum(weights[near] * np.exp(1j * GRID[near])))
        found.append((direction, weights[near].sum()))
        weights = np.where(near, 0, weights)
    return found


def shown(task, x):
    """Per modality what is shown at each step, and the steps at which that changes."""
    modalities = x[:, 1 : 1 + 2 * task.n_ring].reshape(len(x), 2, task.n_ring)
    changes = np.flatnonzero(np.any(np.diff(modalities, axis=0) != 0, axis=(1, 2))) + 1
    return modalities, changes


def apart(a, b):
    return np.abs(np.angle(np.exp(1j * (a - b))))


def answer(y):
    """The first step that answers and the direction, or None where fixation is held."""
    steps = np.flatnonzero(y[:, 0] == 0)
    if not len(steps):
        assert not y[:, 1:].any()
        return None
    assert (np.diff(steps) == 1).all()
    assert steps[-1] == len(y) - 1
    np.testing.assert_allclose(np.linalg.norm(y[steps, 1:], axis=1), 1, rtol=1e-5)
    assert (y[steps, 1:] == y[steps[0], 1:]).all()
    return steps[0], np.arctan2(y[-1, 2], y[-1, 1])


@pytest.mark.parametrize("rule", [r for r in ALL if r.endswith(("go", "anti"))])
def test_reaching_goes_to_what_was_shown_or_away_from_it(rule):
    task, trials = drawn(rule)
    for x, y in zip(trials.inputs, trials.targets, strict=True):
        modalities, changes = shown(task, x)
        ((direction, strength),) = [one for m in modalities[changes[0]] for one in things(m)]
        assert strength == pytest.approx(1, abs=0.02)
        first, told = answer(y)
        assert apart(told, direction + np.pi * rule.endswith("anti")) < 0.03
        if rule.startswith("rt"):
            assert x[:, 0].all()
            assert first == changes[0] + 1
        else:
            assert first == np.flatnonzero(x[:, 0] == 0)[0] + 1
        assert len(changes) == (2 if rule.startswith("dly") else 1)
        assert len(y) - first >= 9


@pytest.mark.parametrize("rule", [r for r in ALL if "dm" in r and not r.startswith(("dms", "dmc"))])
def test_decisions_are_for_the_stronger_in_what_is_attended(rule):
    task, trials = drawn(rule, n=15, n_ring=16)
    attended = {"1": [0], "2": [1]}.get(rule[-1], [0, 1])
    silent, misled = 0, 0
    for x, y in zip(trials.inputs, trials.targets, strict=True):
        modalities, changes = shown(task, x)
        first, told = answer(y)
        assert first == np.flatnonzero(x[:, 0] == 0)[0] + 1
        times = (changes[0], changes[2]) if "dly" in rule else (changes[0],)
        gain = np.zeros(2)
        for m in range(2):
            found = [one for t in times for one in things(modalities[t, m])]
            silent += not found
            gain[m] = sum(s if apart(told, d) < np.pi / 4 else -s for d, s in found)
        assert gain[attended].sum() > 0.05
        misled += bool((gain < 0).any())
    assert silent == (0 if rule.startswith(("ctx", "multi")) else 15)
    assert (misled > 0) == rule.startswith(("ctx", "multi"))


@pytest.mark.parametrize("rule", ["dms", "dnms", "dmc", "dnmc"])
def test_matching_answers_to_the_second_where_the_rule_asks_for_it(rule):
    task, trials = drawn(rule)
    answered = 0
    for x, y in zip(trials.inputs, trials.targets, strict=True):
        modalities, changes = shown(task, x)
        assert x[:, 0].all()
        (first, _), (second, _) = (
            one for t in (changes[0], changes[2]) for m in modalities[t] for one in things(m)
        )
        if rule in ("dms", "dnms"):
            alike = apart(first, second) < 0.05
        else:
            alike = (first % (2 * np.pi) < np.pi) == (second % (2 * np.pi) < np.pi)
        told = answer(y)
        assert (told is not None) == (alike == (rule in ("dms", "dmc")))
        if told is not None:
            assert told[0] == changes[2] + 1
            assert apart(told[1], second) < 0.03
            answered += 1
    assert 10 <= answered <= 30


def test_each_rule_has_its_own_resting_input():
    task = MultiTask()
    trials = jax.tree.map(np.asarray, task.sample(jax.random.key(0), 400))
    u_stars = np.asarray(task.expansion_inputs())
    assert u_stars.shape == (20, 37)
    rules = trials.inputs[:, :, 17:]
    assert (rules == rules[:, :1]).all()
    np.testing.assert_array_equal(trials.u_star, u_stars[rules[:, 0].argmax(axis=1)])
    assert len(np.unique(rules[:, 0].argmax(axis=1))) == 20
    waiting = trials.inputs[:, :3]  # nothing is shown yet: fixation, the rule and noise
    np.testing.assert_allclose((waiting - trials.u_star[:, None]).mean(axis=(0, 1)), 0, atol=0.02)


def test_what_is_right_is_told_by_the_last_step():
    task = MultiTask(rules=("go", "dms"))
    trials = jax.tree.map(np.asarray, task.sample(jax.random.key(1), 64))
    assert task.right(trials.targets, trials).all()
    turned = trials.targets.copy()
    turned[:, :, 1:] = turned[:, :, :0:-1] * np.array([1.0, -1.0])  # by a quarter
    moves = trials.targets[:, -1, 0] == 0
    assert 0 < moves.mean() < 1
    np.testing.assert_array_equal(task.right(turned, trials), ~moves)
    assert not task.right(np.zeros_like(turned), trials).any()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"rules": ("goo",)}, "unknown rule 'goo'"),
        ({"rules": ("go", "go")}, "each once"),
        ({"rules": ()}, "at least one rule"),
        ({"n_ring": 2}, "n_ring ≥ 3"),
        ({"shortest": 13}, "shortest ≤ longest"),
    ],
)
def test_parameters_that_mean_nothing_are_refused(wrong, words):
    with pytest.raises(UsageError, match=words):
        MultiTask(**wrong)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_one_network_learns_at_least_fifteen_of_them():
    """By recipe `fast`, on two cores, in less than half an hour."""
    task = MultiTask()
    network = Standard().build(task, jax.random.key(0))
    trials = draw_trials(task, 0, "evaluation", 4_000)
    told = np.asarray(network.readout(trajectories(network, trials.inputs)[:, 1:]))
    right, rule = task.right(told, trials), np.asarray(trials.u_star)[:, 17:].argmax(axis=1)
    shares = {name: right[rule == i].mean().round(3) for i, name in enumerate(task.rules)}
    print(shares)
    assert sum(share >= 0.9 for share in shares.values()) >= 15
