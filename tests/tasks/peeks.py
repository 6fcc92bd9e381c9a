"""A model and a network that ask for the trials that their task holds out: a plug-in."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import Any

from jslds_bench.models.persistence import Persistence
from jslds_bench.networks.standard import Standard
from jslds_bench.types import MODELS, NETWORKS


@MODELS.register("peeks")
@dataclasses.dataclass(frozen=True)
class Peeks(Persistence):
    """It hides that it was refused."""

    def fit(self, task: Any, network: Any, trials: Any, key: Any, *rest: Any) -> Any:
        with contextlib.suppress(ValueError):
            task.sample_held_out(key, len(trials.inputs))
        return super().fit(task, network, trials, key, *rest)


@NETWORKS.register("trained_on_them")
@dataclasses.dataclass(frozen=True)
class TrainedOnThem(Standard):
    def build(self, task: Any, key: Any, *rest: Any) -> Any:
        task.sample_held_out(key, 8)
        return super().build(task, key, *rest)

    def build_many(self, task: Any, keys: Any, *rest: Any) -> Any:
        task.sample_held_out(keys[0], 8)
        return super().build_many(task, keys, *rest)
