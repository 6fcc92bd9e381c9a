"""A suite as jobs that can be run: every entry made once, its parameters, its setting and its digest known.

What leaves here is plain data: a `Job` travels to a worker as JSON, and nothing of the suite is read again
there.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import importlib
import importlib.metadata
import json
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jslds_bench.entries import calls
from jslds_bench.entries import registry as registered
from jslds_bench.entries.foreign import Foreign
from jslds_bench.entries.registry import Registry
from jslds_bench.entries.sources import Sources
from jslds_bench.errors import BrokenPlugin, UsageError
from jslds_bench.suite.job import Job, Part
from jslds_bench.suite.reading import NO_NETWORK, grid
from jslds_bench.suite.toml import TABLES, Entry, Suite

TEMPLATE = "jslds_bench.runner.job"
MAKER = ("jslds_bench.settings.draws", "jslds_bench.networks._shared.format")
"""What decides a trained network besides its entries: how its key is drawn, and how it is kept."""
LIBRARIES = ("jax", "jaxlib", "flax", "optax", "numpy", "scipy")


@dataclasses.dataclass(frozen=True)
class Resolved:
    """A suite whose names and parameters are known good.

    Attributes:
        jobs: in running order.
        modules, code: the modules that all digests begin at, and the digest of them all.
        files: by module the plug-in files that import.
        complaints: what is wrong with those that do not, and with metrics that are left out.
    """

    suite: Suite
    jobs: list[Job]
    modules: frozenset[str] = frozenset()
    code: str = ""
    files: Mapping[str, str] = dataclasses.field(default_factory=dict)
    complaints: tuple[str, ...] = ()

    def is_stale(self) -> bool:
        """Whether code that the jobs rest on has changed since they were resolved."""
        return Sources(files=self.files).digest(self.modules) != self.code


@dataclasses.dataclass(frozen=True)
class _Entry:
    """An entry of the suite, made; `instance` is None, and `broken` says why, where its plug-in fails.

    Attributes:
        sources: what it reads, where it says: a file may change under its name.
        says: its origin and caption.
    """

    part: Part
    instance: Any
    broken: str | None
    modules: tuple[str, ...] = ()
    sources: Any = None
    says: Mapping[str, str] = dataclasses.field(default_factory=dict)


def registries() -> dict[str, Registry[Any]]:
    """The registries, filled: "tasks", "networks", "cells", "models", "metrics". Imports JAX."""
    names = ("tasks", "networks", "cells", "models", "metrics")
    for module in names:
        importlib.import_module(f"jslds_bench.{module}")
    return {name: getattr(registered, name.upper()) for name in names}


def load_plugins(files: Iterable[str], foreign: Foreign | None = None) -> list[str]:
    """Imports plug-in files; what is wrong with those that do not import.

    Raises:
        UsageError: there is no such file.
    """
    return _loaded(files, foreign or Foreign())[1]


def _loaded(files: Iterable[str], foreign: Foreign) -> tuple[dict[str, str], list[str]]:
    """By module the files that import, and what is wrong with the others."""
    modules, failures = {}, []
    for file in files:
        try:
            modules[foreign.plugin(file).__name__] = file
        except BrokenPlugin as error:
            failures.append(str(error))
    return modules, failures


def resolve(suite: Suite, foreign: Foreign | None = None) -> Resolved:
    """The jobs of `suite`, its names and parameters known good, its recipe given to all that take one.

    An entry whose plug-in does not import, or that raises what it should not, is kept, and its jobs say so:
    the others can be run.

    Args:
        foreign: through which the code of entries is called.

    Raises:
        UsageError: an unknown name, label or parameter, a value that an entry refuses, no such file, or a
            task that does not go with the suite's having networks or not.
    """
    foreign = foreign or Foreign()
    registry, (files, failures) = registries(), _loaded(suite.plugins, foreign)
    suite = _with_recipe(suite, registry, failures, foreign)
    made = {
        kind: {e.label: _made(suite, registry[kind], e, failures, foreign) for e in getattr(suite, kind)}
        for kind in TABLES
    }
    made["networks"][NO_NETWORK.label] = _Entry(Part("data", "data", {}), None, None)
    _check_metrics(suite, registry["metrics"], failures, foreign)
    kinds = {label: _setting_of(suite, entry) for label, entry in made["tasks"].items()}
    made = {
        kind: {label: _with_sources(kind[:-1], entry, foreign) for label, entry in entries.items()}
        for kind, entries in made.items()
    }
    complaints = list(failures)
    metrics = {
        setting: _metrics_of(suite, setting, registry["metrics"], complaints, foreign)
        for setting in dict.fromkeys(kinds.values())
    }
    code = functools.cache(Sources(files=files).digest)

    @functools.cache
    def cell(*labels: str) -> _Cell:
        entries = [made[kind][label] for kind, label in zip(TABLES, labels, strict=True)]
        setting = kinds[labels[0]]
        return _cell(suite, setting, entries, *metrics[setting], code, foreign)

    cells = [(cell(*(entry.label for entry in entries)), seed) for *entries, seed in grid(suite)]
    starts = frozenset(MAKER).union(*(of.needed for of, _ in cells))
    jobs = [of.job_of(seed) for of, seed in cells]
    return Resolved(suite, jobs, starts, code(starts), files, tuple(complaints))


@dataclasses.dataclass(frozen=True)
class _Cell:
    """What the jobs of one (task, network, model) share.

    Attributes:
        job: one of them, without its seed and digests.
        needed: the modules that their outcome rests on.
        outcome, maker: hash of all but the seed that decides their outcome, and their network; the latter
            empty where there is none.
    """

    job: Job
    needed: frozenset[str]
    outcome: str
    maker: str

    def job_of(self, seed: int) -> Job:
        outcome, maker = (_hash([of, seed]) if of else "" for of in (self.outcome, self.maker))
        return dataclasses.replace(self.job, seed=seed, digest=outcome, network_digest=maker)


def _cell(
    suite: Suite,
    setting: str,
    entries: list[_Entry],
    metrics: tuple[str, ...],
    modules: tuple[str, ...],
    code: Callable[[frozenset[str]], str],
    foreign: Foreign,
) -> _Cell:
    """What the jobs of one task, network and model share; `modules`: of the metrics."""
    task, network, model = entries
    template = (f"jslds_bench.settings.{setting}", TEMPLATE) if setting else ()
    kept = MAKER if network.instance else ()
    needed = frozenset([*modules, *template, *kept, *(m for e in entries for m in e.modules)])
    makers = frozenset([*MAKER, *task.modules, *network.modules])
    job = Job(
        suite.name,
        setting,
        task.part,
        network.part,
        model.part,
        seed=0,
        n_trials=suite.n_trials,
        metrics=metrics,
        origin=task.says.get("origin", ""),
        caption=task.says.get("caption", ""),
        **_unserved(setting, entries, foreign),
    )
    maker = _maker(task, network, code(makers)) if network.instance else ""
    return _Cell(job, needed, _outcome(job, entries, code(needed)), maker)


def _unserved(setting: str, entries: list[_Entry], foreign: Foreign) -> dict[str, Any]:
    """Why there is nothing to run for these entries, if that is so: `Job.failure` or `Job.refusal`."""
    if broken := next((e.broken for e in entries if e.broken), None):
        return {"failure": broken}
    task, network, model = entries
    where = repr(task.part.label)
    if network.instance is not None:
        where += f" on {network.part.label!r}"
    ask = functools.partial(_refusal, setting, task.instance, network.instance, model.instance)
    try:
        return {"refusal": foreign(f"model {model.part.label!r}", f"say whether it serves {where}", ask)}
    except BrokenPlugin as error:
        return {"failure": str(error)}


def _outcome(job: Job, entries: Iterable[_Entry], code: str) -> str:
    content = {
        "setting": job.setting,
        "entries": [(e.part.name, e.part.parameters, e.sources) for e in entries],
        "n_trials": job.n_trials,
        "metrics": job.metrics,
        "code": code,
        "libraries": _libraries(),
    }
    return _hash(content)


def _maker(task: _Entry, network: _Entry, code: str) -> str:
    entries = [(e.part.name, e.part.parameters, e.sources) for e in (task, network)]
    content = {"entries": entries, "code": code}
    return _hash(content)


def _hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:32]


@functools.cache
def _libraries() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in LIBRARIES}


def _made(
    suite: Suite, registry: Registry[Any], entry: Entry, failures: list[str], foreign: Foreign
) -> _Entry:
    place = f"{suite.where}: {entry.place or entry.label}"
    file = entry.parameters.get("path")

    def make() -> _Entry:
        made = _located(place, registry.make, entry.name, entry.parameters)
        part = Part(entry.name, entry.label, dataclasses.asdict(made))
        says = {name: str(getattr(made, name, "")) for name in ("origin", "caption")}
        return _Entry(part, made, None, (type(made).__module__, *_cell_modules(made)), None, says)

    try:
        if failures and entry.name not in registry:
            raise BrokenPlugin(f"{registry.kind} {entry.name!r} is not there: {'; '.join(failures)}")
        if lost := _lost_cell(entry, failures):
            raise BrokenPlugin(lost)
        made = foreign(f"{registry.kind} {entry.label!r}", "be made", make)
        if isinstance(file, str) and not os.path.exists(file):
            raise UsageError(f"{place}: path: no file at {file} (relative paths start at the suite's folder)")
    except BrokenPlugin as error:
        return _Entry(Part(entry.name, entry.label, entry.parameters), None, str(error))
    try:
        json.dumps(made.part.parameters)  # as workers are told them
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"{place}: the parameters of {registry.kind} {entry.name!r} must be numbers, texts, booleans or "
            f"tuples ({error})"
        ) from error
    return made


def _with_sources(kind: str, entry: _Entry, foreign: Foreign) -> _Entry:
    """`entry` with what it reads.

    Raises:
        UsageError: such a file was not named, or cannot be read.
    """
    made = entry.instance

    def ask() -> Any:
        try:
            return made.sources() if hasattr(made, "sources") else None
        except UsageError:
            raise
        except Exception as error:  # of a plug-in: the job's own to fail with
            return f"{type(error).__name__}: {error}"

    try:
        return dataclasses.replace(
            entry, sources=foreign(f"{kind} {entry.part.label!r}", "say what it reads", ask)
        )
    except BrokenPlugin as error:
        return dataclasses.replace(entry, instance=None, broken=str(error))


def _cell_modules(made: Any) -> tuple[str, ...]:
    """The modules of the cells that an entry names: by its `cell`, or by its reference set-up's."""
    named = (getattr(made, "cell", None), getattr(getattr(made, "setup", None), "cell", None))
    names = dict.fromkeys(calls.name_in(name) for name in named if isinstance(name, str))
    return tuple(registered.CELLS.get(name).__module__ for name in names if name in registered.CELLS)


