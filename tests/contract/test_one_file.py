"""A new entry of each kind is one file and one import line, and the contract tests pick it up."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import jslds_bench
from jslds_bench import contract
from jslds_bench.cli.scaffold import KINDS, new_entry
from jslds_bench.entries import plugins
from jslds_bench.errors import UsageError
from jslds_bench.suite import registries

ROOT = Path(jslds_bench.__file__).parents[1]
TESTS = Path(__file__).parent


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """A copy of the package with an entry more of each kind."""
    root = tmp_path_factory.mktemp("checkout")
    for name in ("jslds_bench", "suites"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for kind in KINDS:
        folder = root / "jslds_bench" / f"{kind}s"
        _, test = new_entry(kind, f"new_{kind}", folder)
        test.unlink()
        with (folder / "__init__.py").open("a") as stream:
            stream.write(f"import jslds_bench.{kind}s.new_{kind}\n")
    return root


def contract_tests(checkout: Path, *words: str) -> str:
    """What pytest says about the contract tests of the copy; they must pass."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")} | {"PYTHONPATH": str(checkout)}
    files = [str(TESTS / f"test_every_{what}.py") for what in ("entry", "model", "metric")]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:xdist",
        "-c",
        str(ROOT / "pyproject.toml"),
        *words,
        *files,
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=checkout, env=env, timeout=1000)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    return done.stdout


def test_the_contract_tests_pick_a_new_entry_of_each_kind_up(checkout):
    collected = contract_tests(checkout, "--collect-only").splitlines()
    for kind in KINDS:
        tests = {line.partition("[")[0].rpartition("::")[2] for line in collected if f"new_{kind}" in line}
        assert f"test_a_{kind}_keeps_the_contract" in tests
        assert "test_an_entry_is_a_documented_frozen_dataclass" in tests


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_new_entry_of_each_kind_passes_them(checkout):
    assert " passed" in contract_tests(checkout, "-k", " or ".join(f"new_{kind}" for kind in KINDS))


@pytest.mark.parametrize(
    "kind",
    [
        "task",
        "network",
        "cell",
        *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("model", "metric")),
    ],
)
def test_a_new_file_keeps_the_contract_as_it_is(kind, tmp_path):
    name = f"my_{kind}"
    file, test = new_entry(kind, name, tmp_path)
    assert len(file.read_text().splitlines()) < 60
    assert "my_entry" not in file.read_text() + test.read_text()
    assert f'contract.check("{kind}s", "{name}")' in test.read_text()
    module = plugins.load(file)
    try:
        outcome = contract.check(f"{kind}s", name, cases=("frozen vanilla",))
    finally:
        registries()[f"{kind}s"].forget(module.__name__)
    assert [str(finding) for finding in outcome.findings] == []
    assert outcome.n_rules > 3


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("jslds", "there is a model 'jslds' already"),
        ("json", "json.py would hide the installed module 'json'"),
        ("3d", "cannot name a Python file"),
        ("my method", "cannot name a Python file"),
        ("../mine", "cannot name a Python file"),
        ("class", "cannot name a Python file"),
        ("_", "cannot name a Python file"),
        ("taken", "taken.py exists, and is not overwritten"),
        ("tested", "test_tested.py exists, and is not overwritten"),
    ],
)
def test_a_name_that_does_not_do_is_refused_and_nothing_is_written(name, said, tmp_path):
    for file in ("taken.py", "test_tested.py"):
        (tmp_path / file).write_text("mine\n")
    with pytest.raises(UsageError, match=said):
        new_entry("model", name, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["taken.py", "test_tested.py"]
    assert (tmp_path / "taken.py").read_text() == "mine\n"


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(UsageError, match="No such file or directory; choose another --dir"):
        new_entry("model", "mine", tmp_path / "nowhere")
