"""The classical way: a network trained on its task alone."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax
from jaxtyping import PRNGKeyArray

from jslds_bench.dynamics.cells import get_cell
from jslds_bench.dynamics.training import RecipeName, make_recipe, network_loss, train
from jslds_bench.entries.registry import NETWORKS
from jslds_bench.errors import UsageError
from jslds_bench.networks._shared.modules import as_network, initial_parameters
from jslds_bench.types.core import Network, Progress, silent
from jslds_bench.types.networks import Task


@NETWORKS.register("standard")
@dataclasses.dataclass(frozen=True)
class Standard:
    """A network trained on its task loss alone (eq. 9 with λ_JSLDS = λ_e = λ_a = 0).

    Attributes:
        recipe: "fast" or "paper" (see `training.make_recipe`).
        cell, n_state: in place of the task's reference cell and size.
        n_steps: in place of the recipe's number of training steps.
        matched: whether to train with the optimiser, rates, batch and number of steps of co-training, so that
            the loss alone is different. Recipe "fast" has others for a network alone; "paper" has not.
    """

    recipe: RecipeName = "fast"
    cell: str | None = None
    n_state: int | None = None
    n_steps: int | None = None
    matched: bool = False

    SMOKE: ClassVar[dict[str, Any]] = {"recipe": "paper", "n_state": 6, "n_steps": 3}

    def __post_init__(self) -> None:
        check_size(self.cell, self.n_state, self.n_steps)

    def build(self, task: Task, key: PRNGKeyArray, progress: Progress = silent) -> Network:
        setup = task.setup
        cell = get_cell(self.cell or setup.cell)
        key_init, key_train = jax.random.split(key)
        start = initial_parameters(
            cell.name, task.n_inputs, self.n_state or setup.n_state, task.n_outputs, key_init, expansion=False
        )
        recipe = make_recipe(self.recipe, setup, self.n_steps, alone=not self.matched)
        loss = network_loss(cell, setup.weights, recipe.l2_on_all)
        trained, history = train(loss, start, task.sample, recipe, key_train, progress)
        return as_network(cell, trained, "standard", history)

    def sources(self) -> dict[str, Any]:
        return {}


def check_size(cell: str | None, n_state: int | None, n_steps: int | None) -> None:
    """Raises UsageError for an unknown cell, or a size or number of steps below 1."""
    if cell is not None:
        get_cell(cell)
    for name, value in (("n_state", n_state), ("n_steps", n_steps)):
        if value is not None and value < 1:
            raise UsageError(f"{name} is {value}, expected at least 1")
