"""What the entries and evaluations of the setting `networks` answer; letters of shapes as in `core`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from jslds_bench.errors import Diverged
from jslds_bench.types.core import (
    Evaluated,
    FixedPoints,
    Linearization,
    Network,
    Progress,
    Readout,
    Trials,
    silent,
)


class LossWeights(NamedTuple):
    """The λ of eq. 9 and the l2 coefficient. R_e and R_a are means over trials, steps and units."""

    rnn: float = 1.0
    jslds: float = 1.0
    e: float = 100.0
    a: float = 10.0
    l2: float = 0.0


class Setup(NamedTuple):
    """A task's reference set-up: cell, N and λ of the paper, and the lengths of the training recipes.

    `fast_steps` are for co-training, `fast_steps_alone` for a network by itself, whose steps cost less.
    `fast_steps_first` are of the second kind, and come before the `fast_steps` (`training.make_recipe`).
    `process_noise` is the standard deviation of what training (of `standard` and `cotrained`) adds to each
    unit after each step; the network that comes of it is run without.
    """

    cell: str
    n_state: int
    weights: LossWeights
    paper_steps: int
    fast_steps: int
    fast_steps_alone: int
    fast_steps_first: int = 0
    process_noise: float = 0.0


class Conditions(NamedTuple):
    """Trials of chosen strengths of evidence, to be averaged by condition; C conditions, S streams.

    Attributes:
        trials: of all conditions, [B], equally many of each.
        condition: each trial's, [B].
        evidence: what each stream brings per step on average, [C, S].
        u_star: the index of each condition's u* among the task's distinct ones, [C].
        streams: the input that is each stream's.
        relevant: which stream counts under each distinct u*, [K].
        names: of the streams.
    """

    trials: Trials
    condition: Int[Any, " B"]
    evidence: Float[Any, "C S"]
    u_star: Int[Any, " C"]
    streams: tuple[int, ...]
    relevant: tuple[int, ...]
    names: tuple[str, ...]


@runtime_checkable
class Conditioned(Protocol):
    """What a task may offer besides: trials in which the evidence is chosen and not drawn."""

    def conditions(self, key: PRNGKeyArray, n_trials: int) -> Conditions:
        """As many trials of each condition as `n_trials` allow, two at least; noise is drawn from `key`."""
        ...


@runtime_checkable
class Task(Protocol):
    """Makes trials. Entries are frozen dataclasses whose fields are the parameters.

    It may have, besides: ``SMOKE``, the parameters of the tiny version that checks use (its defaults where
    there is none); ``u_star_names``, what its u* are called in figures, in the order of `expansion_inputs`;
    and, where it reads a file, a method ``sources() -> dict``: what decides the trials besides parameters,
    seed and code, as JSON values (``{"sha256": …}`` of the file). Results are kept under its answer; after
    the task was used it is asked again, lest the file has changed meanwhile.
    """

    name: str

    @property
    def n_inputs(self) -> int: ...
    @property
    def n_outputs(self) -> int: ...
    @property
    def n_steps(self) -> int: ...
    @property
    def setup(self) -> Setup: ...

    def sample(self, key: PRNGKeyArray, n_trials: int) -> Trials:
        """`n_trials` fresh trials, drawn from `key`; jittable for static `n_trials`."""
        ...

    def expansion_inputs(self) -> Float[Array, "K U"]:
        """The distinct u* that trials of this task can have."""
        ...


@runtime_checkable
class HoldsOut(Protocol):
    """What a task of few different trials may offer besides: some of them are kept for scoring alone."""

    def sample_held_out(self, key: PRNGKeyArray, n_trials: int) -> Trials:
        """Trials like those of `sample`, which never gives any of these; jittable as it is.

        Models are scored on them. Neither what trains a network nor a fit can draw them. A task may have a
        property ``holds_out`` that is false where its parameters leave nothing to hold out.
        """
        ...


def holds_out(task: Any) -> bool:
    """Whether models are scored on trials of `task` that it keeps for that alone."""
    return isinstance(task, HoldsOut) and bool(getattr(task, "holds_out", True))


@runtime_checkable
class NetworkSource(Protocol):
    """Makes a network for a task: by training it or by reading it. Entries are frozen dataclasses."""

    name: str

    def build(self, task: Task, key: PRNGKeyArray, progress: Progress = silent) -> Network:
        """The network; all randomness derives from `key`."""
        ...

    def sources(self) -> dict[str, Any]:
        """What decides the result besides parameters, task, seed and code (a file's hash, say)."""
        ...


@runtime_checkable
class BatchSource(Protocol):
    """What a `NetworkSource` may offer besides: several networks of one task as one program."""

    def build_many(
        self, task: Task, keys: Sequence[PRNGKeyArray], progress: Progress = silent
    ) -> list[Network | Diverged]:
        """For each key what `build` makes of it, to float32 rounding and its growth over training.

        `Diverged` stands in place of a network for which `build` would raise it; others are not concerned.
        """
        ...


@runtime_checkable
class Model(Protocol):
    """A way to describe a network's dynamics locally linearly: the thing being benchmarked.

    It may have a method ``unsupported(task, network) -> str | None``, asked before anything is trained: why
    it cannot serve the pair of a task and a `NetworkSource`; and ``sources() -> dict``, where it reads a file
    (see `Task`). For other settings it has others than `fit`.
    """

    name: str

    def fit(
        self, task: Task, network: Network, trials: Trials, key: PRNGKeyArray, progress: Progress = silent
    ) -> Linearization:
        """Fit to a frozen network on the training `trials` (evaluation trials are never seen here)."""
        ...


@runtime_checkable
class Counted(Protocol):
    """What a linearisation may say besides: how many numbers its fit chose."""

    def n_numbers(self) -> int:
        """Coordinates of points, entries of matrices; not those of the network."""
        ...


class InForce(NamedTuple):
    """Which of a model's local systems are in force at S steps of its free run.

    Attributes:
        labels: the system at each step, by number, for each of `apart`, [S] each.
        state_kept: whether it is the same one a little way towards another visited state, [S].
        input_kept: whether it is the same one under another visited input, [S]; true where there is none.
        input_tried: whether there is another, [S].
        apart: how little systems that count as one may differ, in RMS radii; the first is the one to go by.
    """

    labels: tuple[Int[Any, " S"], ...]
    state_kept: Bool[Any, " S"]
    input_kept: Bool[Any, " S"]
    input_tried: Bool[Any, " S"]
    apart: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Evaluation(Evaluated):
    """One fitted model on the evaluation trials: what metrics read. Host arrays, read-only, S samples.

    Attributes:
        trials: the evaluation trials, the same for every model of a (task, seed).
        readout: the network's output map.
        states: the network's own states h_0 … h_T, [B, T+1, N].
        free_run: the model's states from h_0 on its own predictions, [B, T+1, N].
        one_step: the model's prediction of h_t from the true h_{t−1}, t = 1 … T, [B, T, N].
        u_stars: the task's distinct u*, [K, U].
        found: what the model takes for fixed points, per distinct u*; None: it has none.
        found_q: q = ½‖F − h‖² at those points, in float64.
        reference: the network's own fixed points per distinct u*: its truth, or else what a numerical search
            from many starts finds.
        jacobians: ∂F/∂h at sampled visited (h_{t−1}, u_t), [S, N, N].
        jacobians_at_local: ∂F/∂h at the same h_{t−1} and the input that the model expanded about there (its
            `LocalLinear.u_star`), or None.
        local: the model's A at the same samples, or None.
        local_e: the points e that the model expanded about there, [S, N], or None.
        sample_u_star: the index of each sample's u*, [S].
        projected: the nearest to `states` that a model of fewer dimensions can represent, or None.
        oracle_run: the free run along the modes inferred from `states`, [B, T+1, N]; None: it has no modes.
        late_run: the model's free run from the network's h_1, h_1 first, [B, T, N].
        in_force: its local systems on the free run; None: it has none, or the run is not finite.
        n_numbers: how many numbers the fit chose; None: the model does not say.
    """

    trials: Trials
    readout: Readout
    states: Float[Any, "B T1 N"]
    free_run: Float[Any, "B T1 N"]
    one_step: Float[Any, "B T N"]
    u_stars: Float[Any, "K U"]
    found: list[Any] | None
    found_q: list[Any] | None
    reference: list[FixedPoints]
    jacobians: Float[Any, "S N N"]
    jacobians_at_local: Float[Any, "S N N"] | None
    local: Float[Any, "S N N"] | None
    local_e: Float[Any, "S N"] | None
    sample_u_star: Int[Any, " S"]
    projected: Float[Any, "B T1 N"] | None = None
    oracle_run: Float[Any, "B T1 N"] | None = None
    late_run: Float[Any, "B T N"] | None = None
    in_force: InForce | None = None
    n_numbers: int | None = None

    @property
    def linear_run(self) -> Float[Any, "B T1 N"]:
        """The course of the linear systems that stands beside `states`."""
        return self.free_run


def reads(metric: Any, kind: type) -> bool:
    """Whether a metric is computed from this kind of `Evaluated`: `Evaluation` unless it says another."""
    return issubclass(kind, getattr(metric, "reads", Evaluation))
