"""What `lds`, `slds` and `rslds` share: a switching system fitted to a network's states, or to data.

The states are known, so the fit is an autoregressive HMM on their principal components: no posterior over
states is needed, and EM is exact.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jslds_bench.analysis.spikes import rate_bits_per_spike
from jslds_bench.dynamics.rollout import free_run_error, trajectories
from jslds_bench.errors import UsageError
from jslds_bench.models._shared.recorded_system import RecordedSystem
from jslds_bench.models._shared.spiking_system import TOLERANCE, SpikingSystem
from jslds_bench.switching import model as switching
from jslds_bench.switching.initialise import RANK, pca
from jslds_bench.switching.parameters import TransitionKind
from jslds_bench.switching.rollout import ChainMoments, advance, advance_chain, reveal
from jslds_bench.switching.selection import Curve, select_modes
from jslds_bench.switching.transitions import gate_logits
from jslds_bench.types.core import Carry, LocalLinear, Network, Progress, Trials, silent
from jslds_bench.types.modes import ModePoints
from jslds_bench.types.networks import Task
from jslds_bench.types.recordings import ObservedTask, Recording
from jslds_bench.types.spikes import SpikeTask, SpikeTrials

_KNOWN = 1e-3
"""Nats per step, of some 20 dimensions: what two EM iterations running gain when a fit to states has ended.

