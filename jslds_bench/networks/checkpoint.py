"""A network read from a file."""

from __future__ import annotations

import dataclasses
import hashlib
import shlex
from pathlib import Path
from typing import Any

from jaxtyping import PRNGKeyArray

from jslds_bench.entries.registry import NETWORKS
from jslds_bench.errors import UsageError, said
from jslds_bench.files import DAMAGE, members, npz_arrays
from jslds_bench.networks._shared.foreign import likely_layers
from jslds_bench.networks._shared.format import cell_of_file, file_of, held, read_network
from jslds_bench.networks._shared.released import read_released
from jslds_bench.types.core import Network, Progress, silent
from jslds_bench.types.networks import Task


@NETWORKS.register("checkpoint")
@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A network from this project's own checkpoint format, or from one of the authors' released files.

    Attributes:
        path: the file (in a suite: relative to the suite's folder).
    """

    path: str

    @property
    def cell(self) -> str | None:
        """The name of the cell in the file, whose code decides the network too."""
        return cell_of_file(Path(self.path))

    def build(self, task: Task, key: PRNGKeyArray, progress: Progress = silent) -> Network:
        path = Path(self.path)
        network = _read(path)
        got = (network.n_inputs, network.readout.b.shape[0])
        if got != (task.n_inputs, task.n_outputs):
            raise UsageError(
                f"{path} has {got[0]} inputs and {got[1]} outputs; task {task.name!r} has {task.n_inputs} "
                f"and {task.n_outputs}: name the task and size that it was trained on"
            )
        return network

    def sources(self) -> dict[str, Any]:
        """The hash of the file, so that a changed file is not mistaken for the cached one."""
        return {"sha256": hashlib.sha256(file_of(Path(self.path))).hexdigest()}


def _read(path: Path) -> Network:
    """The network of the file, which its members' names tell the format of."""
    data = file_of(path)
    try:
        names = members(data)
        if "arr_0.npy" in names:
            return read_released(path)
        arrays = {} if "about.npy" in names else npz_arrays(data)
    except UsageError:
        raise
    except DAMAGE as error:
        raise UsageError(f"{path} is no npz file, or is truncated: {said(error)}") from error
    if layers := likely_layers(arrays):
        first, *others = layers
        command = f"`jslds-bench import {shlex.quote(str(path))} --layer {first}`"
        others_too = f" (or {', '.join(others)})" if others else ""
        raise UsageError(
            f"{path} holds {held(arrays)}: {command}{others_too} makes a checkpoint of them, to be named here"
        )
    return read_network(path)
