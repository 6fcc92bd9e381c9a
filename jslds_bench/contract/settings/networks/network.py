"""The rules for a network entry: what it builds fits its task, steps purely, and follows from the key."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jslds_bench.contract.instances import smoke, smoke_reading
from jslds_bench.contract.settings.networks.cases import checkpoint_file
from jslds_bench.contract.words import Refused, attempt, gap
from jslds_bench.errors import UsageError
from jslds_bench.networks._shared.format import check_shapes, network_bytes
from jslds_bench.settings.networks import SETTING
from jslds_bench.suite import registries
from jslds_bench.types.core import Network
from jslds_bench.types.networks import BatchSource, NetworkSource, Task

TOGETHER = 1e-4
"""How far a few steps of training may move apart by rounding."""
KINDS = ("standard", "cotrained", "checkpoint", "imported", "analytic")


@dataclasses.dataclass(frozen=True)
class Built:
    """A network that an entry built for a task.

    Attributes:
        source, key: what built it, and from which key.
        again: the network that it built from the same key a second time.
        sources: what the entry says decides the network besides.
        reported: its progress, done and total.
    """

    task: Task
    source: NetworkSource
    key: jax.Array
    network: Network
    again: Network
    sources: Any
    reported: list[tuple[int, int]]


def build(name: str) -> Built | Refused:
    """The network of entry `name` for the tiny n-bit memory.

    An entry that reads a file and names none is given one that fits. One that names its own has the sizes of
    that file: it is built for the first task that it does not refuse.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = str(checkpoint_file(Path(folder)))
        source = smoke_reading("networks", name, path)
        if getattr(source, "path", path) == path:
            return _built(source, smoke("tasks", "nbit_memory"))
    refusals = []
    for task in _tasks():
        try:
            return _built(source, task)
        except UsageError as error:
            refusals.append(str(error))
    return Refused(f"it reads {source.path} and refuses every known task ({refusals[0]})")


def _built(source: NetworkSource, task: Task) -> Built:
    seen: list[tuple[int, int]] = []
    key = jax.random.key(0)
    told = SETTING.describe(task)
    network = source.build(told, key, lambda done, total, text: seen.append((done, total)))
    return Built(task, source, key, network, source.build(told, key), source.sources(), seen)


def _tasks() -> Iterator[Task]:
    """Every known task that networks learn, n-bit memory first: tiny, then as it is by default."""
    registry = registries()["tasks"]
    for name in sorted(registry.registered(), key=lambda name: name != "nbit_memory"):
        for make, *parameters in ((smoke, "tasks", name), (registry.make, name, {})):
            task, error = attempt(make, *parameters)
            if error is None and isinstance(task, Task):
                yield task


def fit_faults(built: Built) -> Iterator[str]:
    """Shapes, types and finiteness of a network for its task; what it says of itself."""
    network, task = built.network, built.task
    _, error = attempt(check_shapes, network, "it")
    if error is not None:
        yield error
        return
    if network.n_inputs != task.n_inputs or network.readout.b.shape != (task.n_outputs,):
        yield (
            f"it has {network.n_inputs} inputs and {network.readout.b.shape[0]} outputs for a task with "
            f"{task.n_inputs} and {task.n_outputs}"
        )
    arrays = jax.tree.leaves((network.params, network.h0, network.readout, network.expansion))
    if others := sorted({str(x.dtype) for x in arrays} - {"float32"}):
        yield f"its arrays are {', '.join(others)}, expected float32"
    if network.kind not in KINDS:
        yield f"its kind is {network.kind!r}, expected one of {', '.join(KINDS)}"
    if not isinstance(built.sources, dict):
        yield "`sources` must answer a dict"
    done = built.reported
    if done != sorted(done) or not all(0 <= d <= total for d, total in done):
        yield "its progress runs backwards, or beyond its end"
    for name, values in network.history.items():
        if not isinstance(values, np.ndarray) or values.shape != np.shape(network.history.get("step", 0)):
            yield f"its history {name!r} must be a host array as long as its 'step'"


def step_faults(built: Built) -> Iterator[str]:
    """A step is pure under jit and vmap."""
    network, rng = built.network, np.random.default_rng(0)
    h, u = (jnp.asarray(rng.normal(size=(5, n)), jnp.float32) for n in (network.n_state, network.n_inputs))
    expected = network.step(h, u)
    if expected.shape != h.shape:
        yield f"a step turns states {list(h.shape)} into {list(expected.shape)}"
        return
    for what, function in (("jit", jax.jit(network.step)), ("vmap", jax.vmap(network.step))):
        if (miss := gap(function(h, u), expected)) > 1e-6:
            yield f"a step under {what} differs from a plain one by {miss:.3g}"


def determinism_faults(built: Built) -> Iterator[str]:
    """The key decides the network."""
    if network_bytes(built.again) != network_bytes(built.network):
        yield "`build` makes another network from the same key"


def together_faults(built: Built) -> Iterator[str]:
    """Where it offers to make several networks as one program, they are those that it makes one by one."""
    if not isinstance(built.source, BatchSource):
        return
    made = built.source.build_many(SETTING.describe(built.task), [jax.random.key(1), built.key])
    if len(made) != 2 or not isinstance(made[1], Network):
        yield f"`build_many` answers {made!r} for two keys, expected two networks"
        return
    pairs = zip(
        *(jax.tree.leaves((n.params, n.h0, n.readout)) for n in (made[1], built.network)), strict=True
    )
    if (miss := max(gap(one, other) for one, other in pairs)) > TOGETHER:
        yield f"`build_many` makes another network than `build` from the same key: they differ by {miss:.3g}"


RULES: dict[str, Callable[[Built], Iterator[str]]] = {
    "fits its task": fit_faults,
    "step": step_faults,
    "deterministic": determinism_faults,
    "together": together_faults,
}
