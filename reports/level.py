"""How often `compare` calls equal sides, and what is 10 % worse, and what intervals over tasks hold.

These are the tables of docs/statistics.md.

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
from jslds_bench.analysis.tasks import draw_seeds, improvement, interval
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


def seen_among(n_rows: int, n: int, tables: int) -> float:
    """The share with a verdict of one row, 10 % up, among `n_rows` that are not; normal noise of 5 %."""
    rng, found = np.random.default_rng([n, n_rows]), 0
    margins = np.full(n_rows, math.log1p(QUALITY.relative))
    for _ in range(tables):
        changes = 0.05 * math.sqrt(2) * rng.normal(size=(n_rows, n))
        changes[0] += math.log(1.1)
        found += int(flip_p(changes, margins)[0] <= ALPHA)
    return found / tables


AHEAD = ("0.95 on every task", "0.02 or 0.98 by task", "beta(4 1) by task")


def ahead(kind: str, rng: np.random.Generator, n_tasks: int) -> np.ndarray:
    """In each task the chance that one model is ahead of the other in a run."""
    if kind == AHEAD[0]:
        return np.full(n_tasks, 0.95)
    if kind == AHEAD[1]:
        return rng.choice([0.02, 0.98], size=n_tasks)
    return rng.beta(4, 1, size=n_tasks)


def held(kind: str, n_tasks: int, n_seeds: int, tables: int) -> float:
    """How often the interval over seeds holds the chance of improvement on these very tasks."""
    rng, found = np.random.default_rng([n_tasks, n_seeds]), 0
    of, seeds = np.repeat([str(i) for i in range(n_tasks)], n_seeds), list(range(n_seeds)) * n_tasks
    for draw in range(tables):
        chances = ahead(kind, rng, n_tasks)
        lost = rng.random(len(of)) >= np.repeat(chances, n_seeds)
        scores = np.stack([lost, ~lost], axis=1).astype(float)
        weights = draw_seeds(of.tolist(), seeds, 1000, draw)
        low, high = interval(improvement(scores, weights)[:, 0, 1])
        found += int(low - 1e-9 <= chances.mean() <= high + 1e-9)
    return found / tables


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
    yield from measured_further(scale)


def measured_further(scale: float = 1.0) -> Iterator[tuple[str, int, str, float, int]]:
    """The rest of it: one row among many, and intervals of the chance of improvement."""
    few = max(round(scale * 5 * CHANGED_TABLES), 2)
    for n in (6, 10, 20):
        for rows in (1, 4, 24, 96, 400):
            yield "one row up", n, f"of {rows}", seen_among(rows, n, few), few
    for n_tasks, n_seeds in ((7, 2), (7, 3), (10, 3), (10, 5)):
        for kind in AHEAD:
            yield f"held of {n_tasks} tasks", n_seeds, kind, held(kind, n_tasks, n_seeds, few), few


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
