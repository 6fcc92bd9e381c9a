"""A network read from a file."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

from jaxtyping import PRNGKeyArray

from jslds_bench.entries.registry import NETWORKS
from jslds_bench.errors import UsageError, said
from jslds_bench.files import DAMAGE, members
from jslds_bench.networks._shared.format import cell_of_file, file_of, read_network
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
        network = read_released(path) if _is_released(path) else read_network(path)
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


def _is_released(path: Path) -> bool:
    """Whether the file is an npz with the released files' member names."""
    data = file_of(path)
    try:
        return "arr_0.npy" in members(data)
    except DAMAGE as error:
        raise UsageError(f"{path} is no npz file, or is truncated: {said(error)}") from error
