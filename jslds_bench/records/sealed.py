"""Files that appear whole or not at all, and JSON behind its checksum and schema.

A file appears under its name only when it is complete: it is written beside, flushed, then renamed. What
killed writers left is swept.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import math
import os
import platform
import re
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jslds_bench.errors import UsageError, said
from jslds_bench.files import read_text

SCHEMA = 4
READABLE = (1, 2, 3, SCHEMA)
"""Schemas that this version reads; older content is brought up to date by `upgrade`. Since 4 the checksum is
that of the text, for thousands of records are checked when a run is planned."""


def write_atomic(path: Path, data: bytes, advice: str = "choose another --out") -> None:
    """Write `data` so that `path` holds either all of it or what it held before.

    Raises:
        UsageError: the folder cannot be written or the disk is full; nothing half-written remains.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        owner = f".{_processes()}-{os.getpid()}-"
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=owner, suffix=_PART)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        raise UsageError(
            f"cannot write {path}: {error.strerror or error}; free some space or {advice}"
        ) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def sweep(folder: Path, *parts: str) -> int:
    """Removes what killed writers left in `folder` itself, and in and below its `parts`; how many files.

    Left are those of processes that run, and those of other machines until they are a day old.
    """
    swept = 0
    left = f".*{_PART}"
    for path in (*folder.glob(left), *(path for part in parts for path in (folder / part).rglob(left))):
        if (name := _NAME.fullmatch(path.name)) is None:
            continue  # it is none of ours
        where, process = name.groups()
        with contextlib.suppress(OSError):
            old = time.time() - path.stat().st_mtime > _OLD
            ended = where == _processes() and not _runs(int(process))
            if ended or old:
                path.unlink()
                swept += 1
    return swept


_PART = ".part"  # ends the names of files that are being written
_NAME = re.compile(rf"\.([0-9a-f]{{8}})-(\d+)-.*{re.escape(_PART)}")
_OLD = 86400.0  # seconds


@functools.cache
def _processes() -> str:
    """What tells this process's numbers from those of other machines and containers."""
    words = [platform.node()]
    for path in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        with contextlib.suppress(OSError):
            words.append(os.readlink(path) if path.endswith("pid") else Path(path).read_text())
    return hashlib.sha256(json.dumps(words).encode()).hexdigest()[:8]


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is another user's
        return True
    return True


def write_json(path: Path, content: Mapping[str, Any], advice: str = "choose another --out") -> None:
    """`content` and its schema behind their checksum: JSON, its keys sorted (equal contents, equal bytes)."""
    text = json.dumps(plain({"schema": SCHEMA, **content}), indent=1, sort_keys=True, allow_nan=False) + "\n"
    write_atomic(path, seal(text).encode(), advice)


def read_json(path: Path, what: str) -> dict[str, Any]:
    """The content of a file that `write_json` wrote.

    Raises:
        UsageError: missing, not JSON, changed since it was written, or of another schema.
    """
    try:
        text = read_text(path)
        body = json.loads(text)
    except FileNotFoundError:
        raise UsageError(f"no {what} at {path}") from None
    except RecursionError:
        raise UsageError(f"{what} {path} is nested too deeply; delete it to have it made anew") from None
    except (OSError, ValueError, MemoryError) as error:
        raise UsageError(
            f"{what} {path} cannot be read: {said(error)}; delete it to have it made anew"
        ) from error
    if not isinstance(body, dict):
        raise UsageError(f"{what} {path} is no JSON object; delete it to have it made anew")
    if body.get("schema") not in READABLE:
        raise UsageError(
            f"{what} {path} has schema {body.get('schema')!r}, this version reads schema {SCHEMA}: "
            "use the version that wrote it, or choose another folder"
        )
    stated = body.pop("checksum", None)
    if not _is_sealed(text, stated) if body["schema"] >= 4 else stated != _checksum_until_3(body):
        raise UsageError(f"{what} {path} was changed after it was written; delete it to have it made anew")
    try:
        if "\\ud" in text.lower() and plain(body) != body:
            raise UsageError(f"{what} {path} holds text that is no Unicode; delete it to have it made anew")
        return _restore(body) if '"float"' in text else body
    except RecursionError:
        raise UsageError(f"{what} {path} is nested too deeply; delete it to have it made anew") from None


def members(text: str, names: Sequence[str]) -> list[Any]:
    """Members, each of one line, of the outermost object in `text`: no other is looked at.

    Raises:
        ValueError: it is not as this version's `write_json` wrote it, or one is not there, or takes more
            lines.
    """
    if not _is_sealed(text, text[len(_SEAL) :][:64]):
        raise ValueError("not sealed")
    found, end = {}, 0
    for name in sorted(names):  # as they are written
        start = text.index(f'\n "{name}": ', end) + len(name) + 6
        end = text.index("\n", start)
        found[name] = text[start:end].rstrip(",")
    return json.loads(f"[{','.join(found[name] for name in names)}]")


def plain(value: Any) -> Any:
    """`value` as JSON can hold it; non-finite floats become {"float": "inf"} and the like."""
    if isinstance(value, Mapping):
        return {plain(str(k)): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, str):  # lone halves of a surrogate pair are in no encoding
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, bool | int) or value is None:
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


_OPENING = "{\n"  # of a text that `write_json` writes
_SEAL = f'{_OPENING} "checksum": "'


def seal(text: str) -> str:
    """`text`, a JSON object, with the hash of its bytes as its first member."""
    return f"{_head(hashlib.sha256(text.encode()).hexdigest())}{text.removeprefix(_OPENING)}"


def _is_sealed(text: str, checksum: Any) -> bool:
    """Whether `text`, whose member of that name is `checksum`, is as `seal` made it."""
    head = _head(checksum)
    return text.startswith(head) and seal(_OPENING + text.removeprefix(head)) == text


def _head(checksum: Any) -> str:
    return f'{_SEAL}{checksum}",\n'


def _checksum_until_3(body: Mapping[str, Any]) -> str:
    """The checksum of schemas 1 to 3: of the content, however it is laid out."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
