"""NWB files in and sessions out: the columns of MC_Maze's files, and files that are something else."""

import subprocess
import sys

import h5py
import numpy as np
import pytest
from nwb_files import HAND_TIMES, N_TRIALS, TRIALS, UNITS, hand_velocity, write_nwb

from jslds_bench.errors import UsageError
from jslds_bench.nwb import cut, read_session, window
from jslds_bench.nwb.reading import ticks

STANDARD = window(0.25, 0.45, 0.02)


def test_all_columns_come_back(tiny_nwb):
    session = read_session(str(tiny_nwb))
    assert set(session.trials) == set(TRIALS[0])
    np.testing.assert_array_equal(session.trials["move_onset_time"], [t["move_onset_time"] for t in TRIALS])
    assert list(session.trials["split"]) == [t["split"] for t in TRIALS]
    for read, written in zip(session.spikes, UNITS, strict=True):
        np.testing.assert_array_equal(read, ticks(written))
    np.testing.assert_array_equal(session.units, 1000 + np.arange(len(UNITS)))
    assert not session.held_out.any()
    assert all(x.shape == (N_TRIALS, 2) for x in session.observed)
    np.testing.assert_array_equal(session.velocity, hand_velocity(HAND_TIMES))


def test_counts_of_a_file_are_those_of_numpy_s_histogram(tiny_nwb):
    counts = cut(read_session(str(tiny_nwb)), "move_onset_time", STANDARD, 0.12).counts
    assert counts.shape == (N_TRIALS, 35, len(UNITS))
    for b, trial in enumerate(TRIALS):
        edges = trial["move_onset_time"] - 0.25 + 0.02 * np.arange(36)
        for n, spikes in enumerate(UNITS):
            np.testing.assert_array_equal(counts[b, :, n], np.histogram(spikes, edges)[0])


def test_a_test_split_needs_neither_behavior_nor_conditions_nor_marks(tmp_path):
    trials = [{k: t[k] for k in ("start_time", "stop_time", "move_onset_time", "split")} for t in TRIALS]
    session = read_session(str(write_nwb(tmp_path / "test.nwb", trials=trials, hand=None, observed=None)))
    made = cut(session, "move_onset_time", STANDARD, 0.12)
    assert made.velocity is made.conditions is session.observed is None
    assert len(made.kept) == N_TRIALS


def test_marks_of_held_out_units_and_order_of_spikes(tmp_path):
    marks = [n in (1, 4) for n in range(len(UNITS))]
    session = read_session(str(write_nwb(tmp_path / "x.nwb", units=[u[::-1] for u in UNITS], held_out=marks)))
    np.testing.assert_array_equal(session.held_out, marks)
    np.testing.assert_array_equal(session.spikes[3], ticks(UNITS[3]))


def test_a_unit_without_spikes_has_none(tmp_path):
    session = read_session(str(write_nwb(tmp_path / "x.nwb", units=[*UNITS[:2], [], UNITS[2], []])))
    assert [len(unit) for unit in session.spikes] == [400, 400, 0, 400, 0]


@pytest.mark.parametrize(
    ("unit", "factor"),
    [({"unit": "m/s", "conversion": 0.001}, 1), ({"unit": "m/s"}, 1000), ({"unit": "mm/s"}, 1)],
)
def test_velocity_is_in_millimetres_per_second(tmp_path, unit, factor):
    session = read_session(str(write_nwb(tmp_path / "x.nwb", hand_unit=unit)))
    np.testing.assert_allclose(session.velocity, factor * hand_velocity(HAND_TIMES))


def test_velocity_by_rate_is_that_by_timestamps(tmp_path, tiny_nwb):
    def by_rate(file):
        import pynwb

        series = pynwb.TimeSeries(
            "hand_vel", data=hand_velocity(HAND_TIMES), rate=1000.0, starting_time=0.0, unit="mm/s"
        )
        file.create_processing_module("behavior", "hand").add(series)

    session = read_session(str(write_nwb(tmp_path / "x.nwb", hand=None, edit=by_rate)))
    np.testing.assert_array_equal(session.velocity_times, read_session(str(tiny_nwb)).velocity_times)


def as_is(content):
    return lambda path: path.write_bytes(content)


