"""Shards on the workers of a Dask cluster, which see the run's folder.

A task is `subprocess.run` of a command line: nothing of this package is pickled. A task whose worker dies is
given to another by Dask; the command dies with its worker.
"""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Iterator, Sequence

from jslds_bench.errors import UsageError, said
from jslds_bench.runner.executors.shards import Ended, Shard, last_line


class Dask:
    """A cluster whose scheduler is at `scheduler`, as in ``tcp://10.0.0.1:8786``."""

    def __init__(self, scheduler: str, exclusive: bool = False) -> None:
        self.exclusive = exclusive
        self._scheduler = scheduler

    def run(self, shards: Sequence[Shard]) -> Iterator[tuple[Shard, Ended]]:
        try:
            from distributed import Client, as_completed
        except ImportError:
            raise UsageError("the executor dask needs Dask: pip install 'jslds-bench[dask]'") from None
        try:
            client = Client(self._scheduler, timeout="20s", set_as_default=False)
        except (OSError, ValueError) as error:
            raise UsageError(f"no Dask scheduler answers at {self._scheduler}: {said(error)}") from error
        for name in logging.root.manager.loggerDict:
            # A lost scheduler is told by tracebacks there, by a line here.
            if name.partition(".")[0] == "distributed":
                logging.getLogger(name).setLevel(logging.CRITICAL)
        with client:
            tasks = {
                client.submit(
                    subprocess.run, list(shard.command), capture_output=True, text=True, pure=False
                ): shard
                for shard in shards
            }
            for task in as_completed(tasks, loop=client.loop):
                if task.status == "finished":
                    done = task.result()
                    ended = Ended(done.returncode, last_line(done.stderr))
                elif client.status != "running" or task.status in ("cancelled", "lost"):
                    raise UsageError(
                        f"the Dask scheduler at {self._scheduler} was lost: start the run again, what is "
                        "done is kept"
                    )
                else:
                    ended = Ended(None, said(task.exception()))
                yield tasks.pop(task), ended  # the cluster forgets it
