"""What `lfads` and `lfads_jslds` share: fit, inference, and the generator as a network to be linearised."""

from __future__ import annotations

import abc
import dataclasses
from typing import Any, ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jslds_bench.dynamics.cells import get_cell
from jslds_bench.dynamics.compiled import compiled
from jslds_bench.dynamics.fixed_points import SearchSettings, locate
from jslds_bench.dynamics.rollout import free_run
from jslds_bench.errors import UsageError
from jslds_bench.lfads.fitting import FitSettings, fit, infer
from jslds_bench.lfads.objective import Weights, generate
from jslds_bench.lfads.parameters import Expansion, LFADSParameters, log_rate_readout
from jslds_bench.types.core import Linearization, Network, Progress, silent
from jslds_bench.types.spikes import Inferred, SpikeTask, SpikeTrials

N_SEARCH_TRIALS = 32
"""Fit trials whose generator states the search for fixed points starts from."""
SLOW_TOLERANCE = 1e-6
"""q = ½‖F − g‖² under which a point counts as fixed or slow: generator states are small."""


class Kind(NamedTuple):
    """Whether the generator is a co-trained pair, and what follows.

    Attributes:
        expansion: what E is before training; None: there is no E.
        branch: which generator makes the rates that are scored.
        weights: of the objective's terms.
    """

    expansion: Expansion | None
    branch: Literal["rnn", "jslds"]
    weights: Weights


class Generator(NamedTuple):
    """The generator as a network, and what a numerical search makes of it.

    Attributes:
        network: its readout gives log-rates; its h_0 is the prior's mean.
        points: fixed and slow points without input, [P, G].
        u_stars: the one input that there is, silence, [1, 1].
    """

    network: Network
    points: np.ndarray
    u_stars: jax.Array


@dataclasses.dataclass(frozen=True)
class FittedAutoencoder:
    """LFADS with its parameters frozen, and its generator linearised (`types.SpikeModel`)."""

    params: LFADSParameters
    generator: Generator
    linear: Linearization | None
    branch: Literal["rnn", "jslds"]
    n_samples: int
    history: dict[str, Any]

    def infer(self, held_in: Any, conditions: Any, key: jax.Array) -> Inferred:
        """Rates averaged over the posterior; the generator's states from its mean, and the linear run."""
        cell, steps = self.generator.network.cell, held_in.shape[1]
        found = infer(cell.name, self.params, held_in, key, self.n_samples)
        states = _with_start(found.g0, _states(cell, self.params, found.g0, steps))
        pair = self.params.phi is not None
        chosen = found.jslds_rates if self.branch == "jslds" else found.rates
        linear = points = None
        if self.linear is not None:
            run, points = (np.asarray(x) for x in _linear_run(self.linear, found.g0, steps))
            linear = _with_start(found.g0, run)
        return Inferred(
            _rates(chosen),
            _rates(found.jslds_rates) if pair else None,
            states,
            linear,
            points,
            states[:, 1:],
        )

    def systems(self, states: Any) -> np.ndarray | None:
        """∂F/∂g where the linearisation expands at each state; None: no fixed point was found."""
        if self.linear is None:
            return None
        return np.asarray(_jacobians(self.linear, np.asarray(states, np.float32)), np.float64)

    def loadings(self) -> np.ndarray:
        """Generator → log-rates."""
        return np.asarray(self.generator.network.readout.w, np.float64)

    def fixed_points(self) -> np.ndarray | None:
        """What the numerical search found."""
        return self.generator.points if len(self.generator.points) else None

    def fit_series(self) -> dict[str, list[float]]:
        """The loss and its terms over training, by "step"."""
        return {name: np.asarray(values, float).tolist() for name, values in self.history.items()}


