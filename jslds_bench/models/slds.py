"""Switching without recurrence: which mode is next does not depend on the state."""

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


@MODELS.register("slds")
@dataclasses.dataclass(frozen=True)
class SLDS:
    """Switching linear dynamical system with a sticky chain, p(z_t | z_{t−1}, u_t) (eq. 2).

    Free-running it must guess its modes from the inputs alone. The rollout along the modes that it infers
    from the network's own states is an oracle (metric `relative_error_oracle`), not a prediction.

    Attributes:
        n_modes: K; of several, the least whose free-run error on held-out trials is within 5 % of the best,
            among those of the best held-out likelihood (within its standard error). Recordings bring theirs.
        n_latent: principal components kept (of those that vary). What they leave out is the model's floor,
            the metric `projection_error`. Recordings bring their own.
        restarts: independent starts of EM; the one of highest likelihood is kept.
        max_iterations: EM iterations of each.
    """

    n_modes: tuple[int, ...] = (2, 4, 8, 16)
    n_latent: int = 20
    restarts: int = 1
    max_iterations: int = 60

    SMOKE: ClassVar[dict[str, Any]] = {"n_modes": (2,), "n_latent": 3, "max_iterations": 3}

    def __post_init__(self) -> None:
        self._how()

    def _how(self) -> HowToFit:
        return HowToFit(self.n_modes, self.n_latent, self.restarts, self.max_iterations)

    def unsupported(self, task: Task, network: NetworkSource) -> str | None:
        return None

    def fit(
        self, task: Task, network: Network, trials: Trials, key: jax.Array, progress: Progress = silent
    ) -> SwitchingSystem:
        return fit_switching(self._how(), "sticky", network, trials, key, progress)

    def fit_recording(
        self, task: RecordedTask, recording: Recording, key: jax.Array, progress: Progress = silent
    ) -> RecordedSystem:
        return fit_recorded(None, "sticky", self._how().settings(), task, recording, key, progress)
