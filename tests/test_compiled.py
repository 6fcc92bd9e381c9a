"""The gate without noise: the compiled core is what the file says, and changes of it are seen."""

import importlib.util
import json
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
    return load(SCRIPT.with_name("bench_core.py")).program_counts


@pytest.mark.skipif(sys.platform != "linux", reason="the counts are of Linux's build of XLA")
def test_the_core_compiles_to_what_it_did():
    done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\nif that is meant: make compiled"


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
    assert set(counts) == {
        *(
            f"{f}, {c}"
            for f in ("forward", "training_step", "recurrent_jacobians")
            for c in ("gru", "vanilla")
        ),
        "searches",
        "runs",
        "fits",
    }
    assert all(n["compilations again"] == 0 for name, n in counts.items() if "," not in name)
