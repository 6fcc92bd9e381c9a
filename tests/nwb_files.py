"""Writes tiny NWB files with the columns of MC_Maze's: what the tests of real data run on."""

from __future__ import annotations

import datetime
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

N_TRIALS = 12
RATE = 1000  # samples of the hand's velocity per second

TRIALS = [
    {
        "start_time": 2.0 * i,
        "stop_time": 2.0 * i + 1.7,
        "move_onset_time": 2.0 * i + 0.5,
        "split": "val" if i % 4 == 3 else "train",
        "trial_type": i % 3,
        "trial_version": 0,
        "maze_id": 7,
    }
    for i in range(N_TRIALS)
]
UNITS = [np.sort(np.random.default_rng(n).uniform(0, 2.0 * N_TRIALS, 400)).round(6) for n in range(8)]
HAND_TIMES = np.arange(0, 2 * N_TRIALS, 1 / RATE)


def hand_velocity(times: Any) -> np.ndarray:
    """mm/s: straight lines, so that a sample says when it was taken."""
    return np.stack([times, -2 * np.asarray(times)], axis=-1)


def write_nwb(
    path: Path,
    *,
    trials: Sequence[Mapping[str, Any]] | None = TRIALS,
    units: Sequence[Any] | None = UNITS,
    held_out: Sequence[bool] | None = None,
    observed: Any = "trials",
    hand: tuple[Any, Any] | None = (HAND_TIMES, hand_velocity(HAND_TIMES)),
    hand_unit: Mapping[str, Any] | None = None,
    edit: Callable[[Any], None] | None = None,
) -> Path:
    """Writes a file; None leaves a table or column out.

    Args:
        observed: obs_intervals of each unit; "trials": all of them, for each unit.
        hand: timestamps and velocity.
        hand_unit: of the velocity, and its conversion.
        edit: what else is to be done to the pynwb.NWBFile.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pynwb's own, of its dependencies
        import pynwb

        start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
        file = pynwb.NWBFile("a tiny session", "tiny", start)
        if trials is not None:
            for name in trials[0].keys() - {"start_time", "stop_time"}:
                file.add_trial_column(name, name)
            for trial in trials:
                file.add_trial(**trial)
        if units is not None:
            if held_out is not None:
                file.add_unit_column("heldout", "not in the test split")
            intervals = [(t["start_time"], t["stop_time"]) for t in trials or ()]
            for n, spikes in enumerate(units):
                more = {} if held_out is None else {"heldout": held_out[n]}
                if observed is not None:
                    more["obs_intervals"] = np.array(intervals if observed == "trials" else observed[n])
                file.add_unit(spike_times=np.asarray(spikes, float), id=1000 + n, **more)
        if hand is not None:
            times, velocity = (np.asarray(x, float) for x in hand)
            unit = hand_unit or {"unit": "mm/s"}
            series = pynwb.TimeSeries("hand_vel", data=velocity, timestamps=times, **unit)
            file.create_processing_module("behavior", "hand").add(series)
        if edit is not None:
            edit(file)
        with pynwb.NWBHDF5IO(path, "w") as io:
            io.write(file)
    return path
