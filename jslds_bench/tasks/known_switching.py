"""A switching system whose modes, eigenvalues and fixed points are known, with an input."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Literal

from jslds_bench.entries.registry import TASKS
from jslds_bench.switching import systems
from jslds_bench.tasks._shared.known_system import KnownSystem
from jslds_bench.types.recordings import RecordingSetup


@TASKS.register("known_switching")
@dataclasses.dataclass(frozen=True)
class KnownSwitching(KnownSystem):
    """Recorded data: three spirals in sectors of the plane, each to a virtual point; D = 2, K = 3, U = 1.

    See `jslds_bench.switching.systems.known_switching` for its numbers.

    Attributes:
        emissions: gaussian (noise variance 0.01) or poisson (counts, base rates about 0.6 per bin).
        n_observed: observed units N.
        n_trials, n_held_out: trials to fit to, and others that are held out.
        n_steps: T.
    """

    emissions: Literal["gaussian", "poisson"] = "gaussian"
    n_observed: int = 10
    n_trials: int = 50
    n_held_out: int = 10
    n_steps: int = 100

    system: ClassVar[Any] = staticmethod(systems.known_switching)
    setup: ClassVar[RecordingSetup] = RecordingSetup(n_latent=2, n_modes=3)
