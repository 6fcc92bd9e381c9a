"""What a setting tells the report; as it stands, of a kind of data that this version knows nothing of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from jslds_bench.report.data.arrays import Shapes
from jslds_bench.report.data.run import Key, RunData
from jslds_bench.report.plans.plan import Plan
from jslds_bench.report.plans.scores import scores_plan


class Setting:
    """One kind of data.

    Attributes:
        leading: the metric that models are ranked by; empty: the first headline metric that there is.
        lead: the page's words for the best by it; empty: the metric's own name.
        about: what the page says of the numbers.
        names_network: whether what a model is of is a network, which headings then name.
        sections: headings of the page before those of the tasks, by the section that plans name.
        shapes: the arrays beside a record, as figures need them.
        costs: the timings that together are what a model costs, for leaderboards.
        rates: what leaderboards show besides headline metrics.
        rivalry: what a class of models is called in tables; empty where there are none.
    """

    leading: ClassVar[str] = ""
    lead: ClassVar[str] = ""
    about: ClassVar[str] = ""
    names_network: ClassVar[bool] = True
    sections: ClassVar[Mapping[str, str]] = {}
    shapes: ClassVar[Shapes] = {}
    costs: ClassVar[tuple[str, ...]] = ("fit_seconds",)
    rates: ClassVar[tuple[str, ...]] = ()
    rivalry: ClassVar[str] = ""

    def rivals(self, data: RunData, key: Key) -> str:
        """The class of models within which the model of `key` is ranked; empty: all are of one."""
        return ""

    def plans(self, data: RunData, task: str) -> Iterator[Plan]:
        """The figures of `task`, in the order of the page."""
        yield from scores_plan(data, task)


SETTING = Setting()
