"""A network trained together with its JSLDS (eq. 9)."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar, Literal

from jaxtyping import PRNGKeyArray

from jslds_bench.dynamics.batches import Loss
from jslds_bench.dynamics.cells import get_cell
from jslds_bench.dynamics.jslds import ExpansionSees, check_refine
from jslds_bench.dynamics.training import (
    Parameters,
    Recipe,
    RecipeName,
    co_training_loss,
    make_recipe,
)
from jslds_bench.entries.registry import NETWORKS
from jslds_bench.errors import UsageError
from jslds_bench.networks._shared.trained import Trained, check_noise
from jslds_bench.networks.standard import Standard, check_size
from jslds_bench.types.core import Cell, Network
from jslds_bench.types.networks import Task


@NETWORKS.register("cotrained")
@dataclasses.dataclass(frozen=True)
class CoTrained(Trained):
    """A network co-trained with a JSLDS: θ, φ, h_0 and the readout learn together (eq. 9).

    Attributes:
        recipe: "fast" or "paper" (see `training.make_recipe`).
        initial: where θ starts: as the "recipe" has it, which may begin with steps on the task alone, unless
            weight_rnn is 0; "random" leaves those out; "standard" are the weights of a network that was first
            trained on the task alone with the same recipe (paper, section 4.1).
        cell, n_state: in place of the task's reference cell and size.
        n_steps: in place of the recipe's number of co-training steps; what it begins with is in proportion.
        expansion: what E sees: "state", a alone (the paper's), or "input", u − u* too, so that it can expand
            about where an input leads instead of where the state comes from.
        refine: how many steps of the network under u* follow in E, e* = F(… F(E(a), u*)): 0 is the paper's.
            One makes a training step a fifth dearer (a GRU's; a tanh network's a tenth).
        relative_steps: co-training steps in units of `n_steps`, or of the recipe's, and no others: 0.8 with
            `refine` = 1 costs what 1 does without.
        weight_rnn, weight_jslds, weight_e, weight_a: the λ of eq. 9, in place of the task's. With
            weight_jslds = 0 the network alone learns the task, regularised; with weight_rnn = 0 its
            JSLDS alone does.
        process_noise: standard deviation of white noise that training adds to every unit's state after each
            step, the same to the network's and the JSLDS's, in place of the task's (none, for those of this
            package). Both are run without.
    """

    recipe: RecipeName = "fast"
    initial: Literal["recipe", "random", "standard"] = "recipe"
    cell: str | None = None
    n_state: int | None = None
    n_steps: int | None = None
    expansion: ExpansionSees = "state"
    refine: int = 0
    relative_steps: float = 1.0
    weight_rnn: float | None = None
    weight_jslds: float | None = None
    weight_e: float | None = None
    weight_a: float | None = None
    process_noise: float | None = None

    SMOKE: ClassVar[dict[str, Any]] = {"recipe": "paper", "n_state": 6, "n_steps": 3}

    def __post_init__(self) -> None:
        check_size(self.cell, self.n_state, self.n_steps)
        check_noise(self.process_noise)
        check_refine(self.refine)
        if not 0 < self.relative_steps < math.inf:
            raise UsageError(f"cotrained needs relative_steps > 0, got {self.relative_steps}")
        for name, weight in self._weights().items():
            if not 0 <= weight < math.inf:
                raise UsageError(f"cotrained needs weight_{name} ≥ 0, got {weight}")
        if self.weight_rnn == self.weight_jslds == 0:
            raise UsageError("cotrained has weight_rnn and weight_jslds 0: then nothing learns the task")

    def plan(self, task: Task) -> tuple[Cell, Loss, Recipe]:
        cell = get_cell(self.cell or task.setup.cell)
        recipe = make_recipe(self.recipe, task.setup, self.n_steps)
        recipe = dataclasses.replace(recipe, n_steps=max(1, round(self.relative_steps * recipe.n_steps)))
        weights = task.setup.weights._replace(**self._weights())
        return cell, co_training_loss(cell, weights, recipe.l2_on_all), recipe

    def _weights(self) -> dict[str, float]:
        """The λ that are given, by their names in `LossWeights`."""
        given = {name: getattr(self, f"weight_{name}") for name in ("rnn", "jslds", "e", "a")}
        return {name: weight for name, weight in given.items() if weight is not None}

    def first(self, recipe: Recipe) -> Standard | None:
        if self.initial == "standard":
            n_steps = self.n_steps
        elif self.initial == "recipe" and recipe.n_first and self.weight_rnn != 0:
            n_steps = recipe.n_first
        else:
            return None
        return Standard(self.recipe, self.cell, self.n_state, n_steps, process_noise=self.process_noise)

    def start(self, task: Task, key: PRNGKeyArray, first: Network | None) -> Parameters:
        # Flax takes half a second to import.
        from jslds_bench.networks._shared.modules import ExpansionNetwork, initial_parameters

        cell, n_state = self.cell or task.setup.cell, self.n_state or task.setup.n_state
        sees_input = self.expansion == "input"
        if first is not None:
            sees = task.n_inputs if sees_input else None
            phi = ExpansionNetwork(n_state, n_inputs=sees, refine=self.refine).parameters
            return Parameters(first.params, first.h0, first.readout, phi)
        sizes = task.n_inputs, n_state, task.n_outputs
        return initial_parameters(cell, *sizes, key, True, sees_input, self.refine)
