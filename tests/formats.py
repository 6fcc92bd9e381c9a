"""Every kind of file that is read, a good one of each, and its reader."""

from __future__ import annotations

import functools
import io
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from nwb_files import write_nwb
from released_files import content, npy, pack

import jslds_bench
from jslds_bench.compare import read_side
from jslds_bench.errors import UsageError
from jslds_bench.files import npz_arrays
from jslds_bench.networks._shared.format import network_bytes, read_network
from jslds_bench.networks._shared.released import read_released
from jslds_bench.networks.analytic import Analytic
from jslds_bench.nwb import read_session
from jslds_bench.records import sealed, store
from jslds_bench.records.record import Record, Value
from jslds_bench.reproduce.claims import read_claims
from jslds_bench.runner.folder import asked_of
from jslds_bench.runner.outcome import blank_record
from jslds_bench.suite import load_suite, resolve
from jslds_bench.tasks.perturbations import Perturbations

ROOT = Path(jslds_bench.__file__).parents[1]


class Format(NamedTuple):
    """A kind of file.

    Attributes:
        name: where it belongs below some folder.
        good: the part of a good file that is changed, given a folder to work in.
        read: its reader, which raises UsageError alone.
        file_of: the file with that part.
    """

    name: str
    good: Callable[[Path], bytes]
    read: Callable[[Path], Any]
    file_of: Callable[[bytes], bytes] = bytes


def refused_in_one_line(read: Callable[[Path], Any], path: Path) -> str | None:
    """The line in which the file is refused; None where it is read. Fails where it is neither."""
    try:
        read(path)
    except UsageError as error:
        line = str(error)
        assert line.isprintable(), line[:1500]
        assert len(line) < 1500, line[:300]
        return line
    return None


def signed(data: bytes) -> bytes:
    """A record whose checksum is right, where it is one."""
    try:
        body = json.loads(data)
        body.pop("checksum")
        return sealed.seal(json.dumps(body, indent=1)).encode()
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return data


def _record(folder: Path) -> bytes:
    job = resolve(load_suite("smoke")).jobs[0]
    values = {"skill": Value(0.5, "1", "higher"), "nrmse": Value(None, "1", "higher", "not timed")}
    made: Record = blank_record(job, "ok", None, {"commit": "x", "threads": 1})
    made = Record(**{**vars(made), "values": values, "series": {"error": [0.1, 0.2]}})
    store.write_record(folder, made, {})
    return store.record_path(folder, made.key).read_bytes()


def _run(folder: Path) -> bytes:
    content = {"suite": "x", "suite_text": (ROOT / "suites/smoke.toml").read_text(), "environment": {}}
    sealed.write_json(folder / "run.json", content)
    return (folder / "run.json").read_bytes()


def _recording(folder: Path) -> bytes:
    write_nwb(folder / "session.nwb")
    return (folder / "session.nwb").read_bytes()


@functools.cache
def _network(_: Path) -> bytes:
    return network_bytes(Analytic("bistable", 2).build(Perturbations(n_steps=5), jax.random.key(0)))


def _about(folder: Path) -> bytes:
    return str(npz_arrays(_network(folder))["about"]).encode()


def _network_of(about: bytes) -> bytes:
    """A network whose description is `about`."""
    stream = io.BytesIO()
    arrays = {**npz_arrays(_network(Path())), "about": np.array(about.decode(errors="replace"))}
    np.savez(stream, allow_pickle=False, **arrays)
    return stream.getvalue()


def _pickled(_: Path) -> bytes:
    return pickle.dumps(content(), 4)


def _released_of(pickled: bytes) -> bytes:
    """A file of released weights whose only array is `pickled`."""
    stream = io.BytesIO()
    pack(stream, npy(pickled))
    return stream.getvalue()


def _read_run(path: Path) -> Any:
    return asked_of(sealed.read_json(path, "run"), path.parent)


_RECORD = "run/records/perturbations/analytic/dmdc/seed-0.json"
FORMATS: dict[str, Format] = {
    "suite": Format(
        "suite.toml",
        lambda _: (ROOT / "suites/smoke.toml").read_bytes(),
        lambda path: resolve(load_suite(path)),
    ),
    "baseline": Format("baseline.toml", lambda _: (ROOT / "baselines/smoke.toml").read_bytes(), read_side),
    "claims": Format("claims.toml", lambda _: (ROOT / "suites/claims/paper.toml").read_bytes(), read_claims),
    "record": Format(_RECORD, _record, store.read_record),
    "record-signed": Format(_RECORD, _record, store.read_record, signed),
    "head-signed": Format(_RECORD, _record, store.read_head, signed),
    "run-signed": Format("run.json", _run, _read_run, signed),
    "recording": Format("session.nwb", _recording, lambda path: read_session(str(path))),
    "network": Format("network.npz", _network, read_network),
    "description": Format("network.npz", _about, read_network, _network_of),
    "released-weights": Format("weights.npz", _pickled, read_released, _released_of),
}
