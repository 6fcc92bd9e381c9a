"""Small networks, tasks and trials that the tests share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from jslds_bench.dynamics.cells import AFFINE, get_cell
from jslds_bench.types import Affine, Cell, Layer, Network, Readout, Trials

if "PYTEST_XDIST_WORKER" in os.environ and hasattr(os, "sched_setaffinity"):
    # One core for each of pytest's processes, and so for the workers that they start: they do not fight.
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[int(os.environ["PYTEST_XDIST_WORKER"].lstrip("gw")) % len(cores)]})


def random_network(
    cell: str | Cell = "vanilla",
    n_state: int = 5,
    n_inputs: int = 2,
    n_outputs: int = 3,
    n_layers: int = 2,
    gain: float = 0.8,
    seed: int = 0,
) -> Network:
    """A network of unremarkable random parameters, biases and expansion layers included (float32)."""
    rng = np.random.default_rng(seed)
    cell = get_cell(cell) if isinstance(cell, str) else cell

    def normal(*shape: int, scale: float = 1.0):
        return jnp.asarray(scale * rng.normal(size=shape), jnp.float32)

    n, recurrent = n_state, gain / n_state**0.5
    theta = tuple(
        Affine(
            normal(n, m * n, scale=recurrent), normal(n_inputs, m * n, scale=0.5), normal(m * n, scale=0.2)
        )
        for m in cell.widths
    )
    phi = tuple(Layer(normal(n, n, scale=0.3 / n**0.5), normal(n, scale=0.2)) for _ in range(n_layers))
    readout = Readout(normal(n, n_outputs), normal(n_outputs))
    return Network(cell, theta, normal(n, scale=0.5), readout, phi or None, "analytic")


def affine_network(a: np.ndarray, b: np.ndarray, c: np.ndarray, h0: np.ndarray | None = None) -> Network:
    """h' = a h + b u + c in column convention, so ∂F/∂h = a and ∂F/∂u = b."""
    n = len(c)
    theta = (Affine(*(jnp.asarray(x, jnp.float32) for x in (a.T, b.T, c))),)
    readout = Readout(jnp.eye(n, 1), jnp.zeros(1))
    start = jnp.zeros(n) if h0 is None else jnp.asarray(h0, jnp.float32)
    return Network(AFFINE, theta, start, readout, None, "analytic")


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
