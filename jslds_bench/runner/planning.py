"""Plans: a suite, what is chosen of it, and its jobs; made in a process of its own where that runs code of
others, which may hang, end its process, or print.

Above is the runner's half, which imports no JAX; below that of the process.
"""

from __future__ import annotations

import dataclasses
import os
import selectors
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jslds_bench.entries import calls, plugins
from jslds_bench.entries.foreign import Foreign, failure
from jslds_bench.entries.registry import CELLS, METRICS, MODELS, NETWORKS, TASKS
from jslds_bench.errors import UsageError, printable
from jslds_bench.processes.channel import begin
from jslds_bench.processes.child import Child, shown
from jslds_bench.suite import (
    Job,
    Resolved,
    Suite,
    dump,
    parse,
    registries,
    resolve,
    select,
    with_data,
    with_plugin_models,
)
from jslds_bench.suite.making import loaded

PATIENCE = 60.0
"""Seconds in which an entry or a plug-in has to do what it is asked while a run is planned."""
_SOON = 5.0  # seconds after which people are told what is waited for


@dataclasses.dataclass(frozen=True)
class Wanted:
    """A suite, and what is chosen of it (`suite.select`, `suite.with_data`).

    Attributes:
        models_of: plug-in files whose models are added, as far as the suite does not name them.
    """

    suite: Suite
    models_of: tuple[str, ...] = ()
    tasks: tuple[str, ...] | None = None
    networks: tuple[str, ...] | None = None
    models: tuple[str, ...] | None = None
    seeds: tuple[int, ...] | None = None
    data: str | None = None


def plan(
    wanted: Wanted, patience: float | None = None, note: Callable[[str], None] = lambda text: None
) -> Resolved:
    """The jobs of what is wanted.

    What code of others does not come back from within `patience` seconds (`PATIENCE`), or ends the process
    with, is the reason of the jobs that need it.

    Args:
        note: gets lines for people.

    Raises:
        UsageError: as `suite.resolve` and `suite.select`.
    """
    if not _has_foreign(wanted.suite):
        return _planned(wanted, Foreign())
    patience = PATIENCE if patience is None else patience
    failed: dict[str, str] = {}
    while (found := _asked(wanted, failed, patience, note)) is None:
        pass
    return found


def _has_foreign(suite: Suite) -> bool:
    """Whether planning `suite` would run code that is none of this package."""
    named = {
        TASKS: {entry.name for entry in suite.tasks},
        NETWORKS: {entry.name for entry in suite.networks},
        CELLS: {
            calls.name_in(str(entry.parameters.get("cell", "")))
            for entry in (*suite.tasks, *suite.networks, *suite.models)
        },
        MODELS: {entry.name for entry in suite.models},
        METRICS: set(suite.metrics or ()),
    }
    if "checkpoint" in named[NETWORKS] and CELLS.installed():
        return True  # its file may name one of these
    return bool(suite.plugins) or any(
        names & registry.installed().keys() for registry, names in named.items()
    )


def _asked(
    wanted: Wanted, failed: dict[str, str], patience: float, note: Callable[[str], None]
) -> Resolved | None:
    """The plan as a new process makes it; None where it was lost, for a reason that `failed` now has."""
    child = Child(__name__, {"failed": failed}, {})
    step, since, told = None, time.monotonic(), False
    jobs: list[Job] = []
    try:
        child.send(_as_json(wanted))
        with selectors.DefaultSelector() as selector:
            selector.register(child.output, selectors.EVENT_READ)
            while True:
                ended = child.ended()  # asked first: what it said before is heard all the same
                heard = selector.select(0.0 if ended else 0.2)
                events = child.read() if heard else None if ended else []
                for event in events or []:
                    match event:
                        case {"event": "asked", "subject": str(subject), "to": str(to)}:
                            step, since, told = (subject, to), time.monotonic(), False
                        case {"event": "answered"}:
                            step = None
                        case {"event": "wrong", "message": str(message)}:
                            raise UsageError(message)
                        case {"event": "job", "job": dict(content)} if step is None:
                            jobs.append(Job.of(content))
                        case {"event": "planned", "plan": dict(content)} if step is None:
                            return _from_json(content, jobs, wanted.suite.path)
                        case _:
                            _blame(
                                failed, step, f"it wrote to the conversation of its process: {shown(event)}"
                            )
                            return None
                waited = time.monotonic() - since
                if events is None:
                    why = f"it ended the process ({child.wait()})"
                elif step is not None and waited > patience:
                    why = f"no answer in {patience:g} s"
                else:
                    if step is not None and waited > _SOON and not told:
                        told = True
                        note(f"waiting for {step[0]} to {step[1]}, {patience:g} s at most")
                    continue
                _blame(failed, step, why)
                return None
    finally:
        child.kill()


