"""What networks that training makes share: a first training, where there is one, and the one that counts."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import jax
from jaxtyping import PRNGKeyArray

from jslds_bench.dynamics.batches import Loss, NoisyTrials, Sampler
from jslds_bench.dynamics.training import Parameters, Recipe, train, train_many
from jslds_bench.errors import Diverged, UsageError
from jslds_bench.types.core import Cell, Network, Progress, silent
from jslds_bench.types.networks import Task


class Trained(ABC):
    """A source of networks that are trained by one loss and recipe, from the networks of another or anew."""

    name: ClassVar[str]
    process_noise: float | None

    @abstractmethod
    def plan(self, task: Task) -> tuple[Cell, Loss, Recipe]:
        """What is trained, on what, and how."""

    @abstractmethod
    def first(self, recipe: Recipe) -> Trained | None:
        """What makes the networks to start from; None where weights are random."""

    @abstractmethod
    def start(self, task: Task, key: PRNGKeyArray, first: Network | None) -> Parameters:
        """Where training starts: at the network `first`, or at random weights."""

    def build(self, task: Task, key: PRNGKeyArray, progress: Progress = silent) -> Network:
        cell, loss, recipe = self.plan(task)
        before, progress = _in_turn(progress, recipe.n_steps)
        source = self.first(recipe)
        first = None if source is None else source.build(task, key, before)
        start, key_train = self._begin(task, key, first)
        trained, history = train(loss, start, self._sampler(task, start), recipe, key_train, progress)
        return _frozen(cell, trained, history, self.name, first)

    def build_many(
        self, task: Task, keys: Sequence[PRNGKeyArray], progress: Progress = silent
    ) -> list[Network | Diverged]:
        cell, loss, recipe = self.plan(task)
        before, progress = _in_turn(progress, recipe.n_steps)
        source = self.first(recipe)
        firsts = [None] * len(keys) if source is None else source.build_many(task, keys, before)
        going = [(k, f) for k, f in zip(keys, firsts, strict=True) if not isinstance(f, Diverged)]
        made: Iterator[Network | Diverged] = iter(())
        if going:
            starts, keys_train = zip(*(self._begin(task, *pair) for pair in going), strict=True)
            sampler = self._sampler(task, starts[0])
            trained = train_many(loss, starts, sampler, recipe, keys_train, progress)
            made = (
                t if isinstance(t, Diverged) else _frozen(cell, *t, self.name, f)
                for t, (_, f) in zip(trained, going, strict=True)
            )
        return [f if isinstance(f, Diverged) else next(made) for f in firsts]

    def _begin(self, task: Task, key: PRNGKeyArray, first: Network | None) -> tuple[Parameters, PRNGKeyArray]:
        """Where training starts, and the key of its trials, which are not those that `first` has seen."""
        key_init, key_train = jax.random.split(key)
        return self.start(task, key_init, first), key_train if first is None else jax.random.fold_in(key, 2)

    def _sampler(self, task: Task, start: Parameters) -> Sampler:
        """What draws the trials of training: with noise where the network or its task asks for it."""
        noise = task.setup.process_noise if self.process_noise is None else self.process_noise
        check_noise(noise)
        return NoisyTrials(task.sample, len(start.h0), noise) if noise else task.sample

    def sources(self) -> dict[str, Any]:
        return {}


def check_noise(process_noise: float | None) -> None:
    """Raises UsageError for what is no standard deviation."""
    if process_noise is not None and not 0 <= process_noise < math.inf:
        raise UsageError(f"process_noise is {process_noise}, expected 0 or more")


def _frozen(cell: Cell, p: Parameters, history: dict, kind: str, first: Network | None) -> Network:
    """The trained network; its history goes on from where that of `first` ended."""
    if first is not None:
        history = {**history, "step": history["step"] + first.history["step"][-1]}
    return Network(cell, p.theta, p.h0, p.readout, p.phi, kind, history)


def _in_turn(progress: Progress, later: int) -> tuple[Progress, Progress]:
    """What reports a first training, if there is one, and a second of `later` steps as one."""
    earlier = 0

    def first(done: int, total: int, text: str) -> None:
        nonlocal earlier
        earlier = total
        progress(done, total + later, f"on the task alone first: {text}")

    return first, lambda done, total, text: progress(earlier + done, earlier + total, text)
