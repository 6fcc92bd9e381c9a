"""Code of others that switches JAX's options for the whole process changes nobody else's numbers."""

import jax
import pytest
from boards import Board

import jslds_bench.types  # noqa: F401, whose precision of products is the package's
from jslds_bench.entries import plugins
from jslds_bench.entries.options import OPTIONS, options, unswitched
from jslds_bench.errors import BrokenPlugin
from jslds_bench.records.store import read_records
from jslds_bench.runner import cache, run_suite
from jslds_bench.runner.machine import worker_environment
from jslds_bench.suite import load_suite, resolve

SWITCHES = 'import jax\njax.config.update("jax_enable_x64", True)\n'
MODEL = """
import dataclasses
import jax
from jslds_bench.models.persistence import Persistence
from jslds_bench.types import MODELS

@MODELS.register("switches")
@dataclasses.dataclass(frozen=True)
class Switches(Persistence):
    def fit(self, *given):
        jax.config.update("jax_enable_x64", True)
        return super().fit(*given)
"""
SUITE = """
schema = 1
name = "switched"
seeds = [0]
n_trials = 16
[[tasks]]
name = "perturbations"
n_steps = 5
[[networks]]
name = "analytic"
system = "bistable"
n_state = 2
[[models]]
name = "switches"
[[models]]
name = "dmdc"
"""
OTHER = {
    "jax_enable_x64": True,
    "jax_default_matmul_precision": "bfloat16",
    "jax_default_prng_impl": "rbg",
    "jax_threefry_partitionable": not jax.config.jax_threefry_partitionable,
    "jax_numpy_dtype_promotion": "strict",
    "jax_disable_jit": True,
    "jax_disable_most_optimizations": not jax.config.read("jax_disable_most_optimizations"),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_is_set_back_and_named(name):
    def switch(then=None):
        with unswitched(ValueError):
            jax.config.update(name, OTHER[name])
            if then is not None:
                raise then

    before = options()
    instead = "use `with" if OPTIONS[name] else "leave it as it is"
    with pytest.raises(ValueError, match=f"it switched {name} for the whole process: {instead}"):
        switch()
    assert options() == before
    with pytest.raises(KeyError):
        switch(KeyError)
    assert options() == before


def test_a_plug_in_that_switches_one_is_not_imported(tmp_path):
    before = options()
    (tmp_path / "mine.py").write_text(SWITCHES)
    with pytest.raises(BrokenPlugin, match=r"mine.py could not be imported: .* it switched jax_enable_x64"):
        plugins.load(tmp_path / "mine.py")
    assert options() == before


def test_the_job_of_a_model_that_switches_one_says_so_and_the_next_is_as_ever(tmp_path, monkeypatch):
    monkeypatch.setenv("JSLDS_BENCH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "mine.py").write_text(MODEL)
    path = tmp_path / "switched.toml"
    path.write_text(SUITE.replace("n_trials = 16", 'n_trials = 16\nplugins = ["mine.py"]'))
    alone = tmp_path / "alone.toml"
    alone.write_text(SUITE.replace('[[models]]\nname = "switches"\n', ""))
    found = {}
    for file in (path, alone):
        run_suite(str(file), tmp_path / file.stem, workers=1, progress=Board())
        found[file] = {r.model: r for r in read_records(tmp_path / file.stem)}
    switched = found[path].pop("switches")
    assert switched.status == "failed"
    assert "it switched jax_enable_x64 for the whole process" in switched.reason
    one, other = found[path]["dmdc"], found[alone]["dmdc"]
    assert one.values["nrmse"].value == other.values["nrmse"].value


def test_options_of_the_shell_are_in_digests_and_those_of_this_process_are_not(monkeypatch):
    """Workers have those of the shell alone."""
    plain = resolve(load_suite("smoke")).jobs[0].digest
    with jax.enable_x64(True):
        assert resolve(load_suite("smoke")).jobs[0].digest == plain
    monkeypatch.setenv("JAX_ENABLE_X64", "1")
    other = resolve(load_suite("smoke")).jobs[0].digest
    assert other != plain
    monkeypatch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "false")  # which moves the last bits of a network
    assert resolve(load_suite("smoke")).jobs[0].digest not in (plain, other)


def test_options_of_a_worker_are_in_the_names_of_networks_that_it_keeps():
    about = worker_environment()
    other = {**about, "options": {**about["options"], "jax_default_prng_impl": "rbg"}}
    older = {**about, "scipy": "1.0"}  # what makes networks of known dynamics solves with it
    faster = {**about, "options": {**about["options"], "jax_disable_most_optimizations": "other"}}
    assert len({cache.network_key("a network", one) for one in (about, other, older, faster)}) == 4
