"""Shards as the tasks of Slurm job arrays, on nodes that see the run's folder.

The scripts lie in the folder of the shards. That of the array whose first shard has the number 1000 is
`array-1000.sh`: its task k picks line k of `commands-1000` and writes the exit code to `code-(1000 + k)`, by
which its end is noticed. A task that a node failure put back into the queue resumes.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from jslds_bench.errors import UsageError, said
from jslds_bench.files import read_text
from jslds_bench.records.sealed import write_atomic
from jslds_bench.runner.executors.shards import Ended, Shard, last_line

MOST = 1000
"""Tasks in one array: indices are below Slurm's MaxArraySize, 1001 unless its owner says otherwise."""
SCRIPT = """\
#!/bin/sh
#SBATCH --job-name=jslds-bench
#SBATCH --array=0-{last}
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output={folder}/log-{first}-%a
#SBATCH --error={folder}/log-{first}-%a
eval "$(sed -n "$((SLURM_ARRAY_TASK_ID + 1)){{p;q;}}" {quoted}/commands-{first})"
code=$?
to={quoted}/"code-$(({first} + SLURM_ARRAY_TASK_ID))"
echo "$code" > "$to.part"
mv "$to.part" "$to"
exit "$code"
"""


class Slurm:
    """The cluster that ``sbatch`` submits to.

    Args:
        options: of ``sbatch``, as in ``--partition=cpu --time=2:00:00 --cpus-per-task=1``.
        every: seconds between two looks at what has ended. Looks take a tenth of the time at most.
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
        firsts = deque(range(0, len(shards), MOST))
        for first in firsts:
            self._write(folder, first, shards[first : first + MOST])
        arrays: dict[str, int] = {}
        try:
            yield from self._ends(shards, folder, firsts, arrays)
        finally:
            if arrays:
                with contextlib.suppress(UsageError):
                    _called("scancel", *arrays)
            with contextlib.suppress(OSError):
                (folder / "arrays").unlink()

    def _write(self, folder: Path, first: int, shards: Sequence[Shard]) -> None:
        """The script of an array, and the commands of its tasks: no task reads those of all arrays."""
        lines = [shlex.join(shard.command) for shard in shards]
        if any("\n" in line for line in lines):
            raise UsageError("a label has a line break: give it another")
        write_atomic(folder / f"commands-{first}", ("\n".join(lines) + "\n").encode())
        where = {"folder": folder, "quoted": shlex.quote(str(folder))}
        text = SCRIPT.format(first=first, last=len(shards) - 1, **where)
        write_atomic(folder / f"array-{first}.sh", text.encode())

    def _submit(self, folder: Path, firsts: deque[int], arrays: dict[str, int]) -> list[int]:
        """Moves arrays from `firsts` to `arrays`, by their numbers in Slurm, for as long as it takes some.

        It may bound how many tasks of a user wait (MaxSubmitJobs): the rest is tried again at the next look.

        Raises:
            UsageError: it takes none, and none is there already.
        """
        taken: list[int] = []
        while firsts:
            words = "--parsable", *self._options, str(folder / f"array-{firsts[0]}.sh")
            try:
                number = _called("sbatch", *words).strip().partition(";")[0]
            except UsageError:
                if not arrays:
                    raise
                break
            arrays[number] = firsts.popleft()
            taken.append(arrays[number])
            write_atomic(folder / "arrays", " ".join(arrays).encode())
        return taken

    def _ends(
        self, shards: Sequence[Shard], folder: Path, firsts: deque[int], arrays: dict[str, int]
    ) -> Iterator[tuple[Shard, Ended]]:
        left: set[int] = set()  # of those that Slurm was given
        missed: set[int] = set()  # neither queued nor ended when last looked at
        while left or firsts:
            for first in self._submit(folder, firsts, arrays):
                left.update(range(first, min(first + MOST, len(shards))))
            began = time.monotonic()
            try:
                queued, there = _queued(arrays), set(os.listdir(folder))
            except OSError as error:
                raise UsageError(f"the parts of the run are gone: {said(error)}") from error
            ended = {k for k in left if f"code-{k}" in there}
            gone = set() if queued is None else left - queued - ended
            lost, missed = gone & missed, gone  # a file may be seen later than its task's end
            looked = time.monotonic() - began
            left -= ended | lost
            for k in sorted(ended | lost):
                log = folder / f"log-{k - k % MOST}-{k % MOST}"
                yield shards[k], Ended(_code(folder / f"code-{k}") if k in ended else None, _last(log))
            for number, first in list(arrays.items()):
                if left.isdisjoint(range(first, first + MOST)):
                    del arrays[number]
            if left or firsts:
                time.sleep(max(self._every, 9 * looked))

    def _cancel_earlier(self, folder: Path) -> None:
        """Ends the arrays of a runner that was killed."""
        with contextlib.suppress(OSError, UsageError):
            _called("scancel", *read_text(folder / "arrays").split())


def _queued(arrays: Mapping[str, int]) -> set[int] | None:
    """The numbers of the shards that wait or run; None where Slurm does not say."""
    try:
        told = _called("squeue", "--noheader", "--array", "--jobs", ",".join(arrays), "--format=%F_%K")
    except UsageError as error:
        return set() if "Invalid job id" in str(error) else None
    tasks = (word.partition("_") for word in told.split())
    return {arrays[number] + int(k) for number, _, k in tasks if number in arrays and k.isdigit()}


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
