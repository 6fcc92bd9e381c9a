"""The benchmarks: each runs once, tiny; asv measures commits by their own code; here.py compares."""

import functools
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

import jax
import numpy as np
import pytest

from jslds_bench.perf.page import page

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "suites" / "asv"


@pytest.fixture(scope="module", autouse=True)
def tiny():
    """Processes that benchmarks start are of the same size."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JSLDS_BENCH_ASV", "tiny")
        yield


def load(name: str):
    """The benchmark file as a module, with its sizes shrunk."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JSLDS_BENCH_ASV", "tiny")
        patch.syspath_prepend(FOLDER)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    return module


problems = load("problems")
MODULES = [load(path.stem) for path in sorted(FOLDER.glob("bench_*.py"))]


def benchmarks():
    for module in MODULES:
        for _, group in inspect.getmembers(module, inspect.isclass):
            if group.__module__ != module.__name__:
                continue
            for name, function in inspect.getmembers(group, inspect.isfunction):
                if name.startswith(("time_", "track_", "peakmem_")):
                    for values in itertools.product(*getattr(group, "params", [])):
                        yield pytest.param(
                            group, name, function, values, id=f"{group.__name__}.{name}{values}"
                        )


CASES = [case for case in benchmarks() if case.values[0].__name__ != "Compiled"]


@functools.cache
def cached(group):
    return group().setup_cache()


@pytest.mark.parametrize(("group", "name", "function", "values"), CASES)
def test_a_benchmark_runs(group, name, function, values):
    assert group.__doc__
    value = function(group(), *([cached(group)] if hasattr(group, "setup_cache") else []), *values)
    if name.startswith("track_"):
        assert isinstance(value, float)
        assert function.unit
    else:
        assert value is None


def test_the_dashboard_has_the_counts_of_the_gate(monkeypatch):
    """`test_compiled` runs what makes them."""
    bench = sys.modules["bench_compiled"]
    counted = {name: {"flops": 7} for name in (*bench.KERNELS, *bench.CALLS)}
    monkeypatch.setattr(bench.subprocess, "check_output", lambda *_, **__: json.dumps(counted))
    assert set(problems.KERNELS) <= set(bench.KERNELS)
    group = bench.Compiled()
    cache = group.setup_cache()
    found = {values: group.track_count(cache, *values) for values in itertools.product(*group.params)}
    assert {count for (_, count), value in found.items() if value == 7} == {"flops"}


def test_the_search_has_points_to_find_and_finds_them():
    found, known = problems.search()(), problems.analytic().truth[0].points
    assert len(found.points) >= 4
    gaps = np.linalg.norm(found.points[:, None] - known, axis=-1)
    assert (gaps.min(axis=1) < 1e-6).all()


def test_all_versions_search_one_trained_network():
    kept = problems.trained()
    problems.trained.cache_clear()
    again = problems.trained()
    assert again is not kept
    for one, other in zip(*(jax.tree.leaves(network.params) for network in (kept, again)), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_the_trained_network_has_points_to_find():
    """At its full size, in a process of its own: at least as many fixed points as there are memories."""
    code = "import problems; found = problems.trained_search()(); print((found.q < 1e-20).sum())"
    environment = {k: v for k, v in os.environ.items() if k != "JSLDS_BENCH_ASV"}
    environment["PYTHONPATH"] = os.pathsep.join(map(str, (FOLDER, ROOT)))
    assert int(subprocess.check_output([sys.executable, "-c", code], env=environment)) >= 8


def test_the_yardstick_computes_the_same_loss_and_gradient():
    for cell in problems.CELLS:
        (total, _), grads = problems.warm(f"training_step-{cell}")()
        plain, plain_grads = problems.warm(f"plain_training_step-{cell}")()
        assert float(total) == pytest.approx(float(plain), rel=1e-5)
        for got, expected in zip(jax.tree.leaves(grads), jax.tree.leaves(plain_grads), strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-4)


def test_the_configuration_is_offline_and_complete():
    text = re.sub(r"^\s*//.*$", "", (ROOT / "asv.conf.json").read_text(), flags=re.MULTILINE)
    conf = json.loads(text)
    assert conf["repo"] == "."
    assert conf["branches"] == ["main"]
    assert conf["launch_method"] == "spawn"
    assert (ROOT / conf["benchmark_dir"]).is_dir()
    for folder in ("env_dir", "results_dir", "html_dir"):
        assert conf[folder].startswith((".asv/", "reports/asv"))  # ignored by git


def test_bench_here_compares_with_the_run_before(tmp_path):
    code = "import sys, pathlib, here; sys.exit(here.main(['-k', 'jacobians'], pathlib.Path(sys.argv[1])))"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (FOLDER, ROOT)))}
    environment.pop("PYTEST_XDIST_WORKER", None)  # it times nothing where it thinks that it has company
    said = [
        subprocess.check_output([sys.executable, "-c", code, str(tmp_path)], env=environment, text=True)
        for _ in range(2)
    ]
    assert ["(NOW)" in text for text in said] == [False, True]
    assert len(list(tmp_path.glob("*/*.json"))) == 2


