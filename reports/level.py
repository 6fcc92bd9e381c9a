"""How often `compare` tells equal sides apart, and sees what is 10 % worse: the tables of docs/statistics.md.

``python reports/level.py`` writes ``reports/reference/level/values.csv``, the same on every machine, and
``python reports/quote.py`` puts it into the page. A table of verdicts has 96 rows: 3 networks × 8 models × 4
metrics. What is drawn are logarithms of values, [network, model, metric, seed].
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from jslds_bench.analysis.stats import flip_p
from jslds_bench.compare.tolerance import QUALITY
from jslds_bench.compare.verdicts import ALPHA

FILE = Path(__file__).resolve().parent / "reference" / "level" / "values.csv"
SHAPE = (3, 8, 4)
SEEDS = (2, 3, 5, 6, 10, 20)
TABLES, CHANGED_TABLES = 2000, 200
MARGINS = np.full(math.prod(SHAPE), math.log1p(QUALITY.relative))
Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


def two_outcomes(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """0.1 or 0.2, as the seed's training happens to end, and 1 % of noise."""
    return np.log(rng.choice([0.1, 0.2], size=shape)) + 0.01 * rng.normal(size=shape)


def shared_outcomes(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """The same, but all rows of a network have its outcome in common."""
    outcomes = rng.choice([0.1, 0.2], size=(shape[0], 1, 1, shape[-1]))
    return np.log(outcomes) + 0.01 * rng.normal(size=shape)


KINDS: dict[str, Draw] = {
    "normal": lambda rng, shape: 0.2 * rng.normal(size=shape),
    "t, 3 df": lambda rng, shape: 0.2 * rng.standard_t(3, size=shape),
    "exponential": lambda rng, shape: 0.2 * rng.exponential(size=shape),
    "two outcomes": two_outcomes,
    "shared outcomes": shared_outcomes,
}
"""Noise of either side, 20 % where it has one size."""

SKEWED: Draw = lambda rng, shape: 0.2 * (rng.exponential(size=shape) - 1)  # noqa: E731
"""Changes of mean 0 that no swap of sides could have made: what the level is not promised of."""


def called(changes: np.ndarray) -> np.ndarray:
    """Which rows of a table of changes [*SHAPE, seed] get a verdict: what `compare` says of them."""
    return (flip_p(changes.reshape(len(MARGINS), -1), MARGINS) <= ALPHA).reshape(SHAPE)


def between(kind: Draw, rng: np.random.Generator, n: int, size: float = 1.0) -> np.ndarray:
    """The changes from one side to another that is its equal."""
    a, b = (size * kind(rng, (*SHAPE, n)) for _ in range(2))
    return b - a


def false_verdicts(draw: Draw, n: int, tables: int, stream: int = 0) -> float:
    """The share of tables of changes, none of which is any, with a verdict of better or worse."""
    rng = np.random.default_rng([n, stream])
    return float(np.mean([called(draw(rng, (*SHAPE, n))).any() for _ in range(tables)]))


def equal(kind: str, n: int, tables: int, stream: int = 0) -> float:
    """`false_verdicts` between sides of the same kind."""
    return false_verdicts(lambda rng, shape: between(KINDS[kind], rng, shape[-1]), n, tables, stream)


def seen(kind: str, size: float, n: int, tables: int) -> float:
    """The share with a verdict of 24 rows of 96 that are 10 % up, the noise being `size` times its own."""
    rng, found = np.random.default_rng([n, round(1000 * size)]), 0
    for _ in range(tables):
        changes = between(KINDS[kind], rng, n, size)
        changes[:, :, 0] += math.log(1.1)
        found += int(called(changes)[:, :, 0].sum())
    return found / (tables * SHAPE[0] * SHAPE[1])


def measured(scale: float = 1.0) -> Iterator[tuple[str, int, str, float, int]]:
    """(table, seeds, kind, share, tables); `scale` of the full number of tables."""
    many, few = (max(round(scale * n), 2) for n in (TABLES, CHANGED_TABLES))
    for n in SEEDS:
        for kind in KINDS:
            yield "equal sides", n, kind, equal(kind, n, many), many
        yield "skewed changes", n, "exponential", false_verdicts(SKEWED, n, many), many
        for size, name in ((0.05, "1 %"), (0.25, "5 %"), (1.0, "20 %")):
            for kind in list(KINDS)[:3]:
                yield "10 % up", n, f"{kind}, {name}", seen(kind, size, n, few), few
        for kind in list(KINDS)[3:]:
            yield "10 % up", n, kind, seen(kind, 1.0, n, few), few


def main() -> None:
    """Measures, which takes some minutes, and writes."""
    rows = []
    for table, n, kind, share, tables in measured():
        rows.append((table, n, kind, share, tables))
        sys.stdout.write(f"{table}, {n} seeds, {kind}: {share:.4f} of {tables}\n")
        sys.stdout.flush()
    FILE.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows, columns=["table", "seeds", "kind", "share", "tables"]).to_csv(FILE, index=False)


if __name__ == "__main__":
    main()
