"""Files that are damaged, hostile or no files: each is refused in one line, in time and in little memory."""

from __future__ import annotations

import io
import json
import os
import random
import re
import struct
import subprocess
import sys
import textwrap
import tracemalloc
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from nwb_files import UNITS, write_nwb

from jslds_bench.compare import read_side
from jslds_bench.dynamics.cells import get_cell
from jslds_bench.errors import UsageError, printable
from jslds_bench.files import DAMAGE, Unreadable, npz_arrays, read_file, read_npz, read_text
from jslds_bench.networks._shared.foreign import import_file
from jslds_bench.networks._shared.format import network_bytes, read_network
from jslds_bench.networks._shared.released import read_released
from jslds_bench.networks.checkpoint import Checkpoint
from jslds_bench.nwb import read_session
from jslds_bench.records.store import read_record
from jslds_bench.reproduce.claims import read_claims
from jslds_bench.suite import load_suite
from jslds_bench.tasks.mc_maze import MCMaze

READERS = {
    "record": lambda path: read_record(Path(path)),
    "checkpoint": lambda path: read_network(Path(path)),
    "released": lambda path: read_released(Path(path)),
    "source": lambda path: Checkpoint(str(path)).sources(),
    "layer": lambda path: import_file("torch.GRU", Path(path)),
    "suite": load_suite,
    "baseline": read_side,
    "claims": lambda path: read_claims(Path(path)),
    "session": lambda path: read_session(str(path)),
    "recording": lambda path: MCMaze(path=str(path)).sources(),
}


def refused(reader, path) -> str:
    with pytest.raises(UsageError) as caught:
        READERS[reader](path)
    said = str(caught.value)
    assert said.isprintable()
    return said


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "nothing"])
def test_what_is_no_file_is_refused_at_once(reader, kind, tmp_path):
    """No reader waits for a pipe, or reads a device that never ends."""
    path = tmp_path / "x.toml"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    refused(reader, str(path))


@pytest.mark.parametrize("reader", READERS)
def test_noise_is_refused_in_one_line(reader, tmp_path):
    rng = random.Random(0)
    path = tmp_path / "x.toml"
    for begins in (
        b"",
        b"PK\x03\x04",
        b"\x93NUMPY",
        b"\x89HDF\r\n\x1a\n",
        b"{",
        b"[[",
        b"schema = 1\n\x1b[2J",
    ):
        path.write_bytes(begins + rng.randbytes(300))
        if reader not in ("source", "recording"):  # these take any file: they only tell one from another
            refused(reader, str(path))


def test_no_more_is_read_than_is_admitted(tmp_path):
    (tmp_path / "x").write_bytes(bytes(100))
    assert len(read_file(tmp_path / "x", 100)) == 100
    with pytest.raises(Unreadable, match="it has more than the 99 bytes that are admitted"):
        read_file(tmp_path / "x", 99)
    with pytest.raises(Unreadable, match="more than the 99 bytes"):
        read_text(tmp_path / "x", 99)


