"""Small networks, tasks and trials that the tests share."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from nwb_files import write_nwb

from jslds_bench.contract.settings.networks.cases import random_network
from jslds_bench.dynamics.cells import get_cell
from jslds_bench.runner.programs import shed
from jslds_bench.types import Affine, Network, Readout, Trials

hypothesis.settings.register_profile("same", derandomize=True)  # the same cases from run to run
hypothesis.settings.load_profile("same")

if "PYTEST_XDIST_WORKER" in os.environ and hasattr(os, "sched_setaffinity"):
    # One core for each of pytest's processes, and so for the workers that they start: they do not fight.
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[int(os.environ["PYTEST_XDIST_WORKER"].lstrip("gw")) % len(cores)]})

LONG = (
    "runner/test_unruly.py",
    "test_cli_run.py",
    "test_anchors.py",
    "test_docs_network.py",
    "report/test_spikes.py",
    "runner/test_runner.py",
    "runner/test_accelerators.py",
    "report/test_report.py",
    "runner/test_executors.py",
    "contract/test_cheats.py",
    "runner/test_folders.py",
    "lfads/test_lfads_fitting.py",
    "dynamics/test_train_many.py",
    "suite/test_digests.py",
    "models/test_switching_models.py",
    "models/test_spike_controls.py",
    "test_cli_plugin.py",
    "test_spike_runs.py",
    "runner/test_merging.py",
    "switching/test_transitions.py",
    "test_perf.py",
    "test_asv.py",
    "metrics/test_complexity.py",
    "report/test_settings.py",
    "runner/test_broken_plugins.py",
    "runner/test_changed_plugins.py",
    "runner/test_late_imports.py",
    "report/test_drawing.py",
    "test_mutated.py",
    "reproduce/test_command.py",
    "networks/test_foreign.py",
    "reproduce/test_scorecard.py",
    "contract/test_given.py",
    "contract/test_one_file.py",
    "dynamics/test_noisy_training.py",
    "models/test_low_rank.py",
    "test_golden.py",
    "test_quality.py",
)
"""Files that take half a minute or more, runs in processes of their own among them: `make test-long`."""
FIRST = (
    "contract/test_every_model.py",
    "dynamics/test_against_reference.py",
    "test_compiled.py",
    *LONG,
    "models/test_models.py",
    "contract/test_every_entry.py",
    "contract/test_every_metric.py",
    "contract/test_every_spike_model.py",
    "networks/test_analytic.py",
    "test_cli.py",
)
"""What takes long, the longest first: the last of two processes then ends soon after the other."""


@pytest.hookimpl(tryfirst=True)  # before `-m` selects
def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    long = {str(here / name) for name in LONG}
    places = {str(here / name): i for i, name in enumerate(FIRST)}
    for item in items:
        if str(item.path) in long:
            item.add_marker("long")
    items.sort(key=lambda item: places.get(str(item.path), len(FIRST)))


@pytest.fixture(scope="session", autouse=True)
def shared_compilations(tmp_path_factory):
    """All processes of a test run share what they compile: most of a tiny job's time is compilation."""
    base = tmp_path_factory.getbasetemp()
    folder = str((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "compiled")
    options = {
        "jax_compilation_cache_dir": folder,
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    for name, value in options.items():
        jax.config.update(name, value)
        os.environ[name.upper()] = str(value)  # of the processes that tests start


@pytest.fixture(scope="session", autouse=True)
def kept_networks(tmp_path_factory):
    """No test reads networks of the user's cache, or leaves some there."""
    os.environ["JSLDS_BENCH_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module", autouse=True)
def few_programs():
    """A process that ran all tests would hold more compiled programs than Linux allows: see `shed`."""
    yield
    shed()


@pytest.fixture
def heeded() -> Iterator[None]:
    """Processes that the test starts heed SIGINT and SIGHUP, which nohup or a shell may have it ignore."""
    handlers = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def unoptimised() -> dict[str, str]:
    """The environment of processes that are judged by what they do, not how fast: it halves their time."""
    jax.devices()  # this process has read its own flags by now
    return {"XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} --xla_backend_optimization_level=0".strip()}


def affine_network(a: np.ndarray, b: np.ndarray, c: np.ndarray, h0: np.ndarray | None = None) -> Network:
    """h' = a h + b u + c in column convention, so ∂F/∂h = a and ∂F/∂u = b."""
    n = len(c)
    theta = (Affine(*(jnp.asarray(x, jnp.float32) for x in (a.T, b.T, c))),)
    readout = Readout(jnp.eye(n, 1), jnp.zeros(1))
    start = jnp.zeros(n) if h0 is None else jnp.asarray(h0, jnp.float32)
    return Network(get_cell("affine"), theta, start, readout, None, "analytic")


def random_trials(n_trials: int, n_steps: int, n_inputs: int, n_outputs: int, seed: int = 0) -> Trials:
    """Trials of no particular task, each u* another; the mask leaves out the first step of several."""
    rng = np.random.default_rng([seed, 1])
    mask = np.ones(n_steps)
    mask[0] = n_steps == 1
    shapes = ((n_trials, n_steps, n_inputs), (n_trials, n_steps, n_outputs))
    inputs, targets = (jnp.asarray(rng.normal(size=s), jnp.float32) for s in shapes)
    u_star = jnp.asarray(0.3 * rng.normal(size=(n_trials, n_inputs)), jnp.float32)
    return Trials(inputs, targets, jnp.asarray(mask, jnp.float32), u_star)


@pytest.fixture(scope="session")
def make_network() -> Callable[..., Network]:
    return random_network


@pytest.fixture(scope="session")
def make_affine() -> Callable[..., Network]:
    return affine_network


@pytest.fixture(scope="session")
def make_trials() -> Callable[..., Trials]:
    return random_trials


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real data by others; tests that need it are skipped where it is absent."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("JSLDS_BENCH_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no reference data at {folder} (set JSLDS_BENCH_DATA to where it is)")
    return folder


@pytest.fixture(scope="session")
def tiny_nwb(tmp_path_factory) -> Path:
    """An NWB file of 12 short trials and 8 units with the columns of MC_Maze's train split."""
    return write_nwb(tmp_path_factory.mktemp("nwb") / "tiny.nwb")
