"""A suite as jobs that can be run: every entry made once, its parameters, its setting and its digest known.

What leaves here is plain data: a `Job` travels to a worker as JSON, and nothing of the suite is read again
there.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jslds_bench.entries.foreign import Foreign
from jslds_bench.entries.options import of_the_shell
from jslds_bench.entries.sources import Sources
from jslds_bench.errors import BrokenPlugin, UsageError
from jslds_bench.suite.job import Job, Part, hashed, of_seed
from jslds_bench.suite.making import (
    MadeEntry,
    check_metrics,
    loaded,
    made_entry,
    metrics_of,
    registries,
    with_recipe,
    with_sources,
)
from jslds_bench.suite.reading import NO_NETWORK, grid
from jslds_bench.suite.toml import TABLES, Suite

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
        elsewhere: what these import from elsewhere, as the process found it that planned (`Sources`).
        complaints: what is wrong with those that do not, and with metrics that are left out.
    """

    suite: Suite
    jobs: list[Job]
    modules: frozenset[str] = frozenset()
    code: str = ""
    files: Mapping[str, str] = dataclasses.field(default_factory=dict)
    elsewhere: Mapping[str, list[str]] = dataclasses.field(default_factory=dict)
    complaints: tuple[str, ...] = ()

    def is_stale(self) -> bool:
        """Whether code that the jobs rest on has changed since they were resolved."""
        try:
            return Sources(files=self.files, elsewhere=self.elsewhere).digest(self.modules) != self.code
        except (OSError, SyntaxError, ValueError):  # of a file that is being written
            return True


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
    registry, (files, failures) = registries(), loaded(suite.plugins, foreign)
    suite = with_recipe(suite, registry, failures, foreign)
    made = {
        kind: {e.label: made_entry(suite, registry[kind], e, failures, foreign) for e in getattr(suite, kind)}
        for kind in TABLES
    }
    if NO_NETWORK.label in made["networks"]:
        raise UsageError(f"{suite.where}: label {NO_NETWORK.label!r} stands for no network: choose another")
    made["networks"][NO_NETWORK.label] = MadeEntry(Part("data", "data", {}), None, None)
    check_metrics(suite, registry["metrics"], failures, foreign)
    kinds = {label: _setting_of(suite, entry) for label, entry in made["tasks"].items()}
    made = {
        kind: {label: with_sources(kind[:-1], entry, foreign) for label, entry in entries.items()}
        for kind, entries in made.items()
    }
    complaints = list(failures)
    metrics = {
        setting: metrics_of(suite, setting, registry["metrics"], complaints, foreign)
        for setting in dict.fromkeys(kinds.values())
    }
    sources = Sources(files=files)
    code = functools.cache(sources.digest)

    @functools.cache
    def cell(*labels: str) -> _Cell:
        entries = [made[kind][label] for kind, label in zip(TABLES, labels, strict=True)]
        setting = kinds[labels[0]]
        return _cell(suite, setting, entries, *metrics[setting], code, foreign)

    cells = [(cell(*(entry.label for entry in entries)), seed) for *entries, seed in grid(suite)]
    starts = frozenset(MAKER).union(*(of.needed for of, _ in cells))
    jobs = [of.job_of(seed) for of, seed in cells]
    whole = code(starts)
    return Resolved(suite, jobs, starts, whole, files, sources.elsewhere, tuple(complaints))


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
        digest, network = of_seed(self.outcome, seed), of_seed(self.maker, seed) if self.maker else ""
        return dataclasses.replace(
            self.job, seed=seed, digest=digest, shared_digest=self.outcome, network_digest=network
        )


def _cell(
    suite: Suite,
    setting: str,
    entries: list[MadeEntry],
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


def _unserved(setting: str, entries: list[MadeEntry], foreign: Foreign) -> dict[str, Any]:
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


def _outcome(job: Job, entries: Iterable[MadeEntry], code: str) -> str:
    content = {
        "setting": job.setting,
        "entries": [(e.part.name, e.part.parameters, e.part.sources) for e in entries],
        "n_trials": job.n_trials,
        "metrics": job.metrics,
        "code": code,
        "libraries": _libraries(),
        "options": of_the_shell(),
    }
    return hashed(content)


def _maker(task: MadeEntry, network: MadeEntry, code: str) -> str:
    entries = [(e.part.name, e.part.parameters, e.part.sources) for e in (task, network)]
    content = {"entries": entries, "code": code}
    return hashed(content)


@functools.cache
def _libraries() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in LIBRARIES}


def _setting_of(suite: Suite, task: MadeEntry) -> str:
    """The name of the setting that owns `task`, empty where it cannot be made."""
    from jslds_bench.settings import every, why_unowned

    if task.broken is not None:
        return ""
    where = f"{suite.where}: {task.part.label}: {task.part.name!r}"
    setting = next((s for s in every() if s.owns(task.instance)), None)
    if setting is None:
        raise UsageError(f"{where} is {why_unowned(task.instance)}")
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