def test_the_page_has_each_value_and_needs_no_network(tmp_path):
    machine = tmp_path / "box"
    machine.mkdir()
    (machine / "machine.json").write_text("{}")
    (tmp_path / "benchmarks.json").write_text(json.dumps({"b.T.track_x": {"unit": "<s>"}, "version": 2}))
    for commit, values in (("a" * 40, [2.0, 1.0]), ("b" * 40, [3.0, None]), ("c" * 40, [9.0, 9.0])):
        results = {"b.T.track_x": [values, [["'gru'", "'vanilla'"]]]}
        content = {"commit_hash": commit, "result_columns": ["result", "params"], "results": results}
        (machine / f"{commit[:8]}-env.json").write_text(json.dumps(content))
    text = page(tmp_path, ["a" * 40, "b" * 40, "d" * 40])  # c is not of the branch
    assert "<h1>box</h1><p>aaaaaaaa → bbbbbbbb</p>" in text
    rows = [line for line in text.splitlines() if line.startswith("<tr><td>")]
    assert [line.count("<circle") for line in rows] == [2, 1]
    assert "<td>gru</td>" in rows[0]
    assert rows[0].endswith("<td>3 &lt;s&gt;</td><td>× 1.500</td></tr>")
    assert rows[1].endswith("<td>1 &lt;s&gt;</td><td></td></tr>")
    assert "http" not in text
    assert "<script" not in text


def git(folder, *words):
    about = {"GIT_AUTHOR_NAME": "n", "GIT_AUTHOR_EMAIL": "e", "GIT_COMMITTER_NAME": "n"}
    about |= {"GIT_COMMITTER_EMAIL": "e", "GIT_CONFIG_GLOBAL": os.devnull}
    done = subprocess.run(
        ["git", *words], cwd=folder, check=True, capture_output=True, text=True, env=os.environ | about
    )
    return done.stdout.strip()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("git") is None, reason="revisions need git")
def test_the_history_has_each_commit_by_its_own_code(tmp_path):
    """Two commits of a package whose import takes a second in the older; one that does not touch it."""
    project = tmp_path / "project"
    shutil.copytree(ROOT / "jslds_bench", project / "jslds_bench")
    shutil.copytree(FOLDER, project / "suites" / "asv")
    for name in ("asv.conf.json", "requirements.lock"):
        shutil.copy(ROOT / name, project)
    start = project / "jslds_bench" / "__init__.py"
    quick = start.read_text()
    git(project, "init", "-qb", "main")
    hashes = []
    for text, other in ((quick + "\nimport time\ntime.sleep(1)\n", ""), (quick, ""), (quick, "x")):
        start.write_text(text)
        (project / "other").write_text(other)
        git(project, "add", ".")
        git(project, "commit", "-qm", "one")
        hashes.append(git(project, "rev-parse", "HEAD"))
    command = [
        sys.executable,
        "-m",
        "jslds_bench.perf.history",
        "--last",
        "2",
        "--bench",
        "StartUp.time_import",
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    for more in ([], ["--bench", "nothing"]):  # the second time there is nothing to measure
        done = subprocess.run(
            [*command, *more], cwd=project, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    taken = {}
    for path in (project / ".asv" / "results").glob("*/*-*.json"):
        read = json.loads(path.read_text())
        columns = read["result_columns"]
        result = dict(zip(columns, read["results"]["bench_start.StartUp.time_import"], strict=False))
        taken[read["commit_hash"]] = result["result"][0]
    assert set(taken) == set(hashes[:2])
    assert taken[hashes[0]] > taken[hashes[1]] + 0.9
    assert " → ".join(h[:8] for h in hashes[:2]) in (project / "reports" / "asv" / "speed.html").read_text()
    published = json.loads((project / "reports" / "asv" / "index.json").read_text())
    assert "bench_start.StartUp.time_import" in published["benchmarks"]
    assert set(published["revision_to_hash"].values()) >= set(taken)
