"""Trials of equal length out of a `Session`: counts in bins, velocity, conditions. Pure, in nanoseconds."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jslds_bench.errors import UsageError
from jslds_bench.nwb.reading import LATEST, NANOSECONDS, Session, ticks

CONDITION = ("trial_type", "trial_version")
"""The columns whose distinct pairs are the conditions of the maze."""


class Window(NamedTuple):
    """Bins about an event, ns: bin i is [start + i·width, start + (i + 1)·width), `start` from the event."""

    start: int
    width: int
    n_bins: int


class Cut(NamedTuple):
    """Trials cut out of a session.

    Attributes:
        counts: spikes per bin, [B, T, N].
        velocity: of the hand, one lag after each bin's left edge, mm/s, [B, T, 2]; or None.
        conditions: a label for each distinct pair of trial_type and trial_version, [B]; or None.
        kept: which of the session's trials these are, [B].
        n_unaligned: trials left out since they lack the aligning event.
        n_outside: trials left out since their window leaves what was recorded.
    """

    counts: Float[Any, "B T N"]
    velocity: Float[Any, "B T 2"] | None
    conditions: Int[Any, " B"] | None
    kept: Int[Any, " B"]
    n_unaligned: int
    n_outside: int


def window(before: float, after: float, bin_seconds: float) -> Window:
    """The bins from `before` seconds ahead of an event to `after` seconds past it, right end exclusive.

    Raises:
        UsageError: no window, no width, or a width that does not divide the window.
    """
    possible = max(abs(before), abs(after), abs(bin_seconds)) < LATEST / 2
    length, width = (int(ticks(before) + ticks(after)), int(ticks(bin_seconds))) if possible else (0, 0)
    if length <= 0 or width <= 0:
        raise UsageError(
            f"no window from {before:g} s before to {after:g} s after in bins of {bin_seconds:g} s: "
            "expected before + after > 0 and bins wider than 0"
        )
    if length % width:
        n_bins = next((n for n in range(round(length / width), 1, -1) if length % n == 0), 1)
        raise UsageError(
            f"bins of {bin_seconds:g} s do not divide the window of {length / NANOSECONDS:g} s: "
            f"choose a width that does, such as {length / NANOSECONDS / n_bins:g}"
        )
    return Window(-int(ticks(before)), width, length // width)


def cut(session: Session, align: str, bins: Window, lag_seconds: float) -> Cut:
    """The trials of `session` about the times in column `align`; the velocity `lag_seconds` after each bin.

    A spike on a bin's left edge belongs to the bin; one on the window's right end to none. Trials without
    the event, and those whose window leaves the intervals in which all units (and, with the lag, the hand)
    were recorded, are left out and counted.

    Raises:
        UsageError: no such column, no trial left, or a velocity in a window that is not a number.
    """
    events = _events(session, align)
    aligned = np.flatnonzero(np.abs(events) < LATEST)  # not of those that are NaN
    n_unaligned, starts = len(events) - len(aligned), ticks(events[aligned]) + bins.start
    inside = _recorded(session, starts, starts + bins.width * bins.n_bins)
    kept, starts, hand = aligned[inside], starts[inside], None
    if session.velocity_times is not None:
        hand = _samples(session.velocity_times, starts, bins, lag_seconds)
        seen = (hand >= 0).all(axis=1)
        kept, starts, hand = kept[seen], starts[seen], hand[seen]
    n_outside = len(aligned) - len(kept)
    if not len(kept):
        raise UsageError(
            f"{session.path}: none of its {len(events)} trials can be used: {n_unaligned} have no {align}, "
            f"and {n_outside} have a window of {bins.width * bins.n_bins / NANOSECONDS:g} s that leaves "
            "what was recorded: shorten it, or align to another column"
        )
    counts = np.stack([bin_spikes(unit, starts, bins) for unit in session.spikes], axis=2)
    velocity = None if hand is None else _velocity(session, hand, kept)
    return Cut(counts, velocity, _conditions(session, kept), kept, n_unaligned, n_outside)


def bin_spikes(spikes: Int[Any, " M"], starts: Int[Any, " B"], bins: Window) -> Float[Any, "B T"]:
    """The counts of one unit, whose spikes are in order; windows that start at `starts` may overlap."""
    first = np.searchsorted(spikes, starts)
    n_each = np.searchsorted(spikes, starts + bins.width * bins.n_bins) - first
    trial = np.repeat(np.arange(len(starts)), n_each)
    spike = np.arange(n_each.sum()) + np.repeat(first - (np.cumsum(n_each) - n_each), n_each)
    place = trial * bins.n_bins + (spikes[spike] - starts[trial]) // bins.width
    counts = np.bincount(place, minlength=len(starts) * bins.n_bins)
    return counts.reshape(len(starts), bins.n_bins).astype(np.float64)


def _events(session: Session, align: str) -> np.ndarray:
    events = session.trials.get(align)
    if events is None or events.dtype.kind not in "fiu":
        what = "has no such column" if events is None else "holds text there"
        known = [n for n, v in session.trials.items() if v.dtype.kind in "fiu"]
        advice = ': set `align = "<one of them>"` under [[tasks]]' if known else ""
        raise UsageError(
            f"{session.path}: cannot align to {align!r}: its trials table {what} "
            f"(numbers: {', '.join(known) or 'none'}){advice}"
        )
    return events.astype(np.float64)


def _recorded(session: Session, starts: Int[Any, " B"], ends: Int[Any, " B"]) -> Bool[Any, " B"]:
    """Whether all units were recorded throughout each window (if not said: from first to last trial)."""
    if session.observed is None:
        span = [session.trials[name] for name in ("start_time", "stop_time")]
        distinct = [np.array([[ticks(np.nanmin(span[0])), ticks(np.nanmax(span[1]))]])]
    else:  # as a rule the same for all units
        distinct = list({x.tobytes(): x for x in session.observed}.values())
    return np.all([_covers(intervals, starts, ends) for intervals in distinct], axis=0)


def _covers(intervals: Int[Any, "M 2"], starts: Int[Any, " B"], ends: Int[Any, " B"]) -> Bool[Any, " B"]:
    """Whether each [start, end) lies within the union of `intervals`."""
    if not len(intervals):
        return np.zeros(len(starts), bool)
    ordered = intervals[np.argsort(intervals[:, 0])]
    reach = np.maximum.accumulate(ordered[:, 1])
    gap = ordered[1:, 0] > reach[:-1]
    begins, stops = ordered[np.append(True, gap), 0], reach[np.append(gap, True)]
    at = np.searchsorted(begins, starts, side="right") - 1
    return (at >= 0) & (ends <= stops[at])


def _samples(
    times: Int[Any, " M"], starts: Int[Any, " B"], bins: Window, lag_seconds: float
) -> Int[Any, "B T"]:
    """The sample nearest to each bin's left edge plus the lag; −1 where none is as near as a sampling period.

    Reference: Pei et al. (2021), Neural Latents Benchmark, whose behaviour is taken at the same times (there
    low-passed to the bins' rate before).
    """
    wanted = starts[:, None] + (bins.width * np.arange(bins.n_bins) + int(ticks(lag_seconds)))
    after = np.clip(np.searchsorted(times, wanted), 1, len(times) - 1)
    nearest = np.where(wanted - times[after - 1] <= times[after] - wanted, after - 1, after)
    return np.where(np.abs(times[nearest] - wanted) <= np.median(np.diff(times)), nearest, -1)


def _velocity(session: Session, samples: Int[Any, "B T"], kept: Int[Any, " B"]) -> Float[Any, "B T 2"]:
    assert session.velocity is not None
    velocity = session.velocity[samples]
    bad = ~np.isfinite(velocity).all(axis=(1, 2))
    if bad.any():
        raise UsageError(
            f"{session.path}: hand_vel is not a number in the window of {bad.sum()} of {len(kept)} trials, "
            f"first in row {kept[bad][0]} of the table: change the window (before, after) or lag_seconds"
        )
    return velocity


def _conditions(session: Session, kept: Int[Any, " B"]) -> Int[Any, " B"] | None:
    columns = [session.trials[name][kept] for name in CONDITION if name in session.trials]
    if not columns:
        return None
    codes = np.stack([np.unique(values, return_inverse=True)[1] for values in columns], axis=1)
    return np.unique(codes, axis=0, return_inverse=True)[1].reshape(-1)
