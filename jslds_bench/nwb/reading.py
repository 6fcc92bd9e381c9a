"""NWB file → `Session`: the one place that knows pynwb; all that comes after are arrays."""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from jslds_bench.errors import UsageError, printable, said
from jslds_bench.files import DAMAGE

NANOSECONDS = 1_000_000_000
"""Per second. Times are whole nanoseconds: whether a spike lies on an edge is not up to rounding."""
LATEST = 9e9
"""Seconds that whole nanoseconds can count to."""
LARGEST = 2**33
"""Bytes of one array of a file: the largest of MC_Maze's have 10⁸."""
INSTALL = 'reading NWB files needs pynwb: pip install "jslds-bench[neural]"'


@dataclasses.dataclass(frozen=True)
class Session:
    """What this benchmark uses of an NWB file; M is a number that differs from array to array.

    Attributes:
        path: where it was read.
        trials: the columns of the trials table that hold one value per trial, by name, [B].
        spikes: the spike times of each unit, in order, ns, [M].
        units: what the file calls its units, [N].
        held_out: the units that it marks as held out, [N].
        observed: when each unit was recorded: starts and ends, ns, [M, 2]; None: the file does not say.
        velocity_times: of the samples of the hand's velocity, ns, [M]; or None.
        velocity: of the hand, mm/s, [M, 2]; or None.
    """

    path: str
    trials: Mapping[str, np.ndarray]
    spikes: tuple[Int[Any, " M"], ...]
    units: Int[Any, " N"]
    held_out: Bool[Any, " N"]
    observed: tuple[Int[Any, "M 2"], ...] | None = None
    velocity_times: Int[Any, " M"] | None = None
    velocity: Float[Any, "M 2"] | None = None


def ticks(seconds: Any) -> Any:
    """Times of at most `LATEST` in whole nanoseconds."""
    return np.rint(np.multiply(seconds, NANOSECONDS, dtype=np.float64)).astype(np.int64)


def read_session(path: str) -> Session:
    """The trials, units and hand velocity of the NWB file at `path`.

    Raises:
        UsageError: pynwb is not installed, there is no such file, it is no NWB file or a damaged one, or it
            lacks what this benchmark needs.
    """
    if not os.path.isfile(path):
        what = "is a folder: name one .nwb file in it" if os.path.isdir(path) else "is no file"
        raise UsageError(f"{path} {what}")
    with warnings.catch_warnings():
        # Of what later versions of the format call deprecated: nothing that a reader could act upon.
        warnings.simplefilter("ignore")
        return _read(path)


def _read(path: str) -> Session:
    try:
        from hdmf.build import BuildError, ConstructError
        from pynwb import NWBHDF5IO
    except ImportError:
        raise UsageError(f"{path}: {INSTALL}") from None
    try:
        if not NWBHDF5IO.can_read(path):
            raise UsageError(f"{path} is no NWB file: expected HDF5 with an nwb_version of 2 or more")
        _refuse_other_files(path)
        with NWBHDF5IO(path, "r") as io:
            return _session(path, io.read())
    except UsageError:
        raise
    # SystemError: h5py hides an error in another where a name is no text.
    except (*DAMAGE, SystemError, AssertionError, BuildError, ConstructError) as error:
        raise UsageError(f"{path} cannot be read as NWB, it may be damaged: {said(error)[:200]}") from error


def _refuse_other_files(path: str) -> None:
    """Raises UsageError where arrays are kept in other files, which could be any, or are too large."""
    import h5py

    def look(name: str, found: Any) -> str | None:
        if not isinstance(found, h5py.Dataset):
            return None
        if found.is_virtual or found.id.get_create_plist().get_external_count():
            return f"{name} is kept in another file, which is not read"
        if found.size is not None and found.size * found.dtype.itemsize > LARGEST:
            return f"{name} is {list(found.shape)} of {found.dtype}, more than {LARGEST:,} bytes"
        return None

    def follow(name: str, link: Any) -> str | None:
        elsewhere = isinstance(link, h5py.ExternalLink)
        return f"{name} is a link to another file, which is not followed" if elsewhere else None

    with h5py.File(path, "r") as file:  # a visit ends with what is returned first
        why = file.visititems_links(follow) or file.visititems(look)
    if why is not None:
        raise UsageError(f"{path}: {printable(why)}")


