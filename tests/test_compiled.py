"""The gate without noise: the compiled core is what the file says, and changes of it are seen."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "suites" / "asv" / "compiled.py"


def load(path):
    spec = importlib.util.spec_from_file_location(f"asv_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def compiled():
    return load(SCRIPT)


@pytest.fixture(scope="module")
def program_counts():
    return load(SCRIPT.with_name("problems.py")).program_counts


def gate(*names, package=ROOT, script=SCRIPT):
    """Exit code and words of the gate, on the package of that folder."""
    environment = os.environ | {"PYTHONPATH": str(package)}
    done = subprocess.run(
        [sys.executable, str(script), *names], capture_output=True, text=True, check=False, env=environment
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="the counts are of Linux's build of XLA")
def test_the_core_compiles_to_what_it_did():
    code, said = gate()
    if code == 2:
        pytest.skip(said)
    assert code == 0, f"{said}\nif that is meant: make compiled"


def test_another_matrix_product_is_seen(compiled, program_counts):
    x, w = jnp.ones((8, 16)), jnp.ones((16, 16))
    args = (x, w)
    once = program_counts(lambda x, w: jnp.tanh(x @ w), args)
    for _ in range(20):
        twice = program_counts(lambda x, w: jnp.tanh(jnp.tanh(x @ w) @ w), args)
        lines = compiled.differences({"f": twice}, {"f": once})
        assert f"f: flops {once['flops']} → {twice['flops']}" in lines
        assert "f: products 1 → 2" in lines
    again = program_counts(lambda x, w: jnp.tanh(x @ w), args)
    assert compiled.differences({"f": again}, {"f": once}) == []


def test_memory_that_is_held_longer_is_seen(program_counts):
    x = jnp.ones((64, 64))

    def both(x):
        y = jnp.sort(x)
        return y, y @ y

    assert program_counts(both, (x,))["peak_bytes"] >= program_counts(jnp.sort, (x,))["peak_bytes"] + x.nbytes


def test_another_compilation_is_seen(compiled):
    kept = jax.jit(lambda x: x * 3 - 1)
    x = jnp.arange(5.0)
    kept(x)
    assert compiled.compilations(lambda: kept(x)) == 0
    for _ in range(20):
        found = compiled.compilations(lambda: jax.jit(lambda x: x * 3 - 1)(x))
        assert compiled.differences({"f": {"compilations": found}}, {"f": {"compilations": 0}}) == [
            "f: compilations 0 → 1"
        ]


def test_the_file_holds_every_part(compiled):
    counts = json.loads(compiled.FILE.read_text())["counts"]
    assert tuple(counts) == (*compiled.KERNELS, *compiled.CALLS)
    assert all(counts[name]["compilations again"] == 0 for name in compiled.CALLS)
    assert {count for each in counts.values() for count in each} == set(compiled.COUNTS)


ELSEWHERE = {"jax": "0", "backend": "abacus", "processor": "none"}


@pytest.fixture
def file(compiled, monkeypatch, tmp_path):
    """Counts of a machine of another kind, that no call of this one has."""
    path = tmp_path / "compiled.json"
    path.write_text(json.dumps({"machine": ELSEWHERE, "counts": {"f": {"flops": 1}}}))
    monkeypatch.setattr(compiled, "FILE", path)
    return path


def test_on_another_kind_of_machine_the_revision_stands_in(compiled, file, monkeypatch):
    monkeypatch.setattr(compiled, "made_here", lambda names: {name: {"flops": 2} for name in names})
    assert compiled.held({"f": {"flops": 1}}) == ([], "compiled.json")
    assert compiled.held({"f": {"flops": 2}})[0] == []
    assert compiled.held({"f": {"flops": 3}})[0] == ["f: flops 2 → 3"]
    file.write_text(json.dumps({"machine": compiled.kind_of_machine(), "counts": {"f": {"flops": 1}}}))
    assert compiled.held({"f": {"flops": 2}})[0] == ["f: flops 1 → 2"]


def test_without_history_it_says_that_there_is_nothing_to_compare(compiled, file, monkeypatch, tmp_path):
    monkeypatch.setattr(compiled, "ROOT", tmp_path)
    with pytest.raises(compiled.Incomparable, match="no history"):
        compiled.held({"f": {"flops": 2}})


PRODUCT = """
_whole = {name}

