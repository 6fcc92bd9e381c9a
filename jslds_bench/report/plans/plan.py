"""A figure to come, or the reason that there is none: what plans make and the page shows."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence

from matplotlib.figure import Figure

from jslds_bench.records.store import slug
from jslds_bench.report.data.arrays import Arrays
from jslds_bench.report.data.run import Key, RunData
from jslds_bench.report.figures.summary import Bar
from jslds_bench.report.style import plain

MAX_MODELS = 8  # per-model panels of one network; the tables and the matrix always hold every model
LONGEST_NAME = 180  # bytes of a file name, well under the 255 of common file systems


@dataclasses.dataclass(frozen=True)
class Plan:
    """One figure of the report.

    Attributes:
        section: ``task``, or one of the setting's own, and the label of the task.
        name: its file name without extension.
        caption: one or two sentences for the page.
        build: makes the Figure, or None where the records lack something.
        note: why there is no figure, or what it leaves out.
        group: a heading within the section.
        wide: whether it takes the whole width of the page.
        more: whether it is shown on demand, as one that holds more than can be read at a glance.
    """

    section: tuple[str, str]
    name: str
    caption: str
    build: Callable[[], Figure] | None
    note: str = ""
    group: str = ""
    wide: bool = False
    more: bool = False


Made = tuple[str, str, str, Callable[[], Figure] | None]
"""A figure's name, caption, note, and what makes it."""


def of_model(key: Key, made: Iterable[Made], ill: Sequence[str], group: str) -> Iterator[Plan]:
    """The figures of one model, and a line on the arrays that are ill-shaped."""
    if ill:
        made = [*made, ("ill_shaped", "", f"some of the arrays of {key[2]}: {'; '.join(ill)}", None)]
    for name, caption, note, build in made:
        yield Plan(("task", key[0]), file_name(*key, name), caption, build, note, group)


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


def heading_of(data: RunData, task: str, network: str) -> str:
    """What titles of figures of a network's models begin with: task, and network where there is one."""
    name = f", {plain(network, 18)}" if data.setting(task).names_network else ""
    return f"{plain(task, 20)}{name}: "


def group_of(data: RunData, task: str, network: str, models: str = "All models") -> str:
    """The heading of figures of these models of a network, or of data."""
    return models + (f" on the network {network}" if data.setting(task).names_network else "")


def make_bar(data: RunData, key: Key, metric: str, label: str, hollow: bool = False) -> Bar:
    """The Bar of one metric of (task, network, model)."""
    values = [r.values[metric].value for r in data.records[key] if metric in r.values]
    known = [v for v in values if v is not None]
    return Bar(label, data.summary(key, metric), known, data.styles[key[2]], hollow)
