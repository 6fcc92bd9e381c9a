"""Files that others may have written, read with care: regular ones alone, and never more than is admitted.

Nothing is believed of what a file says of its size: what is read is counted. Nothing is unpickled.
"""

from __future__ import annotations

import io
import math
import os
import stat
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO, Literal

import numpy as np

LARGEST = 2**30
"""Bytes of a file, and of all that is unpacked of one."""
_CHUNK = 2**16  # so much room is made for each read, however short the file
_MOST_MEMBERS = 10_000
_ENTRY = b"PK\x01\x02"  # begins what the directory of a zip file says of one member
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others unpack without bounds


class Unreadable(OSError):
    """A file that is not read, for what it is and not for what is in it."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.strerror = why


DAMAGE: tuple[type[Exception], ...] = (
    *(OSError, ValueError, EOFError, KeyError, IndexError, TypeError, AttributeError),
    *(RuntimeError, MemoryError, SyntaxError, OverflowError),
    *(zipfile.BadZipFile, zlib.error, struct.error),
)
"""All that reading a damaged file of arrays, or of JSON, may raise."""


def open_file(path: str | Path) -> io.BufferedReader:
    """The regular file at `path`, opened to be read.

    Raises:
        FileNotFoundError: there is none.
        OSError: it cannot be opened, or is a folder, a pipe or a device: these may never end.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    kind = os.fstat(handle).st_mode
    if not stat.S_ISREG(kind):
        os.close(handle)
        raise Unreadable("it is a folder" if stat.S_ISDIR(kind) else "it is a pipe or a device, and no file")
    return open(handle, "rb")


def read_file(path: str | Path, most: int = LARGEST) -> bytes:
    """The content of the regular file at `path`, of at most `most` bytes; raises as `open_file` does."""
    with open_file(path) as stream:
        return _read(stream, most, "it")


def read_text(path: str | Path, most: int = LARGEST // 16) -> str:
    """The same as UTF-8 text; raises UnicodeDecodeError, a ValueError, where it is none."""
    return read_file(path, most).decode("utf-8")


def members(data: bytes) -> list[str]:
    """The names in the zip file `data`; raises one of `DAMAGE`."""
    with _archive(data) as archive:
        return archive.namelist()


def read_member(data: bytes, name: str, most: int = LARGEST) -> bytes:
    """One member of the zip file `data`; raises KeyError where it has none, or another of `DAMAGE`."""
    with _archive(data) as archive:
        return _unpack(archive, name, most)


def read_npz(path: str | Path, most: int = LARGEST) -> dict[str, np.ndarray]:
    """`npz_arrays` of the file at `path`."""
    return npz_arrays(read_file(path, most), most)


def npz_arrays(data: bytes, most: int = LARGEST) -> dict[str, np.ndarray]:
    """All arrays of an npz, of at most `most` bytes together, checksums compared; raises one of `DAMAGE`."""
    arrays = {}
    with _archive(data) as archive:
        for name in archive.namelist():
            member = _unpack(archive, name, most)
            most -= len(member)
            arrays[name.removesuffix(".npy")] = _array(member, name)
    return arrays


def _archive(data: bytes) -> zipfile.ZipFile:
    if data.count(_ENTRY) > _MOST_MEMBERS:
        raise Unreadable(f"it has more than {_MOST_MEMBERS:,} members")
    return zipfile.ZipFile(io.BytesIO(data))


def _unpack(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    if archive.getinfo(name).compress_type not in _PACKINGS:
        raise Unreadable(f"{name} is packed in an unusual way")
    with archive.open(name) as stream:
        return _read(stream, most, name)


def _read(stream: IO[bytes], most: int, what: str) -> bytes:
    parts, left = [], most
    while chunk := stream.read(min(_CHUNK, left + 1)):
        left -= len(chunk)
        if left < 0:
            raise Unreadable(f"{what} has more than the {most:,} bytes that are admitted")
        parts.append(chunk)
    return b"".join(parts)


def _array(data: bytes, name: str) -> np.ndarray:
    """The array in .npy form that is all of `data`."""
    stream = io.BytesIO(data)
    headers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    version = np.lib.format.read_magic(stream)
    if version not in headers:
        raise ValueError(f"{name} is in version {version} of the npy format")
    shape, by_columns, dtype = headers[version](stream)
    if dtype.hasobject:
        raise ValueError(f"{name} holds objects, expected numbers or text")
    start = stream.tell()
    if any(n < 0 for n in shape) or math.prod(shape) * dtype.itemsize != len(data) - start:
        raise ValueError(f"{name} has not as many bytes as {list(shape)} of {dtype}")
    order: Literal["F", "C"] = "F" if by_columns else "C"
    return np.ndarray(shape, dtype, data, start, order=order).copy(order=order)
