"""A file of the size of MC_Maze's full one: 2,296 reaches, 202 units, the hand at 1 kHz.

Planted by condition: three damped rotations, from 0.25 s before movement onset on.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from nwb_files import RATE, write_nwb

N_TRIALS, N_UNITS, N_CONDITIONS = 2296, 202, 108
FREQUENCIES, DECAY = np.array([2.0, 1.3, 0.6]), 2.0  # Hz, per second
AFTER = 900  # samples that a reach leaves its mark in


def write_full(path: Path) -> Path:
    """Writes it: some 9.3 million spikes, 290 MB."""
    rng = np.random.default_rng(0)
    start = 2 + np.cumsum(rng.uniform(3.2, 4.4, N_TRIALS))
    go = start + rng.uniform(0.9, 1.5, N_TRIALS)
    onset = go + rng.uniform(0.25, 0.45, N_TRIALS)
    conditions = rng.permutation(np.arange(N_TRIALS) % N_CONDITIONS)
    validated = rng.random(N_TRIALS) < 0.25
    trials = [
        {
            "start_time": float(start[i]),
            "stop_time": float(start[i] + 2.9),
            "target_on_time": float(go[i] - 0.7),
            "go_cue_time": float(go[i]),
            "move_onset_time": float(onset[i]),
            "split": "val" if validated[i] else "train",
            "trial_type": int(c % 36),
            "trial_version": int(c // 36),
            "maze_id": int(c // 36),
        }
        for i, c in enumerate(conditions)
    ]
    times = np.arange(int((start[-1] + 8) * RATE)) / RATE
    begun = rng.normal(size=(N_CONDITIONS, 3)) + 1j * rng.normal(size=(N_CONDITIONS, 3))
    since = np.arange(AFTER)[:, None] / RATE
    turning = np.exp((2j * np.pi * FREQUENCIES - DECAY) * since)
    speed = 400 * np.exp(-0.5 * ((since - 0.45) / 0.1) ** 2)  # mm/s
    latents, velocity = np.zeros((len(times), 6), np.float32), np.zeros((len(times), 2), np.float32)
    for first, c in zip(((onset - 0.25) * RATE).astype(int), conditions, strict=True):
        turned = begun[c] * turning
        latents[first : first + AFTER] += np.concatenate([turned.real, turned.imag], axis=1)
        velocity[first : first + AFTER] += speed * [begun[c, 0].real, begun[c, 0].imag]
    velocity[len(times) // 3 :][:700] = np.nan
    baseline = np.exp(rng.normal(np.log(4), 0.8, N_UNITS))  # spikes/s
    units = []
    for weights, rate in zip(0.45 * rng.normal(size=(N_UNITS, 6)), baseline, strict=True):
        rates = rate * np.exp(np.clip(latents @ weights.astype(np.float32), -3, 3))
        units.append(times[rng.random(len(times)) < rates / RATE])
    held_out = list(rng.random(N_UNITS) < 0.25)
    return write_nwb(path, trials=trials, units=units, held_out=held_out, hand=(times, velocity))
