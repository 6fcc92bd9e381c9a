"""What `lds`, `slds` and `rslds` are on recorded data: latent states and modes, by Laplace-EM."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from jslds_bench.switching import model as switching
from jslds_bench.switching.fitting import iteration
from jslds_bench.types.modes import ModePoints
from jslds_bench.types.recordings import Explanation, Recording


@dataclasses.dataclass(frozen=True)
class RecordedSystem:
    """A switching system behind emissions, as the benchmark asks it (`types.RecordedModel`)."""

    fitted: switching.Fit
    recording: Recording

    @property
    def _no_input(self) -> np.ndarray:
        return np.zeros(self.recording.inputs.shape[2])

    def explain(self, recording: Recording) -> Explanation:
        """States, modes and bound on the likelihood, by inference with frozen parameters."""
        data = recording.observations, recording.inputs
        found = switching.infer(self.fitted, *data)
        modes = switching.most_likely_states(self.fitted, *data)
        expected = switching.expected_observations(self.fitted, found.mean, found.cov)
        return Explanation(found.elbo, found.mean, modes, expected)

    def forecast(self, states: Any, modes: Any, inputs: Any) -> np.ndarray:
        """E y of the steps after given states, the gate deciding, without noise."""
        beliefs = np.eye(self.fitted.spec.n_modes)[modes]
        return switching.forecast(self.fitted, states, inputs, beliefs).observations

    def mode_points(self) -> ModePoints:
        """Each mode's latent fixed point at u = 0, whether it is real, and its eigenvalues."""
        return switching.fixed_points(self.fitted, self._no_input)

    def expected(self, states: Any) -> np.ndarray:
        """E y given latent states."""
        return switching.expected_observations(self.fitted, states)

    def by_mode(self, x: Any) -> tuple[np.ndarray, np.ndarray | None]:
        """The next latent states under each mode at u = 0, and the mode that a recurrent-only gate picks."""
        return switching.next_by_mode(self.fitted, x, self._no_input)

    def iteration(self) -> Callable[[], None]:
        """One further iteration of EM on the trials that it was fitted to, which changes nothing."""
        return iteration(self.fitted, self.recording.observations, self.recording.inputs)

    def fit_series(self) -> dict[str, list[float]]:
        """The objective per iteration."""
        return {"objective": self.fitted.objective.tolist()}
