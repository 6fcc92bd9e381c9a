"""A worker process, started by `pool`, driven by JSON lines on its pipes.

One worker owns one core and one thread (or as many as the run gives each), so that a job's numbers do not
depend on how many workers run, or one accelerator and as many threads as it likes. It reads lines of {"jobs",
"attempts", "plugins", "out", "fresh", "batched", "shared"}: resolved jobs that share what is prepared for
them ("batched": for each of several seeds; "attempts": how often each was begun; "shared": speeds are not to
be measured). It answers with events:

    ready      once, with the environment
    begin      the jobs that are now being worked on (all of a group, with a text, while its network is made)
    stage      done of total, with a text
    finished   one job's key, status and reason; its record is on disk
    quiet      asks for silence on the machine; answered by a line; ended by "loud"
    note       a text for people
    idle       the group is done
    fatal      the run cannot go on (the folder cannot be written)
"""

from __future__ import annotations

import dataclasses
import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jslds_bench.processes.channel import Channel, begin

LATE = (
    *("flax.nnx", "optax", "scipy.cluster", "scipy.linalg", "scipy.ndimage", "scipy.optimize"),
    *("scipy.spatial", "scipy.special", "jslds_bench.dynamics.optimizers", "jslds_bench.lfads.modules"),
    *("jslds_bench.networks._shared.format", "jslds_bench.networks._shared.modules"),
    *("jslds_bench.runner.job", "jslds_bench.runner.together"),
)
"""What the package imports when it is used, so that plans need not: before any clock runs, and while it is
what digests were made of."""
_SLACK = 1 << 31  # bytes that what is loaded, and threads that do nothing, may take besides


def run_group(command: dict[str, Any], environment: dict[str, Any], channel: Channel) -> None:
    """Works through the jobs of one command, all of one (task, network) and, unless "batched", seed."""
    from jslds_bench.suite import Job, load_plugins

    for failure in load_plugins(command["plugins"]):  # here, though it imported when the run was planned
        channel.send("note", text=failure)
    environment = {**environment, "batched": command["batched"]}
    of_seed: dict[int, list[Any]] = {}
    for content in command["jobs"]:
        job = Job.of(content)
        of_seed.setdefault(job.seed, []).append(job)
    together = _make_together(command, list(of_seed.values()), environment, channel)
    for seed, group in of_seed.items():
        _run_seed(command, group, together.pop(seed, None), environment, channel)


def _make_together(
    command: dict[str, Any], groups: list[list[Any]], environment: dict[str, Any], channel: Channel
) -> dict[int, Any]:
    """By seed the networks that are not kept yet, where they are made as one program; kept at once."""
    from jslds_bench.errors import Diverged
    from jslds_bench.runner import cache
    from jslds_bench.runner.together import made_together

    def key(job: Any) -> str:
        return cache.network_key(job.network_digest, environment)

    left = [g for g in groups if command["fresh"] or not cache.holds(key(g[0]))]
    if len(left) < 2:
        return {}
    channel.send("begin", keys=[job.key for g in left for job in g], what=f"making {len(left)} networks")
    jobs = [group[0] for group in left]
    made = made_together(jobs, lambda text: channel.send("note", text=text), channel.stage)
    for job, one in zip(jobs, made, strict=False):
        if not isinstance(one.outcome, Diverged):
            _save(key(job), one.outcome.network, one.outcome.seconds, one.outcome.together, channel)
    return {job.seed: one for job, one in zip(jobs, made, strict=False)}


def _run_seed(
    command: dict[str, Any], group: list[Any], together: Any, environment: dict[str, Any], channel: Channel
) -> None:
    """The jobs of one (task, network, seed); `together`: its network, where it was made with others."""
    from jslds_bench import settings
    from jslds_bench.errors import Diverged
    from jslds_bench.records.store import unkept, write_record
    from jslds_bench.runner import cache
    from jslds_bench.runner.clock import Parts, timed
    from jslds_bench.runner.job import Made, prepare, run_job
    from jslds_bench.runner.outcome import blank_record, outcome
    from jslds_bench.runner.programs import shed
    from jslds_bench.suite import Job

    first, out = group[0], Path(command["out"])
    tried = {job.key: n for job, n in zip(map(Job.of, command["jobs"]), command["attempts"], strict=True)}
    setting = settings.of(first.setting)
    key = cache.network_key(first.network_digest, environment)

    def finish(job: Any, record: Any, arrays: Any) -> None:
        if (attempts := tried[job.key]) > 1:
            record = dataclasses.replace(record, detail={**record.detail, "attempts": attempts})
        if lacking := unkept(record):  # of what metrics and models say of themselves
            reason = f"what it says cannot be kept: {lacking}"
            record, arrays = blank_record(job, "failed", reason, environment), {}
        write_record(out, record, arrays)
        channel.send("finished", key=job.key, status=record.status, reason=record.reason)

    def keep(job: Any, make: Callable[[], Any]) -> Made:
        if together is not None:
            if isinstance(together.outcome, Diverged):
                raise together.outcome
            return together.outcome
        kept = None if command["fresh"] else cache.load(key)
        if kept is not None:
            network, seconds, n = kept
            return Made(network, seconds, cached=True, together=n)
        network, seconds = timed(make)
        _save(key, network, seconds, 1, channel)
        return Made(network, seconds)

    what = "drawing the data"
    if first.network_digest:
        reading = together is not None or (not command["fresh"] and cache.holds(key))
        what = f"{'reading' if reading else 'making'} the network"
    channel.send("begin", keys=[job.key for job in group], what=what)
    try:
        parts = Parts(None if together is None else together.parts)
        prepared = prepare(first, setting, keep, parts, channel.stage)
    except (Exception, SystemExit) as error:  # what the network's maker raises is the reason of all its jobs
        status, reason = outcome(error)
        for job in group:
            finish(job, blank_record(job, status, reason, environment), {})
        return
    for job in group:
        channel.send("begin", keys=[job.key])
        quiet = None if command["shared"] else channel.quiet
        finish(job, *run_job(job, prepared, environment, quiet, parts, channel.stage))
        parts = Parts()
        shed()


def _save(key: str, network: Any, seconds: float, together: int, channel: Channel) -> None:
    """Keeps a network where that can be done: where it cannot, its jobs have it all the same."""
    from jslds_bench.errors import UsageError
    from jslds_bench.runner import cache

    try:
        cache.save(key, network, seconds, together)
    except UsageError as error:
        channel.send("note", text=f"trained networks are not kept: {error}")


def main(runner: int, cores: list[int], programs: str, memory: int | None) -> None:
    """The loop of a worker of process `runner` on `cores`, or on all; returns when its stdin closes.

    Args:
        programs: the folder in which the workers of the run keep what they compile.
        memory: bytes that a job may take. The runner watches them; one call that would take far more fails.
    """
    from jslds_bench.errors import UsageError

    channel = begin(runner)
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
    if memory is not None and sys.platform == "linux":
        import resource

        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        most = memory + _SLACK if hard == resource.RLIM_INFINITY else min(memory + _SLACK, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))

    from jslds_bench.runner.machine import environment
    from jslds_bench.runner.programs import share
    from jslds_bench.settings import every
    from jslds_bench.suite import registries

    share(programs)
    for name in LATE:
        importlib.import_module(name)
    registries()
    every()
    about = environment()
    channel.send("ready", environment=about)
    while (command := channel.receive()) is not None:
        try:
            run_group(command, about, channel)
        except UsageError as error:
            channel.send("fatal", message=str(error))
            return
        channel.send("idle")
