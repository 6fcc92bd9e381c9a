"""What workers have compiled for each other: read, the same to the last bit, and never relied upon."""

import subprocess
import sys

import jax
import pytest

from jslds_bench.runner import programs

SCRIPT = """
import sys, time
from jslds_bench.runner.programs import programs_read, share
shared = share(sys.argv[1])
before = programs_read()
import jax, jax.numpy as jnp, numpy as np
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
if len(sys.argv) > 2:
    from jslds_bench.settings.networks.calls import compile_anew
    compile_anew(lambda model, x: jnp.sin(x @ model["w"]), {"w": np.eye(7)}, np.ones((5, 7)))
else:
    x = jnp.sin(jnp.arange(90.0)).reshape(9, 10)
    made = jax.jit(lambda x: jnp.linalg.svd(jnp.cumsum(x @ x.T, axis=0))[1])(x)
    print(np.asarray(made).tobytes().hex())
print(shared, programs_read() - before)
"""


def process(folder, *more):
    words = [sys.executable, "-c", SCRIPT, str(folder), *more]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert not done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("programs")


@pytest.fixture(scope="module")
def first(folder):
    made, said = process(folder)
    assert said.split()[1] == "0"
    if said.startswith("False"):
        pytest.skip("compiled programs cannot be read back on this machine")
    return made


def test_another_process_reads_what_one_compiled_and_does_the_same(first, folder):
    made, said = process(folder)
    shared, read = said.split()
    assert shared == "True"
    assert int(read) >= 1
    assert made == first


def test_what_is_timed_is_compiled(first, folder):
    for _ in range(2):
        assert process(folder, "anew") == ["True 0"]


def test_programs_that_cannot_be_read_are_compiled(first, folder):
    for path in folder.glob("*-cache"):
        path.write_bytes(path.read_bytes()[:-9])
    assert process(folder) == [first, "False 0"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit is Linux's")
def test_programs_are_forgotten_before_the_system_refuses_more(monkeypatch):
    twice = jax.jit(lambda x: 2 * x)
    assert twice(3.0) == 6.0
    assert twice._cache_size() == 1
    monkeypatch.setattr(programs, "SHED_AFTER", 0.0)
    assert not programs.shed()
    monkeypatch.setattr(programs, "MOST_MAPPINGS", 1e-3)  # a process with JAX in it holds some hundreds
    assert programs.shed()
    monkeypatch.setattr(programs, "SHED_AFTER", 1e3)
    assert not programs.shed()  # it has just looked
    assert twice._cache_size() == 0
    assert twice(3.0) == 6.0
