"""A sentence of README or docs that compares, and the values of a reference run that make it true."""

import functools
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "reports" / "reference"
PAGES = (
    "README.md",
    *(f"docs/{name}.md" for name in ("results", "fairness", "spikes", "statistics", "variants", "reproduce")),
)
MEMORY, CONTEXT = TASKS = ("nbit_memory", "context_integration")


@functools.cache
def page(name: str) -> str:
    """The text of a page, with single spaces for line ends."""
    return " ".join((ROOT / name).read_text("utf-8").split())


@functools.cache
def seeds_of(run: str, values: str = "values") -> pd.DataFrame:
    """(task, network, model, metric) × seeds."""
    frame = pd.read_csv(REFERENCE / run / f"{values}.csv")
    frame = frame.assign(value=frame.value.astype(float))
    return frame.pivot_table(index=["task", "network", "model", "metric"], columns="seed", values="value")


class Run:
    """Means over seeds of a reference run, or the values of its seeds."""

    def __init__(self, name, values="values"):
        self.seeds = seeds_of(name, values)
        self.means = self.seeds.mean(axis=1)

    def __call__(self, task, model, metric="relative_error", network="standard"):
        return self.means[task, network, model, metric]

    def of(self, task, metric="relative_error", network="standard"):
        """metric by model."""
        return self.means.xs((task, network, metric), level=("task", "network", "metric"))

    def groups(self):
        """(task, network), (relative error, effective number of systems) by model."""
        for place in dict.fromkeys(key[:2] for key in self.means.index):
            found = self.means[place].unstack("metric")
            yield place, found.relative_error.dropna(), found.n_systems_effective


def says(run: str, *words: str) -> Callable:
    """A decorator: the test that a page still has these words, and that the function is true of the run."""

    def test_of(holds):
        @pytest.mark.parametrize("said", words)
        def test(said):
            assert any(said in page(name) for name in PAGES), f"no page says any more: {said}"
            for values in sorted((REFERENCE / run).glob("values*.csv")):  # of one processor and of another
                assert holds(Run(run, values.stem)), values.name

        test.__doc__ = holds.__doc__
        return test

    return test_of
