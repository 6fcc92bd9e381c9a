"""What changes a job's digest and its network's: the code that they rest on, and no other."""

import dataclasses
import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jslds_bench.cli.scaffold import new_entry
from jslds_bench.entries import plugins, sources
from jslds_bench.suite import Entry, Job, Suite, load_suite, registries, resolve, select
from jslds_bench.types import CELLS, METRICS, MODELS, NETWORKS, TASKS

CHOSEN = {
    "networks": ("smoke", "context_integration", "rslds"),
    "recordings": ("switching", "nascar", "slds"),
    "spikes": ("spikes", "spiking_rotations", "lfads_jslds"),
}
"""Setting → suite, task and model of the job that stands for it."""
MAKER = ["jslds_bench.settings.draws", "jslds_bench.networks._shared.format"]
NEVER = ("report", "cli", "compare", "contract")


def job_of(setting: str) -> Job:
    suite, task, model = CHOSEN[setting]
    (job,) = resolve(select(load_suite(suite), tasks=[task], models=[model], seeds=[0])).jobs
    return job


def starts(job: Job) -> list[str]:
    """The modules that hold a job's entries, its setting and the template, and what keeps its network."""
    kinds = registries()
    parts = {"tasks": job.task, "networks": job.network, "models": job.model}
    entries = [kinds[kind].get(part.name) for kind, part in parts.items() if part.name != "data"]
    entries += map(kinds["metrics"].get, job.metrics)
    kept = MAKER if job.network_digest else []
    return [
        *{e.__module__ for e in entries},
        f"jslds_bench.settings.{job.setting}",
        "jslds_bench.runner.job",
        *kept,
    ]


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """A copy of the package and its suites, to be changed; returns the package's folder."""
    root = tmp_path_factory.mktemp("copy")
    for name in ("jslds_bench", "suites"):
        source = sources.PACKAGE.parent / name
        shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    return root / "jslds_bench"


def module_of(file: Path, package: Path) -> str:
    path = file.relative_to(package.parent).with_suffix("")
    return ".".join(path.parent.parts if path.name == "__init__" else path.parts)


@pytest.fixture(scope="module")
def touched(copy) -> dict[str, tuple[set[str], set[str]]]:
    """Setting → the modules of which a comment more changes the job's digest, and those of its network's."""

    def digests() -> dict[str, tuple[str, str]]:
        return {s: (job.digest, job.network_digest) for s in CHOSEN for job in [job_of(s)]}

    found: dict[str, tuple[set[str], set[str]]] = {setting: (set(), set()) for setting in CHOSEN}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jslds_bench.suite.resolving.Sources", functools.partial(sources.Sources, copy))
        before = digests()
        for file in sorted(copy.rglob("*.py")):
            content = file.read_bytes()
            file.write_bytes(content + b"# more\n")
            for setting, after in digests().items():
                for modules, old, new in zip(found[setting], before[setting], after, strict=True):
                    modules |= {module_of(file, copy)} if old != new else set()
            file.write_bytes(content)
        assert digests() == before
    return found


@pytest.mark.parametrize("setting", CHOSEN)
def test_a_comment_more_in_any_module_that_it_rests_on_changes_a_digest_and_in_no_other(
    setting, touched, copy
):
    job = job_of(setting)
    outcome, network = touched[setting]
    assert 30 < len(outcome) < 100
    assert outcome == sources.Sources(copy).closure(starts(job)).keys()
    if setting == "networks":
        makers = [type(job.task.made(TASKS)).__module__, type(job.network.made(NETWORKS)).__module__]
        assert network == sources.Sources(copy).closure([*makers, *MAKER]).keys()
        assert {"jslds_bench.types.core", "jslds_bench.dynamics.cells"} <= network < outcome
    else:
        assert not network
    assert not [name for name in outcome if name.split(".")[1:2] and name.split(".")[1] in NEVER]


WATCH = """
import builtins, importlib, importlib.util, json, sys

real, edges = builtins.__import__, {}

def watched(name, globals=None, locals=None, fromlist=(), level=0):
    module = real(name, globals, locals, fromlist, level)
    importer = (globals or {}).get("__name__", "")
    if level:
        name = importlib.util.resolve_name("." * level + name, globals["__package__"])
    wanted = [f"{name}.{x}" for x in fromlist or ()]
    wanted = [w if w in sys.modules else name for w in wanted] or [name]
    edges.setdefault(importer, []).extend(wanted)
    return module

builtins.__import__ = watched
for start in sys.argv[1:]:
    importlib.import_module(start)
builtins.__import__ = real
ours = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "jslds_bench"}

def defines(name):
    things = vars(ours[name]).values()
    return any(getattr(thing, "__module__", None) == name for thing in things)

print(json.dumps({
    "executed": sorted(ours),
    "imports": {name: sorted({w for w in edges.get(name, ()) if w in ours}) for name in ours},
    "defining": [name for name in ours if defines(name)],
}))
"""
FOR_PEOPLE = {"jslds_bench.version"}
"""What the package's own ``__init__`` imports; no number depends on it."""


