"""Records on disk: one JSON file per job, with its figure arrays beside it.

Layout of a run folder::

    run.json                                  what was asked: schema, resolved suite, environment
    records/TASK/NETWORK/MODEL/seed-0.json    one record
    records/TASK/NETWORK/MODEL/seed-0.npz     its arrays for figures (no pickles)
    index.html, figures/, values.csv          written by the report

A record is bound to its place and to its arrays: one that was copied elsewhere, or that lacks them, is not
taken.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np

from jslds_bench.errors import UsageError, printable, said
from jslds_bench.files import DAMAGE, npz_arrays, read_file, read_text
from jslds_bench.records.record import Record, Status, Value
from jslds_bench.records.sealed import SCHEMA, members, plain, read_json, write_atomic, write_json
from jslds_bench.records.upgrade import from_schema_1


@functools.lru_cache(maxsize=65536)
def slug(label: str) -> str:
    """`label` as a file name: letters, digits, dot, dash and underscore; others become their code in %XX."""
    safe = re.sub(r"[^A-Za-z0-9._-]", lambda m: "".join(f"%{b:02X}" for b in m[0].encode()), label)
    return safe if safe.strip(".") else "%2E" * len(safe)


def record_path(run: Path, key: tuple[str, str, str, int]) -> Path:
    return Path(os.path.join(run, "records", *_place(key)))  # parsed once


def _place(key: tuple[str, str, str, int]) -> tuple[str, str, str, str]:
    task, network, model, seed = key
    return slug(task), slug(network), slug(model), f"seed-{seed}.json"


def _is_at(path: Path, key: tuple[str, str, str, int]) -> bool:
    """Whether `path` is where the record of that key belongs."""
    return tuple(os.fspath(path).split(os.sep)[-4:]) == _place(key)


def write_record(run: Path, record: Record, arrays: Mapping[str, np.ndarray]) -> None:
    """Store a record and its figure arrays; the record appears last, and says which arrays are its own."""
    path = record_path(run, record.key)
    file, its = path.with_suffix(".npz"), ""
    if arrays:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **{k: np.asarray(v) for k, v in arrays.items()})  # type: ignore[arg-type]
        its = hashlib.sha256(buffer.getvalue()).hexdigest()
        write_atomic(file, buffer.getvalue())
    write_json(path, {**_body(record), "arrays": its})
    if not arrays:
        with contextlib.suppress(OSError):  # of an earlier record
            file.unlink()


def _body(record: Record) -> dict[str, Any]:
    """`dataclasses.asdict` would copy all that is in it."""
    return {**vars(record), "values": {name: vars(value) for name, value in record.values.items()}}


def unkept(record: Record) -> str | None:
    """What of `record` could be read by nobody, once written, or not be written at all; in words."""
    try:
        plain(_body(record))
    except (TypeError, ValueError, RecursionError, OverflowError) as error:
        return said(error)
    return _ill_typed(record)


def copy_record(path: Path, record: Record, run: Path) -> None:
    """Copies the record at `path`, and its arrays, to the run folder `run` as they are."""
    target = record_path(run, record.key)
    if path == target:
        return
    if record.arrays != "" and path.with_suffix(".npz").exists():
        write_atomic(target.with_suffix(".npz"), read_file(path.with_suffix(".npz")))
    write_atomic(target, read_file(path))


def move_record(path: Path, run: Path) -> None:
    """Moves the record at `path`, and the arrays beside it, to its place in `run`, which is on the same disk.

    Raises:
        UsageError: that folder cannot be written.
    """
    target = run.joinpath("records", *path.parts[-4:])
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            os.replace(path.with_suffix(".npz"), target.with_suffix(".npz"))
        os.replace(path, target)
    except OSError as error:
        raise UsageError(f"cannot write {target}: {error.strerror or error}; free some space") from error


def read_record(path: Path) -> Record:
    """The record at `path`.

    Raises:
        UsageError: as `read_json` does; it has other fields, or values of other types, than a record; or it
            is that of another job, copied here.
    """
    body = read_json(path, "record")
    schema = body.pop("schema")
    try:
        if schema == 1:
            body = from_schema_1(body)
        body["values"] = {k: Value(**v) for k, v in body["values"].items()}
        record = Record(**body)
    except (TypeError, AttributeError, KeyError) as error:
        raise UsageError(
            f"record {path} lacks or adds fields ({said(error)}); delete it to have it made anew"
        ) from error
    if (wrong := _ill_typed(record)) is not None:
        raise UsageError(f"record {path} has {wrong}; delete it to have it made anew")
    if not _is_at(path, record.key):
        whose = " · ".join(map(printable, record.key[:3]))[:200]
        raise UsageError(
            f"record {path} is that of {whose}, seed {record.seed}, and was copied here; delete it to have "
            "it made anew"
        )
    return record


class Head(NamedTuple):
    """What a plan asks of a record: how it ended, what decided it, and which arrays are its own."""

    status: str
    digest: str
    arrays: str | None


def read_head(path: Path) -> Head:
    """The head of the record at `path`.

    Of what this version wrote, and nobody changed since, the rest is not looked at: a plan may have to read
    tens of thousands. Whoever seals a record of other fields has it refused where it is read whole.

    Raises:
        UsageError: as `read_record` does, for what is in the head and for a seal that does not hold.
    """
    with contextlib.suppress(OSError, ValueError, TypeError, MemoryError, RecursionError):
        schema, seed, *words = members(read_text(path), ("schema", "seed", *_PLACED_BY, *Head._fields))
        task, network, model, *head = words
        known = schema == SCHEMA and type(seed) is int and all(type(word) is str for word in words)
        if known and _is_at(path, (task, network, model, seed)):
            return Head(*head)
    record = read_record(path)
    return Head(record.status, record.digest, record.arrays)


_PLACED_BY = ("task", "network", "model")


def has_arrays(path: Path, head: Head) -> bool:
    """Whether the arrays of the record at `path` are there, if it has any; they may be damaged."""
    return not head.arrays or os.path.exists(f"{os.fspath(path).removesuffix('.json')}.npz")


def read_arrays(path: Path, record: Record) -> dict[str, np.ndarray]:
    """The figure arrays of `record`, stored at `path` (empty if it has none); never unpickles.

    Raises:
        UsageError: the file is missing, damaged, or that of another record.
    """
    file = path.with_suffix(".npz")
    if record.arrays == "":
        return {}
    anew = "delete the record to have them made anew"
    try:
        data = read_file(file)
        if record.arrays is not None and hashlib.sha256(data).hexdigest() != record.arrays:
            raise UsageError(f"arrays {file} are not those that were written with {path.name}; {anew}")
        return npz_arrays(data)
    except FileNotFoundError:
        if record.arrays is None:
            return {}
        raise UsageError(f"arrays {file} are missing; {anew}") from None
    except UsageError:
        raise
    except DAMAGE as error:
        raise UsageError(f"arrays {file} cannot be read: {said(error)}; {anew}") from error


def record_paths(run: Path) -> list[Path]:
    """All record files of a run folder, in a fixed order."""
    return sorted((run / "records").glob("*/*/*/seed-*.json"))


def read_records(run: Path) -> Iterator[Record]:
    """All records of a run folder; raises UsageError where there is no run or a record is damaged."""
    read_json(run / "run.json", "run")
    for path in record_paths(run):
        yield read_record(path)


def _ill_typed(record: Record) -> str | None:
    """What in `record` is not of the type that it should be, in words. Thousands are read at once."""
    for kind, names in _KINDS.items():
        for name in names:
            if type(value := getattr(record, name)) is not kind:
                return _said(name, value)
    if record.status not in get_args(Status):
        return _said("status", record.status)
    if record.seed < 0:
        return _said("seed", record.seed)
    for name in ("reason", "arrays"):
        if not isinstance(text := getattr(record, name), str | None):
            return _said(name, text)
    for part in ("task", "network", "model"):
        if not isinstance(given := record.parameters.get(part, {}), dict):
            return _said(f"parameters.{part}", given)
    for name, row in record.series.items():
        if not _is_row(row):
            return _said(f"series.{name}", row)
    for name, outcome in record.values.items():
        if not _is_value(outcome):
            return _said(f"values.{name}", outcome)
    return None


_KINDS: dict[type, tuple[str, ...]] = {
    str: ("suite", "task", "network", "model", "status", "digest", "setting", "origin", "caption"),
    dict: ("parameters", "values", "series", "detail", "environment"),
    int: ("seed",),
}


def _said(name: str, value: Any) -> str:
    return f"{printable(name)} = {printable(repr(value))[:60]}"


_NUMBERS = (int, float)  # what JSON has: no subclasses, and not bool


def _is_row(row: Any) -> bool:
    return type(row) is list and all(type(x) in _NUMBERS for x in row)


def _is_value(value: Value) -> bool:
    return (
        (value.value is None or type(value.value) in _NUMBERS)
        and type(value.unit) is type(value.better) is type(value.family) is str
        and (value.reason is None or type(value.reason) is str)
        and type(value.order) in _NUMBERS
        and type(value.headline) is bool
    )
