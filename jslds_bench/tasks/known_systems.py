"""Recordings of systems whose answer is known: one system's trials, some to fit to and others held out."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Literal

import numpy as np
from jaxtyping import PRNGKeyArray

from jslds_bench.dynamics.spectrum import eigenvalues
from jslds_bench.entries.registry import TASKS
from jslds_bench.errors import UsageError
from jslds_bench.switching import systems
from jslds_bench.switching.emissions import expectation
from jslds_bench.switching.scoring import mode_points
from jslds_bench.types.recordings import Recording, RecordingSetup

_PARAMETERS = """

    Attributes:
        emissions: gaussian (noise variance 0.01) or poisson (counts, base rates about 0.6 per bin).
        n_observed: observed units N.
        n_trials, n_held_out: trials to fit to, and others that are held out.
        n_steps: T."""


@dataclasses.dataclass(frozen=True)
class KnownSystem:
    """What the entries are besides their system; their docstrings get the explanation of the parameters.

    Raises:
        UsageError: sizes that leave nothing to fit or to hold out.
    """

    emissions: Literal["gaussian", "poisson"] = "gaussian"
    n_observed: int = 10
    n_trials: int = 20
    n_held_out: int = 5
    n_steps: int = 500

    name: ClassVar[str]
    origin: ClassVar[str] = "synthetic"
    system: ClassVar[Any]  # of `switching.systems`
    setup: ClassVar[RecordingSetup]
    SMOKE: ClassVar[dict[str, Any]] = {"n_observed": 6, "n_trials": 4, "n_held_out": 2, "n_steps": 40}

    def __init_subclass__(cls) -> None:
        cls.__doc__ = f"{cls.__doc__}{_PARAMETERS}"

    def __post_init__(self) -> None:
        if min(self.n_trials, self.n_held_out, self.n_observed) < 1 or self.n_steps < 2:
            raise UsageError(
                f"{self.name} needs n_trials, n_held_out and n_observed ≥ 1 and n_steps ≥ 2, got "
                f"{self.n_trials}, {self.n_held_out}, {self.n_observed} and {self.n_steps}"
            )

    def record(self, key: PRNGKeyArray) -> tuple[Recording, Recording]:
        """Trials to fit to, and held-out trials of the same system."""
        made = self.system(key, self.n_trials + self.n_held_out, *self._sizes)
        return self._part(made, slice(None, self.n_trials)), self._part(made, slice(self.n_trials, None))

    def further(self, key: PRNGKeyArray, trials_key: PRNGKeyArray, n_trials: int) -> Recording:
        """Other trials of the system that ``record(key)`` observes, drawn from `trials_key`."""
        return self._part(self.system(key, n_trials, *self._sizes, trials_key=trials_key), slice(None))

    @property
    def _sizes(self) -> tuple[int, int, str]:
        return self.n_steps, self.n_observed, self.emissions

    def _part(self, made: systems.System, trials: slice) -> Recording:
        """Some of the trials, with all that is known of their system."""
        points = spectra = None
        if made.params is not None:
            linear = made.params.linear
            at_rest = mode_points(linear, np.zeros(linear.v.shape[2]))
            points, spectra = expectation(self.emissions, made.emission, at_rest), eigenvalues(linear.a)
            points[np.abs(spectra - 1).min(axis=1) < 1e-9] = np.nan  # it has none
        expected = expectation(self.emissions, made.emission, made.states)[trials]
        truth = made.states[trials], made.modes[trials], expected, points, spectra
        return Recording(made.observations[trials], made.inputs[trials], self.emissions, *truth)


@TASKS.register("nascar")
@dataclasses.dataclass(frozen=True)
class Nascar(KnownSystem):
    """Recorded data: two half-turns and two straights, the place deciding the mode; D = 2, K = 4, no inputs.

    A car drives round an oval in four linear modes. Reference: Linderman et al. (2017), section 5.1."""

    n_trials: int = 1
    n_held_out: int = 1
    n_steps: int = 10_000

    system: ClassVar[Any] = staticmethod(systems.nascar)
    setup: ClassVar[RecordingSetup] = RecordingSetup(n_latent=2, n_modes=4)


@TASKS.register("lorenz")
@dataclasses.dataclass(frozen=True)
class Lorenz(KnownSystem):
    """Recorded data: the Lorenz attractor, D = 3; the "true" mode is the lobe, K = 2, no inputs.

    No switching linear system made it: there are no true eigenvalues.
    Reference: Lorenz (1963), eqs. 25–27."""

    system: ClassVar[Any] = staticmethod(systems.lorenz)
    setup: ClassVar[RecordingSetup] = RecordingSetup(n_latent=3, n_modes=2)


@TASKS.register("known_switching")
@dataclasses.dataclass(frozen=True)
class KnownSwitching(KnownSystem):
    """Recorded data: three spirals in sectors of the plane, each to a virtual point; D = 2, K = 3, U = 1.

    See `jslds_bench.switching.systems.known_switching` for its numbers."""

    n_trials: int = 50
    n_held_out: int = 10
    n_steps: int = 100

    system: ClassVar[Any] = staticmethod(systems.known_switching)
    setup: ClassVar[RecordingSetup] = RecordingSetup(n_latent=2, n_modes=3)