@pytest.mark.parametrize("setting", CHOSEN)
def test_what_python_executes_on_behalf_of_a_job_changes_its_digest(setting, touched, tmp_path):
    """Of what an interpreter executed when it imported the job's modules, all but what is on the side.

    On the side is the ``__init__`` of a package that nobody asked for by name and that defines nothing, and
    what is imported by such alone.
    """
    env = os.environ | {"PYTHONPATH": str(sources.PACKAGE.parent)}
    line = [sys.executable, "-c", WATCH, *starts(job_of(setting))]
    done = subprocess.run(line, capture_output=True, text=True, cwd=tmp_path, env=env, timeout=250)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    needed: set[str] = set()
    todo = starts(job_of(setting))
    while todo:
        name = todo.pop()
        if name not in needed:
            needed.add(name)
            packages = [name.rsplit(".", i)[0] for i in range(1, name.count(".") + 1)]
            todo += [*seen["imports"][name], *(p for p in packages if p in seen["defining"])]
    aside = set(seen["executed"]) - needed
    assert len(needed) > 30
    assert {"jslds_bench.models", "jslds_bench.models.persistence"} <= aside
    assert needed - FOR_PEOPLE <= touched[setting][0]


SUITES = ("smoke", "truth", "spikes", "switching")
RESOLVE = """
import json, sys
import jslds_bench
from jslds_bench.suite import load_suite, registries, resolve
jobs = [job for name in sys.argv[1:] for job in resolve(load_suite(name)).jobs]
print(json.dumps({
    "file": jslds_bench.__file__,
    "known": [name for registry in registries().values() for name in registry],
    "digests": [[*job.key, job.digest] for job in jobs],
    "networks": [[*job.key, job.network_digest] for job in jobs],
}))
"""


@pytest.fixture(scope="module")
def resolved(copy, tmp_path_factory) -> Callable[[], dict]:
    """What a process of its own makes of the suites with the copy as it is."""
    folder = tmp_path_factory.mktemp("elsewhere")

    def resolved() -> dict:
        env = os.environ | {"PYTHONPATH": str(copy.parent), "PYTHONDONTWRITEBYTECODE": "1"}
        line = [sys.executable, "-c", RESOLVE, *SUITES]
        done = subprocess.run(line, capture_output=True, text=True, cwd=folder, env=env, timeout=250)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert found["file"] == str(copy / "__init__.py")
        return found

    return resolved


@pytest.fixture(scope="module")
def before(resolved) -> dict:
    return resolved()


def test_another_bias_in_a_cell_s_step_makes_networks_and_their_results_anew(copy, resolved, before):
    core = copy / "types" / "core.py"
    text = core.read_text()
    assert text.count("@ p.v + p.b\n") == 1
    core.write_text(text.replace("@ p.v + p.b\n", "@ p.v + 2 * p.b\n"))
    after = resolved()
    core.write_text(text)
    for old, new in zip(before["networks"], after["networks"], strict=True):
        assert (old[-1] != new[-1]) == bool(old[-1]), old
    for old, new in zip(before["digests"], after["digests"], strict=True):
        assert old[-1] != new[-1], old


def test_a_file_more_leaves_the_digests_of_all_others_alone(copy, resolved, before):
    added = []
    for kind in ("task", "network", "model"):
        folder = copy / f"{kind}s"
        added += [*new_entry(kind, f"new_{kind}", folder), folder / "__init__.py"]
        with added[-1].open("a") as file:
            file.write(f"import jslds_bench.{kind}s.new_{kind}\n")
    after = resolved()
    assert {"new_task", "new_network", "new_model"} <= set(after["known"]) - set(before["known"])
    assert after["digests"] == before["digests"]
    assert after["networks"] == before["networks"]


THEIRS = {
    "task": """
from jslds_bench.tasks.nbit_memory import NBitMemory
class Theirs(NBitMemory):
""",
    "network": """
from jslds_bench.networks.standard import Standard
class Theirs(Standard):
""",
    "model": """
from jslds_bench.models.persistence import Persistence
class Theirs(Persistence):
""",
    "metric": """
from jslds_bench.metrics.states import Skill
class Theirs(Skill):
""",
    "cell": """
from jslds_bench.cells.leaky import Leaky
class Theirs(Leaky):
""",
}
REGISTRIES = {"task": TASKS, "network": NETWORKS, "model": MODELS, "metric": METRICS, "cell": CELLS}


