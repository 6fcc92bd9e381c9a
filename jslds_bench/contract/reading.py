"""Which files code of others reads, and whether it says so: what it does not name may change unnoticed."""

from __future__ import annotations

import dataclasses
import os
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax

from jslds_bench.suite.job import sources_of

CODE = (".py", ".pyc", ".so", ".pyd", ".dll", ".dylib", ".pth")
_watches: list[tuple[int, list[str]]] = []


def unnamed_faults(task: Any, draw: Callable[[Any], Any]) -> Iterator[str]:
    """A task that reads data files says what they hold, by `sources`.

    It does not hear of a file that was read before, when the plug-in was imported, say.

    Args:
        draw: makes a task draw its data.
    """
    with files_read() as read:
        draw(dataclasses.replace(task))  # made anew
    if read and not sources_of(task):
        yield (
            f"it reads {', '.join(read)}, and no `sources` says so: a run would keep results of a file that "
            "has changed; answer a dict with the file's hash (docs/plugins.md)"
        )
    elif sources_of(task) != sources_of(task):
        yield "`sources` answers something else the second time: nothing of it could be kept"


@contextmanager
def files_read() -> Iterator[list[str]]:
    """The files that this thread opens to read while it lasts, code and the machine's own files apart."""
    read: list[str] = []
    watch = threading.get_ident(), read
    _watches.append(watch)
    try:
        yield read
    finally:
        _watches.remove(watch)


def _hear(event: str, args: tuple[Any, ...]) -> None:
    if event != "open" or not _watches:
        return
    path, _, flags = args
    if isinstance(path, int) or not isinstance(flags, int) or flags & (os.O_WRONLY | os.O_RDWR):
        return
    for thread, read in list(_watches):
        if thread == threading.get_ident():
            file = os.path.abspath(os.fsdecode(path))
            if file not in read and _is_data(file):
                read.append(file)


def _is_data(file: str) -> bool:
    cache = jax.config.values["jax_compilation_cache_dir"]
    folders = [*_INSTALLED, os.path.abspath(cache)] if cache else _INSTALLED
    return (
        not file.endswith(CODE)
        and file not in sys.path
        and not any(file.startswith(os.path.join(at, "")) for at in folders)
    )


_INSTALLED = [
    *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    *(sys.prefix, sys.base_prefix),
    str(Path(__file__).resolve().parents[1]),
    *("/proc", "/sys", "/dev", "/etc", "/usr/share"),
]
"""Folders whose files are no data: Python's, its packages, this package, and the machine's own."""

sys.addaudithook(_hear)  # for good: Python cannot take it back
