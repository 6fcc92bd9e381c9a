"""Synthetic spikes of damped rotations that start from a point per condition: a stand-in for motor cortex."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, PRNGKeyArray

from jslds_bench.entries.registry import TASKS
from jslds_bench.errors import UsageError
from jslds_bench.tasks._shared.synthetic_spikes import check_sizes, generator, held_out_units
from jslds_bench.types.spikes import Rotations, SpikeTrials

START = -0.25
"""Seconds from movement onset to the first bin."""
N_DIRECTIONS, N_VERSIONS = 36, 3
FREQUENCIES = np.array([2.0, 1.3, 0.6])
"""Hz."""
DECAY = np.array([0.5, 0.4, 0.3])
"""Seconds."""
TRIAL_NOISE = 0.15
BUMP_AT, BUMP_WIDTH = -0.09, 0.06
GAIN = 0.35
"""Standard deviation of a unit's weights on the latent dimensions."""
MEDIAN_HZ, SPREAD = 2.3, 0.9
"""Of the units' base rates, log-normal."""


@TASKS.register("spiking_rotations")
@dataclasses.dataclass(frozen=True)
class SpikingRotations:
    """Poisson counts with log-rates C z_t + w b(t) + d, z rotating and decaying in three planes.

    z_t = exp(−t/τ) R(2πft) z_0 for (f, τ) = (2.0 Hz, 0.5 s), (1.3, 0.4), (0.6, 0.3); z_0 is the condition's
    (36 directions × 3 versions) plus trial noise of sd 0.15. b is a bump 90 ms before onset, the same in all
    conditions. Rates, bins of 10 ms and −250 … 450 ms are like the MC_Maze files', N and trials like the
    paper's. The hand's velocity is a linear read-out of z. All is synthetic.

    Attributes:
        n_units: N.
        n_trials: to fit to, spread over the conditions.
        n_held_out: others of the same conditions, to score on.
        n_steps: bins T of 10 ms.
        n_conditions: of the 108, spread evenly over them.
        held_out_units: the share of units that models do not see on trials that they are scored on.
    """

    n_units: int = 200
    n_trials: int = 1_728
    n_held_out: int = 432
    n_steps: int = 70
    n_conditions: int = N_DIRECTIONS * N_VERSIONS
    held_out_units: float = 0.25

    name: ClassVar[str]
    origin: ClassVar[str] = "synthetic"
    caption: ClassVar[str] = (
        "Synthetic spikes with planted rotations; the paper's own 2,296 trials need the DANDI file "
        "(suite maze)."
    )
    bin_seconds: ClassVar[float] = 0.01
    n_latent: ClassVar[int] = 8
    SMOKE: ClassVar[dict[str, Any]] = {
        "n_units": 12,
        "n_trials": 24,
        "n_held_out": 12,
        "n_steps": 20,
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
        most = N_DIRECTIONS * N_VERSIONS
        if self.n_conditions > most:
            raise UsageError(
                f"spiking_rotations has {most} conditions, got n_conditions = {self.n_conditions}"
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
        n_dims = 2 * len(FREQUENCIES)
        loadings = GAIN * rng.normal(size=(n_dims, self.n_units))
        bump = rng.normal(0.5, 0.3, self.n_units)
        base = np.log(MEDIAN_HZ * self.bin_seconds) + SPREAD * rng.normal(size=self.n_units)
        starts = _condition_starts(rng)[
            np.linspace(0, N_DIRECTIONS * N_VERSIONS, self.n_conditions, endpoint=False).astype(int)
        ]
        to_velocity = rng.normal(size=(n_dims, 2)) * 100.0
        held_out = held_out_units(rng, self.n_units, self.held_out_units)
        return _Units(loadings, bump, base, starts, to_velocity, held_out)

    def _drawn(self, units: _Units, rng: np.random.Generator, n_trials: int) -> SpikeTrials:
        loadings, n_dims = units.loadings, len(units.loadings)
        seconds = np.arange(self.n_steps) * self.bin_seconds
        shape = np.exp(-0.5 * ((seconds + START - BUMP_AT) / BUMP_WIDTH) ** 2)
        conditions = np.arange(n_trials) % self.n_conditions
        z0 = units.starts[conditions] + TRIAL_NOISE * rng.normal(size=(n_trials, n_dims))
        z = _rotated(z0, seconds)
        rates = np.exp(z @ loadings + shape[:, None] * units.bump + units.base)
        velocity = z @ units.to_velocity + rng.normal(0, 20.0, (*z.shape[:2], 2))
        counts = rng.poisson(rates).astype(np.float64)
        planes = np.stack([loadings[i : i + 2].T for i in range(0, n_dims, 2)])
        return SpikeTrials(
            counts,
            self.bin_seconds,
            units.held_out,
            conditions,
            rates,
            velocity,
            Rotations(FREQUENCIES, planes),
            START,
        )


class _Units(NamedTuple):
    """What a key makes of the units and conditions: all but the trials."""

    loadings: Float[np.ndarray, "D N"]
    bump: Float[np.ndarray, " N"]
    base: Float[np.ndarray, " N"]
    starts: Float[np.ndarray, "C D"]
    to_velocity: Float[np.ndarray, "D 2"]
    held_out: Bool[np.ndarray, " N"]


def _condition_starts(rng: np.random.Generator) -> Float[np.ndarray, "C D"]:
    """z_0 of each condition: on a ring in each plane, turned, sized and (by version) shifted at random."""
    angle = 2 * np.pi * np.arange(N_DIRECTIONS) / N_DIRECTIONS
    out = []
    for _ in range(N_VERSIONS):
        parts = []
        for _ in FREQUENCIES:
            turned = angle + rng.uniform(0, 2 * np.pi)
            ring = np.stack([np.cos(turned), np.sin(turned)], axis=1) * rng.uniform(0.8, 1.2)
            parts.append(ring + rng.normal(0, 0.4, 2))
        out.append(np.concatenate(parts, axis=1))
    return np.concatenate(out)


def _rotated(z0: Float[np.ndarray, "B D"], seconds: Float[np.ndarray, " T"]) -> Float[np.ndarray, "B T D"]:
    """exp(−t/τ) R(2πft) z_0 in each plane, as multiplication of complex numbers."""
    planes = z0[:, 0::2] + 1j * z0[:, 1::2]
    turning = np.exp(np.outer(seconds, 2j * np.pi * FREQUENCIES - 1 / DECAY))
    z = planes[:, None] * turning
    return np.stack([z.real, z.imag], axis=-1).reshape(*z.shape[:2], -1)
