"""A car that drives round an oval in four linear modes (Linderman et al., 2017, section 5.1)."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Literal

from jaxtyping import PRNGKeyArray

from jslds_bench.switching import systems
from jslds_bench.tasks.recorded_system import check_sizes, parted
from jslds_bench.types import TASKS, Recording, RecordingSetup


@TASKS.register("nascar")
@dataclasses.dataclass(frozen=True)
class Nascar:
    """Recorded data: two half-turns and two straights, the place deciding the mode; D = 2, K = 4, no inputs.

    Reference: Linderman et al. (2017), section 5.1.

    Attributes:
        emissions: gaussian (noise variance 0.01) or poisson (counts, base rates about 0.6 per bin).
        n_observed: observed units N.
        n_trials, n_held_out: trials to fit to, and others that are held out.
        n_steps: T.
    """

    emissions: Literal["gaussian", "poisson"] = "gaussian"
    n_observed: int = 10
    n_trials: int = 1
    n_held_out: int = 1
    n_steps: int = 10_000

    SMOKE: ClassVar[dict[str, Any]] = {"n_observed": 6, "n_trials": 4, "n_held_out": 2, "n_steps": 40}

    def __post_init__(self) -> None:
        check_sizes("nascar", self.n_trials, self.n_held_out, self.n_steps, self.n_observed)

    @property
    def setup(self) -> RecordingSetup:
        return RecordingSetup(n_latent=2, n_modes=4)

    def record(self, key: PRNGKeyArray) -> tuple[Recording, Recording]:
        system = systems.nascar(
            key, self.n_trials + self.n_held_out, self.n_steps, self.n_observed, self.emissions
        )
        return parted(system, self.emissions, self.n_trials)
