"""Which modules a result rests on: imports read off the source, and what they leave out."""

import sys
from pathlib import Path

import pytest

from jslds_bench.entries import plugins, sources
from jslds_bench.runner.planning import Wanted, plan
from jslds_bench.suite import load_suite

FILES = {
    "__init__.py": "def late():\n    from jslds_bench.page import draw\n",
    "page.py": "",
    "core.py": "",
    "shapes/__init__.py": '"""Shapes."""\nfrom jslds_bench.shapes.ring import Ring\n__all__ = ["Ring"]\n',
    "shapes/ring.py": "",
    "shapes/line.py": "",
    "tools/__init__.py": "WIDTH = 3\nimport jslds_bench.tools.spare\n",
    "tools/hammer.py": "",
    "tools/spare.py": "",
}


@pytest.fixture
def package(tmp_path) -> Path:
    """A package that stands for this one."""
    return fill(tmp_path / "jslds_bench", FILES)


def fill(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def closure(package: Path, text: str, name: str = "start.py") -> set[str]:
    """What the module with this text rests on, besides itself and the package's own ``__init__``."""
    fill(package, {name: text})
    start = "jslds_bench." + name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    return sources.Sources(package).closure([start]).keys() - {start, "jslds_bench"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import jslds_bench.core", {"core"}),
        ("import jslds_bench.core as c, os", {"core"}),
        ("from jslds_bench import core", {"core"}),
        ("from jslds_bench.core import thing as other", {"core"}),
        ("from jslds_bench.core import *", {"core"}),
        ("from . import core", {"core"}),
        ("from .core import thing", {"core"}),
        ("from .shapes.line import Line", {"shapes.line"}),
        ("import numpy\nfrom os import path", set()),
        ("def f():\n    if True:\n        from jslds_bench import core", {"core"}),
        ("try:\n    import jslds_bench.core\nexcept ImportError:\n    pass", {"core"}),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import jslds_bench.core", set()),
        ("import typing\nif typing.TYPE_CHECKING:\n    from jslds_bench import core", set()),
        ("if TYPE_CHECKING:\n    pass\nelse:\n    import jslds_bench.core", {"core"}),
        ("if not TYPE_CHECKING:\n    import jslds_bench.core", {"core"}),
        # An __init__ on the way counts where it defines something, not where it only imports others.
        ("from jslds_bench.shapes.line import Line", {"shapes.line"}),
        ("from jslds_bench.shapes import line", {"shapes.line"}),
        ("from jslds_bench.tools.hammer import hit", {"tools", "tools.hammer"}),
        # A name of a package may come from whatever its __init__ imports.
        ("from jslds_bench.shapes import Ring", {"shapes", "shapes.ring"}),
        ("from jslds_bench import shapes", {"shapes", "shapes.ring"}),
        ("from jslds_bench.tools import WIDTH", {"tools", "tools.spare"}),
    ],
)
def test_imports_are_read_off_the_source(package, text, expected):
    assert closure(package, text) == {f"jslds_bench.{name}" for name in expected}


def test_relative_imports_start_at_the_package_that_holds_the_module(package):
    assert closure(package, "from .. import core\nfrom ..tools.hammer import hit", "shapes/cone.py") == {
        "jslds_bench.core",
        "jslds_bench.tools",
        "jslds_bench.tools.hammer",
    }
    assert closure(package, "from .line import Line", "shapes/__init__.py") == {"jslds_bench.shapes.line"}


def test_imports_of_imports_count_and_circles_end(package):
    fill(package, {"core.py": "import jslds_bench.page", "page.py": "import jslds_bench.core"})
    assert closure(package, "import jslds_bench.core") == {"jslds_bench.core", "jslds_bench.page"}


def test_a_package_that_defines_something_counts_without_what_it_imports(package):
    """The package's own ``__init__`` imports nearly everything when it is asked to run a suite."""
    assert sources.Sources(package).closure(["jslds_bench.core"]).keys() == {
        "jslds_bench",
        "jslds_bench.core",
    }


def test_a_changed_byte_of_any_module_changes_the_digest_and_of_no_other(package):
    fill(package, {"start.py": "from jslds_bench.tools import hammer"})
    before = sources.Sources(package).digest(["jslds_bench.start"])
    for name, counts in (("tools/hammer.py", 1), ("tools/__init__.py", 1), ("core.py", 0), ("new.py", 0)):
        with (package / name).open("a") as file:
            file.write("#")
        after = sources.Sources(package).digest(["jslds_bench.start"])
        assert (after != before) == counts, name
        before = after


def test_digests_do_not_depend_on_the_order_of_modules_but_on_which_they_are(package):
    one, two = "jslds_bench.core", "jslds_bench.page"
    assert sources.Sources(package).digest([one, two]) == sources.Sources(package).digest([two, one])
    assert sources.Sources(package).digest([one, two]) != sources.Sources(package).digest([one])
    fill(package, {"core.py": "import os\n", "page.py": "import sys\n"})
    before = sources.Sources(package).digest([one, two])
    fill(package, {"core.py": "import sys\n", "page.py": "import os\n"})  # the same contents, elsewhere
    assert sources.Sources(package).digest([one, two]) != before