Ten times less leaves held-out errors as they are, in up to three times the iterations (within 1 % where they
are below 1, on the four fits of `synthetic` that were tried).
"""
_SPIKE_MODES, _CHOICE_TRIALS = 4, 400


class Memory(NamedTuple):
    """What a chain remembers: the belief about the last mode before its outcome, and what led there."""

    moments: ChainMoments  # of what was predicted for t
    started: jax.Array
    before: jax.Array  # x_{t−1}, [D]
    u: jax.Array  # u_t, [U]
    predicted: jax.Array  # the state that was predicted for t, [N]


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["params", "mean", "loadings"],
    meta_fields=[],
    drop_fields=["fitted", "curve"],
)
@dataclasses.dataclass(frozen=True)
class SwitchingSystem:
    """ĥ_t = h̄ + W x_t with x_t = A_k x_{t−1} + V_k u_t + b_k, x_{t−1} = Wᵀ(h_{t−1} − h̄), k the likeliest.

    W holds the leading principal components of the states. A recurrent-only gate picks k from x_{t−1} and
    u_t. A chain keeps a belief and predicts E x_t: shown a state of the network it learns from it which mode
    it was in; fed its own prediction it learns nothing, and goes on from the moments that made it.
    """

    params: Any  # of `switching.parameters.Params`
    mean: jax.Array  # [N]
    loadings: jax.Array  # [N, D]
    fitted: switching.Fit | None = None
    curve: Curve | None = None

    @property
    def _chain(self) -> bool:
        return self.params.gate.log_p.shape[0] > 1

    @property
    def _fit(self) -> switching.Fit:
        assert self.fitted is not None
        return self.fitted

    def _down(self, h: Any) -> Any:
        return (h - self.mean) @ self.loadings

    def _up(self, x: Any) -> Any:
        return self.mean + x @ self.loadings.T

    def init(self, h0: Any, u_star: Any) -> Carry:
        if not self._chain:
            return ()
        x = self._down(h0)
        now = ChainMoments.at(jax.nn.softmax(self.params.initial.log_pi), x)
        return Memory(now, jnp.array(False), x, jnp.zeros_like(u_star), h0)

    def step(self, carry: Carry, h: Any, u: Any, u_star: Any) -> tuple[Carry, Any]:
        x = self._down(h)
        if not self._chain:
            mode = jnp.argmax(gate_logits(self.params.gate, x, u)[0])
            return carry, self._up(advance(self.params.linear, mode, x, u))
        now = advance_chain(self.params, self._updated(carry, h, x), u)
        ahead = self._up(jnp.sum(now.means, axis=0))
        return Memory(now, jnp.array(True), x, u, ahead), ahead

    def _updated(self, memory: Memory, h: Any, x: Any) -> ChainMoments:
        """The moments of the last state, now that it, or only the prediction of it, is there."""
        now = memory.moments
        seen = reveal(self.params, now.belief, memory.before, memory.u, x)
        own = memory.started & jnp.all(h == memory.predicted)
        shown = ChainMoments.at(jnp.where(memory.started, seen, now.belief), x)
        return jax.tree.map(lambda kept, new: jnp.where(own, kept, new), now, shown)

    def local(self, h: Any, u: Any, u_star: Any) -> LocalLinear | None:
        """The mode in force, expanded about its fixed point under u*; None where the gate needs the past."""
        if self._chain:
            return None
        (a, v, b, _), gate = self.params.linear, self.params.gate
        mode = jnp.argmax(gate_logits(gate, self._down(h), u)[0])
        # a ridge of rounding size: a mode with an eigenvalue of 1 has no point, but still a local system
        gap = jnp.eye(a.shape[1]) - a[mode]
        rhs = v[mode] @ u_star + b[mode]
        point = jnp.linalg.solve(gap.T @ gap + 1e-6 * jnp.eye(len(gap)), gap.T @ rhs)
        e = self._up(point)
        back = self._down(e)
        c = self._up(a[mode] @ back + rhs)
        w = self.loadings
        return LocalLinear(e, u_star, w @ a[mode] @ w.T, w @ v[mode], c)

    def n_numbers(self) -> int:
        """Those of all modes, of the gate, and of the components."""
        (a, v, b, _), gate = self.params.linear, self.params.gate
        return sum(x.size for x in (a, v, b, *gate, self.mean, self.loadings))

    def fixed_points(self, u_star: Any) -> jax.Array | None:
        """The real ones: those of modes that the gate picks at their own point; None where there is none."""
        found = self.mode_points(u_star)
        return jnp.asarray(found.points[found.real], jnp.float32) if found.real.any() else None

    # Beyond a linearisation: what the figures and the oracle ask (`types.Switching`), in float64

    def _latent(self, h: Any) -> np.ndarray:
        return (np.asarray(h, np.float64) - np.asarray(self.mean)) @ np.asarray(self.loadings)

    def _states(self, x: Any) -> np.ndarray:
        return np.asarray(self.mean) + np.asarray(x) @ np.asarray(self.loadings).T

    @property
    def n_modes(self) -> int:
        """K."""
        return self._fit.spec.n_modes

    def project(self, h: Any) -> np.ndarray:
        """The nearest states that the model can represent."""
        return self._states(self._latent(h))

    def mode_points(self, u_star: Any) -> ModePoints:
        """Each mode's fixed point under `u_star`, real or virtual."""
        found = switching.fixed_points(self._fit, u_star)
        return found._replace(points=self._states(found.points))

    def smoothed_modes(self, states: Any, inputs: Any) -> np.ndarray:
        """The likeliest mode at each step given all of the network's own states."""
        found = switching.infer(self._fit, self._latent(states), _from_zero(inputs))
        return found.modes[:, 1:].argmax(axis=-1)

    def free_modes(self, h0: Any, inputs: Any) -> np.ndarray:
        """p(z_t) along the free run: of a gate that reads the state, 1 for the mode that it picks."""
        return switching.course_of_modes(self._fit, self._starts(h0, inputs), inputs)

    def follow(self, h0: Any, inputs: Any, modes: Any) -> np.ndarray:
        """The free run that takes the given modes."""
        return self._states(switching.follow(self._fit, self._starts(h0, inputs), inputs, modes))

    def _starts(self, h0: Any, inputs: Any) -> np.ndarray:
        return np.tile(self._latent(h0), (len(inputs), 1))

    def by_mode(self, h: Any, u: Any) -> tuple[np.ndarray, np.ndarray | None]:
        """The next states under each mode, and the mode that a recurrent-only gate picks."""
        ahead, chosen = switching.next_by_mode(self._fit, self._latent(h), u)
        return self._states(ahead), chosen

    def fit_series(self) -> dict[str, list[float]]:
        out = {"objective": self._fit.objective.tolist()}
        if self.curve is not None:
            out |= self.curve.series()
        return out


def _from_zero(inputs: Any) -> np.ndarray:
    """Inputs with a row for t = 0, which drives nothing."""
    inputs = np.asarray(inputs, np.float64)
    return np.concatenate([np.zeros_like(inputs[:, :1]), inputs], axis=1)


