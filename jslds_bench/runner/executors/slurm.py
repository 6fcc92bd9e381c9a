"""Shards as the tasks of Slurm job arrays, on nodes that see the run's folder.

The scripts lie in the folder of the shards. That of the array whose first shard has the number 1000 is
`array-1000.sh`: its task k does line k, from 0, of `commands-1000`, and writes the exit code to a file that
bears Slurm's own numbers, by which its end is noticed. All arrays of a run have one name, which no other
run's have. A task that a node failure put back into the queue resumes.
"""

from __future__ import annotations

import contextlib
import os
import secrets
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
"""Tasks in one array: indices are below Slurm's MaxArraySize, 1001 unless its owner says otherwise."""
AGAIN = 60.0
"""Seconds after which what Slurm did not take is submitted again, and that a look is waited for at most."""
SCRIPT = """\
#!/bin/sh
#SBATCH --array=0-{last}
#SBATCH --requeue
#SBATCH --open-mode=append
eval "$(sed -n "$((SLURM_ARRAY_TASK_ID + 1)){{p;q;}}" {quoted}/commands-{first})"
code=$?
to={quoted}/"code-$SLURM_ARRAY_JOB_ID-$SLURM_ARRAY_TASK_ID"
echo "$code" > "$to.part"
mv "$to.part" "$to"
exit "$code"
"""
Task = tuple[str, int]
"""Slurm's number of the array, and the task's index."""


class Slurm:
    """The cluster that ``sbatch`` submits to.

    Args:
        options: of ``sbatch``, as in ``--partition=cpu --time=2:00:00 --cpus-per-task=1``.
        every: seconds between two looks at what has ended, ten times as long as a look takes at least.
    """

    def __init__(self, options: str = "", exclusive: bool = False, every: float = 2.0) -> None:
        self.exclusive = exclusive
        self._options = [*shlex.split(options), *(["--exclusive"] if exclusive else [])]
        self._every = every

    def run(self, shards: Sequence[Shard]) -> Iterator[tuple[Shard, Ended]]:
        folder = shards[0].folder.parent
        if any(c in str(folder) for c in "%\\\n"):
            raise UsageError(
                f"Slurm would not write to {folder}: choose an --out without %, \\ and line breaks"
            )
        if any("\n" in word for shard in shards for word in shard.command):
            raise UsageError("a label has a line break: give it another")
        with contextlib.suppress(OSError, UsageError):  # of a runner that was killed
            _cancel(read_text(folder / "name"))
        for old in (*folder.glob("code-*"), *folder.glob("log-*")):
            old.unlink()
        name = f"jslds-bench-{secrets.token_hex(8)}"
        write_atomic(folder / "name", name.encode())
        try:
            yield from self._ends(shards, folder, name)
        finally:
            with contextlib.suppress(UsageError):
                _cancel(name)
            with contextlib.suppress(OSError):
                (folder / "name").unlink()

    def _ends(self, shards: Sequence[Shard], folder: Path, name: str) -> Iterator[tuple[Shard, Ended]]:
        given = 0  # shards that Slurm has been given
        left: dict[Task, Shard] = {}  # of these
        missed: set[Task] = set()  # neither queued nor ended when last looked at
        again = 0.0  # when more may be given
        while left or given < len(shards):
            if given < len(shards) and time.monotonic() >= again:
                for number, part in self._submitted(shards[given:], given, folder, name):
                    left |= {(number, k): shard for k, shard in enumerate(part)}
                    given += len(part)
                again = time.monotonic() + AGAIN
            began = time.monotonic()
            try:
                queued, there = _queued(name), set(os.listdir(folder))
            except OSError as error:
                raise UsageError(f"the parts of the run are gone: {said(error)}") from error
            ended = {task for task in left if "code-{}-{}".format(*task) in there}
            gone = set() if queued is None else left.keys() - queued - ended
            lost, missed = gone & missed, gone  # a file may be seen later than its task's end
            looked = time.monotonic() - began
            for task in sorted(ended | lost):
                code = _code(folder / "code-{}-{}".format(*task)) if task in ended else None
                yield left.pop(task), Ended(code, _last(folder / "log-{}-{}".format(*task)))
            if not left:
                again = 0.0
            if left or given < len(shards):
                time.sleep(max(self._every, min(9 * looked, AGAIN)))

    def _submitted(
        self, shards: Sequence[Shard], first: int, folder: Path, name: str
    ) -> Iterator[tuple[str, Sequence[Shard]]]:
        """Arrays of `shards`, the first of which has the number `first`, as far as Slurm takes them: each
        with its number there.

        It may bound how many tasks of a user wait (MaxSubmitJobs): what is refused for that is halved until
        it is taken, and the rest left for another time.

        Raises:
            UsageError: it takes none of a run's, or refuses one for another reason.
        """
        size, taken = MOST, 0
        while taken < len(shards):
            part = shards[taken : taken + size]
            script = self._written(part, first + taken, folder)
            try:
                log = folder / "log-%A-%a"  # here, for in a script a blank would end it
                ours = f"--job-name={name}", f"--output={log}", f"--error={log}"
                told = _called("sbatch", "--parsable", *self._options, *ours, str(script))
            except UsageError as error:
                if not any(word in str(error) for word in _LATER):
                    raise
                if len(part) > 1:
                    size = len(part) // 2
                    continue
                if first + taken == 0:
                    raise
                return
            yield told.strip().partition(";")[0], part
            taken += len(part)

    def _written(self, shards: Sequence[Shard], first: int, folder: Path) -> Path:
        """The script of an array, beside the commands of its tasks: none reads those of other arrays."""
        lines = [shlex.join(shard.command) for shard in shards]
        write_atomic(folder / f"commands-{first}", ("\n".join(lines) + "\n").encode())
        text = SCRIPT.format(first=first, last=len(shards) - 1, quoted=shlex.quote(str(folder)))
        write_atomic(folder / f"array-{first}.sh", text.encode())
        return folder / f"array-{first}.sh"


_LATER = ("limit", "temporarily", "queue full")
"""What sbatch says where it may take the same another time."""


def _cancel(name: str) -> None:
    """Ends the arrays of that name; raises UsageError where Slurm does not."""
    _called("scancel", f"--name={name}")


def _queued(name: str) -> set[Task] | None:
    """The tasks of that name that wait or run; None where Slurm does not say."""
    try:
        told = _called("squeue", "--noheader", "--array", f"--name={name}", "--format=%F %K")
    except UsageError:
        return None
    pairs = (line.split() for line in told.splitlines())
    return {(pair[0], int(pair[1])) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


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
        # By itself sbatch tries for two minutes.
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"the executor slurm needs {command[0]}: {said(error)}") from error
    if done.returncode:
        raise UsageError(f"{command[0]} failed: {last_line(done.stderr)}")
    return done.stdout
