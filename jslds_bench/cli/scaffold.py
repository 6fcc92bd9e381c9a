"""``jslds-bench new``: one working file for an entry, and its test."""

from __future__ import annotations

import importlib.util
import keyword
from pathlib import Path

from jslds_bench.errors import UsageError
from jslds_bench.suite import registries

TEMPLATES = Path(__file__).resolve().parent / "templates"
KINDS = ("model", "task", "network", "cell", "metric")


def new_entry(kind: str, name: str, folder: Path) -> tuple[Path, Path]:
    """Writes `name`.py and test_`name`.py into `folder`; returns both paths.

    Args:
        kind: one of `KINDS`.

    Raises:
        UsageError: the name does not do, or a file cannot be written; nothing is overwritten.
    """
    files = folder / f"{name}.py", folder / f"test_{name}.py"
    _check_name(kind, name, files)
    entry = (TEMPLATES / f"{kind}.py").read_text(encoding="utf-8")
    test = (TEMPLATES / "entry_test.py").read_text(encoding="utf-8").replace("KIND", f"{kind}s")
    for file, text in zip(files, (entry, test), strict=True):
        _write_new(file, text.replace("my_entry", name).replace("MyEntry", class_name(name)))
    return files


def class_name(name: str) -> str:
    """my_method → MyMethod."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def _check_name(kind: str, name: str, files: tuple[Path, Path]) -> None:
    if not (name.isascii() and name.isidentifier() and name[0].isalpha()) or keyword.iskeyword(name):
        raise UsageError(f"{name!r} cannot name a Python file: use letters, digits and _, as in my_method")
    registry = registries()[f"{kind}s"]
    if name in registry:
        raise UsageError(f"there is a {kind} {name!r} already (jslds-bench info {name}): choose another name")
    for file in files:
        if file.exists():
            raise UsageError(f"{file} exists, and is not overwritten: choose another name or another --dir")
    if importlib.util.find_spec(name) is not None:
        raise UsageError(f"{name}.py would hide the installed module {name!r}: choose another name")


def _write_new(file: Path, text: str) -> None:
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}; choose another --dir") from error
