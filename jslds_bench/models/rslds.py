"""Recurrent switching: the state and the input decide which mode is next."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

from jslds_bench.entries.registry import MODELS
from jslds_bench.models._shared.switching_system import SwitchingModel
from jslds_bench.switching.parameters import TransitionKind


@MODELS.register("rslds")
@dataclasses.dataclass(frozen=True)
class RecurrentSLDS(SwitchingModel):
    """Recurrent switching linear dynamical system, p(z_t | x_{t−1}, u_t) ∝ exp(R x_{t−1} + W u_t) (eq. 2).

    The gate is recurrent-only: modes belong to regions of the state space, as expansion points do.
    Reference: Linderman et al. (2017).

    Attributes:
        n_modes: K; of several, the least whose free-run error on held-out trials is within 5 % of the best,
            among those of the best held-out likelihood (within its standard error). Recordings bring
            theirs; spikes take the greatest that is at most 4.
        n_latent: principal components kept (of those that vary). What they leave out is the model's floor,
            the metric `projection_error`. Recordings and spikes bring their own.
        restarts: independent starts of EM; the one of highest likelihood is kept.
        max_iterations: EM iterations of each.
        most_trials: of spikes, the most that it is fitted to; of more, so many are drawn.
    """

    n_modes: tuple[int, ...] = (2, 4, 8, 16)
    n_latent: int = 20
    restarts: int = 1
    max_iterations: int = 60
    most_trials: int = 400

    transitions: ClassVar[TransitionKind] = "recurrent_only"
    SMOKE: ClassVar[dict[str, Any]] = {"n_modes": (2,), "n_latent": 3, "max_iterations": 3}
