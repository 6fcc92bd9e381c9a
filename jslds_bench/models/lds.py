"""One linear system for all states: the switching models with a single mode."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax

from jslds_bench.models.recorded_system import RecordedSystem, fit_recorded
from jslds_bench.models.switching_system import HowToFit, SwitchingSystem, fit_switching
from jslds_bench.types import (
    MODELS,
    Network,
    NetworkSource,
    Progress,
    RecordedTask,
    Recording,
    Task,
    Trials,
    silent,
)


@MODELS.register("lds")
@dataclasses.dataclass(frozen=True)
class LDS:
    """Linear dynamical system on the states' principal components, x_t = A x_{t−1} + V u_t + b + noise.

    What `slds` and `rslds` are without switching.

    Attributes:
        n_latent: principal components kept (of those that vary). What they leave out is the model's floor,
            the metric `projection_error`. Recordings bring their own.
        max_iterations: EM iterations.
    """

    n_latent: int = 20
    max_iterations: int = 60

    SMOKE: ClassVar[dict[str, Any]] = {"n_latent": 3, "max_iterations": 3}

    def __post_init__(self) -> None:
        self._how()

    def _how(self) -> HowToFit:
        return HowToFit((1,), self.n_latent, restarts=1, max_iterations=self.max_iterations)

    def unsupported(self, task: Task, network: NetworkSource) -> str | None:
        return None

    def fit(
        self, task: Task, network: Network, trials: Trials, key: jax.Array, progress: Progress = silent
    ) -> SwitchingSystem:
        return fit_switching(self._how(), "standard", network, trials, key, progress)

    def fit_recording(
        self, task: RecordedTask, recording: Recording, key: jax.Array, progress: Progress = silent
    ) -> RecordedSystem:
        return fit_recorded(1, "standard", self._how().settings(), task, recording, key, progress)
