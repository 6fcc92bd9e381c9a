"""The maze: what is held out, and by what; what a file must hold; that a changed file is another source."""

import dataclasses
import math

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nwb_files import HAND_TIMES, TRIALS, UNITS, hand_velocity, write_nwb

from jslds_bench import nwb
from jslds_bench.errors import UsageError
from jslds_bench.nwb import cut, read_session, window
from jslds_bench.tasks.mc_maze import MCMaze, held_out_share
from jslds_bench.types.spikes import SpikeTask

KEY = jax.random.key(0)


def draw(path, seed=0, **parameters):
    return MCMaze(str(path), **parameters).spikes(jax.random.key(seed))


def test_it_is_a_spike_task():
    assert isinstance(MCMaze(), SpikeTask)


def test_the_two_parts_are_the_trials_of_the_file_each_once(tiny_nwb):
    fit, held_out = draw(tiny_nwb)
    whole = cut(read_session(str(tiny_nwb)), "move_onset_time", window(0.25, 0.45, 0.02), 0.12)
    for name in ("counts", "velocity", "conditions"):
        rows = np.concatenate([getattr(fit, name), getattr(held_out, name)])
        assert sorted(x.tobytes() for x in rows) == sorted(x.tobytes() for x in getattr(whole, name))
    assert (fit.start, fit.bin_seconds) == (-0.25, 0.02)
    assert fit.held_in.shape[2] + fit.held_out_units.sum() == len(UNITS)


def test_a_quarter_of_each_condition_and_of_the_units_is_held_out(tiny_nwb):
    for seed in range(5):
        fit, held_out = draw(tiny_nwb, seed)
        np.testing.assert_array_equal(np.bincount(held_out.conditions), [1, 1, 1])  # of four trials each
        np.testing.assert_array_equal(np.bincount(fit.conditions), [3, 3, 3])
        assert fit.held_out_units.sum() == 2
        np.testing.assert_array_equal(fit.held_out_units, held_out.held_out_units)


def test_the_key_decides_what_is_held_out_and_the_bins_do_not(tiny_nwb):
    fit, held_out = draw(tiny_nwb)
    again, other, fine = draw(tiny_nwb), draw(tiny_nwb, 1), draw(tiny_nwb, bin_seconds=0.005)
    np.testing.assert_array_equal(again[1].counts, held_out.counts)
    np.testing.assert_array_equal(again[0].held_out_units, fit.held_out_units)
    assert not np.array_equal(other[1].counts, held_out.counts)
    np.testing.assert_array_equal(fine[1].counts.sum(axis=1), held_out.counts.sum(axis=1))
    np.testing.assert_array_equal(fine[1].held_out_units, held_out.held_out_units)
    drawn = {tuple(draw(tiny_nwb, seed)[0].held_out_units) for seed in range(8)}
    assert len(drawn) > 3


def test_units_that_the_file_marks_are_held_out_and_no_others(tmp_path):
    marks = [n in (0, 5, 6) for n in range(len(UNITS))]
    path = write_nwb(tmp_path / "x.nwb", held_out=marks)
    for seed in range(3):
        np.testing.assert_array_equal(draw(path, seed)[1].held_out_units, marks)
    none = write_nwb(tmp_path / "y.nwb", held_out=[False] * len(UNITS))
    assert draw(none, held_out_units=0.5)[0].held_out_units.sum() == 4


def test_units_without_a_spike_to_fit_to_are_left_out(tmp_path):
    in_one_trial = [TRIALS[0]["move_onset_time"]]
    path = write_nwb(tmp_path / "y.nwb", units=[*UNITS, [], [0.001], in_one_trial])
    sizes = set()
    for seed in range(12):
        fit, held_out = draw(path, seed)
        assert fit.counts.any(axis=(0, 1)).all()
        assert fit.counts.shape[2] == held_out.counts.shape[2] == len(fit.held_out_units)
        sizes.add(fit.counts.shape[2])
    assert sizes == {len(UNITS), len(UNITS) + 1}  # the last, where its trial is held out, and else


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=40),
    st.floats(0.01, 0.99),
    st.floats(0, 0.999),
    st.integers(0, 99),
)
def test_of_each_condition_its_share_is_held_out_but_never_all(labels, share, offset, seed):
    noise = np.random.default_rng(seed).uniform(size=len(labels))
    drawn = held_out_share(noise, offset, np.array(labels), share)
    for label in set(labels):
        n = labels.count(label)
        n_drawn = drawn[np.array(labels) == label].sum()
        assert min(math.floor(share * n - 1e-9), n - 1) <= n_drawn <= min(math.ceil(share * n + 1e-9), n - 1)


def test_each_trial_is_held_out_as_often_as_its_share_says():
    rng, labels = np.random.default_rng(0), np.arange(30) % 7
    often = np.mean(
        [held_out_share(rng.uniform(size=30), rng.uniform(), labels, 0.3) for _ in range(4000)], 0
    )
    assert np.abs(often - 0.3).max() < 5 * math.sqrt(0.3 * 0.7 / 4000)


def spoilt_hand():
    velocity = hand_velocity(HAND_TIMES)
    velocity[4500:4530] = np.nan
    return HAND_TIMES, velocity


