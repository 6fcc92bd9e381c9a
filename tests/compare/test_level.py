"""How often equal sides are told apart: the table of docs/statistics.md, printed (`pytest -s`)."""

import numpy as np
import pytest

from jslds_bench.compare import compare
from jslds_bench.compare.sides import run_side

N = 200
NOISES = {
    "normal, sd 20 %": lambda rng: rng.normal(),
    "t with 3 degrees of freedom": lambda rng: rng.standard_t(3),
    "exponential": lambda rng: rng.exponential(),
}


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_false_alarms_keep_to_the_level(make_grid):
    """The share of N comparisons with any "worse" or "better" is 5 %, within three standard errors."""
    shares = {}
    for n_seeds in (2, 3, 5, 10):
        for name, sample in NOISES.items():
            sides = (
                run_side("a run", {}, make_grid(n_seeds, 0.2, draw, None, 6, sample)) for draw in range(2 * N)
            )
            pairs = [compare(side, next(sides)) for side in sides]
            assert {found.n_tests for found in pairs} == {96}
            shares[n_seeds, name] = np.mean(
                [found.count("worse") + found.count("better") > 0 for found in pairs]
            )
    print()
    for n_seeds in (2, 3, 5, 10):
        print(f"| {n_seeds} | " + " | ".join(f"{shares[n_seeds, name]:g}" for name in NOISES) + " |")
    assert max(shares.values()) <= 0.05 + 3 * (0.05 * 0.95 / N) ** 0.5
