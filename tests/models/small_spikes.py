"""Tiny spikes of rotations of which everything is known, the states included."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, ClassVar, NamedTuple

import jax
import numpy as np

from jslds_bench.contract.cases import SEED
from jslds_bench.evaluation import read_only
from jslds_bench.spike_types import Rotations, SpikeTrials

BIN_SECONDS = 0.02
FREQUENCIES = np.array([2.0, 1.0])  # Hz
N_BINS, N_UNITS, N_HELD_OUT, N_CONDITIONS = 30, 12, 4, 4


class System(NamedTuple):
    """log-rates h @ loadings + offset of h_t = system h_{t−1}, which rotates in planes."""

    system: Any  # [4, 4]
    loadings: Any  # [4, N]
    starts: Any  # of every condition, [C, 4]


@dataclasses.dataclass(frozen=True)
class SmallSpikes:
    """Poisson units whose log-rates are decaying rotations, in four conditions: a spiking task.

    Attributes:
        n_trials: to fit to, and half as many held out.
    """

    n_trials: int = 24

    name: ClassVar[str] = "small_spikes"
    SMOKE: ClassVar[dict[str, Any]] = {}
    n_latent: ClassVar[int] = 4

    def spikes(self, key: jax.Array) -> tuple[SpikeTrials, SpikeTrials]:
        rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
        system = _system(rng)
        return tuple(_trials(rng, system, n)[0] for n in (self.n_trials, self.n_trials // 2))  # type: ignore[return-value]


def _system(rng: np.random.Generator) -> System:
    a = np.zeros((4, 4))
    for p, angle in enumerate(2 * np.pi * FREQUENCIES * BIN_SECONDS):
        block = slice(2 * p, 2 * p + 2)
        a[block, block] = 0.97 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return System(a, 0.4 * rng.normal(size=(4, N_UNITS)), rng.normal(size=(N_CONDITIONS, 4)))


def _trials(rng: np.random.Generator, system: System, n: int) -> tuple[SpikeTrials, np.ndarray]:
    """`n` trials, and the states h_0 … h_T, [n, T+1, 4]."""
    conditions = rng.permutation(np.arange(n) % N_CONDITIONS)
    states = [system.starts[conditions] + 0.2 * rng.normal(size=(n, 4))]
    for _ in range(N_BINS):
        states.append(states[-1] @ system.system.T)
    path = np.stack(states, axis=1)
    rates = np.exp(path[:, 1:] @ system.loadings - 0.7)
    trials = SpikeTrials(
        counts=rng.poisson(rates).astype(float),
        bin_seconds=BIN_SECONDS,
        held_out_units=np.arange(N_UNITS) % (N_UNITS // N_HELD_OUT) == 0,
        conditions=conditions,
        rates=rates,
        velocity=rates[..., :2] - rates[..., 2:4],
        rotations=Rotations(FREQUENCIES, system.loadings.reshape(2, 2, N_UNITS).transpose(0, 2, 1)),
    )
    return trials, path


def frozen(trials: SpikeTrials) -> SpikeTrials:
    """The same trials, copied, in arrays that cannot be written to."""
    fields = {f.name: getattr(trials, f.name) for f in dataclasses.fields(trials)}
    return SpikeTrials(
        **{k: read_only(v) if isinstance(v, np.ndarray | Rotations) else v for k, v in fields.items()}
    )


class Truth(NamedTuple):
    """Trials to fit to, held-out trials, the states of the latter, and the system of both."""

    fit: SpikeTrials
    held_out: SpikeTrials
    states: Any
    system: System


@functools.cache
def truth() -> Truth:
    """A draw of `SmallSpikes` with its states."""
    rng = np.random.default_rng(SEED)
    system = _system(rng)
    fit, _ = _trials(rng, system, 24)
    held_out, states = _trials(rng, system, 12)
    return Truth(frozen(fit), frozen(held_out), states, system)
