"""What contracts are checked on: tiny tasks, untrained networks of both kinds, tiny instances of entries."""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from jslds_bench.contract.words import attempt
from jslds_bench.dynamics.cells import get_cell
from jslds_bench.networks._shared.format import network_bytes
from jslds_bench.settings.networks import evaluation as ev
from jslds_bench.suite import registries
from jslds_bench.types.core import Affine, Cell, FixedPoints, Layer, Network, Readout, Trials
from jslds_bench.types.networks import Task

SEED = 0  # of the trials: what a model that looks for the evaluation trials would try first
N_FIT_TRIALS = 24


@dataclasses.dataclass(frozen=True)
class Case:
    """A task with an untrained network for it, and training trials that may not be written to.

    Attributes:
        source: the registered network that it stands for: what `unsupported` is asked about.
    """

    name: str
    task: Task
    source: str
    network: Network
    trials: Trials

    @functools.cached_property
    def reference(self) -> list[FixedPoints]:
        """The network's own fixed points per distinct u*."""
        return ev.reference_points(self.task, self.network, SEED)


_CASES = {
    "frozen vanilla": ("nbit_memory", "standard", "vanilla", 0),
    "co-trained gru": ("context_integration", "cotrained", "gru", 2),
}
CASES = tuple(_CASES)


@functools.cache
def small_case(name: str) -> Case:
    """The case called `name`, one of `CASES`: made once."""
    task_name, source, cell, n_layers = _CASES[name]
    task = smoke("tasks", task_name)
    network = random_network(cell, 6, task.n_inputs, task.n_outputs, n_layers, gain=0.5)
    return Case(name, task, source, network, ev.draw_trials(task, SEED, "fit", N_FIT_TRIALS))


_GIVEN: contextvars.ContextVar[dict[tuple[str, str], Mapping[str, Any]]] = contextvars.ContextVar("given")


@contextlib.contextmanager
def given(kind: str, name: str, parameters: Mapping[str, Any]) -> Iterator[None]:
    """While it lasts, every instance that a check makes of this entry has these parameters."""
    token = _GIVEN.set({(kind, name): parameters})
    try:
        yield
    finally:
        _GIVEN.reset(token)


def parameters_given(kind: str, name: str) -> Mapping[str, Any]:
    """The parameters that whoever asked for the check gives this entry."""
    return _GIVEN.get({}).get((kind, name), {})


def smoke(kind: str, name: str, **more: Any) -> Any:
    """A tiny instance of an entry: its `SMOKE` parameters, those of `more` that it has, and those given.

    Raises:
        UsageError: it refuses them, or needs others.
    """
    registry = registries()[kind]
    entry = registry.get(name)
    fields = {f.name for f in dataclasses.fields(entry)}
    parameters = {**getattr(entry, "SMOKE", {}), **{k: more[k] for k in fields & more.keys()}}
    return registry.make(name, {**parameters, **parameters_given(kind, name)})


def smoke_reading(kind: str, name: str, file: str) -> Any:
    """A tiny instance of an entry; `file` is its `path` where it has that field and nothing else fills it."""
    made, error = attempt(smoke, kind, name)
    if error is None and getattr(made, "path", file) not in ("", None):
        return made
    return smoke(kind, name, path=file)


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

    def normal(*shape: int, scale: float = 1.0) -> Any:
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


def checkpoint_file(folder: Path) -> Path:
    """A network file that fits the tiny nbit_memory, for network entries that read one."""
    task = smoke("tasks", "nbit_memory")
    path = folder / "network.npz"
    path.write_bytes(network_bytes(random_network("gru", 6, task.n_inputs, task.n_outputs)))
    return path
