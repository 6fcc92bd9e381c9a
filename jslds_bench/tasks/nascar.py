"""A car that drives round an oval in four linear modes (Linderman et al., 2017, section 5.1)."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Literal

from jslds_bench.entries.registry import TASKS
from jslds_bench.switching import systems
from jslds_bench.tasks._shared.known_system import KnownSystem
from jslds_bench.types.recordings import RecordingSetup


@TASKS.register("nascar")
@dataclasses.dataclass(frozen=True)
class Nascar(KnownSystem):
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

    system: ClassVar[Any] = staticmethod(systems.nascar)
    setup: ClassVar[RecordingSetup] = RecordingSetup(n_latent=2, n_modes=4)