@dataclasses.dataclass(frozen=True)
class SpikeAutoencoder(abc.ABC):
    """What the entries share, their parameters included.

    Raises:
        UsageError: sizes, steps or shares that mean nothing.
    """

    cell: str = FitSettings.cell
    n_encoder: int = FitSettings.n_encoder
    n_generator: int = FitSettings.n_generator
    n_factors: int = FitSettings.n_factors
    n_steps: int = FitSettings.n_steps
    batch: int = FitSettings.batch
    rate: float = FitSettings.rate
    dropout: float = FitSettings.dropout
    n_samples: int = 16

    name: ClassVar[str]
    SMOKE: ClassVar[dict[str, Any]] = {
        "n_encoder": 4,
        "n_generator": 5,
        "n_factors": 3,
        "n_steps": 3,
        "batch": 4,
        "n_samples": 2,
    }

    def __post_init__(self) -> None:
        if (cell := get_cell(self.cell)).frozen or cell.gains:
            raise UsageError(
                f"{self.name}: cell {self.cell!r} is not for its generator (try: gru, vanilla, leaky)"
            )
        whole = ("n_encoder", "n_generator", "n_factors", "n_steps", "batch", "n_samples")
        for field in whole:
            if getattr(self, field) < 1:
                raise UsageError(f"{self.name}: {field} is {getattr(self, field)}, expected at least 1")
        if not (0 <= self.dropout < 1 and self.rate > 0):
            raise UsageError(
                f"{self.name} needs 0 ≤ dropout < 1 and rate > 0, got {self.dropout} and {self.rate}"
            )

    @abc.abstractmethod
    def kind(self) -> Kind:
        """What sets this autoencoder apart from the other."""

    @abc.abstractmethod
    def linearise(self, generator: Generator) -> Linearization | None:
        """The linear systems that stand for the generator."""

    def fit_spikes(
        self, task: SpikeTask, trials: SpikeTrials, key: jax.Array, progress: Progress = silent
    ) -> FittedAutoencoder:
        """Trained on the fit trials; the search for fixed points comes after."""
        kind = self.kind()
        settings = FitSettings(**{f: getattr(self, f) for f in _SETTINGS}, weights=kind.weights)
        key_fit, key_search = jax.random.split(key)
        params, history = fit(trials, settings, kind.expansion, key_fit, progress)
        generator = self._searched(params, trials.held_in[:N_SEARCH_TRIALS], key_search)
        linear = self.linearise(generator)
        return FittedAutoencoder(params, generator, linear, kind.branch, self.n_samples, history)

    def _searched(self, params: LFADSParameters, held_in: Any, key: jax.Array) -> Generator:
        cell = get_cell(self.cell)
        kind = "standard" if params.phi is None else "cotrained"
        network = Network(
            cell, params.generator, params.prior_mean, log_rate_readout(params), params.phi, kind
        )
        g0 = infer(self.cell, params, held_in, key, 1).g0
        states = _states(cell, params, g0, held_in.shape[1]).reshape(-1, network.n_state)
        u_star = np.zeros(1, np.float32)
        found = locate(cell, params.generator, states, u_star, SearchSettings(slow_tolerance=SLOW_TOLERANCE))
        return Generator(network, np.asarray(found.points), jnp.asarray(u_star)[None])


_SETTINGS = ("cell", "n_encoder", "n_generator", "n_factors", "n_steps", "batch", "rate", "dropout")


def _rates(rates: Any) -> np.ndarray:
    return np.asarray(rates, np.float64)


def _with_start(g0: Any, later: Any) -> np.ndarray:
    return np.concatenate([np.asarray(g0)[:, None], np.asarray(later)], axis=1)


def _states(cell: Any, params: LFADSParameters, g0: Any, n_steps: int) -> np.ndarray:
    return np.asarray(_generate(cell, params._replace(phi=None), jnp.asarray(g0), n_steps).h)


_generate = jax.jit(generate, static_argnums=(0, 3))


def _linear_run(linear: Linearization, g0: Any, n_steps: int) -> Any:
    """The linearisation from each g_0 on its own, and the points that it expands about on its way."""
    return _LINEAR_RUN(linear, jnp.asarray(g0), n_steps)


def _run(linear: Linearization, g0: Any, n_steps: int) -> Any:
    silence = jnp.zeros(1)
    inputs = jnp.zeros((1, n_steps, 1))
    run = jax.vmap(lambda g: free_run(linear, g, inputs, inputs[:, 0])[0])(g0)
    before = jnp.concatenate([g0[:, None], run[:, :-1]], axis=1)
    at = jax.vmap(jax.vmap(lambda g: linear.local(g, silence, silence).e))  # type: ignore[union-attr]
    return run, at(before)


_LINEAR_RUN = compiled(_run, static=("n_steps",), quickly=False)


@compiled(quickly=False)
def _jacobians(linear: Any, states: Any) -> Any:
    silence = jnp.zeros(1)
    return jax.vmap(lambda g: linear.local(g, silence, silence).A)(states)
