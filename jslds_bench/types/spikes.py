"""The value types of spiking data and of what is fitted to it; float64 on the host.

Letters in shapes: B trials, T bins, N units, I held-in units, G dimensions of a model's state, S samples,
P planes, C conditions. Rates and counts are per bin.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple, Protocol, runtime_checkable

from jaxtyping import Bool, Float, Int, PRNGKeyArray

from jslds_bench.types.core import Evaluated, Progress, silent


class Rotations(NamedTuple):
    """Planted rotations of log-rates.

    Attributes:
        frequencies: Hz, [P].
        planes: two columns that span each plane in the space of log-rates, [P, N, 2].
    """

    frequencies: Float[Any, " P"]
    planes: Float[Any, "P N 2"]


class Regimes(NamedTuple):
    """A planted rotation in one plane of log-rates, whose frequency changes with the state; K regimes.

    Attributes:
        frequencies: Hz, of each regime, [K].
        plane: two columns that span the plane in the space of log-rates, [N, 2].
        at: the regime by which each bin leads to the next, [B, T].
    """

    frequencies: Float[Any, " K"]
    plane: Float[Any, "N 2"]
    at: Int[Any, "B T"]


@dataclasses.dataclass(frozen=True)
class SpikeTrials:
    """Binned spikes of simultaneously recorded units, with what is known besides.

    Models are not shown the true rates, rotations and regimes.

    Attributes:
        counts: spikes per bin, whole numbers, [B, T, N].
        bin_seconds: the width of a bin.
        held_out_units: the units that a model does not see on trials that it is scored on, [N].
        conditions: the label of each trial's condition, or None, [B].
        rates: the true rates, spikes per bin, [B, T, N]; or None.
        velocity: of the hand at the time that bin t drives (the lag is taken off), mm/s, [B, T, 2]; or None.
        rotations: planted rotations, or None.
        start: seconds from the aligning event to the first bin's left edge.
        regimes: a planted rotation of several frequencies, or None.
    """

    counts: Float[Any, "B T N"]
    bin_seconds: float
    held_out_units: Bool[Any, " N"]
    conditions: Int[Any, " B"] | None = None
    rates: Float[Any, "B T N"] | None = None
    velocity: Float[Any, "B T 2"] | None = None
    rotations: Rotations | None = None
    start: float = 0.0
    regimes: Regimes | None = None

    @property
    def held_in(self) -> Float[Any, "B T I"]:
        """The counts that a model may see."""
        return self.counts[..., ~self.held_out_units]


@runtime_checkable
class SpikeTask(Protocol):
    """Spiking data: models are fitted to it directly. Entries are as those of `Task`; so are ``SMOKE``
    and ``sources``.

    `n_latent` is the number of latent dimensions that linear models of it are given.
    """

    name: str
    n_latent: int

    def spikes(self, key: PRNGKeyArray) -> tuple[SpikeTrials, SpikeTrials]:
        """Trials to fit to (all units), and held-out trials of the same units."""
        ...


class Inferred(NamedTuple):
    """What a model makes of trials of which it sees the held-in units.

    Attributes:
        rates: of all units, spikes per bin, [B, T, N].
        jslds_rates: the same from the JSLDS branch of a model that has one, or None.
        states: h_0 … h_T of the model's generator, [B, T+1, G]; None: it has none.
        linear_states: the same of the linear(ised) system from the same h_0, on its own, or None.
        expansion_points: where that was expanded at each step, [B, T, G], or None.
        visited: the states at each bin at which `SpikeModel.systems` is asked: of a generator its own, of an
            inferred linear system the posterior means, which need be no path from one h_0; None: no states.
    """

    rates: Float[Any, "B T N"]
    jslds_rates: Float[Any, "B T N"] | None = None
    states: Float[Any, "B T1 G"] | None = None
    linear_states: Float[Any, "B T1 G"] | None = None
    expansion_points: Float[Any, "B T G"] | None = None
    visited: Float[Any, "B T G"] | None = None


@runtime_checkable
class SpikeModel(Protocol):
    """A model fitted to spikes."""

    def infer(
        self, held_in: Float[Any, "B T I"], conditions: Int[Any, " B"] | None, key: PRNGKeyArray
    ) -> Inferred:
        """Rates of all units from the counts of those held in; `conditions` are for the PSTH alone."""
        ...

    def systems(self, states: Float[Any, "S G"]) -> Float[Any, "S G G"] | None:
        """The linear system in force at each state, A[i, j] = ∂x'_i/∂x_j; None: it has none."""
        ...

    def loadings(self) -> Float[Any, "G N"] | None:
        """∂(log-rate)/∂(state): log-rates are state @ loadings + a constant; None: no states."""
        ...

    def fixed_points(self) -> Float[Any, "P G"] | None:
        """The fixed points that a search or the model's algebra finds, or None."""
        ...

    def fit_series(self) -> dict[str, list[float]]:
        """The objective (and its terms) over the fit, by name."""
        ...


@runtime_checkable
class FitsSpikes(Protocol):
    """A model entry that can be fitted to spikes."""

    def fit_spikes(
        self, task: SpikeTask, trials: SpikeTrials, key: PRNGKeyArray, progress: Progress = silent
    ) -> SpikeModel:
        """Fit to all units of `trials`; the units of ``trials.held_out_units`` are outputs only."""
        ...


@dataclasses.dataclass(frozen=True)
class SpikeEvaluation(Evaluated):
    """One model fitted to spikes: what its metrics read.

    Attributes:
        fit, held_out: trials that it was fitted to (some of them, drawn once), and others.
        inferred_fit, inferred: what it makes of both from the held-in units.
        systems: linear systems at samples of the states visited on held-out trials, [S, G, G], or None.
        sampled: trial and bin of each of these samples, [S, 2], or None.
        loadings: ∂(log-rate)/∂(state), [G, N], or None.
    """

    fit: SpikeTrials
    held_out: SpikeTrials
    inferred_fit: Inferred
    inferred: Inferred
    systems: Float[Any, "S G G"] | None
    loadings: Float[Any, "G N"] | None
    sampled: Int[Any, "S 2"] | None = None

    @property
    def states(self) -> Float[Any, "B T1 G"] | None:
        """Of the generator, on held-out trials."""
        return self.inferred.states

    @property
    def linear_run(self) -> Float[Any, "B T1 G"] | None:
        """The course of the linear systems that stands beside `states`."""
        return self.inferred.linear_states
