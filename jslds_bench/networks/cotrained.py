"""A network trained together with its JSLDS (eq. 9)."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Literal

import jax
from jaxtyping import PRNGKeyArray

from jslds_bench.dynamics.cells import get_cell
from jslds_bench.dynamics.training import Parameters, RecipeName, co_training_loss, make_recipe, train
from jslds_bench.entries.registry import NETWORKS
from jslds_bench.networks._shared.modules import ExpansionNetwork, as_network, initial_parameters
from jslds_bench.networks.standard import Standard, check_size
from jslds_bench.types.core import Network, Progress, silent
from jslds_bench.types.networks import Task


@NETWORKS.register("cotrained")
@dataclasses.dataclass(frozen=True)
class CoTrained:
    """A network co-trained with a JSLDS: θ, φ, h_0 and the readout learn together (eq. 9).

    Attributes:
        recipe: "fast" or "paper" (see `training.make_recipe`).
        initial: where θ starts: "random", or "standard", the weights of a network that was first trained
            on the task alone with the same recipe (paper, section 4.1).
        cell, n_state: in place of the task's reference cell and size.
        n_steps: in place of the recipe's number of training steps.
    """

    recipe: RecipeName = "fast"
    initial: Literal["random", "standard"] = "random"
    cell: str | None = None
    n_state: int | None = None
    n_steps: int | None = None

    SMOKE: ClassVar[dict[str, Any]] = {"recipe": "paper", "n_state": 6, "n_steps": 3}

    def __post_init__(self) -> None:
        check_size(self.cell, self.n_state, self.n_steps)

    def build(self, task: Task, key: PRNGKeyArray, progress: Progress = silent) -> Network:
        setup = task.setup
        cell = get_cell(self.cell or setup.cell)
        n_state = self.n_state or setup.n_state
        key_init, key_train = jax.random.split(key)
        if self.initial == "standard":
            first = Standard(self.recipe, self.cell, self.n_state, self.n_steps)
            standard = first.build(
                task, key, lambda d, n, text: progress(d, 2 * n, f"standard first: {text}")
            )
            phi = ExpansionNetwork(n_state).parameters
            start = Parameters(standard.params, standard.h0, standard.readout, phi)
            inner = progress

            def progress(done: int, total: int, text: str) -> None:
                inner(total + done, 2 * total, text)
        else:
            start = initial_parameters(
                cell.name, task.n_inputs, n_state, task.n_outputs, key_init, expansion=True
            )
        recipe = make_recipe(self.recipe, setup, self.n_steps)
        loss = co_training_loss(cell, setup.weights, recipe.l2_on_all)
        trained, history = train(loss, start, task.sample, recipe, key_train, progress)
        return as_network(cell, trained, "cotrained", history)

    def sources(self) -> dict[str, Any]:
        return {}