def test_a_plug_in_has_what_lies_beside_it_and_what_it_uses_of_the_package(tmp_path, monkeypatch):
    text = "import helper_of_one\nfrom tools_of_one.hammer import hit\nimport jslds_bench.errors\n"
    files = {
        "one.py": text,
        "helper_of_one.py": "import second_helper",
        "second_helper.py": "",
        "unused.py": "",
        "tools_of_one/__init__.py": "",
        "tools_of_one/hammer.py": "def hit(): ...",
        "tools_of_one/spare.py": "",
    }
    fill(tmp_path, files)
    monkeypatch.syspath_prepend(tmp_path)
    name = plugins.load(tmp_path / "one.py").__name__
    found = sources.Sources().closure([name])
    beside = {"helper_of_one", "second_helper", "tools_of_one.hammer"}
    assert found.keys() == {name, *beside, "jslds_bench", "jslds_bench.errors"}
    assert found[name] == tmp_path / "one.py"
    for module in beside:
        assert found[module].is_relative_to(tmp_path)


def test_a_plug_in_rests_on_the_users_own_package_wherever_that_lies(tmp_path, monkeypatch):
    """On the path, as packages under development are; of what is installed for good the version counts."""
    fill(
        tmp_path / "elsewhere",
        {"own_lab/__init__.py": "", "own_lab/methods.py": "import own_tools", "own_tools.py": ""},
    )
    fill(
        tmp_path,
        {"one.py": "from own_lab.methods import fit\nimport pandas, json\nfrom sklearn import svm\n"},
    )
    monkeypatch.syspath_prepend(tmp_path / "elsewhere")
    name = f"{sources.PLUGIN}one"

    def digest():
        found = sources.Sources(files={name: str(tmp_path / "one.py")})
        assert found.closure([name]).keys() == {name, "own_lab.methods", "own_tools"}
        return found.digest([name])

    before = digest()
    assert digest() == before
    fill(tmp_path / "elsewhere", {"own_tools.py": "# changed"})
    after = digest()
    assert after != before
    installed = {"pandas": ["pandas"], "sklearn": ["scikit-learn"]}
    versions = {"pandas": "3.0", "scikit-learn": "1.7"}
    monkeypatch.setattr(sources.importlib.metadata, "version", versions.__getitem__)
    monkeypatch.setattr(sources, "_installers", lambda: installed)
    before = digest()
    versions["scikit-learn"] = "1.8"
    assert digest() != before


def test_what_a_plug_in_finds_by_a_path_that_it_sets_up_counts_in_every_process(tmp_path):
    """Where it was planned the path is set up, and where it is asked for staleness it is not."""
    fill(tmp_path / "src", {"own_lab_of_two/__init__.py": "", "own_lab_of_two/methods.py": "scale = 2.0"})
    text = PLUGIN_OF_TWO.format(src=tmp_path / "src")
    fill(tmp_path, {"two.py": text, "suite.toml": SUITE_OF_TWO})
    suite = load_suite(str(tmp_path / "suite.toml"))
    made = plan(Wanted(suite))
    assert made.jobs[0].failure is None
    assert "own_lab_of_two" in made.elsewhere
    assert not made.is_stale()
    fill(tmp_path / "src", {"own_lab_of_two/methods.py": "scale = 3.0"})
    assert made.is_stale()
    assert plan(Wanted(suite)).jobs[0].digest != made.jobs[0].digest


PLUGIN_OF_TWO = """
import dataclasses
import sys

sys.path.insert(0, "{src}")
from jslds_bench.models.persistence import Persistence
from jslds_bench.types import MODELS
from own_lab_of_two.methods import scale

@MODELS.register("two")
@dataclasses.dataclass(frozen=True)
class Two(Persistence):
    pass
"""
SUITE_OF_TWO = """
schema = 1
name = "two"
seeds = [0]
plugins = ["two.py"]
[[tasks]]
name = "perturbations"
[[networks]]
name = "analytic"
system = "bistable"
n_state = 2
[[models]]
name = "two"
"""


def test_a_plug_in_may_be_moved(tmp_path):
    text = "from jslds_bench.errors import UsageError\n"
    places = [fill(tmp_path / place, {"two.py": text}) for place in ("here", "there")]
    here, there = (plugins.load(place / "two.py").__name__ for place in places)
    assert here != there
    assert sources.Sources().digest([here]) == sources.Sources().digest([there])
    fill(places[1], {"two.py": text + "#"})
    assert sources.Sources().digest([here]) != sources.Sources().digest([there])
    both = sources.Sources().digest([here, there])
    fill(places[0], {"two.py": text + "#"})
    fill(places[1], {"two.py": text})
    assert sources.Sources().digest([here, there]) == both


def test_a_package_of_its_own_has_its_modules(tmp_path, monkeypatch):
    files = {"__init__.py": "", "entry.py": "from . import helper", "helper.py": "", "unused.py": ""}
    fill(tmp_path / "package_of_theirs", files)
    monkeypatch.syspath_prepend(tmp_path)
    assert "package_of_theirs" not in sys.modules
    found = sources.Sources().closure(["package_of_theirs.entry"])
    assert found.keys() == {"package_of_theirs.entry", "package_of_theirs.helper"}
