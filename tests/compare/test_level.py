"""How often equal sides are told apart, and changes seen, as `reports/level.py` measures it."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jslds_bench.compare import compare
from jslds_bench.compare.sides import Metric, Results, Side
from jslds_bench.records.record import Value

ROOT = Path(__file__).resolve().parents[2]
LEVEL = runpy.run_path(str(ROOT / "reports" / "level.py"))
KINDS, SHAPE = LEVEL["KINDS"], LEVEL["SHAPE"]
METRICS = {"error": "lower", "distance": "lower", "skill": "higher", "precision": "higher"}


def table_side(logs: np.ndarray) -> Side:
    """A side from logarithms [network, model, metric, seed]."""
    results = {}
    for network, model in np.ndindex(*logs.shape[:2]):
        values = {
            name: {seed: Value(float(np.exp(x)), "1", better) for seed, x in enumerate(row)}
            for (name, better), row in zip(METRICS.items(), logs[network, model], strict=True)
        }
        endings = dict.fromkeys(range(logs.shape[-1]), ("ok", ""))
        results["t", f"n{network}", f"m{model}"] = Results(endings, values)
    metrics = {name: Metric("1", better) for name, better in METRICS.items()}
    return Side("s", "run", "suite", results, metrics, {})


@pytest.mark.parametrize("n", [5, 6, 8, 14])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_measured_are_the_verdicts_of_compare(kind, n):
    """Row by row, on sides a quarter of whose rows are twice as large, and of seeds of unequal difficulty."""
    rng = np.random.default_rng([n, list(KINDS).index(kind)])
    changes = LEVEL["between"](KINDS[kind], rng, n, size=0.25)
    changes[:, :, 0] += np.log(2)
    before = rng.normal(size=n) + np.zeros_like(changes)
    rows = compare(table_side(before), table_side(before + changes)).rows
    verdicts = {(row.network, row.model, row.metric): row.verdict in ("worse", "better") for row in rows}
    called = LEVEL["called"](changes)
    assert called.any() == (n >= 6)
    assert verdicts == {
        (f"n{network}", f"m{model}", metric): called[network, model, i]
        for network, model in np.ndindex(*SHAPE[:2])
        for i, metric in enumerate(METRICS)
    }


def bound(tables: int) -> float:
    return 0.05 + 2 * (0.05 * 0.95 / tables) ** 0.5


@pytest.mark.parametrize(("n", "tables"), [(3, 20), (6, 200), (9, 200)])
@pytest.mark.parametrize("kind", ["two outcomes", "shared outcomes"])
def test_equal_sides_of_two_outcomes_are_told_apart_no_more_often_than_the_level(kind, n, tables):
    """Where Student's t told 0.97 of the tables of three seeds apart (its level was 0.05)."""
    assert LEVEL["equal"](kind, n, tables, stream=1) <= bound(tables)


def test_a_true_change_is_seen_from_six_seeds_on():
    assert LEVEL["seen"]("normal", 0.05, 5, 1) == 0
    assert LEVEL["seen"]("normal", 0.05, 6, 3) > 0.9


@pytest.fixture(scope="module")
def committed():
    """table → (seeds, kind) → share, and the number of tables behind each."""
    frame = pd.read_csv(LEVEL["FILE"])
    return {name: rows.set_index(["seeds", "kind"]) for name, rows in frame.groupby("table")}


def test_the_tables_of_the_documentation_keep_to_the_level_and_say_from_where_on_changes_are_seen(committed):
    equal, seen = committed["equal sides"], committed["10 % up"].share
    assert {n for n, _ in equal.index} == set(LEVEL["SEEDS"]) == {n for n, _ in seen.index}
    assert (equal.tables == LEVEL["TABLES"]).all()
    share, tables = equal.share, LEVEL["TABLES"]
    assert (share.loc[[2, 3, 5]] == 0).all()
    assert (share.groupby("seeds").mean() <= bound(len(KINDS) * tables)).all(), share
    # Of fifteen cells one beyond two standard errors is no wonder.
    assert share.max() <= 0.05 + 3 * (0.05 * 0.95 / tables) ** 0.5
    assert min(seen[6, f"{kind}, 1 %"] for kind in list(KINDS)[:3]) > 0.9
    assert seen[10, "normal, 5 %"] < 0.5 < 0.9 < seen[20, "normal, 5 %"]
    assert max(share for (_, kind), share in seen.items() if kind.endswith(("20 %", "outcomes"))) < 0.05

    # What is skewed about 0 is not "no change" to a test of symmetry, and the page says so.
    assert (committed["skewed changes"].share.loc[[6, 10, 20]] > 0.2).all()


@pytest.mark.slow
def test_the_measurement_repeats(committed):
    """The committed shares of six seeds to the last digit but one; all others by a tenth of other tables."""
    equal = committed["equal sides"].share
    for kind in KINDS:
        again = LEVEL["equal"](kind, 6, LEVEL["TABLES"])
        assert again == pytest.approx(equal[6, kind], abs=2 / LEVEL["TABLES"]), kind
    tables = LEVEL["TABLES"] // 4
    for n in (6, 10, 20):
        shares = [LEVEL["equal"](kind, n, tables, stream=1) for kind in KINDS]
        print(n, dict(zip(KINDS, shares, strict=True)))
        assert np.mean(shares) <= bound(len(KINDS) * tables)
        assert max(shares) <= 0.05 + 3 * (0.05 * 0.95 / tables) ** 0.5  # the greatest of five
