"""A task that reads a file: it names what it reads, and its trials can be traced."""

import hashlib

import numpy as np
import pytest

from jslds_bench import contract
from jslds_bench.contract.reading import files_read
from jslds_bench.entries import plugins
from jslds_bench.suite import registries

NETWORKS = """
import dataclasses
import functools
import hashlib
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jslds_bench.types import TASKS, LossWeights, Recording, RecordingSetup, Setup, SpikeTrials, Trials


def load(path):
    with np.load(path) as file:
        return file["inputs"], file["targets"]


class Mine:
    path: str
    n_inputs, n_outputs, n_steps = 2, 1, 10
    setup = Setup("gru", 8, LossWeights(), 100, 50, 50)

    def sample(self, key, n_trials):
        inputs, targets = map(jnp.asarray, load(self.path))
        rows = jax.random.randint(key, (n_trials,), 0, len(inputs))
        return Trials(inputs[rows], targets[rows], jnp.ones(10), jnp.zeros((n_trials, 2)))

    def expansion_inputs(self):
        return jnp.zeros((1, 2))
"""
RECORDED = """
class Mine:
    path: str
    setup = RecordingSetup(1, 2)
    n_latent = 1

    def record(self, key):
        y = np.random.default_rng(np.asarray(jax.random.key_data(key)).tolist()).normal(size=(6, 9, 3))
        y = y + load(self.path)[0].mean()
        return tuple(Recording(part, np.zeros((3, 9, 0)), "gaussian") for part in (y[:3], y[3:]))
"""
SPIKES = """
class Mine:
    path: str
    n_latent = 1

    def spikes(self, key):
        load(self.path)
        rng = np.random.default_rng(np.asarray(jax.random.key_data(key)).tolist())
        hidden = np.array([True, False, False])
        return tuple(SpikeTrials(rng.poisson(2.0, (4, 9, 3)).astype(float), 0.01, hidden) for _ in range(2))
"""
KINDS = {"networks": "", "recordings": RECORDED, "spikes": SPIKES}
SOURCES = """
    def sources(self):
        return {"sha256": hashlib.sha256(Path(self.path).read_bytes()).hexdigest()}
"""
REGISTERED = '''

@TASKS.register("mine")
@dataclasses.dataclass(frozen=True)
class Registered(Mine):
    """Trials of a file.

    Attributes:
        path: the file.
    """

    path: str
'''


@pytest.fixture
def found(tmp_path):
    """The findings on a task that reads a file, as the text of its plug-in has it."""
    rng, loaded = np.random.default_rng(0), []
    inputs = rng.normal(size=(50, 10, 2)).astype(np.float32)
    data = tmp_path / "trials.npz"
    np.savez(data, inputs=inputs, targets=inputs.sum(axis=2, keepdims=True))

    def check(text):
        (tmp_path / "mine.py").write_text(text + REGISTERED)
        loaded.append(plugins.load(tmp_path / "mine.py"))
        outcome = contract.check("tasks", "mine", parameters={"path": str(data)})
        return [str(finding).replace(str(data), "DATA") for finding in outcome.findings]

    yield check
    registries()["tasks"].forget(loaded[0].__name__)


UNNAMED = (
    "task: sources: it reads DATA, and no `sources` says so: a run would keep results of a file that has "
    "changed; answer a dict with the file's hash (docs/plugins.md)"
)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_no_sources_names_is_called(found, kind):
    assert found(NETWORKS + KINDS[kind]) == [UNNAMED]


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_sources_names_is_none(found, kind):
    assert found(NETWORKS + KINDS[kind] + SOURCES) == []


@pytest.mark.parametrize("when", ["once", "when it is made"])
def test_a_file_that_is_read_but_once_is_called_too(found, when):
    text = NETWORKS.replace("def load", "@functools.cache\ndef load")
    if when == "when it is made":
        drawn = "jax.random.normal(key, (2, 50, 10, 2))"
        text = NETWORKS.replace("map(jnp.asarray, load(self.path))", drawn)
        text = text.replace("targets[rows]", "targets[rows, :, :1]")
        text += "    def __post_init__(self):\n        load(self.path)\n"
    assert found(text) == [UNNAMED]


def test_sources_that_name_nothing_are_called(found):
    nothing = SOURCES.replace("{", "{} and {", 1)
    assert found(NETWORKS + nothing) == [UNNAMED]


def test_sources_that_never_answer_the_same_are_called(found):
    restless = SOURCES.replace("return {", "return {'now': np.random.rand(), ", 1)
    assert found(NETWORKS + restless) == [
        "task: sources: `sources` answers something else the second time: nothing of it could be kept"
    ]


def test_trials_that_cannot_be_traced_are_called_in_words(found):
    (finding,) = found(NETWORKS.replace("map(jnp.asarray, load(self.path))", "load(self.path)") + SOURCES)
    assert finding.startswith(
        "task: sampling: `sample` cannot be traced by jax.jit: wrap loaded arrays in jnp.asarray, and "
        "compute with jnp what depends on the key (TracerArrayConversionError at mine.py:"
    )


def test_what_is_written_and_what_is_code_is_no_data(tmp_path):
    with files_read() as read:
        (tmp_path / "x.txt").write_text("x")
        (tmp_path / "y.py").write_text("x = 1")
        (tmp_path / "y.py").read_text()
        hashlib.sha256((tmp_path / "x.txt").read_bytes())
        (tmp_path / "x.txt").read_text()
    (tmp_path / "z.txt").write_text("z")
    (tmp_path / "z.txt").read_text()
    assert read == [str(tmp_path / "x.txt")]