class SwitchingModel:
    """What the entries are besides their parameters; each is a frozen dataclass with these fields.

    A subclass's docstring ends in what it has `explained`, of parameters that others have too.

    Raises:
        UsageError: numbers of modes, dimensions, restarts or iterations that mean nothing.
    """

    transitions: ClassVar[TransitionKind]
    n_modes: Sequence[int]
    ridge: Sequence[float]
    n_latent: int
    restarts: int
    max_iterations: int

    def __init_subclass__(cls, explained: str) -> None:
        cls.__doc__ = f"{cls.__doc__}{explained}"

    def __post_init__(self) -> None:
        whole = all(isinstance(k, int) and k >= 1 for k in self.n_modes)
        if not self.n_modes or not whole or self.n_latent < 1:
            raise UsageError(
                "n_modes must be whole numbers of at least 1 and n_latent at least 1, "
                f"got {list(self.n_modes)} and {self.n_latent}"
            )
        if not self.ridge or not all(x >= 0 for x in self.ridge):
            raise UsageError(f"ridge must be numbers of at least 0, got {list(self.ridge)}")
        self._settings()

    def _settings(self, **more: Any) -> switching.FitSettings:
        return switching.FitSettings(self.restarts, self.max_iterations, **more)

    def fit(
        self, task: Task, network: Network, trials: Trials, key: jax.Array, progress: Progress = silent
    ) -> SwitchingSystem:
        """A switching system on the principal components of the network's states h_0 … h_T, and its inputs.

        K and ridge are chosen on the last quarter of the trials (`selection.select_modes`), by the free run
        from h_0 that the model is scored by; the fit to all trials has to follow them as well as that to the
        others.
        """
        states = trajectories(network, trials.inputs).astype(np.float64)
        rows = states.reshape(-1, network.n_state)
        variances = pca(rows, 1).variances
        # Components that hold rounding errors alone would be regressed on with coefficients of any size.
        rank = int(np.sum(variances > RANK * variances.max()))
        basis = pca(rows, min(self.n_latent, max(rank, 1)))
        x, u = (states - basis.mean) @ basis.loadings, _from_zero(trials.inputs)
        spec = switching.Spec(self.n_modes[0], transitions=self.transitions, ridge=self.ridge[0])
        how: Any = {"key": key, "settings": self._settings(tolerance=_KNOWN), "progress": progress}

        def described(fitted: switching.Fit, curve: Curve | None = None) -> SwitchingSystem:
            params, mean, loadings = jax.tree.map(
                lambda a: jnp.asarray(np.asarray(a, np.float32)),
                (fitted.params, basis.mean, basis.loadings),
            )
            return SwitchingSystem(params, mean, loadings, fitted, curve)

        if len(self.n_modes) == len(self.ridge) == 1:
            return described(switching.fit(spec, x, u, **how))
        n_held_out = len(x) // 4
        seen, unseen = slice(None, -n_held_out), slice(-n_held_out, None)

        def error(fitted: switching.Fit, of: slice = unseen) -> float:
            return free_run_error(described(fitted), network, trials.part(of), states[of])

        how |= {"ridges": self.ridge, "error_of_whole": partial(error, of=slice(None))}
        return described(*select_modes(spec, self.n_modes, (x[seen], u[seen]), (x, u), error, **how))

    def fit_recording(
        self, task: ObservedTask, recording: Recording, key: jax.Array, progress: Progress = silent
    ) -> RecordedSystem:
        """A switching system behind emissions, of the D and (unless ours is 1) the K of the task's set-up.

        Nothing is chosen: of several ridges it has the first.
        """
        spec = switching.Spec(
            1 if self.n_modes == (1,) else task.setup.n_modes,
            None if recording.emissions == "identity" else task.setup.n_latent,
            self.transitions,
            recording.emissions,
            ridge=self.ridge[0],
        )
        data = recording.observations, recording.inputs
        fitted = switching.fit(spec, *data, key=key, settings=self._settings(), progress=progress)
        return RecordedSystem(fitted, recording)

    def fit_spikes(
        self, task: SpikeTask, trials: SpikeTrials, key: jax.Array, progress: Progress = silent
    ) -> SpikingSystem:
        """A switching system behind Poisson emissions of all units, without inputs, of the task's D.

        K is the one of `n_modes`, of those that are at most 4 if there are any, by which held-out units of
        unseen trials are told best from the others, with the ridge that does so; of many trials 400 are drawn
        for that choice. The fit is to all of them.
        """
        few = [k for k in self.n_modes if k <= _SPIKE_MODES] or [min(self.n_modes)]
        draw, start = jax.random.split(key)
        spec = switching.Spec(few[0], task.n_latent, self.transitions, "poisson", ridge=self.ridge[0])
        how: Any = {"key": start, "settings": self._settings(tolerance=TOLERANCE), "progress": progress}
        if len(few) == len(self.ridge) == 1:
            return SpikingSystem.of(switching.fit(spec, trials.counts, **how), trials)
        order = np.asarray(jax.random.permutation(draw, len(trials.counts)))[:_CHOICE_TRIALS]
        unseen, seen = np.split(trials.counts[order], [len(order) // 4])
        inside = ~np.asarray(trials.held_out_units)

        def error(fitted: switching.Fit) -> float:
            told = SpikingSystem.of(fitted, trials).infer(unseen[..., inside], None, start).rates
            return -float(rate_bits_per_spike(unseen[..., ~inside], told[..., ~inside]))

        how |= {"ridges": self.ridge, "within": 1}
        chosen = select_modes(spec, few, (seen, None), (trials.counts, None), error, **how)
        return SpikingSystem.of(chosen[0], trials, chosen[1])
