"""What the report says and draws of models of sequences; there `jslds_bench/report/settings/toy.py`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import ClassVar

from matplotlib.figure import Figure

from jslds_bench.report.data.arrays import Arrays
from jslds_bench.report.data.run import RunData
from jslds_bench.report.plans.plan import Plan, of_model
from jslds_bench.report.plans.scores import scores_plan
from jslds_bench.report.settings.base import Setting


class Toy(Setting):
    """The numbers, and the first sequence of each model."""

    leading = "toy_error"
    lead = "Least error of sequences"
    about = "Models of sequences say what comes next."
    names_network = False
    shapes: ClassVar = {"toy_true": "B T", "toy_expected": "B T"}

    def plans(self, data: RunData, task: str) -> Iterator[Plan]:
        yield from scores_plan(data, task)
        for key in data.keys(task):
            arrays = data.example(key)
            if "toy_true" in arrays:
                made = [("sequence", "A sequence and what was expected.", "", partial(sequence, arrays))]
                yield from of_model(key, made, arrays.notes, "All models")


def sequence(arrays: Arrays) -> Figure:
    """The first sequence."""
    figure = Figure(figsize=(4, 2))
    axes = figure.subplots()
    for name in ("toy_true", "toy_expected"):
        axes.plot(arrays[name][0])
    return figure


SETTING = Toy()