def hdf5(**attributes):
    def make(path):
        with h5py.File(path, "w") as file:
            file.attrs.update(attributes)

    return make


def nwb(**options):
    return lambda path: write_nwb(path, **options)


WITHOUT_UNITS = {"units": None, "hand": None}
BAD = {
    "text": (as_is(b"spikes\n" * 99), "x.nwb is no NWB file: expected HDF5 with an nwb_version of 2 or more"),
    "empty": (as_is(b""), "x.nwb is no NWB file"),
    "hdf5": (hdf5(), "x.nwb is no NWB file"),
    "version 1": (hdf5(nwb_version="NWB-1.0.6"), "x.nwb is no NWB file"),
    "hollow": (
        hdf5(nwb_version="2.4.0", neurodata_type="NWBFile", namespace="core"),
        "cannot be read as NWB",
    ),
    "folder": (lambda path: path.mkdir(), "x.nwb is a folder: name one .nwb file in it"),
    "nothing": (lambda path: None, "x.nwb is no file"),
    "no trials": (nwb(trials=None, observed=None), "x.nwb holds no trials: name a file with"),
    "no units": (nwb(**WITHOUT_UNITS), "x.nwb holds no units: name a file with"),
    "infinite": (
        nwb(units=[[1.0, np.inf]]),
        "spike_times of its units hold a time that is not a finite number",
    ),
    "one column": (
        nwb(hand=([0, 1], [[0.0], [1.0]])),
        r"hand_vel is \[2, 1\] at 2 timestamps, expected \[M, 2\]",
    ),
    "backwards": (nwb(hand=([1, 0], hand_velocity([1, 0]))), "expected .* timestamps that grow"),
}


@pytest.mark.parametrize(("make", "expected"), BAD.values(), ids=BAD)
def test_other_files_are_refused_in_one_line(make, expected, tmp_path):
    make(tmp_path / "x.nwb")
    with pytest.raises(UsageError, match=expected) as caught:
        read_session(str(tmp_path / "x.nwb"))
    assert "\n" not in str(caught.value)


def test_units_without_spike_times_are_told_by_their_columns(tmp_path):
    def units(file):
        file.add_unit_column("quality", "of the sorting")
        file.add_unit(quality=1.0)

    path = write_nwb(tmp_path / "x.nwb", **WITHOUT_UNITS, edit=units)
    with pytest.raises(UsageError, match=r"have no column 'spike_times' \(they have: quality\)"):
        read_session(str(path))


@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.9, 0.999])
def test_a_truncated_file_is_refused_in_one_line(tiny_nwb, tmp_path, share):
    content = tiny_nwb.read_bytes()
    (tmp_path / "x.nwb").write_bytes(content[: int(share * len(content))])
    with pytest.raises(UsageError, match=r"is no NWB file|cannot be read as NWB") as caught:
        read_session(str(tmp_path / "x.nwb"))
    assert "\n" not in str(caught.value)


def test_without_pynwb_it_says_what_to_install(tiny_nwb, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynwb", None)
    with pytest.raises(UsageError, match=r'needs pynwb: pip install "jslds-bench\[neural\]"'):
        read_session(str(tiny_nwb))


def test_reading_prints_nothing_and_importing_does_not_need_pynwb(tiny_nwb):
    code = (
        "import sys, jslds_bench.tasks; assert 'pynwb' not in sys.modules\n"
        f"from jslds_bench.nwb import read_session; read_session({str(tiny_nwb)!r})"
    )
    done = subprocess.run([sys.executable, "-W", "default", "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_real_small_test_split(data_folder):
    session = read_session(str(data_folder / "mc_maze_small_test.nwb"))
    assert len(session.spikes) == 107
    for width in (0.001, 0.005, 0.01, 0.02, 0.05, 0.7):
        made = cut(session, "move_onset_time", window(0.25, 0.45, width), 0.12)
        assert made.counts.shape == (100, round(0.7 / width), 107)
        assert made.counts.sum() == 32_897
        assert (made.n_unaligned, made.n_outside, made.velocity, made.conditions) == (0, 0, None, None)
    with pytest.raises(
        UsageError, match="none of its 100 trials can be used: 0 have no start_time, and 100 have"
    ):
        cut(session, "start_time", STANDARD, 0.12)
