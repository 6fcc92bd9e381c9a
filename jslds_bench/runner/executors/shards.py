"""A run in parts: what travels is a command line, what comes back are the records in the part's folder.

Each part, a shard, is the jobs that share one network of one seed. Its command is `jslds-bench run` on the
suite that was planned here, with a folder of its own on a disk that both sides see; so it resumes where it
was when it is given to another machine, or by another run, and its records are those of any other run. Where
one that was given out before, by a run that is gone, still works on it, it is waited for, an hour at most.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from jslds_bench import settings
from jslds_bench.errors import printable
from jslds_bench.suite import NO_NETWORK, Job, Key


@dataclasses.dataclass(frozen=True)
class Shard:
    """A part of a run.

    Attributes:
        folder: of its own run.
        command: what does it.
    """

    number: int
    keys: tuple[Key, ...]
    folder: Path
    command: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a shard's command ended: its exit code, or None where it was lost, and what was said last."""

    code: int | None
    said: str = ""

    @property
    def whole(self) -> bool:
        """Whether every job has a record; some may have failed."""
        return self.code in (0, 2)

    def __str__(self) -> str:
        how = "was lost" if self.code is None else f"ended with exit code {self.code}"
        return printable(f"{how}: {self.said}" if self.said else how)


class Executor(Protocol):
    """Has the commands of shards run somewhere.

    Attributes:
        exclusive: whether each has its machine to itself, so that speeds can be measured there.
    """

    exclusive: bool

    def run(self, shards: Sequence[Shard]) -> Iterator[tuple[Shard, Ended]]:
        """Each of `shards` once, when it has ended. Closing the iterator takes back what has not begun.
        Slurm ends what has too; on Dask's workers that goes on to its end.

        Raises:
            UsageError: they cannot be run there.
        """
        ...


def shards_of(
    groups: Sequence[Sequence[Job]], folder: Path, suite: Path, options: Sequence[str]
) -> list[Shard]:
    """A shard for each of `groups`, jobs that share a network, in a folder of its own in `folder`.

    Args:
        suite: the file of the suite that the jobs are of.
        options: of `jslds-bench run`, for all of them.
    """
    shards = []
    for number, jobs in enumerate(groups):
        first, own = jobs[0], folder / _name(jobs)
        network = [] if first.network.label == NO_NETWORK.label else [f"--network={first.network.label}"]
        words = [
            *(sys.executable, "-P", "-m", "jslds_bench", "run", f"--suite={suite}", f"--out={own}"),
            *(f"--task={first.task.label}", *network, f"--seeds={first.seed}"),
            *(f"--model={job.model.label}" for job in jobs),
            *("--workers=1", "--quiet", "--no-report", "--with-parent", f"--wait={_WAIT}", *options),
        ]
        shards.append(Shard(number, tuple(job.key for job in jobs), own, tuple(words)))
    return shards


def _name(jobs: Sequence[Job]) -> str:
    """The same for the same part of any run of the suite, whatever of it is left to do."""
    task, network, model, seed = jobs[0].key
    what = [task, network, seed, *([] if settings.of(jobs[0].setting).shares else [model])]
    return f"shard-{hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]}"


_WAIT = 3600


def last_line(text: str) -> str:
    """What a command said last, which is why it ended."""
    return ([line for line in text.splitlines() if line.strip()] or [""])[-1]
