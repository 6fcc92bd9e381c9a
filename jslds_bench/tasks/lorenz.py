"""The Lorenz attractor, seen through noisy units: no mode is true, two lobes are apparent."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Literal

from jaxtyping import PRNGKeyArray

from jslds_bench.switching import systems
from jslds_bench.tasks.recorded_system import check_sizes, parted
from jslds_bench.types import TASKS, Recording, RecordingSetup


@TASKS.register("lorenz")
@dataclasses.dataclass(frozen=True)
class Lorenz:
    """Recorded data: the Lorenz attractor, D = 3; the "true" mode is the lobe, K = 2, no inputs.

    No switching linear system made it: there are no true eigenvalues. Reference: Lorenz (1963), eqs. 25–27.

    Attributes:
        emissions: gaussian (noise variance 0.01) or poisson (counts, base rates about 0.6 per bin).
        n_observed: observed units N.
        n_trials, n_held_out: trials to fit to, and others that are held out.
        n_steps: T.
    """

    emissions: Literal["gaussian", "poisson"] = "gaussian"
    n_observed: int = 10
    n_trials: int = 20
    n_held_out: int = 5
    n_steps: int = 500

    SMOKE: ClassVar[dict[str, Any]] = {"n_observed": 6, "n_trials": 4, "n_held_out": 2, "n_steps": 40}

    def __post_init__(self) -> None:
        check_sizes("lorenz", self.n_trials, self.n_held_out, self.n_steps, self.n_observed)

    @property
    def setup(self) -> RecordingSetup:
        return RecordingSetup(n_latent=3, n_modes=2)

    def record(self, key: PRNGKeyArray) -> tuple[Recording, Recording]:
        system = systems.lorenz(
            key, self.n_trials + self.n_held_out, self.n_steps, self.n_observed, self.emissions
        )
        return parted(system, self.emissions, self.n_trials)
