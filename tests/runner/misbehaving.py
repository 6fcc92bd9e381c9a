"""Models that go wrong in one way each, loaded as a plug-in by the runner's tests."""

from __future__ import annotations

import dataclasses
import os
import signal
import time
from typing import Any

import jax.numpy as jnp
import numpy as np

from jslds_bench.models.persistence import Persistence, Still
from jslds_bench.types import MODELS


@MODELS.register("raises")
@dataclasses.dataclass(frozen=True)
class Raises(Persistence):
    def fit(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("the matrix is\nsingular")


@MODELS.register("dies")
@dataclasses.dataclass(frozen=True)
class Dies(Persistence):
    def fit(self, *args: Any, **kwargs: Any) -> Any:
        os.kill(os.getpid(), signal.SIGSEGV)


@MODELS.register("hangs")
@dataclasses.dataclass(frozen=True)
class Hangs(Persistence):
    def fit(self, *args: Any, **kwargs: Any) -> Any:
        time.sleep(600)


@MODELS.register("edits_the_network")
@dataclasses.dataclass(frozen=True)
class EditsTheNetwork(Persistence):
    def fit(self, task: Any, network: Any, *args: Any, **kwargs: Any) -> Any:
        object.__setattr__(network, "h0", network.h0 + 1)
        return Still()


@dataclasses.dataclass(frozen=True)
class _Exploding(Still):
    """Not a pytree: the runner must close over it. Overflows within a few steps."""

    def step(self, carry: Any, h: Any, u: Any, u_star: Any) -> Any:
        return carry, 1e20 * (h + 1)


@MODELS.register("explodes")
@dataclasses.dataclass(frozen=True)
class Explodes(Persistence):
    def fit(self, *args: Any, **kwargs: Any) -> Any:
        print("a model may print")
        return _Exploding()


@MODELS.register("writes_to_trials")
@dataclasses.dataclass(frozen=True)
class WritesToTrials(Persistence):
    def fit(self, task: Any, network: Any, trials: Any, *args: Any, **kwargs: Any) -> Any:
        np.asarray(trials.inputs)[...] = jnp.nan
        return Still()


@MODELS.register("picky")
@dataclasses.dataclass(frozen=True)
class Picky(Persistence):
    def unsupported(self, task: Any, network: Any) -> str | None:
        return "serves nothing of this kind"
