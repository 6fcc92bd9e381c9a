"""Shards as the tasks of Slurm job arrays, on nodes that see the run's folder.

The scripts lie in the folder of the shards: `array-0.sh` picks its line of `commands` and writes the exit
code to a file, by which its end is noticed. A task that a node failure put back into the queue resumes.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from jslds_bench.errors import UsageError, said
from jslds_bench.files import read_text
from jslds_bench.records.sealed import write_atomic
from jslds_bench.runner.executors.shards import Ended, Shard, last_line

MOST = 1000
"""Tasks in one array: Slurm's MaxArraySize is 1001 unless its owner says otherwise."""
SCRIPT = """\
#!/bin/sh
#SBATCH --job-name=jslds-bench
#SBATCH --array={first}-{last}
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output={folder}/log-%a
#SBATCH --error={folder}/log-%a
eval "$(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" {quoted}/commands)"
code=$?
echo "$code" > {quoted}/"code-$SLURM_ARRAY_TASK_ID.part"
mv {quoted}/"code-$SLURM_ARRAY_TASK_ID.part" {quoted}/"code-$SLURM_ARRAY_TASK_ID"
exit "$code"
"""


class Slurm:
    """The cluster that ``sbatch`` submits to.

    Args:
        options: of ``sbatch``, as in ``--partition=cpu --time=2:00:00 --cpus-per-task=1``.
        every: seconds between two looks at what has ended.
    """

    def __init__(self, options: str = "", exclusive: bool = False, every: float = 2.0) -> None:
        self.exclusive = exclusive
        self._options = [*shlex.split(options), *(["--exclusive"] if exclusive else [])]
        self._every = every

    def run(self, shards: Sequence[Shard]) -> Iterator[tuple[Shard, Ended]]:
        folder = shards[0].folder.parent
        if any(c in str(folder) for c in "%\n"):
            raise UsageError(f"Slurm would not write to {folder}: choose an --out without % and line breaks")
        self._cancel_earlier(folder)
        for old in folder.glob("code-*"):
            old.unlink()
        lines = [shlex.join(shard.command) for shard in shards]
        if any("\n" in line for line in lines):
            raise UsageError("a label has a line break: give it another")
        write_atomic(folder / "commands", ("\n".join(lines) + "\n").encode())
        arrays: list[str] = []
        try:
            for first in range(0, len(shards), MOST):
                arrays.append(self._submit(folder, first, min(first + MOST, len(shards)) - 1))
                write_atomic(folder / "arrays", " ".join(arrays).encode())
            yield from self._ends(shards, folder, arrays)
        finally:
            if arrays:
                with contextlib.suppress(UsageError):
                    _called("scancel", *arrays)
            with contextlib.suppress(OSError):
                (folder / "arrays").unlink()

    def _submit(self, folder: Path, first: int, last: int) -> str:
        """The number of the array of tasks `first` … `last`."""
        script = folder / f"array-{first}.sh"
        text = SCRIPT.format(first=first, last=last, folder=folder, quoted=shlex.quote(str(folder)))
        write_atomic(script, text.encode())
        return _called("sbatch", "--parsable", *self._options, str(script)).strip().partition(";")[0]

    def _ends(
        self, shards: Sequence[Shard], folder: Path, arrays: Sequence[str]
    ) -> Iterator[tuple[Shard, Ended]]:
        left = dict(enumerate(shards))
        missed: set[int] = set()  # neither queued nor ended when last looked at
        while left:
            try:
                queued, there = _queued(arrays), set(os.listdir(folder))
            except OSError as error:
                raise UsageError(f"the parts of the run are gone: {said(error)}") from error
            for number in list(left):
                log = folder / f"log-{number}"
                if f"code-{number}" in there:
                    yield left.pop(number), Ended(_code(folder / f"code-{number}"), _last(log))
                elif queued is None or number in queued:
                    missed.discard(number)
                elif number in missed:  # a file may be seen later than its task's end
                    yield left.pop(number), Ended(None, _last(log))
                else:
                    missed.add(number)
            if left:
                time.sleep(self._every)

    def _cancel_earlier(self, folder: Path) -> None:
        """Ends the arrays of a runner that was killed."""
        with contextlib.suppress(OSError, UsageError):
            _called("scancel", *read_text(folder / "arrays").split())


def _queued(arrays: Sequence[str]) -> set[int] | None:
    """The tasks that wait or run; None where Slurm does not say."""
    try:
        told = _called("squeue", "--noheader", "--array", "--jobs", ",".join(arrays), "--format=%K")
    except UsageError as error:
        return set() if "Invalid job id" in str(error) else None
    return {int(word) for word in told.split() if word.isdigit()}


def _code(file: Path) -> int | None:
    """None where it cannot be read: the disk was full, say, when it was written."""
    try:
        return int(read_text(file))
    except (OSError, ValueError):
        return None


def _last(log: Path) -> str:
    try:
        return last_line(read_text(log))
    except (OSError, ValueError):
        return ""


def _called(*command: str) -> str:
    """What a command of Slurm prints.

    Raises:
        UsageError: there is none, or it fails.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"the executor slurm needs {command[0]}: {said(error)}") from error
    if done.returncode:
        raise UsageError(f"{command[0]} failed: {last_line(done.stderr)}")
    return done.stdout
