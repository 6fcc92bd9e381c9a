"""Records on disk: what goes in comes out, whole or not at all, and old ones stay readable."""

import dataclasses
import math
import os
import shutil
import signal
import string
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from example import GOLDEN, a_record, same
from hypothesis import given, settings
from hypothesis import strategies as st

from jslds_bench.errors import UsageError
from jslds_bench.records import sealed, store
from jslds_bench.records.record import Record, Value
from jslds_bench.records.sealed import read_json, sweep, write_atomic
from jslds_bench.records.store import (
    has_arrays,
    read_arrays,
    read_head,
    read_record,
    read_records,
    record_path,
    slug,
    write_record,
)
from jslds_bench.records.table import COLUMNS, load_run

numbers = st.floats(allow_nan=True, allow_infinity=True)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | numbers | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
tables = st.dictionaries(st.text(min_size=1, max_size=8), plain, max_size=3)
values = st.builds(
    Value,
    st.none() | numbers,
    st.sampled_from(["1", "s", "steps"]),
    st.sampled_from(["lower", "higher"]),
    st.none() | st.text(max_size=8),
    st.text(max_size=8),
    st.integers(-10, 2000),
    st.booleans(),
)
labels = st.text(min_size=1, max_size=12)
records = st.builds(
    Record,
    suite=labels,
    task=labels,
    network=labels,
    model=labels,
    seed=st.integers(0, 2**31),
    parameters=tables,
    status=st.sampled_from(["ok", "failed", "diverged", "timeout", "unsupported"]),
    reason=st.none() | st.text(max_size=20),
    values=st.dictionaries(labels, values, max_size=3),
    series=st.dictionaries(labels, st.lists(numbers, max_size=4), max_size=2),
    detail=tables,
    environment=tables,
    digest=st.text("0123456789abcdef", min_size=4, max_size=8),
    setting=st.sampled_from(["", "networks", "recordings", "spikes"]),
    origin=st.text(max_size=8),
    caption=st.text(max_size=20),
)


@settings(max_examples=60, deadline=None)
@given(record=records)
def test_a_record_comes_back_as_it_was(record, tmp_path_factory):
    run = tmp_path_factory.mktemp("run")
    write_record(run, record, {"x": np.arange(3.0)})
    path = record_path(run, record.key)
    read = read_record(path)
    assert same(dataclasses.replace(read, arrays=None), record)
    assert len(read.arrays) == 64
    assert read_head(path) == (record.status, record.digest, read.arrays)
    assert path.resolve().is_relative_to(run.resolve())
    assert len(path.relative_to(run).parts) == 5


def test_arrays_come_back_and_are_never_pickled(tmp_path):
    arrays = {"a": np.array([[1.5, np.nan]], np.float32), "b": np.array([1 + 2j]), "empty": np.zeros((0, 3))}
    write_record(tmp_path, a_record(), arrays)
    path = record_path(tmp_path, a_record().key)
    stored = read_record(path)
    back = read_arrays(path, stored)
    assert back.keys() == arrays.keys()
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype
        np.testing.assert_array_equal(back[name], array)
    unbound = dataclasses.replace(stored, arrays=None)  # as of earlier schemas
    np.savez(path.with_suffix(".npz"), bad=np.array([{"a": 1}], dtype=object))
    with pytest.raises(UsageError, match=r"cannot be read: bad\.npy holds objects"):
        read_arrays(path, unbound)
    path.with_suffix(".npz").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(UsageError, match="cannot be read"):
        read_arrays(path, unbound)
    with pytest.raises(UsageError, match=r"not those that were written with seed-3\.json; delete the record"):
        read_arrays(path, stored)
    path.with_suffix(".npz").unlink()
    assert read_arrays(path, unbound) == {}
    with pytest.raises(UsageError, match=r"seed-3\.npz are missing; delete the record"):
        read_arrays(path, stored)


def test_a_record_without_arrays_has_no_file_and_minds_none(tmp_path):
    path = record_path(tmp_path, a_record().key)
    write_record(tmp_path, a_record(), {"x": np.zeros(2)})
    assert has_arrays(path, read_head(path))
    write_record(tmp_path, a_record(), {})
    record = read_record(path)
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert has_arrays(path, read_head(path))
    np.savez(path.with_suffix(".npz"), x=np.zeros(2))
    assert read_arrays(path, record) == {}


def test_a_table_that_looks_like_a_number_stays_a_table(tmp_path):
    record = a_record(detail={"mass": {"float": 1.5}, "kind": {"float": "single"}, "top": math.inf})
    write_record(tmp_path, record, {})
    assert same(read_record(record_path(tmp_path, record.key)), dataclasses.replace(record, arrays=""))


def test_equal_records_are_equal_bytes(tmp_path):
    files = []
    for run in (tmp_path / "one", tmp_path / "two"):
        write_record(run, a_record(), {"x": np.arange(4)})
        path = record_path(run, a_record().key)
        files.append((path.read_bytes(), path.with_suffix(".npz").read_bytes()))
    assert files[0] == files[1]