def {name}({words}):
    out = _whole({words})
    return jax.tree.map(lambda x: x + 0 * jnp.tanh({a} @ {a}.T).sum(), out)
"""
PLANTS = {
    "forward-vanilla": ("dynamics/jslds.py", "co_rollout", "cell, theta, phi, h0, inputs, stars", "h0"),
    "training_step-gru": (
        "dynamics/jslds.py",
        "co_errors",
        "cell, params, phi, readout, h0, trials, noise, units",
        "h0",
    ),
    "recurrent_jacobians-gru": ("dynamics/linearize.py", "jacobians", "cell, params, hs, us", "hs"),
    "em_iteration": ("switching/laplace_em.py", "em_step", "params, q, data, prior, spec", "data.y[0]"),
    "lfads_step": ("lfads/objective.py", "objective", "cell, weights, rate, p, batch", "batch.counts[0]"),
}
RECOMPILATION = """
_whole = locate

def locate(*words):
    jax.jit(lambda x: x + 1)(jnp.zeros(3))
    return _whole(*words)
"""


def planted(tmp_path, file, text):
    shutil.copytree(ROOT / "jslds_bench", tmp_path / "jslds_bench")
    with (tmp_path / "jslds_bench" / file).open("a") as code:
        code.write(text)
    return tmp_path


@pytest.mark.slow  # each compiles a kernel or two
@pytest.mark.skipif(shutil.which("git") is None or not (ROOT / ".git").exists(), reason="no git checkout")
@pytest.mark.parametrize("kernel", PLANTS)
def test_a_product_planted_in_the_core_fails_the_gate(kernel, tmp_path):
    file, name, words, a = PLANTS[kernel]
    code, said = gate(kernel, package=planted(tmp_path, file, PRODUCT.format(name=name, words=words, a=a)))
    assert code == 1, said
    assert f"{kernel}: flops" in said
    assert f"{kernel}: products" in said


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("git") is None or not (ROOT / ".git").exists(), reason="no git checkout")
def test_a_compilation_planted_in_the_core_fails_the_gate(tmp_path):
    code, said = gate("searches", package=planted(tmp_path, "dynamics/fixed_points.py", RECOMPILATION))
    assert code == 1, said
    assert "searches: compilations again 0 → 3" in said


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("git") is None or not (ROOT / ".git").exists(), reason="no git checkout")
def test_the_file_of_another_machine_gates_too(tmp_path):
    """A clone whose file is of another processor, with other counts: its revision is compiled in place."""
    subprocess.run(["git", "clone", "-q", str(ROOT), str(tmp_path / "clone")], check=True)
    file = tmp_path / "clone" / "baselines" / "compiled.json"
    content = json.loads(file.read_text())
    content["machine"]["processor"] = "another"
    content["counts"]["forward-vanilla"]["flops"] += 1
    file.write_text(json.dumps(content))
    script = tmp_path / "clone" / "suites" / "asv" / "compiled.py"
    code, said = gate("forward-vanilla", package=tmp_path / "clone", script=script)
    assert code == 0, said
    assert "the revision that wrote" in said
    path, *words = PLANTS["forward-vanilla"]
    with (tmp_path / "clone" / "jslds_bench" / path).open("a") as module:
        module.write(PRODUCT.format(**dict(zip(("name", "words", "a"), words, strict=True))))
    code, said = gate("forward-vanilla", package=tmp_path / "clone", script=script)
    assert code == 1, said
    assert "forward-vanilla: products" in said
