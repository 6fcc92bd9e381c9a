"""One linear system for all states: the switching models with a single mode."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

from jslds_bench.entries.registry import MODELS
from jslds_bench.models._shared.switching_system import SwitchingModel
from jslds_bench.switching.parameters import TransitionKind


@MODELS.register("lds")
@dataclasses.dataclass(frozen=True)
class LDS(SwitchingModel):
    """Linear dynamical system on the states' principal components, x_t = A x_{t−1} + V u_t + b + noise.

    What `slds` and `rslds` are without switching.

    Attributes:
        n_latent: principal components kept (of those that vary). What they leave out is the model's floor,
            the metric `projection_error`. Recordings and spikes bring their own.
        max_iterations: EM iterations.
        most_trials: of spikes, the most that it is fitted to; of more, so many are drawn.
        n_modes, restarts: one of each, and not to be set.
    """

    n_latent: int = 20
    max_iterations: int = 60
    most_trials: int = 400
    n_modes: tuple[int, ...] = dataclasses.field(default=(1,), init=False)
    restarts: int = dataclasses.field(default=1, init=False)

    transitions: ClassVar[TransitionKind] = "standard"
    SMOKE: ClassVar[dict[str, Any]] = {"n_latent": 3, "max_iterations": 3}
