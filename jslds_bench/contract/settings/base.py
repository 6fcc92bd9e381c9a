"""What the contract of a setting answers: the rules of its entries, and what these are looked at on."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, ClassVar, Generic, TypeVar

from jslds_bench.contract import metric
from jslds_bench.contract.fitting import Case, fit_faults, fit_to, watched
from jslds_bench.contract.instances import smoke, smoke_reading
from jslds_bench.contract.words import Refused
from jslds_bench.settings.base import Setting
from jslds_bench.types.networks import reads

E = TypeVar("E")
Rules = Mapping[str, Callable[[Any], Iterable[str]]]
"""By name; each is given a subject and says what is wrong with it."""
METRIC = ("unit", "better", "bounds", "timing", "compute")
"""What every metric has."""


@dataclasses.dataclass(frozen=True)
class Look:
    """One thing that rules are looked at on.

    Attributes:
        where: what findings call it.
        making: what is being done when it is made.
        make: the subject that the rules are given, or `words.Refused`.
        first: rules without which the others cannot be looked at, or take too long.
        case: which of the contract's cases it is on, where it is on one.
    """

    where: str
    making: str
    make: Callable[[], Any]
    rules: Rules
    first: tuple[str, ...] = ()
    case: str | None = None


class Contract(abc.ABC, Generic[E]):
    """The rules of one setting, whose metrics read E.

    Attributes:
        setting: the setting.
        members: what an entry of each kind must have.
        task_rules: on a tiny instance of a task.
        model_rules: on a model that was fitted twice (`fitting.Subject`).
        first: those of them without which the others cannot be looked at, or take too long.
    """

    setting: ClassVar[Setting[Any, Any]]
    members: ClassVar[Mapping[str, tuple[str, ...]]]
    task_rules: ClassVar[Rules]
    model_rules: ClassVar[Rules]
    first: ClassVar[tuple[str, ...]] = ("shapes",)

    @abc.abstractmethod
    def cases(self) -> Mapping[str, Callable[[], Case]]:
        """What models are fitted to, by name."""

    @abc.abstractmethod
    def evaluations(self) -> Mapping[str, Mapping[str, Callable[[], E]]]:
        """What metrics are computed from, by case and by the model that is evaluated."""

    @abc.abstractmethod
    def predicted(self, evaluation: E, change: Callable[[Any], Any]) -> E:
        """`evaluation` with `change` made to every array that the model is asked for."""

    def perfect(self, evaluation: E) -> E | None:
        """That of a model that is right about everything; None where nobody knows what is right."""
        return None

    def has(self, kind: str, entry: Any) -> bool:
        """Whether a made entry of `kind` is one that these rules are for."""
        if kind == "metrics":
            return reads(entry, self.setting.evaluation)
        answers = {"tasks": self.setting.owns, "models": self.setting.serves}
        return answers[kind](entry) if kind in answers else self.setting.needs_network

    def looks(self, kind: str, name: str, secret: int | None) -> list[Look]:
        """All that the entry called `name` is looked at on; for `secret` see `fitting.fit_to`."""
        if kind == "tasks":
            return [Look("task", "make", partial(smoke_reading, kind, name), self.task_rules)]
        if kind == "models":
            return [self._model(name, case, make, secret) for case, make in self.cases().items()]
        return [
            Look(f"{model} on {case}", "evaluate", partial(self._metric, name, make), metric.RULES, case=case)
            for case, models in self.evaluations().items()
            for model, make in models.items()
        ]

    def _model(self, name: str, case: str, make: Callable[[], Case], secret: int | None) -> Look:
        rules = {"fit": fit_faults, **{rule: watched(faults) for rule, faults in self.model_rules.items()}}
        return Look(
            case, "fit", lambda: fit_to(smoke("models", name), make(), secret), rules, self.first, case
        )

    def _metric(self, name: str, make: Callable[[], E]) -> metric.Measured | Refused:
        return metric.measured(smoke("metrics", name), make(), self.perfect, self.predicted)