@given(labels, labels)
def test_file_names_are_safe_and_tell_labels_apart(one, other):
    name = slug(one)
    assert set(name) <= set(string.ascii_letters + string.digits + "._-%")
    assert name.strip(".")
    assert name not in (".", "..")
    assert (name == slug(other)) == (one == other)


@pytest.mark.parametrize("label", ["..", ".", "a/b", "a\\b", "%2E", "é", "a b", "\0"])
def test_awkward_labels_stay_inside_the_run(label, tmp_path):
    record = a_record(task=label, network=label, model=label)
    write_record(tmp_path, record, {})
    path = record_path(tmp_path, record.key)
    assert path.resolve().parents[3] == (tmp_path / "records").resolve()
    assert read_record(path).task == label


@pytest.mark.parametrize("broken", ["replace", "fsync"])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(broken, tmp_path, monkeypatch):
    path = tmp_path / "file.json"
    write_atomic(path, b"old")

    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, broken, fail)
    with pytest.raises(UsageError, match=rf"cannot write {path}: No space left on device; free some space"):
        write_atomic(path, b"new and longer")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file.json"]


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "file.json"
    write_atomic(path, b"old")

    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file.json"]


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot write") as caught:
        write_atomic(tmp_path / "file" / "x.json", b"")
    assert "\n" not in str(caught.value)


def test_the_record_appears_after_its_arrays(tmp_path, monkeypatch):
    """Whatever write fails, a record on disk has its arrays."""
    written = []

    def note(path, data, advice=""):
        written.append(path.suffix)

    for module in (store, sealed):
        monkeypatch.setattr(module, "write_atomic", note)
    write_record(tmp_path, a_record(), {"x": np.zeros(2)})
    assert written == [".npz", ".json"]


def test_leftovers_of_killed_writers_are_swept_and_those_of_living_ones_are_not(tmp_path):
    killed = textwrap.dedent("""
        import os, signal, sys
        from pathlib import Path
        from jslds_bench.records.sealed import write_atomic
        os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)
        write_atomic(Path(sys.argv[1]), b"half")
    """)
    path = tmp_path / "records" / "seed-0.json"
    assert subprocess.run([sys.executable, "-c", killed, str(path)]).returncode == -signal.SIGKILL
    (leftover,) = path.parent.iterdir()
    living = leftover.with_name(leftover.name.replace(leftover.name.split("-")[1], str(os.getpid())))
    living.touch()
    away, old = (leftover.with_name(f".0123abcd-1-{name}.part") for name in ("new", "old"))
    away.touch()
    old.touch()
    os.utime(old, (0, 0))
    path.touch()
    (tmp_path / "other").mkdir()
    elsewhere = shutil.copy2(old, tmp_path / "other" / old.name)
    assert sweep(tmp_path, "records") == 2
    assert Path(elsewhere).exists()
    assert set(path.parent.iterdir()) == {path, living, away}


def test_files_of_others_are_not_swept(tmp_path):
    theirs = [tmp_path / name for name in (".draft.part", ".1234567-12-x.part", ".zzzzzzzz-12-x.part")]
    for path in theirs:
        path.touch()
        os.utime(path, (0, 0))
    assert sweep(tmp_path) == 0
    assert set(tmp_path.iterdir()) == set(theirs)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UsageError, match="no run at"):
        read_json(tmp_path / "run.json", "run")
    with pytest.raises(UsageError, match="no run at"):
        list(read_records(tmp_path))


def test_a_run_as_a_table(stored):
    run = stored.parents[4]
    write_record(run, a_record(seed=4, status="failed", reason="ValueError: no", values={}), {})
    table = load_run(run)
    assert tuple(table.columns) == COLUMNS
    assert len(table) == 4
    rows = table.set_index("metric")
    assert rows.loc["relative_error", "value"] == math.inf
    assert rows.loc["skill", "value"] == 0.5
    assert math.isnan(rows.loc["fixed_point_recall", "value"])
    assert rows.loc["fixed_point_recall", "reason"] == "this model has no fixed points"
    (failed,) = table[table["status"] == "failed"].to_dict("records")
    assert (failed["seed"], failed["reason"]) == (4, "ValueError: no")
    assert math.isnan(failed["value"])
    assert load_run(str(run)).equals(table)


def test_a_record_of_schema_1_stays_readable():
    """Written by version 0.1.0 and never to be rewritten: a reader that fails here breaks people's runs."""
    (record,) = read_records(GOLDEN)
    places = {
        "relative_error": ("states", 0, True),
        "skill": ("states", 2, True),
        "fixed_point_recall": ("fixed points", 202, False),
    }
    written = a_record().values
    placed = {
        name: dataclasses.replace(written[name], family=family, order=order, headline=headline)
        for name, (family, order, headline) in places.items()
    }
    assert same(record, a_record(values=placed, origin="synthetic"))
    np.testing.assert_array_equal(read_arrays(record_path(GOLDEN, record.key), record)["x"], [1.0, 2.0])
    assert len(load_run(GOLDEN)) == 3