def without(column):
    return [{k: v for k, v in t.items() if k != column} for t in TRIALS]


SHORT = [{**t, "stop_time": t["start_time"] + 0.6} for t in TRIALS]
BAD = {
    "no column": (
        {"trials": without("move_onset_time")},
        "cannot align to 'move_onset_time': its trials",
    ),
    "no event": (
        {"trials": [{**t, "move_onset_time": np.nan} for t in TRIALS]},
        "none of its 12 trials can be used: 12 have no move_onset_time, and 0 have a window of 0.7 s",
    ),
    "too short": (
        {"trials": SHORT},
        "none of its 12 trials can be used: 0 have no move_onset_time, and 12",
    ),
    "one unit not recorded": (
        {"observed": [[(0, 24)]] * 7 + [[(0, 0.2)]]},
        "none of its 12 trials can be used: 0 have no move_onset_time, and 12 have a window",
    ),
    "no spikes": ({"units": [[], [], []]}, "0 units fire in the trials to fit to, 0 of them marked"),
    "spikes elsewhere": ({"units": [[0.01], [0.02]]}, "0 units fire in the trials to fit to"),
    "one unit": (
        {"units": UNITS[:1]},
        "1 units fire in the trials to fit to, 0 of them marked as held out",
    ),
    "all held out": (
        {"held_out": [True] * 8},
        "8 units fire in the trials to fit to, 8 of them marked as",
    ),
    "velocity": ({"hand": spoilt_hand()}, "hand_vel is not a number in the window of 1 of 12 trials"),
    "one trial": ({"trials": TRIALS[:1]}, "1 trials are too few to hold out 0.25 of them"),
}


@pytest.mark.parametrize(("options", "expected"), BAD.values(), ids=BAD)
def test_files_that_cannot_be_used_are_refused_in_one_line(options, expected, tmp_path):
    path = write_nwb(tmp_path / "x.nwb", **options)
    with pytest.raises(UsageError, match=expected) as caught:
        draw(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_without_a_file_it_says_where_there_are_some_once_it_is_asked_for_data():
    for ask in (lambda: MCMaze().spikes(KEY), MCMaze().sources):
        with pytest.raises(
            UsageError, match=r"mc_maze has no file: .*DANDI:000140.*--data PATH.*Nothing is downl"
        ):
            ask()


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"bin_seconds": 0.03}, "bins of 0.03 s do not divide the window of 0.7 s"),
        ({"held_out_units": 1.0}, "mc_maze needs 0 < held_out_units < 1, a share, got 1"),
        ({"held_out_trials": 0.0}, "mc_maze needs 0 < held_out_trials < 1, a share, got 0"),
        ({"n_latent": 0}, "mc_maze needs n_latent ≥ 1"),
        ({"lag_seconds": 1e300}, "and lag_seconds within ±10"),
        ({"before": 1e300}, "no window from 1e.300 s before"),
    ],
)
def test_impossible_parameters_are_refused(parameters, expected):
    with pytest.raises(UsageError, match=expected):
        MCMaze("x.nwb", **parameters)


def test_a_changed_file_is_another_source(tmp_path):
    path = write_nwb(tmp_path / "x.nwb")
    task = MCMaze(str(path))
    before = task.sources()
    assert task.sources() == before
    content = path.read_bytes()
    write_nwb(path, units=UNITS[::-1])
    assert task.sources() != before
    path.write_bytes(content)
    assert task.sources() == before
    path.unlink()
    with pytest.raises(UsageError, match=r"cannot read .*x.nwb: No such file"):
        task.sources()


def test_the_real_small_test_split(data_folder):
    path = data_folder / "mc_maze_small_test.nwb"
    fit, held_out = draw(path)
    assert (len(fit.counts), len(held_out.counts)) == (75, 25)
    assert fit.counts.sum() + held_out.counts.sum() == 32_897
    assert fit.counts.shape[1:] == (35, 107)
    assert fit.held_out_units.sum() == 27
    assert fit.velocity is fit.conditions is fit.rates is None


def test_reading_a_file_as_large_as_the_full_one_is_a_matter_of_seconds():
    """2,295 trials of 3 s, 182 units at 5 Hz: cutting alone, since writing such a file takes longer."""
    rng, n = np.random.default_rng(0), 2295
    starts = 3.0 * np.arange(n)
    unit = np.stack([starts, starts + 3], axis=1) * 1e9
    spikes = tuple(np.sort(rng.integers(0, int(3e9 * n), 15 * n)) for _ in range(182))
    trials = {"start_time": starts, "stop_time": starts + 3, "move_onset_time": starts + 1.5}
    made = nwb.Session(
        "x.nwb", trials, spikes, np.arange(182), np.zeros(182, bool), (unit.astype(int),) * 182
    )
    made = dataclasses.replace(
        made, velocity_times=np.arange(0, 3 * n * 1000) * 1_000_000, velocity=np.zeros((3000 * n, 2))
    )
    counts = cut(made, "move_onset_time", window(0.25, 0.45, 0.02), 0.1).counts
    assert counts.shape == (n, 35, 182)
    assert abs(counts.mean() / (5 * 0.02) - 1) < 0.01
