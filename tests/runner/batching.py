"""Networks that go their own ways when made together, and a model that says where it is fitted: a plug-in."""

from __future__ import annotations

import dataclasses
import os
import signal
import time
from typing import Any

from jslds_bench.errors import Diverged
from jslds_bench.models.persistence import Persistence, Still
from jslds_bench.networks.standard import Standard
from jslds_bench.settings.draws import purpose_key
from jslds_bench.types import MODELS, NETWORKS


@NETWORKS.register("one_diverges")
@dataclasses.dataclass(frozen=True)
class OneDiverges(Standard):
    """Seed 1 does."""

    def build(self, task: Any, key: Any, *rest: Any) -> Any:
        raise AssertionError("made by itself")

    def build_many(self, task: Any, keys: Any, *rest: Any) -> Any:
        networks = super().build_many(task, keys, *rest)
        lost = list(keys).index(purpose_key(1, "network"))
        return [Diverged("it blew up") if i == lost else one for i, one in enumerate(networks)]


@NETWORKS.register("one_by_one")
@dataclasses.dataclass(frozen=True)
class OneByOne(Standard):
    """Together they need more memory than there is."""

    def build_many(self, task: Any, keys: Any, *rest: Any) -> Any:
        raise MemoryError(f"{len(keys)} are too many")


@NETWORKS.register("dies_of_many")
@dataclasses.dataclass(frozen=True)
class DiesOfMany(Standard):
    """And so would its process."""

    def build_many(self, *args: Any) -> Any:
        os.kill(os.getpid(), signal.SIGSEGV)


@NETWORKS.register("hangs_with_many")
@dataclasses.dataclass(frozen=True)
class HangsWithMany(Standard):
    def build_many(self, *args: Any) -> Any:
        time.sleep(600)


@dataclasses.dataclass(frozen=True)
class _Placed(Still):
    def fitted_to(self) -> dict[str, int]:
        pools = int(os.environ.get("OMP_NUM_THREADS", 0))
        device = int(os.environ.get("CUDA_VISIBLE_DEVICES", -1))
        return {"device": device, "cores": len(os.sched_getaffinity(0)), "pools": pools}


@MODELS.register("placed")
@dataclasses.dataclass(frozen=True)
class Placed(Persistence):
    def fit(self, *args: Any, **kwargs: Any) -> Any:
        return _Placed()
