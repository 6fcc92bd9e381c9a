"""Versions of the code: a revision, unpacked beside the others, or a folder as it is."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import NamedTuple

from jslds_bench.errors import UsageError, said

LOCK = "requirements.lock"


class Version(NamedTuple):
    """Code that can be run: what to call it, its folder, and the interpreter with what its lock pins."""

    name: str
    folder: Path
    python: Path


def version(name: str, repository: Path, scratch: Path) -> Version:
    """The code of revision `name` of the repository, or of the folder `name`.

    A revision is unpacked under `scratch`. It runs in this interpreter's environment where its lock file is
    the repository's own, and in one made of its lock file where not, which needs pip and takes a minute; it
    stays in `.asv/locks/` for the next time.

    Raises:
        UsageError: there is no such revision or folder, or no environment could be made.
    """
    here = Path(name)
    if here.is_dir() and (here / "jslds_bench" / "__init__.py").is_file():
        return Version(name, here.resolve(), Path(sys.executable))
    if name.startswith("-"):
        raise UsageError(f"{name!r} is no revision and no folder with a jslds_bench")
    found = _git("archive", "--format=tar", name, at=repository)
    if found.returncode != 0:
        lines = found.stderr.decode(errors="replace").strip().splitlines() or ["git archive failed"]
        raise UsageError(f"{name!r} is neither a folder with a jslds_bench nor a revision: {lines[-1]}")
    folder = scratch / f"code-{len(list(scratch.iterdir()))}"
    with tarfile.open(fileobj=io.BytesIO(found.stdout)) as archive:
        archive.extractall(folder, filter="data")
    if not (folder / LOCK).is_file():
        raise UsageError(f"{name} has no {LOCK} that its environment could be made from: choose a later one")
    return Version(name, folder, _interpreter(name, folder, repository))


def checkout() -> Path:
    """The checkout of this project that the working folder lies in.

    Raises:
        UsageError: it lies in none.
    """
    found = _git("rev-parse", "--show-toplevel", at=Path.cwd())
    root = Path(os.fsdecode(found.stdout).strip())
    if found.returncode != 0 or not (root / "suites" / "asv" / "problems.py").is_file():
        raise UsageError("perf compares revisions of this project: run it inside a checkout of jslds-bench")
    return root


def _git(*words: str, at: Path) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["git", *words], cwd=at, capture_output=True, check=False)
    except OSError as error:
        raise UsageError(f"revisions are read by git, which cannot be started: {said(error)}") from error


def _interpreter(revision: str, folder: Path, repository: Path) -> Path:
    if (folder / LOCK).read_bytes() == (repository / LOCK).read_bytes():
        return Path(sys.executable)
    name = hashlib.sha256((folder / LOCK).read_bytes()).hexdigest()[:12]
    kept = repository / ".asv" / "locks" / f"{name}-{sys.version_info.major}.{sys.version_info.minor}"
    python = kept / "bin" / "python"
    if (kept / "complete").exists():
        return python
    made = subprocess.run(
        ["make", "env", f"PYTHON={sys.executable}", f"VENV={kept}"],
        cwd=folder,
        capture_output=True,
        check=False,
    )
    if made.returncode != 0:
        last = made.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise UsageError(f"the environment of {revision} could not be made: {' '.join(last)}")
    (kept / "complete").touch()
    return python
