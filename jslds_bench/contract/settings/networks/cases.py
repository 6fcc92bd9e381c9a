"""What contracts of networks are checked on: tiny tasks, untrained networks of both kinds."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from jslds_bench.contract.fitting import Case
from jslds_bench.contract.instances import SEED, smoke
from jslds_bench.dynamics.cells import get_cell
from jslds_bench.networks._shared.format import network_bytes
from jslds_bench.settings.networks import SETTING, Shared
from jslds_bench.settings.networks import evaluation as ev
from jslds_bench.suite import Suite
from jslds_bench.types.core import Affine, Cell, FixedPoints, Layer, Network, Readout

N_FIT_TRIALS = 24
_CASES = {
    "frozen vanilla": ("nbit_memory", "standard", "vanilla", 0),
    "co-trained gru": ("context_integration", "cotrained", "gru", 2),
}
CASES = tuple(_CASES)


@functools.cache
def small_case(name: str) -> Case:
    """The case called `name`, one of `CASES`: made once. Models are not shown its reference: it has none."""
    task_name, source, cell, n_layers = _CASES[name]
    task = smoke("tasks", task_name)
    network = random_network(cell, 6, task.n_inputs, task.n_outputs, n_layers, gain=0.5)
    shared = Shared(task, network, ev.draw_trials(task, SEED, "fit", N_FIT_TRIALS), [])

    def unseen(secret: int) -> Any:
        return ev.draw_trials(task, secret, "secret", Suite.n_trials)

    return Case(name, SETTING, shared, unseen, smoke("networks", source))


@functools.cache
def reference(name: str) -> list[FixedPoints]:
    """The own fixed points of a case's network, per distinct u*."""
    shared = small_case(name).shared
    return ev.reference_points(shared.task, shared.network, SEED)


def random_network(
    cell: str | Cell = "vanilla",
    n_state: int = 5,
    n_inputs: int = 2,
    n_outputs: int = 3,
    n_layers: int = 2,
    gain: float = 0.8,
    seed: int = 0,
    sees_input: bool = False,
) -> Network:
    """A network of unremarkable random parameters, biases and expansion layers included (float32)."""
    rng = np.random.default_rng(seed)
    cell = get_cell(cell) if isinstance(cell, str) else cell

    def normal(*shape: int, scale: float = 1.0) -> Any:
        return jnp.asarray(scale * rng.normal(size=shape), jnp.float32)

    n, recurrent = n_state, gain / n_state**0.5
    theta = tuple(
        Affine(normal(n, scale=0.3), jnp.zeros((n_inputs, 0)), jnp.zeros(0))
        if i in cell.gains
        else Affine(
            normal(n, m * n, scale=recurrent), normal(n_inputs, m * n, scale=0.5), normal(m * n, scale=0.2)
        )
        for i, m in enumerate(cell.widths)
    )
    phi = tuple(Layer(normal(n, n, scale=0.3 / n**0.5), normal(n, scale=0.2)) for _ in range(n_layers))
    if sees_input:
        phi = (phi[0]._replace(v=normal(n_inputs, n, scale=0.5)), *phi[1:])
    readout = Readout(normal(n, n_outputs), normal(n_outputs))
    return Network(cell, theta, normal(n, scale=0.5), readout, phi or None, "analytic")


def checkpoint_file(folder: Path) -> Path:
    """A network file that fits the tiny nbit_memory, for network entries that read one."""
    task = smoke("tasks", "nbit_memory")
    path = folder / "network.npz"
    path.write_bytes(network_bytes(random_network("gru", 6, task.n_inputs, task.n_outputs)))
    return path
