"""Statistics over tasks against SciPy, Demšar's worked example, and what bootstrap intervals must cover."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from jslds_bench.analysis import stats, tasks

RNG = np.random.default_rng(11)

# C4.5 with and without two prunings: its ranks by AUC on fourteen data sets. Demšar (2006), table 6.
DEMSAR = np.array(
    [
        [4, 3, 2, 1], [1, 2, 3, 4], [4, 1, 2, 3], [4, 1, 3, 2], [4, 2, 3, 1], [1, 2.5, 4, 2.5], [3, 2, 4, 1],
        [2.5, 2.5, 4, 1], [4, 3, 2, 1], [2.5, 2.5, 2.5, 2.5], [4, 2.5, 1, 2.5], [3, 2, 4, 1], [4, 1, 2, 3],
        [3, 1, 4, 2],
    ]
)  # fmt: skip


def test_demsar_s_example():
    mean = stats.critical_difference(DEMSAR).mean_ranks
    assert mean == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)
    n, k = DEMSAR.shape
    chi2 = 12 * n / (k * (k + 1)) * ((mean**2).sum() - k * (k + 1) ** 2 / 4)  # the paper's, without ties
    assert chi2 == pytest.approx(9.28, abs=5e-3)
    found = tasks.friedman(DEMSAR)
    untied = n * k * (k**2 - 1) / 12 / ((DEMSAR - 2.5) ** 2).sum()
    assert found.chi2 == pytest.approx(untied * chi2)
    assert found.p < 0.05


@pytest.mark.parametrize("ties", [False, True])
def test_friedman_agrees_with_scipy(ties):
    scores = RNG.integers(0, 4, size=(9, 5)).astype(float) if ties else RNG.normal(size=(9, 5))
    assert tasks.friedman(scores).chi2 == pytest.approx(scipy_stats.friedmanchisquare(*scores.T).statistic)


def test_friedman_without_differences_and_with_nothing_else():
    assert tasks.friedman(np.ones((4, 3))).p == 1
    assert tasks.friedman(np.ones((1, 3))).p == 1
    alike = tasks.friedman(np.tile([1.0, 2.0, 3.0], (4, 1)))
    assert alike.p == pytest.approx(6**-3)  # all alike: 3! of the 3!⁴ tables are
    assert tasks.friedman([[1.0, math.inf, math.inf]] * 3).p == pytest.approx(1 / 9)  # 3 of 3³ tables


@pytest.mark.parametrize(("n", "k"), [(2, 3), (3, 3), (4, 3), (3, 4), (5, 2)])
def test_friedman_s_p_is_that_of_all_tables(n, k):
    """By brute force over all orders of all units, with ties and without."""
    for scores in (RNG.normal(size=(n, k)), RNG.integers(0, 3, size=(n, k)).astype(float)):
        found = tasks.friedman(scores)
        places = scipy_stats.rankdata(scores, axis=1)
        sizes = [
            sum(sum(row[j] for row in table) ** 2 for j in range(k))
            for table in itertools.product(*(list(itertools.permutations(row)) for row in places))
        ]
        seen = (places.sum(axis=0) ** 2).sum()
        assert found.p == pytest.approx(np.mean(np.array(sizes) >= seen - 1e-9))


@pytest.mark.parametrize(("n", "k"), [(3, 3), (4, 4), (8, 5)])
def test_friedman_keeps_its_level(n, k):
    """Also where tables are many and their orders drawn. The tail of F called 0.19 of the first."""
    called = [tasks.friedman(RNG.exponential(size=(n, k)), seed).p <= 0.05 for seed in range(600)]
    assert np.mean(called) < 0.075


def test_drawn_orders_find_a_difference_and_never_a_p_of_0():
    scores = RNG.normal(size=(10, 6)) + np.arange(6)
    assert tasks.friedman(scores) == tasks.friedman(scores)
    assert tasks.friedman(scores).p == 1 / tasks.ORDERS


def test_blocks_of_a_task_are_ranked_one_by_one_and_tested_together():
    units = ["a", "a", "b", "c"]
    scores = np.array([[1.0, 2.0], [4.0, 3.0], [1.0, 2.0], [1.0, 2.0]])
    found = stats.critical_difference(scores, units=units)
    assert found.mean_ranks == pytest.approx([(1.5 + 1 + 1) / 3, (1.5 + 2 + 2) / 3])
    assert found.p[0, 1] == stats.wilcoxon_p([[0.0, 1.0, 1.0]])[0]
    assert found.note == "underpowered: the least p of 3 tasks is 0.25, 6 tasks are needed"
    repeated = np.repeat(scores, 50, axis=0)  # more of the same tells no more
    again = stats.critical_difference(repeated, units=np.repeat(units, 50).tolist())
    assert again.p == pytest.approx(found.p)


def test_tests_on_tasks_keep_the_level_where_blocks_of_a_task_agree():
    """A task has a method that suits it: with blocks for units nearly every table would be called."""
    units = [f"t{i}" for i in range(8) for _ in range(15)]
    called = {None: 0, "tasks": 0}
    for _ in range(100):
        suits = np.repeat(RNG.normal(size=(8, 3)), 15, axis=0)
        scores = suits + 0.5 * RNG.normal(size=suits.shape)
        for unit in called:
            found = stats.critical_difference(scores, units=units if unit else None)
            called[unit] += (found.p < 0.05).any()
    assert called["tasks"] <= 10
    assert called[None] > 60


def test_weights_of_tasks_and_draws():
    labels, seeds = ["a", "a", "a", "a", "b", "b"], [0, 0, 1, 1, 0, 1]
    assert tasks.task_weights(labels) == pytest.approx([0.25] * 4 + [0.5] * 2)
    drawn = tasks.draw_tasks(labels, 50)
    assert {tuple(row) for row in drawn} == {(0.25,) * 4 + (0,) * 2, (0,) * 4 + (0.5,) * 2}
    drawn = tasks.draw_seeds(labels, seeds, 50)
    assert drawn.sum(axis=1) == pytest.approx(2)
    assert {tuple(row) for row in drawn[:, :4]} == {(0.5, 0.5, 0, 0), (0, 0, 0.5, 0.5)}
    assert (tasks.draw_seeds(["a", "b"], [0, 0], 5) == 1).all()  # one seed: nothing to resample
    assert (tasks.draw_seeds(labels, seeds, 50) == drawn).all()


def test_improvement_by_hand():
    scores = np.array([[1.0, 2.0], [1.0, 1.0], [3.0, 2.0], [math.inf, math.inf]])
    p = tasks.improvement(scores, np.array([1.0, 1.0, 1.0, 1.0]))[0]
    assert p.tolist() == [[0.5, 0.5], [0.5, 0.5]]
    p = tasks.improvement(scores, np.array([2.0, 1.0, 0.0, 0.0]))[0]
    assert p[0, 1] == pytest.approx(5 / 6)
    assert p[1, 0] == pytest.approx(1 / 6)


def test_interquartile_mean_is_scipy_s_and_weighs_blocks():
    values = RNG.normal(size=(16, 3))
    one = np.ones(16)
    assert tasks.interquartile_mean(values, one)[0] == pytest.approx(scipy_stats.trim_mean(values, 0.25))
    counts = RNG.integers(0, 4, size=16)
    counts[0] += -counts.sum() % 4
    repeated = scipy_stats.trim_mean(np.repeat(values, counts, axis=0), 0.25)
    assert tasks.interquartile_mean(values, counts)[0] == pytest.approx(repeated)
    values[:4, 0], values[:5, 1] = math.inf, math.inf  # a quarter is cut off, more is not
    found = tasks.interquartile_mean(values, one)[0]
    assert math.isfinite(found[0])
    assert found[1] == math.inf


def test_interval_ends_are_draws():
    low, high = tasks.interval(np.array([[1.0], [2.0], [math.inf]]))
    assert (low[0], high[0]) == (1, math.inf)


def test_share_within_by_hand():
    shares = tasks.share_within(np.array([[1.0], [3.0], [math.inf]]), np.array([1.0, 1.0, 2.0]), [1, 2, 3])
    assert shares.tolist() == [[0.25, 0.25, 0.5]]


def coverage(n_tasks, n_seeds, what, n=400):
    """How often intervals hold what they are of: the mean over tasks yet to come, or of these over seeds."""
    labels = [f"t{i}" for i in range(n_tasks) for _ in range(n_seeds)]
    seeds = list(range(n_seeds)) * n_tasks
    weights = tasks.draw_tasks(labels, 500) if what == "tasks" else tasks.draw_seeds(labels, seeds, 500)
    held = 0
    for _ in range(n):
        own = np.repeat(RNG.normal(size=n_tasks), n_seeds)
        values = own + RNG.normal(size=own.shape)
        low, high = tasks.interval((weights @ values) / weights.sum(axis=1))
        held += low <= (0 if what == "tasks" else own.mean()) <= high
    return held / n


@pytest.mark.parametrize(
    ("n_tasks", "n_seeds", "what", "least"),
    [(6, 3, "tasks", 0.87), (8, 3, "tasks", 0.88), (20, 1, "tasks", 0.91), (8, 3, "seeds", 0.91)],
)
def test_intervals_cover_means(n_tasks, n_seeds, what, least):
    found = coverage(n_tasks, n_seeds, what)
    print(f"{n_tasks} tasks, {n_seeds} seeds: intervals over {what} hold {found:.3f}")
    assert least < found < 0.985
