"""The value types of recorded data and of what is fitted to it; float64 on the host.

Letters as in `types`, but N observed units, and D latent dimensions, K modes, M forecasts of H steps.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from jaxtyping import Complex, Float, Int, PRNGKeyArray

from jslds_bench.types.core import Evaluated, Progress, silent
from jslds_bench.types.modes import ModePoints


class RecordingSetup(NamedTuple):
    """What is fitted to a recording: the latent dimension D and the number of modes K."""

    n_latent: int
    n_modes: int


@dataclasses.dataclass(frozen=True)
class Recording:
    """Recorded trials, with what is known of their origin, which models are not shown. Host arrays, float64.

    Attributes:
        observations: y, [B, T, N].
        inputs: u, [B, T, U]; u_t drives the step into x_t, u_0 is not used.
        emissions: what y is given x: "identity", "gaussian" or "poisson" (counts).
        states: the true x, [B, T, D], or None.
        modes: the true modes, [B, T], or None.
        expected: the true E y given x (for counts: rates per bin), [B, T, N], or None.
        mode_points: each true mode's fixed point at u = 0 as E y, NaN where it has none, [K, N]; or None.
        mode_eigenvalues: each true mode's eigenvalues, [K, D], or None.
    """

    observations: Float[Any, "B T N"]
    inputs: Float[Any, "B T U"]
    emissions: Literal["identity", "gaussian", "poisson"]
    states: Float[Any, "B T D"] | None = None
    modes: Int[Any, "B T"] | None = None
    expected: Float[Any, "B T N"] | None = None
    mode_points: Float[Any, "K N"] | None = None
    mode_eigenvalues: Complex[Any, "K D"] | None = None


@runtime_checkable
class ObservedTask(Protocol):
    """Recorded data instead of a task that a network learns: models are fitted to it directly.

    Entries are frozen dataclasses; ``SMOKE`` and ``sources``
    as for `Task`.
    """

    name: str

    @property
    def setup(self) -> RecordingSetup: ...

    def record(self, key: PRNGKeyArray) -> tuple[Recording, Recording]:
        """Trials to fit to, and held-out trials of the same origin."""
        ...


class Explanation(NamedTuple):
    """What a fitted model makes of trials, its parameters frozen.

    Attributes:
        log_likelihood: of each trial, or a lower bound of it, nats, [B].
        states: posterior means of x, [B, T, D].
        modes: the likeliest path of modes, [B, T].
        expected: E y at those states, [B, T, N].
    """

    log_likelihood: Float[Any, " B"]
    states: Float[Any, "B T D"]
    modes: Int[Any, "B T"]
    expected: Float[Any, "B T N"]


@runtime_checkable
class RecordedModel(Protocol):
    """A model fitted to a recording."""

    def explain(self, recording: Recording) -> Explanation:
        """States, modes and likelihood of `recording`."""
        ...

    def forecast(
        self, states: Float[Any, "M D"], modes: Int[Any, " M"], inputs: Float[Any, "M H U"]
    ) -> Float[Any, "M H N"]:
        """E y of the next H steps, from given states and modes on the model's own predictions."""
        ...

    def mode_points(self) -> ModePoints:
        """Each mode's fixed point x* at u = 0, [K, D]."""
        ...

    def expected(self, states: Float[Any, "*batch D"]) -> Float[Any, "*batch N"]:
        """E y given states."""
        ...

    def by_mode(self, x: Float[Any, "G D"]) -> tuple[Float[Any, "K G D"], Int[Any, " G"] | None]:
        """The next state under each mode at u = 0, and the mode that the gate picks (None: not by x)."""
        ...

    def iteration(self) -> Callable[[], None]:
        """One further iteration of the fit, to be timed; it changes nothing."""
        ...

    def fit_series(self) -> dict[str, list[float]]:
        """The objective per iteration."""
        ...


@runtime_checkable
class FitsRecordings(Protocol):
    """A model entry that can be fitted to recorded data."""

    def fit_recording(
        self, task: ObservedTask, recording: Recording, key: PRNGKeyArray, progress: Progress = silent
    ) -> RecordedModel:
        """Fit to the trials of `recording`, with the D and K of the task's set-up."""
        ...


@dataclasses.dataclass(frozen=True)
class RecordedEvaluation(Evaluated):
    """One model fitted to a recording: what its metrics read.

    Attributes:
        recording, held_out: what it was fitted to, and what it was not.
        explained, explained_held_out: what it makes of them.
        order: the fitted mode for each true mode, −1 where there is none, [K]; None: no true modes.
        mode_points: each fitted mode's fixed point at u = 0 as E y, [K, N].
        mode_eigenvalues: of each fitted mode, [K, D].
        forecast, forecast_true: E y of held-out steps, predicted and true, [M, H, N].
    """

    recording: Recording
    held_out: Recording
    explained: Explanation
    explained_held_out: Explanation
    order: Int[Any, " K"] | None
    mode_points: Float[Any, "K N"]
    mode_eigenvalues: Complex[Any, "K D"]
    forecast: Float[Any, "M H N"]
    forecast_true: Float[Any, "M H N"]