@pytest.fixture
def theirs(tmp_path) -> Iterator[Suite]:
    """Plug-in files of one entry each, and a suite of these entries beside built-in ones."""
    files = []
    for kind, text in THEIRS.items():
        imports, _, head = text.strip().partition("\n")
        registering = f'@{kind.upper()}S.register("their_{kind}")\n@dataclasses.dataclass(frozen=True)'
        files.append(tmp_path / f"{kind}.py")
        files[-1].write_text(
            f"import dataclasses\n{imports}\nfrom jslds_bench.types import {kind.upper()}S\n\n"
            f'{registering}\n{head}\n    """Theirs."""\n'
        )
    yield Suite(
        "theirs",
        (0,),
        tasks=(Entry("nbit_memory", "ours"), Entry("their_task", "theirs")),
        networks=(
            Entry("standard", "ours"),
            Entry("their_network", "theirs"),
            Entry("standard", "of their cell", {"cell": "their_cell(alpha=0.1)"}),
        ),
        models=(Entry("persistence", "ours"), Entry("their_model", "theirs")),
        plugins=tuple(map(str, files)),
    )
    for file in files:
        name = plugins.load(file).__name__
        for registry in REGISTRIES.values():
            registry.forget(name)


@pytest.mark.parametrize("kind", THEIRS)
def test_a_comment_more_in_a_plug_in_changes_the_jobs_that_its_entries_have_a_part_in(kind, theirs):
    before = resolve(theirs).jobs
    assert len(before) == 12
    (file,) = (file for file in theirs.plugins if Path(file).stem == kind)
    with open(file, "a") as stream:
        stream.write("# more\n")
    for old, new in zip(before, resolve(theirs).jobs, strict=True):
        has_part = old.network.label == "of their cell"
        if kind != "cell":
            has_part = kind == "metric" or getattr(old, kind).label == "theirs"
        assert (old.digest != new.digest) == has_part, old.key
        made = kind in ("task", "network", "cell") and has_part
        assert (old.network_digest != new.network_digest) == made, old.key


def test_a_metric_that_is_not_computed_changes_nothing(theirs):
    suite = dataclasses.replace(theirs, metrics=("relative_error",))
    before = resolve(suite)
    with open(theirs.plugins[list(THEIRS).index("metric")], "a") as stream:
        stream.write("# more\n")
    assert resolve(suite) == before


def test_a_helper_beside_a_plug_in_counts_as_the_plug_in(theirs, tmp_path, monkeypatch):
    (tmp_path / "helper_of_theirs.py").write_text("SCALE = 1\n")
    (tmp_path / "unused_by_theirs.py").write_text("SCALE = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "network.py"
    file.write_text(f"import helper_of_theirs\n{file.read_text()}")
    before = resolve(theirs).jobs
    (tmp_path / "unused_by_theirs.py").write_text("SCALE = 22\n")
    assert resolve(theirs).jobs == before
    (tmp_path / "helper_of_theirs.py").write_text("SCALE = 22\n")
    for old, new in zip(before, resolve(theirs).jobs, strict=True):
        has_part = old.network.label == "theirs"
        assert (old.digest != new.digest) == (old.network_digest != new.network_digest) == has_part, old.key


def test_a_helper_in_the_package_of_an_entry_point_counts_as_the_entry(tmp_path, monkeypatch):
    package, about = tmp_path / "package_with_helper", tmp_path / "with_helper-1.0.dist-info"
    package.mkdir()
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: with-helper\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[jslds_bench.models]\nfar = package_with_helper.far:Far\n")
    (package / "__init__.py").touch()
    for name in ("helper", "unused"):
        (package / f"{name}.py").write_text("SCALE = 1\n")
    (package / "far.py").write_text(
        "import dataclasses\nfrom jslds_bench.models.persistence import Persistence\nfrom . import helper\n"
        '@dataclasses.dataclass(frozen=True)\nclass Far(Persistence):\n    """Far."""\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    suite = select(load_suite("smoke"), tasks=["nbit_memory"], models=["persistence"])
    suite = dataclasses.replace(suite, models=(*suite.models, Entry("far", "far")))
    before = resolve(suite).jobs
    (package / "unused.py").write_text("SCALE = 22\n")
    assert resolve(suite).jobs == before
    (package / "helper.py").write_text("SCALE = 22\n")
    changed = {
        old.model.label: old.digest != new.digest
        for old, new in zip(before, resolve(suite).jobs, strict=True)
    }
    assert changed == {"persistence": False, "far": True}
    MODELS.forget("package_with_helper.far")
