"""How often equal sides are told apart, and changes seen: docs/statistics.md has what `pytest -s` prints."""

from __future__ import annotations

import math

import numpy as np
import pytest

from jslds_bench.compare import compare
from jslds_bench.compare.sides import Metric, Results, Side
from jslds_bench.records.record import Value

N_TABLES, N_POWER = 200, 20
NETWORKS, MODELS = 3, 8
METRICS = {"error": "lower", "distance": "lower", "skill": "higher", "precision": "higher"}
SHAPE = (NETWORKS, MODELS, len(METRICS))  # 96 rows


def two_outcomes(rng, shape):
    """0.1 or 0.2, as the seed's training happens to end, and 1 % of noise."""
    return np.log(rng.choice([0.1, 0.2], size=shape)) + 0.01 * rng.normal(size=shape)


def shared_outcomes(rng, shape):
    """The same, but all rows of a network have its outcome in common."""
    outcomes = rng.choice([0.1, 0.2], size=(shape[0], 1, 1, shape[-1]))
    return np.log(outcomes) + 0.01 * rng.normal(size=shape)


KINDS = {
    "normal, sd 20 %": lambda rng, shape: 0.2 * rng.normal(size=shape),
    "t, 3 df": lambda rng, shape: 0.2 * rng.standard_t(3, size=shape),
    "exponential": lambda rng, shape: 0.2 * rng.exponential(size=shape),
    "two outcomes": two_outcomes,
    "shared outcomes": shared_outcomes,
}


def table_side(logs: np.ndarray) -> Side:
    """A side from logarithms [network, model, metric, seed]."""
    results = {}
    for network, model in np.ndindex(*logs.shape[:2]):
        values = {
            name: {seed: Value(math.exp(x), "1", better) for seed, x in enumerate(row)}
            for (name, better), row in zip(METRICS.items(), logs[network, model], strict=True)
        }
        endings = dict.fromkeys(range(logs.shape[-1]), ("ok", ""))
        results["t", f"n{network}", f"m{model}"] = Results(endings, values)
    metrics = {name: Metric("1", better) for name, better in METRICS.items()}
    return Side("s", "run", "suite", results, metrics, {})


def alarms(kind: str, n: int, tables: int, stream: int = 0) -> float:
    """The share of comparisons of equal sides with any better or worse."""
    rng = np.random.default_rng([n, list(KINDS).index(kind), stream])
    false = 0
    for _ in range(tables):
        base = np.log(rng.uniform(1, 3, size=n))
        a, b = (table_side(base + KINDS[kind](rng, (*SHAPE, n))) for _ in range(2))
        found = compare(a, b)
        false += found.count("worse") + found.count("better") > 0
    return false / tables


def power(sd: float, n: int, tables: int) -> float:
    """The share called worse of 24 rows of 96 that are 10 % up, where all changes vary by `sd` over seeds."""
    rng = np.random.default_rng([n, round(1000 * sd)])
    called = 0
    for _ in range(tables):
        before = np.zeros((*SHAPE, n))
        change = sd * rng.normal(size=before.shape)
        change[:, :, list(METRICS).index("error")] += math.log(1.1)
        rows = compare(table_side(before), table_side(before + change)).rows
        called += sum(row.verdict == "worse" for row in rows if row.metric == "error")
    return called / (tables * NETWORKS * MODELS)


def bound(tables: int) -> float:
    return 0.05 + 2 * (0.05 * 0.95 / tables) ** 0.5


@pytest.mark.parametrize(("n", "tables"), [(3, 20), (6, 100), (9, 100)])
@pytest.mark.parametrize("kind", ["two outcomes", "shared outcomes"])
def test_equal_sides_of_two_outcomes_are_told_apart_no_more_often_than_the_level(kind, n, tables):
    """Where Student's t told 0.97 of the tables of three seeds apart (its level was 0.05)."""
    assert alarms(kind, n, tables, stream=1) <= bound(tables)


def test_a_true_change_is_seen_from_six_seeds_on():
    assert power(0.01, 5, 1) == 0
    assert power(0.01, 6, 3) > 0.9


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_false_alarms_keep_to_the_level_and_true_changes_are_seen():
    """False verdicts per table ≤ 5 % and two standard errors, for five kinds of no change and any n."""
    print(f"\n| seeds | {' | '.join(KINDS)} |")
    shares = {}
    for n in (2, 3, 5, 6, 10, 20):
        tables = N_TABLES if n >= 6 else 50  # below six seeds nothing is tested at all
        shares |= {(n, kind): alarms(kind, n, tables) for kind in KINDS}
        print(f"| {n} | " + " | ".join(f"{shares[n, kind]:.3f}" for kind in KINDS) + " |")
    print("\n| seeds | sd 1 % | sd 5 % | sd 20 % |")
    seen = {}
    for n in (3, 5, 6, 7, 8, 10, 20):
        seen |= {(n, sd): power(sd, n, N_POWER if n >= 6 else 1) for sd in (0.01, 0.05, 0.2)}
        print(f"| {n} | " + " | ".join(f"{seen[n, sd]:.2f}" for sd in (0.01, 0.05, 0.2)) + " |")
    for n in (3, 6, 10, 20):
        over_all = np.mean([shares.get((n, kind), 0.0) for kind in KINDS])
        assert over_all <= bound(len(KINDS) * N_TABLES), n
    # Of fifteen cells the greatest is beyond two standard errors more often than not.
    assert max(shares.values()) <= 0.05 + 3 * (0.05 * 0.95 / N_TABLES) ** 0.5
    assert seen[6, 0.01] > 0.9
    assert seen[10, 0.05] > 0.9
