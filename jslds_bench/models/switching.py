"""Switching linear systems: a single one, modes on a chain, and modes that the state decides."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

from jslds_bench.entries.registry import MODELS
from jslds_bench.models._shared.switching_system import SwitchingModel
from jslds_bench.switching.parameters import TransitionKind

_SIZES = """
        n_latent: principal components kept (of those that vary). What they leave out is the model's floor,
            the metric `projection_error`. Recordings and spikes bring their own.
        max_iterations: EM iterations of each start.
        ridge: shrinkage of A, V and C to 0, in pseudo-observations; of several, that of least error is chosen
            with K. One that is too small can let a free run diverge, of few modes above all."""
_MODES = """
        n_modes: K; of several, the least whose free-run error on held-out trials is within 5 % of the best,
            then fitted to all. Recordings bring theirs; spikes take the best of those that are at most 4.
        restarts: independent starts of EM; the one of highest likelihood is kept."""


@MODELS.register("lds")
@dataclasses.dataclass(frozen=True)
class LDS(SwitchingModel, explained=_SIZES):
    """Linear dynamical system on the states' principal components, x_t = A x_{t−1} + V u_t + b + noise.

    What `slds` and `rslds` are without switching.

    Attributes:
        n_modes, restarts: one of each, and not to be set."""

    n_latent: int = 20
    max_iterations: int = 60
    ridge: tuple[float, ...] = (1e-2,)
    n_modes: tuple[int, ...] = dataclasses.field(default=(1,), init=False)
    restarts: int = dataclasses.field(default=1, init=False)

    transitions: ClassVar[TransitionKind] = "standard"
    SMOKE: ClassVar[dict[str, Any]] = {"n_latent": 3, "max_iterations": 3}


@MODELS.register("slds")
@dataclasses.dataclass(frozen=True)
class SLDS(SwitchingModel, explained=_MODES + _SIZES):
    """Switching linear dynamical system with a sticky chain, p(z_t | z_{t−1}, u_t) (eq. 2).

    Free-running it must guess its modes from the inputs alone. The rollout along the modes that it infers
    from the network's own states is an oracle (metric `relative_error_oracle`), not a prediction.

    Attributes:"""

    n_modes: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    n_latent: int = 20
    restarts: int = 1
    max_iterations: int = 60
    ridge: tuple[float, ...] = (1e-2,)

    transitions: ClassVar[TransitionKind] = "sticky"
    SMOKE: ClassVar[dict[str, Any]] = {"n_modes": (2,), "n_latent": 3, "max_iterations": 3}


@MODELS.register("rslds")
@dataclasses.dataclass(frozen=True)
class RecurrentSLDS(SLDS, explained=_MODES + _SIZES):
    """Recurrent switching linear dynamical system, p(z_t | x_{t−1}, u_t) ∝ exp(R x_{t−1} + W u_t) (eq. 2).

    The gate is recurrent-only: modes belong to regions of the state space, as expansion points do.
    Reference: Linderman et al. (2017).

    Attributes:"""

    transitions: ClassVar[TransitionKind] = "recurrent_only"
