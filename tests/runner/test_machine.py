"""Environment, fingerprint and GEMM rate."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from jslds_bench.records.provenance import fingerprint
from jslds_bench.runner import machine
from jslds_bench.runner.clock import gemm_rate
from jslds_bench.runner.worker import LATE
from jslds_bench.suite import registries


@pytest.fixture(scope="module")
def env():
    return machine.environment()


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A copy of a few modules that the functions take for the package, outside any checkout."""
    package = tmp_path / "site" / "jslds_bench"
    package.mkdir(parents=True)
    shutil.copy(machine.PACKAGE / "errors.py", package)
    shutil.copytree(
        machine.PACKAGE / "tasks", package / "tasks", ignore=shutil.ignore_patterns("__pycache__")
    )
    monkeypatch.setattr(machine, "PACKAGE", package)
    machine._checkout.cache_clear()
    yield package
    machine._checkout.cache_clear()


def test_the_environment_is_plain_json_and_complete(env):
    assert json.loads(json.dumps(env)) == env
    assert {
        "version",
        "commit",
        "dirty",
        "python",
        "platform",
        "cpu",
        "device",
        "xla_flags",
        "x64",
        "matmul_precision",
    } <= env.keys()
    assert env["matmul_precision"] == "highest"
    assert all(env[library] for library in machine.LIBRARIES)
    assert 1 <= env["threads"] <= env["cores"]


def test_the_commit_is_the_checkout_s(env):
    root = machine.PACKAGE.parent
    git = ["git", "-C", str(root), "rev-parse", "HEAD"]
    head = (
        subprocess.run(git, capture_output=True, text=True).stdout.strip()
        if (root / ".git").exists()
        else None
    )
    assert env["commit"] == head


def test_a_wheel_inside_another_repository_has_no_commit(elsewhere: Path):
    subprocess.run(["git", "init", "-q", str(elsewhere.parents[1])], check=True)
    assert machine._checkout() == {"commit": None, "dirty": None}


def test_an_untracked_file_makes_a_checkout_dirty(elsewhere: Path):
    git = ["git", "-C", str(elsewhere.parent), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "x"], check=True)
    assert machine._checkout()["dirty"] is False
    (elsewhere / "new.py").touch()
    machine._checkout.cache_clear()
    assert machine._checkout()["dirty"] is True


@pytest.mark.parametrize(
    ("key", "matters"),
    [
        ("cpu", True),
        ("threads", True),
        ("device", True),
        ("commit", False),
        ("jax", False),
        ("platform", False),
    ],
)
def test_the_fingerprint_is_of_the_machine_alone(env, key, matters):
    changed = {**env, key: "another"}
    assert (fingerprint(changed) != fingerprint(env)) == matters


def test_the_gemm_rate_is_a_rate():
    assert 1e7 < gemm_rate(n=128, repeats=2) < 1e15


def test_what_entries_import_late_a_worker_imports_before_any_clock_runs():
    registries()
    parts = {"analysis", "cells", "dynamics", "lfads", "metrics", "models", "networks", "nwb", "settings"}
    used = set()
    for name, module in sorted(sys.modules.items()):
        if name.startswith("jslds_bench.") and name.split(".")[1] in {*parts, "switching", "tasks"}:
            used |= set(
                re.findall(r"^[^#`]*(?<!jax\.)\b(scipy\.[a-z]+)", Path(module.__file__).read_text(), re.M)
            )
    assert {"scipy.optimize", "scipy.spatial", "scipy.cluster"} <= used
    assert used <= set(LATE)
    assert {"flax.nnx", "optax"} <= set(LATE)
