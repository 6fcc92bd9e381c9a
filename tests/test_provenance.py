"""Environment, fingerprint, GEMM rate and code digests."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from jslds_bench.runner import machine as provenance


@pytest.fixture(scope="module")
def env():
    return provenance.environment()


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A copy of a few modules that the functions take for the package, outside any checkout."""
    package = tmp_path / "site" / "jslds_bench"
    package.mkdir(parents=True)
    shutil.copy(provenance.PACKAGE / "errors.py", package)
    shutil.copytree(
        provenance.PACKAGE / "tasks", package / "tasks", ignore=shutil.ignore_patterns("__pycache__")
    )
    monkeypatch.setattr(provenance, "PACKAGE", package)
    provenance._checkout.cache_clear()
    yield package
    provenance._checkout.cache_clear()


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
    } <= env.keys()
    assert all(env[library] for library in provenance.LIBRARIES)
    assert 1 <= env["threads"] <= env["cores"]


def test_the_commit_is_the_checkout_s(env):
    root = provenance.PACKAGE.parent
    git = ["git", "-C", str(root), "rev-parse", "HEAD"]
    head = (
        subprocess.run(git, capture_output=True, text=True).stdout.strip()
        if (root / ".git").exists()
        else None
    )
    assert env["commit"] == head


def test_a_wheel_inside_another_repository_has_no_commit(elsewhere: Path):
    subprocess.run(["git", "init", "-q", str(elsewhere.parents[1])], check=True)
    assert provenance._checkout() == {"commit": None, "dirty": None}


def test_an_untracked_file_makes_a_checkout_dirty(elsewhere: Path):
    git = ["git", "-C", str(elsewhere.parent), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "x"], check=True)
    assert provenance._checkout()["dirty"] is False
    (elsewhere / "new.py").touch()
    provenance._checkout.cache_clear()
    assert provenance._checkout()["dirty"] is True


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
    assert (provenance.fingerprint(changed) != provenance.fingerprint(env)) == matters


def test_the_gemm_rate_is_a_rate():
    assert 1e7 < provenance.gemm_rate(n=128, repeats=2) < 1e15


def test_a_changed_byte_changes_the_digest_of_its_module_alone(elsewhere: Path):
    digest = provenance.code_digest.__wrapped__
    before = digest("tasks"), digest("errors"), digest("tasks.nbit_memory")
    with (elsewhere / "tasks" / "nbit_memory.py").open("a") as file:
        file.write("#")
    after = digest("tasks"), digest("errors"), digest("tasks.nbit_memory")
    assert [a != b for a, b in zip(after, before, strict=True)] == [True, False, True]


def test_a_new_file_changes_the_digest_of_its_subpackage(elsewhere: Path):
    before = provenance.code_digest.__wrapped__("tasks")
    (elsewhere / "tasks" / "another.py").touch()
    assert provenance.code_digest.__wrapped__("tasks") != before


def test_digests_do_not_depend_on_the_order_of_modules_but_on_which_they_are():
    assert provenance.code_digest("tasks", "errors") == provenance.code_digest("errors", "tasks")
    assert provenance.code_digest("tasks", "errors") != provenance.code_digest("tasks")


def test_an_unknown_module_has_no_digest():
    with pytest.raises(ValueError, match="no module 'tsks'"):
        provenance.code_digest("tsks")
