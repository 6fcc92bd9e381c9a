"""The classical way: a network trained on its task alone."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Literal

from jaxtyping import PRNGKeyArray

from jslds_bench.dynamics.batches import Loss
from jslds_bench.dynamics.cells import get_cell
from jslds_bench.dynamics.training import (
    Parameters,
    Recipe,
    RecipeName,
    make_recipe,
    network_loss,
)
from jslds_bench.entries.registry import NETWORKS
from jslds_bench.errors import UsageError
from jslds_bench.networks._shared.trained import Trained, check_noise
from jslds_bench.types.core import Cell, Network
from jslds_bench.types.networks import Task


@NETWORKS.register("standard")
@dataclasses.dataclass(frozen=True)
class Standard(Trained):
    """A network trained on its task loss alone (eq. 9 with λ_JSLDS = λ_e = λ_a = 0).

    Attributes:
        recipe: "fast" or "paper" (see `training.make_recipe`).
        cell, n_state: in place of the task's reference cell and size.
        n_steps: in place of the recipe's number of training steps; those that a matched one begins with are
            in proportion to it.
        matched: whether to train with the start, optimiser, rates, batch and number of steps of co-training,
            so that the loss alone is different. Recipe "fast" has others for a network alone; "paper" not.
        initial: "random" leaves out what a matched one begins with, as in `cotrained`.
        process_noise: standard deviation of white noise that training adds to every unit's state after each
            step, in place of the task's (none, for those of this package). The network is run without.
    """

    recipe: RecipeName = "fast"
    cell: str | None = None
    n_state: int | None = None
    n_steps: int | None = None
    matched: bool = False
    initial: Literal["recipe", "random"] = "recipe"
    process_noise: float | None = None

    SMOKE: ClassVar[dict[str, Any]] = {"recipe": "paper", "n_state": 6, "n_steps": 3}

    def __post_init__(self) -> None:
        check_size(self.cell, self.n_state, self.n_steps)
        check_noise(self.process_noise)

    def plan(self, task: Task) -> tuple[Cell, Loss, Recipe]:
        cell = get_cell(self.cell or task.setup.cell)
        recipe = make_recipe(self.recipe, task.setup, self.n_steps, alone=not self.matched)
        return cell, network_loss(cell, task.setup.weights, recipe.l2_on_all), recipe

    def first(self, recipe: Recipe) -> Standard | None:
        if self.initial == "random" or not recipe.n_first:
            return None
        before = self.recipe, self.cell, self.n_state, recipe.n_first
        return Standard(*before, process_noise=self.process_noise)

    def start(self, task: Task, key: PRNGKeyArray, first: Network | None) -> Parameters:
        from jslds_bench.networks._shared.modules import initial_parameters  # Flax: half a second

        if first is not None:
            return Parameters(first.params, first.h0, first.readout, None)
        cell, n_state = self.cell or task.setup.cell, self.n_state or task.setup.n_state
        return initial_parameters(cell, task.n_inputs, n_state, task.n_outputs, key, expansion=False)


def check_size(cell: str | None, n_state: int | None, n_steps: int | None) -> None:
    """Raises UsageError for a cell that is unknown or not to be trained, or sizes below 1."""
    if cell is not None and (why := get_cell(cell).frozen):
        raise UsageError(f"networks of cell {cell!r} are not trained here: {why}")
    for name, value in (("n_state", n_state), ("n_steps", n_steps)):
        if value is not None and value < 1:
            raise UsageError(f"{name} is {value}, expected at least 1")
