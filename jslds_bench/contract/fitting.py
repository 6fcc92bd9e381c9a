"""Fitting a model under watch, as a run fits it: what it may not touch, and whether it can do it again."""

from __future__ import annotations

import dataclasses
import functools
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from jslds_bench.contract.compiling import compilations
from jslds_bench.contract.instances import SEED
from jslds_bench.contract.words import Refused, attempt, listed, one_line
from jslds_bench.entries.options import Switched, unswitched
from jslds_bench.settings.base import Setting
from jslds_bench.settings.draws import fingerprint, own_copy, purpose_key, sealed
from jslds_bench.suite import Suite

MAX_COMPILATIONS = 50
"""Programs that a fit may compile anew when it is called a second time."""


@dataclasses.dataclass(frozen=True)
class Case:
    """What models are fitted to.

    Attributes:
        name: what findings call it.
        setting: the setting.
        shared: what the jobs of a run would share.
        unseen: seed → trials like the held-out ones, of the same origin, that no model can have foreseen.
        network: the registered network that the case stands for, where there is one.
    """

    name: str
    setting: Setting[Any, Any]
    shared: Any
    unseen: Callable[[int], Any]
    network: Any = None


@dataclasses.dataclass(frozen=True)
class Subject:
    """A model fitted twice to a case.

    Attributes:
        fitted, again: the two fits, with the same key; None where the model raised.
        faults: what was wrong with fitting.
        held_out: what a run would score it on.
        unseen: the same, drawn from a secret.
    """

    case: Case
    fitted: Any = None
    again: Any = None
    faults: tuple[str, ...] = ()
    held_out: Any = None
    unseen: Any = None

    @property
    def whole(self) -> bool:
        """Whether there is a fit that all rules can be looked at on."""
        return self.again is not None

    def evaluated(self, fitted: Any, trials: Any) -> Any:
        """What metrics would read of one of the fits on some trials."""
        return self.case.setting.evaluate(fitted, self.case.shared, trials, SEED)

    @functools.cached_property
    def evaluation(self) -> Any:
        """What metrics would read of the first fit on the held-out trials."""
        return self.evaluated(self.fitted, self.held_out)


def fit_to(model: Any, case: Case, secret: int | None = None) -> Subject | Refused:
    """`model` fitted twice to `case`, or its reason not to be.

    Args:
        secret: seed of the trials that nobody can foresee; by default from the system's randomness.
    """
    reason, error = attempt(case.setting.why_unsupported, case.shared.task, case.network, model)
    if error is not None:
        return Subject(case, faults=(f"asked whether it can be fitted it raised {error}",))
    if reason is not None:
        text = " ".join(str(reason).split())
        return Refused(f"it says: {text}", None if one_line(reason) else "its reason is not one line of text")
    first, faults = _fit(model, case)
    if first is None:
        return Subject(case, faults=tuple(faults))
    with compilations() as compiled:
        again, _ = _fit(model, case)
    if len(compiled) > MAX_COMPILATIONS:
        often = max(set(compiled), key=compiled.count)
        faults.append(
            f"it compiles {len(compiled)} programs each time it is called ({often} {compiled.count(often)} "
            "times): do not call jax.jit on a new function inside a loop"
        )
    if again is None:
        faults.append("it failed when it was called a second time")
    # Drawn now: before, a model could have come upon them, and later they are sealed.
    held_out = case.setting.held_out(case.shared, SEED, Suite.n_trials)
    unseen = case.unseen(secrets.randbits(31) if secret is None else secret)
    return Subject(case, first, again, tuple(faults), held_out, unseen)


def _fit(model: Any, case: Case) -> tuple[Any, list[str]]:
    """The fitted model, and what it did that it may not do."""
    setting, shared = case.setting, case.shared
    given = own_copy(setting.given(shared))
    before = {what: fingerprint(part) for what, part in given.items()}
    task, key, progress = setting.describe(shared.task), purpose_key(SEED, "model"), _Progress()
    faults: list[str] = []
    try:
        with unswitched(), sealed() as asked:
            fitted, error = attempt(setting.fit, model, task, dict(given), key, progress)
    except Switched as switched:
        faults.append(str(switched))
    if error is not None and not asked:
        faults.append(f"it raised {error}")
    if error is None and fitted is None:
        faults.append("it returned None, expected the fitted model")
    if asked:
        faults.append("it asked for data that it is scored on (it may see what it is given alone)")
    faults += [
        f"it changed the {what} that it was given"
        for what, part in given.items()
        if fingerprint(part) != before[what]
    ]
    return fitted, faults + progress.faults


class _Progress:
    """Takes progress as the runner does; remembers a report that cannot be shown."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def __call__(self, done: int, total: int, text: str) -> None:
        if not self.faults and not (0 <= done <= total and isinstance(text, str)):
            self.faults = [f"it reported progress({done!r}, {total!r}, {text!r}): expected 0 ≤ done ≤ total"]


def fit_faults(subject: Subject) -> Iterator[str]:
    """What was wrong with fitting."""
    yield from subject.faults


def watched(faults: Callable[[Subject], Iterable[str]]) -> Callable[[Subject], list[str]]:
    """A rule for fitted models that is looked at under seal: after its fit, too, a model must not peek."""

    def looked_at(subject: Subject) -> list[str]:
        with sealed() as asked:
            found = listed(faults(subject))
        return ["after its fit it asks for data that it is scored on"] if asked else found

    return looked_at


def missing(fitted: Any, members: Sequence[str]) -> list[str]:
    """What a fitted model lacks, as one fault or none."""
    lacking = [member for member in members if not hasattr(fitted, member)]
    return [f"what it returned ({type(fitted).__name__}) has no {', '.join(lacking)}"] if lacking else []
