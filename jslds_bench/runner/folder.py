"""A run's folder: held by one process at a time, what it was asked for, and what is done. No JAX."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from jslds_bench.errors import UsageError
from jslds_bench.records.sealed import sweep
from jslds_bench.records.store import has_arrays, read_head, record_path
from jslds_bench.suite import Job, Suite, parse
from jslds_bench.suite.job import of_seed


@contextlib.contextmanager
def locked(
    out: Path, wait: float = 0.0, note: Callable[[str], None] = lambda text: None
) -> Iterator[Callable[[], bool]]:
    """Holds the run folder for this process; created if need be. Whether it still is the same one.

    Args:
        wait: seconds to wait for another run that holds it.
        note: is told of that.
    """
    deadline = time.monotonic() + wait
    for _ in range(_REMOVED):
        lock = _opened(out)
        try:
            _hold(lock, out, deadline, note)
            held = os.fstat(lock)

            def ours(held: os.stat_result = held) -> bool:
                try:
                    return os.path.samestat(os.stat(out / ".lock"), held)
                except OSError:
                    return False

            if ours():  # who held it before may have taken it away
                yield ours
                return
        finally:
            os.close(lock)
    raise UsageError(f"{out} is removed again and again; choose another --out")


def _opened(out: Path) -> int:
    try:
        out.mkdir(parents=True, exist_ok=True)
        return os.open(out / ".lock", os.O_CREAT | os.O_RDWR, 0o644)
    except OSError as error:
        raise UsageError(
            f"cannot write to {out}: {error.strerror}; choose another folder with --out"
        ) from error


def _hold(lock: int, out: Path, deadline: float, note: Callable[[str], None]) -> None:
    """Locks the file, once nobody else does."""
    told = False
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            left = deadline - time.monotonic()
            if left <= 0:
                raise UsageError(
                    f"another run is writing to {out}; wait for it, or choose another --out"
                ) from None
        except OSError as error:  # network disks that are mounted without locks
            raise UsageError(
                f"{out} cannot be locked: {error.strerror}; choose an --out on a disk where files can be"
            ) from error
        if not told:
            told = True
            note(f"waiting for another run that is writing to {out}, {left:.0f} s at most")
        time.sleep(min(left, _AGAIN))


_REMOVED = 10  # times that a folder may vanish while it is being locked
_AGAIN = 0.2  # seconds between two tries


def sweep_run(out: Path) -> None:
    """Removes what killed runs left in `out`, which is held."""
    sweep(out, "records")
    for old in out.glob(f"{_PROGRAMS}*"):
        shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def programs_of(out: Path) -> Iterator[str]:
    """A folder in `out`, which is held, for what the workers of this run compile; it goes with the run.

    It lies there for the next run to find if this one is killed, and has a name of its own, since workers
    of a killed run may write for a moment longer.
    """
    try:
        folder = tempfile.TemporaryDirectory(prefix=_PROGRAMS, dir=out, ignore_cleanup_errors=True)
    except OSError as error:
        raise UsageError(
            f"cannot write to {out}: {error.strerror}; choose another folder with --out"
        ) from error
    with folder as name:
        yield name


_PROGRAMS = ".programs-"


def asked_of(meta: dict[str, Any], out: Path) -> Suite | None:
    """What an earlier run of this folder was asked for; None where that cannot be read."""
    try:
        return parse(tomllib.loads(meta["suite_text"]), out / "run.json")
    except (KeyError, TypeError, ValueError, RecursionError):
        return None


def finished_before(out: Path, job: Job, note: Callable[[str], None]) -> bool:
    """Whether `out` has an ok record of the job, its digest and its arrays. A damaged one is run again."""
    return standing(out, job, note) == "finished"


def standing(out: Path, job: Job, note: Callable[[str], None]) -> Literal["finished", "superseded", "to do"]:
    """Whether `out` has the job's ok record, whole, or any by other code, parameters or libraries."""
    path = record_path(out, job.key)
    try:
        head = read_head(path)
    except UsageError as error:
        if path.exists():
            note(f"runs again: {error}")
        return "to do"
    if head.digest != job.digest:
        return "superseded"
    if head.status != "ok":
        return "to do"
    if not has_arrays(path, head):
        note(f"runs again: the arrays beside {path} are missing")
        return "to do"
    return "finished"


def superseded_seeds(out: Path, jobs: Iterable[Job]) -> Iterator[Path]:
    """Records of seeds that are none of `jobs`, by other code, parameters or libraries than the jobs'.

    Failures and divergences too: what has been mended would be ranked by them.
    """
    seeds: dict[tuple[str, str, str], dict[int, Job]] = {}
    for job in jobs:
        seeds.setdefault(job.key[:3], {})[job.seed] = job
    for of in seeds.values():
        one = next(iter(of.values()))
        if one.failure is not None:  # its digest is that of an entry that could not be made
            continue
        for path in sorted(record_path(out, one.key).parent.glob("seed-*.json")):
            seed = path.stem.removeprefix("seed-")
            if not seed.isdecimal() or int(seed) in of:
                continue
            with contextlib.suppress(UsageError):  # told by whoever reads it
                head = read_head(path)
                if head.digest != of_seed(one.shared_digest, int(seed)):
                    yield path
