"""Rules for a fitted model of any setting, by what its setting makes of it in a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from jslds_bench.contract.fitting import Subject
from jslds_bench.contract.instances import SEED
from jslds_bench.contract.words import gap
from jslds_bench.settings.draws import mapped


def finite_faults(subject: Subject) -> Iterator[str]:
    """Predictions are numbers on every trial that is scored."""
    lost = subject.case.setting.diverged(subject.evaluation)
    if lost.any():
        yield f"its predictions are not finite on {lost.sum()} of {len(lost)} trials"


def kept_faults(subject: Subject) -> Iterator[str]:
    """What a run keeps besides values can be had: timings, series and the arrays of figures."""
    setting, shared, made = subject.case.setting, subject.case.shared, subject.evaluation
    setting.time(subject.fitted, shared, made, SEED, _Clock())
    setting.detail(shared, made)
    for name, values in setting.series(subject.fitted, made).items():
        if not isinstance(values, list) or not all(isinstance(value, int | float) for value in values):
            yield f"its series {name!r} is no list of numbers"
    for name, array in setting.arrays(subject.fitted, shared, made).items():
        if not isinstance(array, np.ndarray):
            yield f"{name!r}, which figures are drawn from, is no array"


def key_faults(subject: Subject) -> Iterator[str]:
    """One key gives one fit, and one answer to the same question."""
    first = _arrays(subject.evaluation)
    for fitted, fault in (
        (subject.fitted, "asked again, it gives other answers, which differ by"),
        (subject.again, "all randomness must come from `key`: two fits with the same key differ by"),
    ):
        other = _arrays(subject.evaluated(fitted, subject.held_out))
        miss = max(map(gap, first, other), default=0.0) if len(first) == len(other) else float("inf")
        if miss > 0:
            yield f"{fault} {miss:.3g}"


def alone_faults(
    answers: Callable[[Any], Mapping[str, Any]], trials: Any, taken: Any, same: float
) -> Iterator[str]:
    """What is said of a trial comes from that trial alone, whichever trials are asked about beside it.

    Args:
        answers: trials → what is said of them, by name, each [B, …].
        taken: (trials, indices) → those of them.
        same: the relative gap that rounding may make.
    """
    whole = answers(trials)
    n = len(next(iter(whole.values())))
    other = answers(taken(trials, np.array([0] + [1] * (n - 1))))  # as many: nothing is compiled anew
    for name, values in whole.items():
        scale = float(np.max(np.abs(values[0]), initial=0.0))
        if (miss := gap(values[0], other[name][0])) > same * scale:
            yield f"a trial's {name} change by {miss:.3g} with the trials beside it"


def _arrays(tree: Any) -> list[Any]:
    found: list[Any] = []

    def keep(x: Any) -> Any:
        found.append(x)
        return x

    mapped(keep, tree)
    return found


class _Clock:
    """Calls what is to be timed once."""

    def seconds(self, **calls: Callable[[], Any]) -> dict[str, float]:
        for call in calls.values():
            call()
        return dict.fromkeys(calls, 1.0)

    def once(self, call: Callable[[], Any]) -> tuple[Any, float]:
        return call(), 1.0
