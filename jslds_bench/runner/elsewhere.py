"""What an executor does of a run: its shards given out, their records taken over as they are."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from jslds_bench.errors import UsageError
from jslds_bench.records.record import Record
from jslds_bench.records.sealed import write_atomic
from jslds_bench.records.store import move_record, read_arrays, read_record, record_path
from jslds_bench.runner.executors.shards import Ended, Executor, Shard, shards_of
from jslds_bench.runner.limits import Limits
from jslds_bench.suite import Job, Suite, dump


def done_elsewhere(
    executor: Executor,
    groups: Sequence[Sequence[Job]],
    suite: Suite,
    out: Path,
    limits: Limits,
    resume: bool,
    note: Callable[[str], None],
) -> Generator[tuple[Job, Record | str]]:
    """Each job of `groups` with its record, which now is in `out`, or with the reason why there is none.

    What is lost is given out once more.

    Raises:
        UsageError: the executor cannot be had, or a folder not be written.
    """
    folder = out / "shards"
    if not resume:
        shutil.rmtree(folder, ignore_errors=True)
    # Each command names its seed: with one in the file, what it reads does not grow with how many there are.
    write_atomic(folder / "suite.toml", dump(dataclasses.replace(suite, seeds=suite.seeds[:1])).encode())
    options = [] if resume else ["--no-resume"]
    options += [] if executor.exclusive else ["--shared"]
    options += [f"--threads={limits.threads}"]
    options += [] if limits.timeout is None else [f"--timeout={limits.timeout}"]
    options += [] if limits.memory is None else [f"--memory={limits.memory}"]
    jobs = {job.key: job for group in groups for job in group}
    shards = shards_of(groups, folder, folder / "suite.toml", options)
    # Disks take milliseconds to remove a folder, longer than to take its record over.
    with ThreadPoolExecutor(_REMOVERS) as removers:
        for last in (False, True):
            lost = []
            for shard, ended in executor.run(shards) if shards else ():
                if ended.whole or last:
                    yield from ((jobs[key], _taken_over(jobs[key], shard, ended, out)) for key in shard.keys)
                    removers.submit(shutil.rmtree, shard.folder, ignore_errors=True)
                else:
                    note(f"a part {ended}; tried once more")
                    lost.append(shard)
            shards = lost
    shutil.rmtree(folder, ignore_errors=True)


_REMOVERS = 4


def _taken_over(job: Job, shard: Shard, ended: Ended, out: Path) -> Record | str:
    """The record of a job whose shard has ended, moved to `out`; or why there is none."""
    path = record_path(shard.folder, job.key)
    try:
        record = read_record(path)
        read_arrays(path, record)
    except UsageError as error:
        return str(error) if path.exists() else f"its part {ended}"
    if record.digest != job.digest:
        return "it was done with other code or libraries than it was planned with"
    move_record(path, out)
    return record
