"""What a setting answers when the job's template (`runner.job`) asks it."""

from __future__ import annotations

import abc
import inspect
from collections.abc import Callable
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
from jaxtyping import Bool, PRNGKeyArray

from jslds_bench.settings.draws import Described, purpose_key, read_only
from jslds_bench.types.core import Network, Progress

S = TypeVar("S")
E = TypeVar("E")


class Clock(Protocol):
    """How the template measures."""

    def seconds(self, **calls: Callable[[], Any]) -> dict[str, float]:
        """Median seconds of each of `calls`, warmed and blocked on, while the machine is silent.

        Others wait: there is one silence for all of them.
        """
        ...

    def once(self, call: Callable[[], Any]) -> tuple[Any, float]:
        """What `call` returns, and the processor seconds that it took, beside whatever else there is."""
        ...


class Setting(abc.ABC, Generic[S, E]):
    """One kind of data: S is what the jobs of one task, network and seed share, E what metrics read.

    Attributes:
        name: as in `settings.NAMES`, and in records.
        about: what its models describe, as in "it describes spikes".
        task: the protocol of its tasks.
        fits: the method that a model must have to be fitted to it.
        evaluation: the class E.
        needs_network: whether its suites name networks.
        shares: whether S is dear, so that the jobs that share it are kept together.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    task: ClassVar[type]
    fits: ClassVar[str]
    evaluation: ClassVar[type]
    needs_network: ClassVar[bool] = False
    shares: ClassVar[bool] = False

    def owns(self, task: Any) -> bool:
        """Whether `task` is one of its own."""
        return isinstance(task, self.task)

    def lacks(self, task: Any) -> tuple[list[str], list[str]]:
        """What a task of its own must have besides its name: what `task` has of it, and what it lacks."""
        members = {**inspect.get_annotations(self.task), **vars(self.task)}
        wanted = [member for member in members if member != "name" and not member.startswith("_")]
        return [m for m in wanted if hasattr(task, m)], [m for m in wanted if not hasattr(task, m)]

    def serves(self, model: Any) -> bool:
        """Whether `model`, an entry or an instance of one, can be fitted to its data."""
        return hasattr(model, self.fits)

    def why_unsupported(self, task: Any, network: Any, model: Any) -> str | None:
        """Why `model`, which it serves, cannot be fitted to this task (and network entry), or None."""
        return None

    @abc.abstractmethod
    def describe(self, task: Any) -> Any:
        """What a model is told of `task`: nothing that leads to data that it is scored on."""

    @abc.abstractmethod
    def prepare(self, task: Any, network: Network | None, seed: int, progress: Progress) -> S:
        """What can be had before the fit; nothing in it may be held out."""

    @abc.abstractmethod
    def given(self, shared: S) -> dict[str, Any]:
        """What a fit gets, by what to call it; the template makes copies."""

    def fit(self, model: Any, task: Any, given: dict[str, Any], key: PRNGKeyArray, progress: Progress) -> Any:
        """`model` fitted to what `given` answered; `task` is the description."""
        return getattr(model, self.fits)(task, *given.values(), key, progress)

    @abc.abstractmethod
    def held_out(self, shared: S, seed: int, n_trials: int) -> Any:
        """What the fit is scored on, the same for every model; drawn after the fit."""

    @abc.abstractmethod
    def evaluate(self, fitted: Any, shared: S, held_out: Any, seed: int) -> E:
        """What metrics read."""

    @abc.abstractmethod
    def diverged(self, evaluation: E) -> Bool[np.ndarray, " B"]:
        """Which of the trials that were scored left the finite numbers."""

    def time(self, fitted: Any, shared: S, evaluation: E, seed: int, clock: Clock) -> dict[str, float]:
        """Seconds and rates by metric name."""
        return {}

    def series(self, fitted: Any, evaluation: E) -> dict[str, list[float]]:
        """Sequences for figures."""
        return {}

    def detail(self, shared: S, evaluation: E) -> dict[str, Any]:
        """Other facts worth keeping: what the model was fitted to, what it was scored on."""
        return {}

    def arrays(self, fitted: Any, shared: S, evaluation: E) -> dict[str, np.ndarray]:
        """The arrays that the report draws from; their names and shapes are in `report.settings`."""
        return {}


class Drawn(NamedTuple):
    """What the jobs of one (task, seed) share where a task draws its own data."""

    task: Any
    fit: Any


class DrawnSetting(Setting[Drawn, E]):
    """A setting whose tasks draw both parts of their data, from one key, by the method `draws`.

    They are drawn twice: what is held out does not exist while a model is fitted.

    Attributes:
        says: what a model is told of its task, besides its name.
        data: what to call the data.
    """

    draws: ClassVar[str]
    says: ClassVar[tuple[str, ...]]
    data: ClassVar[str]

    def parts(self, task: Any, seed: int) -> tuple[Any, Any]:
        """The data to fit to and the held-out data of a replicate, read-only."""
        return read_only(getattr(task, self.draws)(purpose_key(seed, "recording")))

    def describe(self, task: Any) -> Any:
        return Described(task, self.says)

    def prepare(self, task: Any, network: Network | None, seed: int, progress: Progress) -> Drawn:
        progress(0, 1, f"drawing the {self.data}")
        return Drawn(task, self.parts(task, seed)[0])

    def given(self, shared: Drawn) -> dict[str, Any]:
        return {self.data: self.shown(shared.fit)}

    @abc.abstractmethod
    def shown(self, part: Any) -> Any:
        """What a model may see of data: not the truth about its origin."""

    def held_out(self, shared: Drawn, seed: int, n_trials: int) -> Any:
        """As many trials as the task holds out."""
        return self.parts(shared.task, seed)[1]
