"""Binning, windows, lag and conditions against values made by hand and by brute force."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nwb_files import HAND_TIMES, TRIALS, UNITS, hand_velocity

from jslds_bench.errors import UsageError
from jslds_bench.nwb import Session, Window, cut, read_session, window
from jslds_bench.nwb.reading import ticks
from jslds_bench.nwb.windows import _covers, bin_spikes

ALIGN = "move_onset_time"
STANDARD = window(0.25, 0.45, 0.02)


def session(spikes, onsets, **more):
    """A session of one recorded stretch from 0 to 100 s."""
    n = len(onsets)
    trials = {"start_time": np.zeros(n), "stop_time": np.full(n, 100.0), ALIGN: np.array(onsets, float)}
    spikes = tuple(ticks(np.asarray(unit, float)) for unit in spikes)
    made = Session("x.nwb", trials, spikes, np.arange(len(spikes)), np.zeros(len(spikes), bool))
    return dataclasses.replace(made, **more)


def test_a_spike_on_a_left_edge_is_in_its_bin_and_one_on_the_right_end_in_none():
    # 0.8·3 + 0.25 − 0.25 is not 2.4 in floating point, nor is 2.4 + 0.3·2.
    onset = 0.8 * 3 + 0.25
    spikes = [2.3999999, 2.4, 2.42, 2.4199999, 2.6000000000000001, 3.0999999, 3.1]
    counts = cut(session([spikes], [onset]), ALIGN, STANDARD, 0.0).counts[0, :, 0]
    expected = np.zeros(35)
    expected[[0, 1, 10, 34]] = 2, 1, 1, 1
    np.testing.assert_array_equal(counts, expected)


def test_the_width_that_a_window_takes_does_not_change_how_many_spikes_it_holds():
    made = session([UNITS[0], UNITS[1]], [t[ALIGN] for t in TRIALS])
    totals = [
        cut(made, ALIGN, window(0.25, 0.45, width), 0.0).counts.sum(axis=1)
        for width in (0.001, 0.005, 0.02, 0.7)
    ]
    for total in totals:
        np.testing.assert_array_equal(total, totals[0])


@given(
    st.lists(st.integers(-20, 120), max_size=30),
    st.lists(st.integers(0, 100), min_size=1, max_size=5),
    st.integers(-10, 10),
    st.integers(1, 7),
    st.integers(1, 8),
)
def test_counts_are_those_of_counting_one_by_one(spikes, events, start, width, n_bins):
    starts = np.array(events) + start
    counts = bin_spikes(np.array(sorted(spikes), int), starts, Window(start, width, n_bins))
    for b, first in enumerate(starts):
        for t in range(n_bins):
            left = first + t * width
            assert counts[b, t] == sum(left <= s < left + width for s in spikes)


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 10)), max_size=8),
    st.integers(-2, 40),
    st.integers(1, 8),
)
def test_a_window_is_recorded_where_each_of_its_moments_is(intervals, start, length):
    pairs = np.array([(a, a + n) for a, n in intervals], int).reshape(-1, 2)
    covered = all(any(a <= t < b for a, b in pairs) for t in range(start, start + length))
    assert _covers(pairs, np.array([start]), np.array([start + length]))[0] == covered


def test_velocity_is_taken_one_lag_after_each_bin_s_left_edge():
    made = session([[1.0]], [2.0, 5.5], velocity_times=ticks(HAND_TIMES), velocity=hand_velocity(HAND_TIMES))
    velocity = cut(made, ALIGN, STANDARD, 0.12).velocity
    times = np.array([2.0, 5.5])[:, None] - 0.25 + 0.02 * np.arange(35) + 0.12
    np.testing.assert_allclose(velocity, hand_velocity(times), atol=1e-9)


def test_a_velocity_between_samples_is_the_nearest_sample():
    made = session([[1.0]], [2.0002], velocity_times=ticks(HAND_TIMES), velocity=hand_velocity(HAND_TIMES))
    velocity = cut(made, ALIGN, Window(0, int(ticks(0.02)), 1), 0.0).velocity
    np.testing.assert_allclose(velocity[0, 0], hand_velocity(2.0), atol=1e-9)


def test_trials_without_the_event_or_beyond_the_recording_are_left_out_and_counted():
    observed = (ticks([[0.0, 3.0], [3.0, 10.0], [20.0, 21.0]]), ticks([[0.0, 50.0]]))
    onsets = [np.nan, 0.1, 0.25, 3.1, 9.7, 20.3, np.nan]
    made = cut(session([[1.0], [1.0]], onsets, observed=observed), ALIGN, STANDARD, 0.0)
    np.testing.assert_array_equal(made.kept, [2, 3, 5])  # 3.1 spans two stretches that touch
    assert (made.n_unaligned, made.n_outside) == (2, 2)


def test_a_trial_whose_hand_was_not_recorded_one_lag_on_is_left_out():
    times = HAND_TIMES[(HAND_TIMES < 2.5) | (HAND_TIMES > 4)]
    hand = {"velocity_times": ticks(times), "velocity": hand_velocity(times)}
    made = cut(session([[1.0]], [1.9, 1.96, 5.0], **hand), ALIGN, STANDARD, 0.12)
    np.testing.assert_array_equal(made.kept, [0, 2])
    assert cut(session([[1.0]], [1.96], **hand), ALIGN, STANDARD, 0.07).n_outside == 0


def test_conditions_are_the_distinct_pairs_of_type_and_version():
    made = session([[1.0]], [1.0, 2.0, 3.0, 4.0])
    trials = made.trials | {"trial_type": np.array([5, 5, 9, 5]), "trial_version": np.array(list("babb"))}
    labels = cut(dataclasses.replace(made, trials=trials), ALIGN, STANDARD, 0.0).conditions
    np.testing.assert_array_equal(labels, [1, 0, 2, 1])
    assert cut(made, ALIGN, STANDARD, 0.0).conditions is None


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            (0.25, 0.45, 0.03),
            "bins of 0.03 s do not divide the window of 0.7 s: choose a width that does, such",
        ),
        ((0.25, 0.45, 0.9), "bins of 0.9 s do not divide the window of 0.7 s: .* such as 0.7"),
        ((0.25, 0.45, 0.0), "no window from 0.25 s before to 0.45 s after in bins of 0 s: expected"),
        ((0.25, -0.25, 0.02), "no window from 0.25 s before to -0.25 s after"),
    ],
)
def test_windows_that_cannot_be(arguments, expected):
    with pytest.raises(UsageError, match=expected):
        window(*arguments)


@pytest.mark.parametrize("width", [0.001, 0.005, 0.01, 0.02, 0.7])
def test_the_width_that_a_refusal_names_is_accepted(width):
    with pytest.raises(UsageError) as caught:
        window(0.25, 0.45, width * 1.1)
    assert window(0.25, 0.45, float(str(caught.value).rsplit(" ", 1)[1])).n_bins >= 1


def test_a_velocity_that_is_not_a_number_is_said_with_its_trial():
    velocity = hand_velocity(HAND_TIMES)
    velocity[2100] = np.nan
    made = session([[1.0]], [1.0, 2.0], velocity_times=ticks(HAND_TIMES), velocity=velocity)
    with pytest.raises(
        UsageError, match="hand_vel is not a number in the window of 1 of 2 trials, first in row 1"
    ):
        cut(made, ALIGN, window(0.25, 0.45, 0.001), 0.12)


@pytest.mark.parametrize(
    ("align", "expected"),
    [
        ("go_cue", "cannot align to 'go_cue': its trials table has no such column .numbers: start_time, "),
        ("split", "cannot align to 'split': its trials table holds text there"),
    ],
)
def test_columns_that_are_no_events(align, expected, tiny_nwb):
    with pytest.raises(UsageError, match=expected):
        cut(read_session(str(tiny_nwb)), align, STANDARD, 0.0)


def test_a_column_that_is_not_there_comes_with_what_to_write(tiny_nwb):
    with pytest.raises(UsageError, match=r'\): set `align = "<one of them>"` under \[\[tasks\]\]$'):
        cut(read_session(str(tiny_nwb)), "go_cue", STANDARD, 0.0)


def test_no_trial_left_says_why():
    with pytest.raises(
        UsageError, match="none of its 2 trials can be used: 1 have no move_onset_time, and 1 have"
    ):
        cut(session([[1.0]], [np.nan, 0.1]), ALIGN, STANDARD, 0.0)
