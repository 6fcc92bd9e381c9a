"""Synthetic spikes of a rotation whose frequency changes where the state crosses a threshold."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, PRNGKeyArray

from jslds_bench.entries.registry import TASKS
from jslds_bench.tasks._shared.synthetic_spikes import check_sizes, generator, held_out_units
from jslds_bench.types.spikes import Regimes, SpikeTrials

FREQUENCIES = np.array([2.5, 0.8])
"""Hz, of the regime above the threshold and of that below."""
FALL = 2.0
"""How much the third dimension falls in a second; it crosses 0 at z_0/FALL."""
FIRST_CROSSING, LAST_CROSSING = 0.25, 0.85
"""Seconds between which conditions cross on average."""
TRIAL_NOISE = 0.1
GAIN = 0.4
"""Standard deviation of a unit's weights on the latent dimensions."""
MEDIAN_HZ, SPREAD = 6.0, 0.6
"""Of the units' base rates, log-normal."""


@TASKS.register("spiking_regimes")
@dataclasses.dataclass(frozen=True)
class SpikingRegimes:
    """Poisson counts with log-rates C z_t + d, z rotating in one plane at one of two frequencies.

    (z¹, z²)_{t+1} = R(2π f dt) (z¹, z²)_t and z³_{t+1} = z³_t − 2 dt (s), with f = 2.5 Hz where z³_t > 0 and
    0.8 Hz elsewhere. z_0 is the condition's, on the unit circle and at a height, plus trial noise of sd 0.1:
    conditions cross the threshold after 0.25 … 0.85 s: no one affine map of z makes the trials, and the time
    since onset does not tell the regime. Bins of 40 ms. All is synthetic.

    Attributes:
        n_units: N.
        n_trials: to fit to, spread over the conditions.
        n_held_out: others of the same conditions, to score on.
        n_steps: bins T of 40 ms.
        n_conditions: of which each has a phase and a height of its own.
        held_out_units: the share of units that models do not see on trials that they are scored on.
    """

    n_units: int = 60
    n_trials: int = 1_000
    n_held_out: int = 200
    n_steps: int = 30
    n_conditions: int = 40
    held_out_units: float = 0.25

    name: ClassVar[str]
    origin: ClassVar[str] = "synthetic"
    caption: ClassVar[str] = "Synthetic spikes of a rotation that changes its frequency at a threshold."
    bin_seconds: ClassVar[float] = 0.04
    n_latent: ClassVar[int] = 3
    SMOKE: ClassVar[dict[str, Any]] = {
        "n_units": 12,
        "n_trials": 24,
        "n_held_out": 12,
        "n_steps": 30,
        "n_conditions": 6,
    }

    def __post_init__(self) -> None:
        check_sizes(
            self.name,
            n_trials=self.n_trials,
            n_held_out=self.n_held_out,
            n_conditions=self.n_conditions,
            n_units=self.n_units,
            n_steps=self.n_steps,
            share=self.held_out_units,
        )

    def spikes(self, key: PRNGKeyArray) -> tuple[SpikeTrials, SpikeTrials]:
        """Trials to fit to, and held-out trials of the same units and conditions."""
        rng = generator(key)
        units = self._units(rng)
        return self._drawn(units, rng, self.n_trials), self._drawn(units, rng, self.n_held_out)

    def further(self, key: PRNGKeyArray, trials_key: PRNGKeyArray, n_trials: int) -> SpikeTrials:
        """Other trials of the units and conditions of ``spikes(key)``, drawn from `trials_key`."""
        return self._drawn(self._units(generator(key)), generator(trials_key), n_trials)

    def _units(self, rng: np.random.Generator) -> _Units:
        loadings = GAIN * rng.normal(size=(3, self.n_units))
        base = np.log(MEDIAN_HZ * self.bin_seconds) + SPREAD * rng.normal(size=self.n_units)
        # Phases and heights are paired at random: neither tells the other.
        phase = 2 * np.pi * rng.permutation(self.n_conditions) / self.n_conditions
        height = FALL * np.linspace(FIRST_CROSSING, LAST_CROSSING, self.n_conditions)
        starts = np.stack([np.cos(phase), np.sin(phase), height], axis=1)
        held_out = held_out_units(rng, self.n_units, self.held_out_units)
        return _Units(loadings, base, starts, held_out)

    def _drawn(self, units: _Units, rng: np.random.Generator, n_trials: int) -> SpikeTrials:
        conditions = np.arange(n_trials) % self.n_conditions
        z = units.starts[conditions] + TRIAL_NOISE * rng.normal(size=(n_trials, 3))
        states, regimes = [], []
        for _ in range(self.n_steps):
            states.append(z)
            regimes.append((z[:, 2] <= 0).astype(int))
            turn = np.exp(2j * np.pi * FREQUENCIES[regimes[-1]] * self.bin_seconds)
            turned = (z[:, 0] + 1j * z[:, 1]) * turn
            z = np.stack([turned.real, turned.imag, z[:, 2] - FALL * self.bin_seconds], axis=1)
        rates = np.exp(np.stack(states, axis=1) @ units.loadings + units.base)
        return SpikeTrials(
            rng.poisson(rates).astype(np.float64),
            self.bin_seconds,
            units.held_out,
            conditions,
            rates,
            regimes=Regimes(FREQUENCIES, units.loadings[:2].T, np.stack(regimes, axis=1)),
        )


class _Units(NamedTuple):
    """What a key makes of the units and conditions: all but the trials."""

    loadings: Float[np.ndarray, "3 N"]
    base: Float[np.ndarray, " N"]
    starts: Float[np.ndarray, "C 3"]
    held_out: Bool[np.ndarray, " N"]
