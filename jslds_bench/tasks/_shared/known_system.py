"""What the tasks of known systems share: one system's trials, parted into those to fit and those held out."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from jaxtyping import PRNGKeyArray

from jslds_bench.dynamics.spectrum import eigenvalues
from jslds_bench.errors import UsageError
from jslds_bench.switching.emissions import expectation
from jslds_bench.switching.scoring import mode_points
from jslds_bench.switching.systems import System
from jslds_bench.types.recordings import Recording, RecordingSetup


class KnownSystem:
    """What the entries are besides their parameters; each is a frozen dataclass with these fields.

    Raises:
        UsageError: sizes that leave nothing to fit or to hold out.
    """

    name: str
    system: ClassVar[Any]  # of `switching.systems`
    setup: ClassVar[RecordingSetup]
    SMOKE: ClassVar[dict[str, Any]] = {"n_observed": 6, "n_trials": 4, "n_held_out": 2, "n_steps": 40}

    emissions: Literal["gaussian", "poisson"]
    n_observed: int
    n_trials: int
    n_held_out: int
    n_steps: int

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

    def _part(self, made: System, trials: slice) -> Recording:
        """Some of the trials, with all that is known of their system."""
        points = spectra = None
        if made.params is not None:
            linear = made.params.linear
            at_rest = mode_points(linear, np.zeros(linear.v.shape[2]))
            points, spectra = expectation(self.emissions, made.emission, at_rest), eigenvalues(linear.a)
            points[np.abs(spectra - 1).min(axis=1) < 1e-9] = np.nan  # it has none
        expected = expectation(self.emissions, made.emission, made.states[trials])
        truth = made.states[trials], made.modes[trials], expected, points, spectra
        return Recording(made.observations[trials], made.inputs[trials], self.emissions, *truth)