def _lost_cell(entry: Entry, failures: list[str]) -> str | None:
    """Why there is no cell that the entry names, where plug-ins do not import: one of them may have it."""
    name = entry.parameters.get("cell")
    if not failures or not isinstance(name, str) or calls.name_in(name) in registered.CELLS:
        return None
    return f"cell {name!r} is not there: {'; '.join(failures)}"


def _check_metrics(suite: Suite, registry: Registry[Any], failures: list[str], foreign: Foreign) -> None:
    for name in suite.metrics or ():
        if failures and name not in registry:
            continue  # its plug-in does not import: the records say so
        with contextlib.suppress(BrokenPlugin):
            get = functools.partial(_located, f"{suite.where}: metrics", registry.get, name)
            foreign(f"metric {name!r}", "be imported", get)


def _metrics_of(
    suite: Suite, setting: str, registry: Registry[Any], complaints: list[str], foreign: Foreign
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The metrics of a setting, and the modules that hold them; none where there is no setting.

    `complaints` gets what is wrong with those that cannot say what they read.
    """
    from jslds_bench.settings import of
    from jslds_bench.types.networks import reads

    if not setting:
        return (), ()
    names = suite.metrics
    if names is None:
        kept = []
        for name in registry.registered():
            try:
                ask = functools.partial(reads, registry.get(name), of(setting).evaluation)
                if foreign(f"metric {name!r}", "say what it reads", ask):
                    kept.append(name)
            except BrokenPlugin as error:
                complaints.append(str(error))
        names = tuple(kept)
    return names, tuple(registry.get(n).__module__ for n in names if n in registry.registered())


def _setting_of(suite: Suite, task: _Entry) -> str:
    """The name of the setting that owns `task`, empty where it cannot be made."""
    from jslds_bench.settings import every

    if task.broken is not None:
        return ""
    where = f"{suite.where}: {task.part.label}: {task.part.name!r}"
    setting = next((s for s in every() if s.owns(task.instance)), None)
    if setting is None:
        raise UsageError(f"{where} is a task of no setting: types.Task and its kin say what one must answer")
    if setting.needs_network != bool(suite.networks):
        lacks = "needs a network: add a [[networks]] table"
        spare = "needs no network: move it to a suite without [[networks]]"
        raise UsageError(f"{where} {spare if suite.networks else lacks}")
    return setting.name


def _refusal(setting: str, task: Any, network: Any, model: Any) -> str | None:
    """Why the model cannot serve the task and network, or None; needs no training."""
    from jslds_bench.settings import every, of

    mine = of(setting)
    if mine.serves(model):
        return mine.why_unsupported(task, network, model)
    others = " or ".join(s.about for s in every() if s.serves(model))
    return f"it describes {others or 'nothing'}, not {mine.about}"


def _with_recipe(
    suite: Suite, registry: Mapping[str, Registry[Any]], failures: list[str], foreign: Foreign
) -> Suite:
    """`suite` with its recipe as a parameter of all entries that take one and do not say their own."""
    if suite.recipe is None:
        return suite

    def given(kind: str, entry: Entry) -> Entry:
        subject = f"{registry[kind].kind} {entry.label!r}"
        try:
            get = functools.partial(registry[kind].get, entry.name)
            fields = {f.name for f in dataclasses.fields(foreign(subject, "be imported", get))}
        except UsageError:  # told where the entry is made
            return entry
        if "recipe" not in fields or "recipe" in entry.parameters:
            return entry
        entry = dataclasses.replace(entry, parameters={**entry.parameters, "recipe": suite.recipe})
        if not _lost_cell(entry, failures):
            where, make = f"{suite.where}: recipe", registry[kind].make
            made = functools.partial(_located, where, make, entry.name, entry.parameters)
            with contextlib.suppress(BrokenPlugin):  # of its cell: told where the entry is made
                foreign(subject, "be made", made)
        return entry

    changed: dict[str, Any] = {k: tuple(given(k, e) for e in getattr(suite, k)) for k in TABLES}
    return dataclasses.replace(suite, **changed)


def _located(where: str, check: Any, *args: Any) -> Any:
    try:
        return check(*args)
    except BrokenPlugin:
        raise
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from error