def _session(path: str, file: Any) -> Session:
    for table in ("trials", "units"):
        if getattr(file, table) is None or not len(getattr(file, table)):
            raise UsageError(f"{path} holds no {table}: name a file with spike-sorted units and trials")
    units = file.units
    for name in ("start_time", "stop_time"):
        times = _plain(file.trials[name])
        if times.dtype.kind not in "fiu" or not (np.abs(times) <= LATEST).all():
            raise UsageError(
                f"{path}: {name} of its trials hold a time that is not a finite number of seconds"
            )
    if "spike_times" not in units.colnames:
        raise UsageError(
            f"{path}: its units have no column 'spike_times' (they have: {', '.join(units.colnames)})"
        )
    spikes = _ragged(path, units, "spike_times")
    if any(unit.ndim != 1 for unit in spikes):
        raise UsageError(f"{path}: spike_times of its units are no row of times")
    times, velocity = _hand_velocity(path, file)
    return Session(
        path,
        _columns(file.trials),
        tuple(np.sort(unit) for unit in spikes),
        np.asarray(units.id[:]),
        _plain(units["heldout"]).astype(bool) if "heldout" in units.colnames else np.zeros(len(units), bool),
        _observed(path, units),
        times,
        velocity,
    )


def _plain(column: Any) -> np.ndarray:
    return np.asarray(column.data[:])


def _columns(table: Any) -> dict[str, np.ndarray]:
    """The columns with one number or text in each row."""
    columns = {}
    for name in table.colnames:
        if hasattr(table[name], "target"):  # several values in a row
            continue
        values = _plain(table[name])
        if values.ndim == 1:
            columns[name] = values.astype(str) if values.dtype == object else values
    return columns


def _ragged(path: str, units: Any, name: str) -> tuple[np.ndarray, ...]:
    """The times of each unit in a column that has several in a row, ns."""
    index = units[name]
    if not hasattr(index, "target"):
        raise UsageError(
            f"{path}: column {name!r} of its units has one value a row, expected a list of times"
        )
    stored = np.asarray(index.data[:])  # small unsigned integers, which may not be subtracted
    times = _ticks(path, index.target.data[:], f"{name} of its units")
    ends = stored.astype(np.int64) if stored.dtype.kind in "iu" and stored.ndim == 1 else np.array([-1])
    if len(ends) != len(units) or (np.diff(ends, prepend=0) < 0).any() or ends[-1] != len(times):
        raise UsageError(
            f"{path}: {name}_index of its units must count up to the {len(times)} values of {name} in "
            f"{len(units)} whole steps, one a unit; it is "
            f"{printable(np.array2string(stored, threshold=6))}"
        )
    return tuple(np.split(times, ends[:-1]))


def _observed(path: str, units: Any) -> tuple[np.ndarray, ...] | None:
    if "obs_intervals" not in units.colnames:
        return None
    intervals = _ragged(path, units, "obs_intervals")
    if any(x.ndim != 2 or x.shape[1] != 2 for x in intervals):
        raise UsageError(f"{path}: obs_intervals of its units are no pairs of a start and an end")
    return intervals


def _hand_velocity(path: str, file: Any) -> tuple[Any, Any]:
    """Sample times, ns, and the velocity, mm/s; None where the file has none, as in the test splits."""
    behavior = file.processing.get("behavior")
    series = None if behavior is None else behavior.data_interfaces.get("hand_vel")
    if series is None:
        return None, None
    scale = 1000 if str(series.unit).startswith("m/s") else 1
    velocity = np.asarray(series.data[:], np.float64) * (series.conversion * scale)
    if series.timestamps is None:
        seconds = series.starting_time + np.arange(len(velocity)) / series.rate
    else:
        seconds = np.asarray(series.timestamps[:])
    times = _ticks(path, seconds, "the timestamps of hand_vel")
    if (
        velocity.ndim != 2
        or velocity.shape != (len(times), 2)
        or len(times) < 2
        or (np.diff(times) <= 0).any()
    ):
        raise UsageError(
            f"{path}: hand_vel is {list(velocity.shape)} at {len(times)} timestamps, "
            "expected [M, 2] at M ≥ 2 timestamps that grow"
        )
    return times, velocity


def _ticks(path: str, seconds: Any, what: str) -> np.ndarray:
    seconds = np.asarray(seconds)
    if not (np.abs(seconds) <= LATEST).all():
        raise UsageError(f"{path}: {what} hold a time that is not a finite number of seconds")
    return ticks(seconds)
