"""A figure to come, or the reason that there is none: what the plan_* modules make and the page shows."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable

from matplotlib.figure import Figure

from jslds_bench.records.store import slug
from jslds_bench.report.data.arrays import Arrays
from jslds_bench.report.data.run import Key, RunData

MAX_MODELS = 8  # per-model panels of one network; the tables and the matrix always hold every model
LONGEST_NAME = 180  # bytes of a file name, well under the 255 of common file systems


@dataclasses.dataclass(frozen=True)
class Plan:
    """One figure of the report.

    Attributes:
        section: ``horizon``, ``matrix``, or the label of the task that it belongs to.
        name: its file name without extension.
        caption: one or two sentences for the page.
        build: makes the Figure, or None where the records lack something.
        note: why there is no figure, or what it leaves out.
        group: a heading within the section.
    """

    section: tuple[str, str]
    name: str
    caption: str
    build: Callable[[], Figure] | None
    note: str = ""
    group: str = ""


def file_name(*parts: str) -> str:
    """Labels and a figure's name, joined; distinct parts give distinct names."""
    joined = "+".join(slug(p) for p in parts)
    if len(joined) <= LONGEST_NAME:
        return joined
    return joined[: LONGEST_NAME - 17] + "+" + hashlib.sha256(joined.encode()).hexdigest()[:16]


def lacking(arrays: Arrays, *names: str) -> str:
    """One line on what `arrays` lack of `names`, empty if nothing."""
    missing = arrays.missing(*names)
    if not missing:
        return ""
    reasons = f" ({'; '.join(arrays.notes)})" if arrays.notes else ""
    return f"the records hold no {', '.join(missing)}{reasons}"


def error_text(data: RunData, key: Key, metric: str, how: str) -> str:
    """``free-run relative error 0.0467 ± 0.0012, 3 seeds``: the seed mean that a panel is titled with."""
    summary = data.summary(key, metric)
    return f"{how} relative error {summary.text}, {summary.n_asked} seed{'s'[: summary.n_asked != 1]}"


def all_models(data: RunData, task: str, network: str) -> str:
    """The heading of figures that show all models of a network, or of recorded data."""
    return "All models" if data.recorded(task) else f"All models on the network {network}"