def _blame(failed: dict[str, str], step: tuple[str, str] | None, why: str) -> None:
    """Has `failed` say that what was being asked is to be left out.

    Raises:
        UsageError: nothing was.
    """
    if step is None:
        raise UsageError(f"the suite could not be planned: {why}; `jslds-bench doctor` may show more")
    failed[step[0]] = failure(*step, why)


def _as_json(wanted: Wanted) -> dict[str, Any]:
    suite = wanted.suite
    rest = {f.name: getattr(wanted, f.name) for f in dataclasses.fields(wanted) if f.name != "suite"}
    return {"suite": dump(suite), "path": None if suite.path is None else str(suite.path), **rest}


def _read(text: str, path: Path | None) -> Suite:
    """The suite that `dump` made `text` of, for messages in the file `path`."""
    suite = parse(tomllib.loads(text), path or Path("suite.toml"))
    return dataclasses.replace(suite, path=path)


def _plan_as_json(plan: Resolved) -> dict[str, Any]:
    return {
        "suite": dump(plan.suite),
        "modules": sorted(plan.modules),
        "code": plan.code,
        "files": dict(plan.files),
        "elsewhere": dict(plan.elsewhere),
        "complaints": plan.complaints,
    }


def _from_json(plan: dict[str, Any], jobs: list[Job], path: Path | None) -> Resolved:
    return Resolved(
        _read(plan["suite"], path),
        jobs,
        frozenset(plan["modules"]),
        plan["code"],
        plan["files"],
        plan["elsewhere"],
        tuple(plan["complaints"]),
    )


def _planned(wanted: Wanted, foreign: Foreign) -> Resolved:
    suite = with_plugin_models(wanted.suite, wanted.models_of, foreign)
    if (wanted.tasks, wanted.networks, wanted.models, wanted.seeds) != (None,) * 4:
        try:
            suite = select(suite, wanted.tasks, wanted.networks, wanted.models, wanted.seeds)
        except UsageError as error:  # of what a plug-in was to bring, it may be
            modules, complaints = loaded(suite.plugins, foreign)
            empty = [file for module, file in modules.items() if not plugins.entries_of(module)]
            complaints += [f"plug-in {file} registers nothing of its own" for file in empty]
            raise UsageError("; ".join([str(error), *complaints])) from error
    if wanted.data is not None:
        suite = with_data(suite, wanted.data)
    return resolve(suite, foreign)


def main(runner: int, failed: dict[str, str]) -> None:
    """The process that plans for process `runner`.

    Args:
        failed: as of `Foreign`.
    """
    channel = begin(runner)
    registries()  # whatever they take to import is not counted as the plug-ins'
    content = channel.receive()
    assert content is not None
    path = content.pop("path")
    suite = _read(content.pop("suite"), None if path is None else Path(path))
    chosen: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in content.items()}
    wanted = Wanted(suite, **chosen)

    @contextmanager
    def watched(subject: str, to: str) -> Iterator[None]:
        channel.send("asked", subject=subject, to=to)
        try:
            yield
        finally:
            channel.send("answered")

    foreign = Foreign(failed, watched)
    try:
        found = _planned(wanted, foreign)
    except UsageError as error:
        channel.send("wrong", message=printable(str(error)))
    else:
        for job in found.jobs:  # one by one: all at once are longer than a line may be
            channel.send("job", job=job.content)
        channel.send("planned", plan=_plan_as_json(found))
    os._exit(0)  # threads that a plug-in started may not end by themselves
