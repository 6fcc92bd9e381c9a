"""Records on disk: one JSON file per job, with its figure arrays beside it; atomic, checksummed, versioned.

Layout of a run folder::

    run.json                                  what was asked: schema, resolved suite, environment
    records/TASK/NETWORK/MODEL/seed-0.json    one record
    records/TASK/NETWORK/MODEL/seed-0.npz     its arrays for figures (no pickles)
    index.html, figures/, values.csv          written by the report

A file appears under its name only when it is complete: it is written beside, flushed, then renamed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import json
import math
import os
import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jslds_bench.errors import UsageError
from jslds_bench.records.record import Record, Value
from jslds_bench.records.upgrade import from_schema_1

SCHEMA = 2
READABLE = (1, SCHEMA)
"""Schemas that this version reads; older content is brought up to date by `upgrade`."""


def slug(label: str) -> str:
    """`label` as a file name: letters, digits, dot, dash and underscore; others become their code in %XX."""
    safe = re.sub(r"[^A-Za-z0-9._-]", lambda m: "".join(f"%{b:02X}" for b in m[0].encode()), label)
    return safe if safe.strip(".") else "%2E" * len(safe)


def record_path(run: Path, key: tuple[str, str, str, int]) -> Path:
    task, network, model, seed = key
    return run / "records" / slug(task) / slug(network) / slug(model) / f"seed-{seed}.json"


def write_atomic(path: Path, data: bytes) -> None:
    """Write `data` so that `path` holds either all of it or what it held before.

    Raises:
        UsageError: the folder cannot be written or the disk is full; nothing half-written remains.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        raise UsageError(
            f"cannot write {path}: {error.strerror or error}; free some space or choose another --out"
        ) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """`content` plus its checksum, as JSON with sorted keys (so equal contents are equal bytes)."""
    body = _plain(dict(content))
    body["checksum"] = _checksum(body)
    write_atomic(path, (json.dumps(body, indent=1, sort_keys=True, allow_nan=False) + "\n").encode())


def read_json(path: Path, what: str) -> dict[str, Any]:
    """The content of a file that `write_json` wrote.

    Raises:
        UsageError: missing, not JSON, changed since it was written, or of another schema.
    """
    try:
        text = path.read_text()
        body = json.loads(text)
    except FileNotFoundError:
        raise UsageError(f"no {what} at {path}") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{what} {path} cannot be read: {error}; delete it to have it made anew") from error
    if not isinstance(body, dict):
        raise UsageError(f"{what} {path} is no JSON object; delete it to have it made anew")
    if body.get("schema") not in READABLE:
        raise UsageError(
            f"{what} {path} has schema {body.get('schema')!r}, this version reads schema {SCHEMA}: "
            "use the version that wrote it, or choose another folder"
        )
    stated = body.pop("checksum", None)
    if stated != _checksum(body):
        raise UsageError(f"{what} {path} was changed after it was written; delete it to have it made anew")
    return _restore(body) if '"float"' in text else body


def write_record(run: Path, record: Record, arrays: Mapping[str, np.ndarray]) -> None:
    """Store a record and its figure arrays; the record appears last, so it never lacks them."""
    path = record_path(run, record.key)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{k: np.asarray(v) for k, v in arrays.items()})  # type: ignore[arg-type]
    write_atomic(path.with_suffix(".npz"), buffer.getvalue())
    write_json(path, {"schema": SCHEMA, **dataclasses.asdict(record)})


def read_record(path: Path) -> Record:
    """The record at `path`; raises UsageError as `read_json` does."""
    body = read_json(path, "record")
    schema = body.pop("schema")
    try:
        if schema == 1:
            body = from_schema_1(body)
        body["values"] = {k: Value(**v) for k, v in body["values"].items()}
        return Record(**body)
    except (TypeError, AttributeError, KeyError) as error:
        raise UsageError(
            f"record {path} lacks or adds fields ({error}); delete it to have it made anew"
        ) from error


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The figure arrays beside the record at `path` (empty if there are none); never unpickles.

    Raises:
        UsageError: the file is damaged.
    """
    file = path.with_suffix(".npz")
    if not file.exists():
        return {}
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UsageError(
            f"arrays {file} cannot be read: {error}; delete its record to have it made anew"
        ) from error


def record_paths(run: Path) -> list[Path]:
    """All record files of a run folder, in a fixed order."""
    return sorted((run / "records").glob("*/*/*/seed-*.json"))


def read_records(run: Path) -> Iterator[Record]:
    """All records of a run folder; raises UsageError where there is no run or a record is damaged."""
    read_json(run / "run.json", "run")
    for path in record_paths(run):
        yield read_record(path)


def _plain(value: Any) -> Any:
    """`value` as JSON can hold it; non-finite floats become {"float": "inf"} and the like."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, bool | str | int) or value is None:
        return value
    number = float(value)
    return number if math.isfinite(number) else {"float": str(number)}


_NON_FINITE = ("inf", "-inf", "nan")


def _restore(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"float"} and value["float"] in _NON_FINITE:
            return float(value["float"])
        return {k: _restore(v) for k, v in value.items()}
    return [_restore(v) for v in value] if isinstance(value, list) else value


def _checksum(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
