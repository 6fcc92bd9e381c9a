"""The asv benchmarks: each runs once, tiny, and asv itself accepts the configuration."""

import importlib.util
import inspect
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]


def load(name: str):
    """The benchmark file as a module, with its sizes shrunk."""
    spec = importlib.util.spec_from_file_location(f"asv_{name}", ROOT / "suites" / "asv" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    before = os.environ.get("JSLDS_BENCH_ASV")
    os.environ["JSLDS_BENCH_ASV"] = "tiny"
    try:
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    finally:
        del os.environ["JSLDS_BENCH_ASV"]
        if before is not None:
            os.environ["JSLDS_BENCH_ASV"] = before
    return module


MODULES = [load(path.stem) for path in sorted((ROOT / "suites" / "asv").glob("bench_*.py"))]


def benchmarks():
    for module in MODULES:
        for _, group in inspect.getmembers(module, inspect.isclass):
            if group.__module__ != module.__name__:
                continue
            for name, function in inspect.getmembers(group, inspect.isfunction):
                if name.startswith(("time_", "track_")):
                    for values in itertools.product(*getattr(group, "params", [])):
                        yield pytest.param(
                            group, name, function, values, id=f"{group.__name__}.{name}{values}"
                        )


CASES = list(benchmarks())


@pytest.mark.parametrize(("group", "name", "function", "values"), CASES)
def test_a_benchmark_runs(group, name, function, values):
    assert group.__doc__
    value = function(group(), *values)
    if name.startswith("track_"):
        assert isinstance(value, float)
        assert function.unit
    else:
        assert value is None


def test_the_search_has_points_to_find_and_finds_them():
    (module,) = MODULES
    (found, known) = module.FixedPoints.search()(), module.FixedPoints.network().truth[0].points
    assert len(found.points) >= 4
    gaps = np.linalg.norm(found.points[:, None] - known, axis=-1)
    assert (gaps.min(axis=1) < 1e-6).all()


def test_the_yardstick_computes_the_same_loss_and_gradient():
    (module,) = MODULES
    import jax

    for cell in module.CELLS:
        (total, _), grads = module.warm(module.training_step, cell)()
        plain, plain_grads = module.warm(module.plain_training_step, cell)()
        squares = sum(float(np.sum(np.square(x))) for x in jax.tree.leaves(module.problem(cell).params[0]))
        l2 = module.problem(cell).task.setup.weights.l2
        assert float(total) == pytest.approx(float(plain) + l2 * squares, rel=1e-5)
        for got, expected in zip(jax.tree.leaves(grads.phi), jax.tree.leaves(plain_grads.phi), strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-4)


def test_the_configuration_is_offline_and_complete():
    text = re.sub(r"^\s*//.*$", "", (ROOT / "asv.conf.json").read_text(), flags=re.MULTILINE)
    conf = json.loads(text)
    assert conf["repo"] == "."
    assert conf["branches"] == ["main"]
    assert conf["launch_method"] == "spawn"
    assert (ROOT / conf["benchmark_dir"]).is_dir()
    for folder in ("env_dir", "results_dir", "html_dir"):
        assert conf[folder].startswith(".asv/")  # ignored by git


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("git") is None or not (ROOT / ".git").exists(), reason="no git checkout")
def test_asv_finds_and_runs_the_benchmarks(tmp_path):
    """A real process in this very environment, its results kept out of the checkout."""
    text = re.sub(r"^\s*//.*$", "", (ROOT / "asv.conf.json").read_text(), flags=re.MULTILINE)
    folders = {f"{x}_dir": str(tmp_path / x) for x in ("env", "results", "html")}
    conf = {**json.loads(text), **folders, "repo": str(ROOT), "benchmark_dir": str(ROOT / "suites" / "asv")}
    (tmp_path / "asv.conf.json").write_text(json.dumps(conf))
    asv = [sys.executable, "-m", "asv"]
    environment = {
        **os.environ,
        "JSLDS_BENCH_ASV": "tiny",
        "ASV_PYTHONPATH": str(ROOT),
        "HOME": str(tmp_path),
    }
    commit = subprocess.check_output(["git", "-C", ROOT, "rev-parse", "HEAD"], text=True).strip()
    for command in (
        ["machine", "--yes"],
        ["check", "--environment", f"existing:{sys.executable}"],
        [
            "run",
            "--quick",
            "--bench",
            "Forward",
            "--environment",
            f"existing:{sys.executable}",
            "--set-commit-hash",
            commit,
        ],
    ):
        done = subprocess.run([*asv, *command], cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    stored = [p for p in (tmp_path / "results").rglob("*.json") if commit[:8] in p.name]
    (result,) = stored
    assert "Forward.time_jslds_forward" in result.read_text()
