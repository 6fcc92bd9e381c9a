"""Plug-in networks and tasks that were edited: what came of them before is not taken for what they are."""

from pathlib import Path

import pytest
from boards import Board

from jslds_bench.entries import plugins
from jslds_bench.records.store import read_records
from jslds_bench.runner import run_suite
from jslds_bench.types import NETWORKS, TASKS

NETWORK = '''
import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from jslds_bench.dynamics.cells import get_cell
from jslds_bench.networks._shared.format import known_points
from jslds_bench.types import NETWORKS, Affine, Network, Readout, silent

GAIN = 1.0


def output(h, zs):
    """Not what the gated unit of that name gives."""
    return h / 2 + jnp.tanh(zs[0] + zs[2])


@NETWORKS.register("edited_network")
@dataclasses.dataclass(frozen=True)
class Edited:
    """Four units of random weights, with a cell of this package or one of its own that is called the same."""

    own: bool = False

    def build(self, task, key, progress=silent):
        cell = get_cell("gru" if self.own else "vanilla")
        stages = []
        for width in cell.widths:
            w, v, key = jax.random.split(key, 3)
            w, v = (GAIN * jax.random.normal(k, (n, 4 * width)) for k, n in ((w, 4), (v, task.n_inputs)))
            stages.append(Affine(w, v, jnp.zeros(4 * width)))
        cell = dataclasses.replace(cell, output=output) if self.own else cell
        readout = Readout(jnp.ones((4, task.n_outputs)), jnp.zeros(task.n_outputs))
        stars = np.asarray(task.expansion_inputs())
        truth = tuple(known_points(np.zeros((1, 4)), np.zeros((1, 4), complex), star) for star in stars)
        return Network(cell, tuple(stages), jnp.full(4, 0.1), readout, None, "random", truth=truth)

    def sources(self):
        return {}
'''
TASK = '''
import dataclasses

from jslds_bench.tasks.nbit_memory import NBitMemory
from jslds_bench.types import TASKS

SCALE = 1.0


@TASKS.register("edited_task")
@dataclasses.dataclass(frozen=True)
class Edited(NBitMemory):
    """Symbols of another size."""

    def sample(self, key, n_trials):
        trials = super().sample(key, n_trials)
        return trials._replace(inputs=SCALE * trials.inputs)
'''
SUITE = """
schema = 1
name = "edited"
seeds = [0]
n_trials = 8
metrics = ["relative_error"]
plugins = ["edited_network.py", "edited_task.py"]

[[tasks]]
name = "edited_task"
n_bits = 1
n_steps = 4
n_unscored = 1

[[networks]]
name = "edited_network"
label = "plain"

[[networks]]
name = "edited_network"
label = "own cell"
own = true

[[models]]
name = "persistence"
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory, unoptimised):
    """Of one run after another, per network: the error, and whether the network came from the cache."""
    folder = tmp_path_factory.mktemp("edited")
    files = {"network": NETWORK, "task": TASK}
    for name, text in files.items():
        (folder / f"edited_{name}.py").write_text(text)
    (folder / "edited.toml").write_text(SUITE)

    def edit(name: str, old: str, new: str) -> None:
        assert old in files[name]
        (folder / f"edited_{name}.py").write_text(files[name].replace(old, new))

    def run(out: str) -> dict[str, tuple[float, bool]]:
        suite = str(folder / "edited.toml")
        result = run_suite(suite, folder / out, workers=1, progress=Board())
        assert (result.n_ok, result.n_kept) == (2, 0)
        return {
            r.network: (r.values["relative_error"].value, r.detail["timing"]["network_cached"])
            for r in read_records(result.path)
        }

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JSLDS_BENCH_CACHE", str(folder / "cache"))
        patch.setenv("XLA_FLAGS", unoptimised["XLA_FLAGS"])
        made = {"first": run("first"), "elsewhere": run("second")}
        made["kept"] = [len(list((folder / "cache").rglob("*.npz")))]
        edit("network", "GAIN = 1.0", "GAIN = 0.25")
        made["another network"] = run("first")
        edit("task", "SCALE = 1.0", "SCALE = 0.25")
        made["another task"] = run("first")
    for registry, name in ((NETWORKS, "network"), (TASKS, "task")):
        registry.forget(plugins.load(Path(folder, f"edited_{name}.py")).__name__)
    return made


def test_a_network_is_read_from_the_cache_where_nothing_has_changed(runs):
    assert runs["first"]["plain"][1] is False
    assert runs["elsewhere"]["plain"] == (runs["first"]["plain"][0], True)


@pytest.mark.parametrize(("changed", "before"), [("network", "first"), ("task", "another network")])
@pytest.mark.parametrize("network", ["plain", "own cell"])
def test_what_was_edited_is_made_anew(changed, before, network, runs):
    error, cached = runs[f"another {changed}"][network]
    assert cached is False
    assert error != runs[before][network][0]


def test_a_cell_that_bears_a_built_in_s_name_is_not_swapped_for_it(runs):
    """Its network could not be read back: it is not kept, and made again."""
    assert runs["elsewhere"]["own cell"] == (runs["first"]["own cell"][0], False)
    assert runs["kept"] == [1]