ARRAYS = {
    "scalar": np.float32(2.5),
    "empty": np.zeros((0, 3)),
    "by_columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "complex": np.array([1 + 2j]),
    "text": np.array("{}"),
    "big_endian": np.arange(3, dtype=">i2"),
    "flags": np.array([True, False]),
}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_are_read_as_numpy_reads_them(save, tmp_path):
    save(tmp_path / "x.npz", **ARRAYS)
    read = read_npz(tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz") as wanted:
        assert list(read) == wanted.files
        for name in wanted.files:
            assert read[name].dtype == wanted[name].dtype
            np.testing.assert_array_equal(read[name], wanted[name])
            assert read[name].flags.writeable


def archive(*members, packing=zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", packing) as out:
        for name, content in members:
            out.writestr(name, content)
    return buffer.getvalue()


def npy(shape, descr="<f8", content=b"") -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": descr, "fortran_order": False, "shape": shape})
    return buffer.getvalue() + content


HOSTILE = {
    "bomb": archive(("a.npy", bytes(2**26)), ("b.npy", b"")),
    "bombs": archive(*[(f"{i}.npy", npy((2**18,), content=bytes(2**21))) for i in range(9)]),
    "declared": archive(("a.npy", npy((10**14,)))),
    "negative": archive(("a.npy", npy((-1,), content=bytes(8)))),
    "overflow": archive(("a.npy", npy((2**40, 2**40)))),
    "objects": archive(("a.npy", npy((), "|O", b"cos\nsystem\n(S'touch pwned'\ntR."))),
    "bzip2": archive(("a.npy", bytes(2**26)), packing=zipfile.ZIP_BZIP2),
    "lzma": archive(("a.npy", bytes(2**26)), packing=zipfile.ZIP_LZMA),
    "many": archive(*[(str(i), b"") for i in range(10_001)]),
    "header": archive(("a.npy", b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65535)),
    "version": archive(("a.npy", b"\x93NUMPY\x07\x00" + bytes(80))),
}


def smaller_than_it_is() -> bytes:
    """A member of 64 MB whose sizes are given as 100 bytes, in both places."""
    data = archive(("arr_0.npy", bytes(2**26)))
    return data.replace(struct.pack("<I", 2**26), struct.pack("<I", 100))


HOSTILE["lies"] = smaller_than_it_is()


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_hostile_archives_take_little_memory_and_are_refused(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tracemalloc.start()
    with pytest.raises(DAMAGE):
        npz_arrays(data, most=2**24)
    assert tracemalloc.get_traced_memory()[1] < 2**26
    tracemalloc.stop()
    path = tmp_path / "x.npz"
    path.write_bytes(data)
    for reader in ("checkpoint", "released", "layer"):
        refused(reader, str(path))
    assert os.listdir() == ["x.npz"]


def test_a_file_of_a_network_that_is_damaged_anywhere_is_refused_or_the_same(tmp_path):
    """Every bit of the archive's own fields, and some of each array: it is noticed, in one line."""
    from jslds_bench.contract.settings.networks.cases import random_network

    network = random_network(get_cell("vanilla"), n_state=3)
    whole = network_bytes(network)
    path = tmp_path / "x.npz"
    rng = random.Random(0)
    fields = [i for i in range(len(whole)) if whole[i : i + 2] == b"PK"]
    near = sorted({i + k for i in fields for k in range(46) if i + k < len(whole)})
    outcomes, lines = {"same": 0, "refused": 0}, []
    for place in rng.sample(near, min(len(near), 300)) + rng.sample(range(len(whole)), 200):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        try:
            read = read_network(path)
        except UsageError as error:
            lines.append(str(error))
            outcomes["refused"] += 1
        else:
            assert network_bytes(read) == whole
            outcomes["same"] += 1
    assert outcomes["refused"] > outcomes["same"] > 0, outcomes
    assert all(line.isprintable() for line in lines)


def stored_elsewhere(file, name, secret):
    """Replaces the dataset `name` with one of the same size whose bytes are those of the file `secret`."""
    old = file[name]
    attributes, shape = dict(old.attrs), old.shape
    del file[name]
    size = int(np.prod(shape)) * 8
    new = file.create_dataset(name, shape, "<f8", external=[(str(secret), 0, size)])
    new.attrs.update(attributes)


def virtual(file, name, secret):
    old = file[name]
    attributes, n = dict(old.attrs), old.shape[0]
    del file[name]
    layout = h5py.VirtualLayout((n,), "<f8")
    layout[:] = h5py.VirtualSource(str(secret), "x", (n,))
    file.create_virtual_dataset(name, layout).attrs.update(attributes)


def immense(file, name, secret):
    attributes = dict(file[name].attrs)
    del file[name]
    file.create_dataset(name, (10**12,), "<f8", chunks=(1000,)).attrs.update(attributes)


def linked(file, name, secret):
    del file[name]
    file[name] = h5py.ExternalLink(str(secret), "/x")


def replaced(values, dtype=None):
    def edit(file, name, secret):
        attributes = dict(file[name].attrs)
        del file[name]
        file.create_dataset(name, data=np.asarray(values, dtype)).attrs.update(attributes)

    return edit


N_SPIKES = sum(map(len, UNITS))
ENDS = np.cumsum([len(unit) for unit in UNITS])
INDEX = "must count up to the 3200 values of spike_times"
EDITS = {
    "stored elsewhere": ("units/spike_times", stored_elsewhere, "is kept in another file, which is not read"),
    "virtual": ("units/spike_times", virtual, "is kept in another file, which is not read"),
    "linked": ("units/spike_times", linked, "is a link to another file, which is not followed"),
    "immense": ("units/spike_times", immense, "more than 8,589,934,592 bytes"),
    "descending": ("units/spike_times_index", replaced(ENDS[::-1]), INDEX),
    "fractional": ("units/spike_times_index", replaced(ENDS + 0.5), INDEX),
    "overlong": ("units/spike_times_index", replaced([*ENDS[:-1], N_SPIKES + 7]), INDEX),
    "too short": ("units/spike_times_index", replaced([*ENDS[:-1], N_SPIKES - 7]), INDEX),
    "beyond int64": ("units/spike_times_index", replaced([*ENDS[:-1], 2**63 + 9], np.uint64), INDEX),
    "two columns": ("units/spike_times", replaced(np.zeros((N_SPIKES, 2))), "are no row of times"),
    "no start": (
        "intervals/trials/start_time",
        replaced([np.nan] * 12),
        "start_time of its trials hold a time",
    ),
    "no stop": ("intervals/trials/stop_time", replaced([np.inf] * 12), "stop_time of its trials hold a time"),
}


@pytest.mark.parametrize(("name", "edit", "expected"), EDITS.values(), ids=EDITS)
def test_nwb_files_are_read_by_their_rules_and_alone(name, edit, expected, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(np.arange(N_SPIKES, dtype="<f8").tobytes())
    path = write_nwb(tmp_path / "x.nwb")
    with h5py.File(path, "a") as file:
        edit(file, name, secret)
    assert expected in refused("session", str(path))


def test_nothing_that_is_said_acts_upon_a_terminal():
    assert printable("a\x1b[2Jb\n\tc \u202e\udc80 é") == r"a\x1b[2Jb c \u202e\udc80 é"


RUN = """
schema = 1
name = "x"
seeds = [0]
[[tasks]]
name = "nbit_memory"
[[networks]]
name = "checkpoint"
path = "net.npz"
[[models]]
name = "persistence"
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fifo(path):
    os.mkfifo(path)


def text(content):
    return lambda path: path.write_text(content)


def zeros(path):
    path.symlink_to("/dev/zero")


COMMANDS = {
    "network is a pipe": ("net.npz", fifo, ["run", "--suite", "x.toml", "--dry-run"]),
    "network is a device": ("net.npz", zeros, ["run", "--suite", "x.toml"]),
    "suite is a pipe": ("y.toml", fifo, ["run", "--suite", "./y.toml"]),
    "suite is a device": ("y.toml", zeros, ["run", "--suite", "./y.toml", "--dry-run"]),
    "suite is nested": ("y.toml", text(f"a = {'[' * 100_000}"), ["run", "--suite", "y.toml"]),
    "trials without end": (
        "y.toml",
        text(RUN.replace('name = "x"', f'name = "x"\nn_trials = 1{"0" * 30}')),
        ["run", "--suite", "y.toml", "--dry-run"],
    ),
    "trials of many digits": (
        "y.toml",
        text(RUN.replace('name = "x"', f'name = "x"\nn_trials = 0x{"f" * 9000}')),
        ["run", "--suite", "y.toml", "--dry-run"],
    ),
    "run is nested": ("run.json", text("[" * 200_000), ["report", "."]),
    "run is a pipe": ("run.json", fifo, ["compare", ".", "."]),
    "baseline is a device": ("y.toml", zeros, ["compare", "y.toml", "y.toml"]),
    "escapes": ("y.toml", text('schema = 1\nname = "x"\n"\\u001b[2J" = 1'), ["run", "--suite", "y.toml"]),
}


@pytest.mark.parametrize(("file", "make", "words"), COMMANDS.values(), ids=COMMANDS)
def test_the_command_line_says_one_line_and_no_traceback(file, make, words, here):
    (here / "x.toml").write_text(RUN)
    make(here / file)
    # Of memory as much as importing JAX takes, and the largest file that is admitted.
    limited = textwrap.dedent("""
        import resource, sys
        resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33))
        from jslds_bench.cli import main
        sys.exit(main(sys.argv[1:]))
    """)
    done = subprocess.run(
        [sys.executable, "-c", limited, *words], capture_output=True, text=True, timeout=100, cwd=here
    )
    assert done.returncode == 3, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("jslds-bench: ")
    assert len(line) < 500
    assert line.isprintable()


def test_json_of_a_record_that_is_resigned_is_still_checked(tmp_path):
    """A valid checksum is no proof of anything: whoever changes a file can make one."""
    path = tmp_path / "records" / "a" / "b" / "c" / "seed-0.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"schema": 3, "checksum": "0"}))
    assert "was changed after it was written" in refused("record", str(path))


@pytest.mark.parametrize(
    ("reader", "source", "number"),
    [
        ("baseline", "baselines/smoke.toml", r"= 0\.\d+"),
        ("claims", "suites/claims/paper.toml", r"times = [\d.]+"),
    ],
)
def test_numbers_that_no_float_holds_are_refused(reader, source, number, tmp_path):
    """Found by changing files at random."""
    path = tmp_path / "numbers.toml"
    text = (Path(__file__).parents[1] / source).read_text()
    word = re.search(number, text)[0]
    path.write_text(text.replace(word, word.partition("=")[0] + "= " + 400 * "9", 1))
    assert len(refused(reader, path)) < 500
