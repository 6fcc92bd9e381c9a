"""The Lorenz attractor, seen through noisy units: no mode is true, two lobes are apparent."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Literal

from jslds_bench.entries.registry import TASKS
from jslds_bench.switching import systems
from jslds_bench.tasks._shared.known_system import KnownSystem
from jslds_bench.types.recordings import RecordingSetup


@TASKS.register("lorenz")
@dataclasses.dataclass(frozen=True)
class Lorenz(KnownSystem):
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

    system: ClassVar[Any] = staticmethod(systems.lorenz)
    setup: ClassVar[RecordingSetup] = RecordingSetup(n_latent=3, n_modes=2)
