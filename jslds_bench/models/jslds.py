"""The Jacobian switching linear dynamical system (eqs. 5–6)."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np

from jslds_bench.dynamics.fixed_points import groups_within, rms_radius
from jslds_bench.dynamics.jslds import (
    ExpansionSees,
    check_refine,
    co_rollout,
    expansion_point,
    refined,
)
from jslds_bench.dynamics.linearize import ExpandInput, expand, expansion_step
from jslds_bench.dynamics.once import once
from jslds_bench.dynamics.training import Parameters, Recipe, RecipeName, expansion_loss, make_recipe, train
from jslds_bench.entries.registry import MODELS
from jslds_bench.errors import UsageError
from jslds_bench.models._shared.states import fit_states
from jslds_bench.types.core import (
    Carry,
    Cell,
    CellParams,
    ExpansionParams,
    Layer,
    LocalLinear,
    Network,
    NetworkStep,
    Progress,
    Trials,
    silent,
)
from jslds_bench.types.networks import LossWeights, Task

FAST_STEPS = 2_000
"""Of E by itself, with the network frozen."""
_REACH = 1.5  # of E's points, in greatest entries of the states


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["params", "phi", "units"],
    meta_fields=["cell", "expand_input"],
    # Not what it steps with: so that it compiles the same, whatever numbers of e* it has.
    drop_fields=["u_stars", "expansions", "trained"],
)
@dataclasses.dataclass(frozen=True)
class JacobianSwitching:
    """a_t = e* + ∂F/∂h (a_{t−1} − e*) + ∂F/∂u (u_t − u*) at (e*, u*), e* = E(a_{t−1}; φ) (eqs. 5–6).

    With `expand_input` "actual" a_t = F(e*, u_t) + ∂F/∂h(e*, u_t)(a_{t−1} − e*): e* rests under u* alone.
    """

    cell: Cell
    expand_input: ExpandInput
    params: CellParams
    phi: ExpansionParams
    u_stars: Any = None  # [K, U]
    expansions: tuple[jax.Array, ...] = ()  # distinct e* of the fit's trials, [P_k, N] for each u*
    trained: tuple[tuple[str, int], ...] = ()  # of E on a frozen network: what `fitted_to` answers
    units: jax.Array | None = None  # of E's layers; None: 1

    def init(self, h0: Any, u_star: Any) -> Carry:
        return ()

    def step(self, carry: Carry, h: Any, u: Any, u_star: Any) -> tuple[Carry, Any]:
        at, zeroth = self.about(u, u_star)
        e = self.expansion(h, u, u_star)
        return carry, expansion_step(self.cell, self.params, e, at, h, u, zeroth)

    def expansion(self, h: Any, u: Any, u_star: Any) -> Any:
        """e*."""
        rest = partial(self.cell.step, self.params, u=u_star)
        return expansion_point(self.phi, h, u - u_star, rest, self.units)

    def about(self, u: Any, u_star: Any) -> tuple[Any, Literal["value", "point"]]:
        """The input that is expanded about, and the constant term there: e* rests under u* alone."""
        return (u, "value") if self.expand_input == "actual" else (u_star, "point")

    def local(self, h: Any, u: Any, u_star: Any) -> LocalLinear:
        return expand(self.cell, self.params, self.expansion(h, u, u_star), *self.about(u, u_star))

    def fitted_to(self) -> dict[str, int]:
        """The steps that E was trained for on a frozen network, and the fresh trials drawn for them."""
        return dict(self.trained)

    def n_numbers(self) -> int:
        """φ."""
        return sum(x.size for x in jax.tree.leaves(self.phi))

    def fixed_points(self, u_star: Any) -> jax.Array:
        context = int(jnp.argmin(jnp.sum((self.u_stars - u_star) ** 2, axis=-1)))
        return self.expansions[context]


@MODELS.register("jslds")
@dataclasses.dataclass(frozen=True)
class JSLDS:
    """JSLDS: on a co-trained network its own expansion network; on any other a newly trained one.

    On a frozen network E alone is trained, with λ_JSLDS, λ_e and λ_a of eq. 9, and θ stays as it is. Where
    the network has no E of its own and its states go beyond ±1, which those of the paper's networks do not
    after a step, E works in units of 1.5 times their greatest entry: its last layer is a tanh, and would
    reach no further than 1.

    About u* a_t depends on u_t − u*, and on u* by e* and by the Jacobians at (e*, u*) alone. Where a cell
    takes inputs linearly and E sees the state alone, these know nothing of u*: contexts, which are part of
    u_t and u* alike, get one and the same a. `refine` has E see u*.

    Attributes:
        recipe: training recipe of E on a frozen network.
        n_steps: training steps of E on a frozen network, in place of the recipe's: 2,000 for "fast", and
            for "paper" as many as the paper trains the task's network with.
        merge: expansion points closer than this, in RMS radii of the states, count as one.
        weight_e: λ_e on a frozen network, in place of the task's: the larger, the more E is held to points
            that rest, rather than to follow the state.
        expand_input: the input to expand about: "star", u* (eqs. 5–6, as E is trained), or "actual", u_t.
        expansion: what E sees, "state" or "input" (u − u* too). None: as the network's own, or "state".
        refine: how many steps of the network under u* follow in E, e* = F(… F(E(a), u*)). None: as the
            network's own, or 0.

    An E of the network's own that is otherwise is not taken: another is trained, from it.
    """

    recipe: RecipeName = "fast"
    n_steps: int | None = None
    merge: float = 5e-2
    weight_e: float | None = None
    expand_input: ExpandInput = "star"
    expansion: ExpansionSees | None = None
    refine: int | None = None

    SMOKE: ClassVar[dict[str, Any]] = {"recipe": "paper", "n_steps": 3}

    def __post_init__(self) -> None:
        if (self.n_steps is not None and self.n_steps < 1) or self.merge < 0:
            raise UsageError(f"jslds needs n_steps ≥ 1 and merge ≥ 0, got {self.n_steps} and {self.merge}")
        if self.weight_e is not None and self.weight_e < 0:
            raise UsageError(f"jslds needs weight_e ≥ 0, got {self.weight_e}")
        if self.refine is not None:
            check_refine(self.refine)

    def fit(
        self, task: Task, network: Network, trials: Trials, key: jax.Array, progress: Progress = silent
    ) -> JacobianSwitching:
        phi, units, trained = network.expansion, None, {}
        if phi is None or self.expansion not in (None, _sees(phi)) or self.refine not in (None, refined(phi)):
            units = _units(network, trials) if phi is None else None
            phi, recipe = self._train_expansion(task, network, units, key, progress)
            trained = {"steps": recipe.n_steps, "trials_drawn": recipe.n_steps * recipe.batch}
        h0 = jnp.broadcast_to(network.h0, (trials.inputs.shape[0], network.n_state))
        states = _co_rollout(network.cell, network.params, phi, h0, trials.inputs, trials.u_star, units)
        e, radius = np.asarray(states.e), rms_radius(np.asarray(states.h).reshape(-1, network.n_state))
        found = []
        u_stars = task.expansion_inputs()
        for u_star in np.asarray(u_stars):
            chosen = e[np.all(np.isclose(trials.u_star, u_star), axis=-1)].reshape(-1, network.n_state)
            chosen = chosen[np.isfinite(chosen).all(axis=-1)]
            found.append(chosen[np.unique(groups_within(chosen, self.merge * radius))])
        return JacobianSwitching(
            network.cell,
            self.expand_input,
            network.params,
            phi,
            u_stars,
            tuple(jnp.asarray(points) for points in found),
            tuple(trained.items()),
            units,
        )

    def _start(self, network: Network) -> ExpansionParams:
        """Where E's training starts: at the network's own E, or at zero."""
        n = network.n_state
        phi = network.expansion or tuple(Layer(jnp.zeros((n, n)), jnp.zeros(n)) for _ in range(2))
        first, *later = (layer for layer in phi if isinstance(layer, Layer))
        sees = self.expansion or _sees(phi)
        if sees == "state":
            first = first._replace(v=None)
        elif first.v is None:
            first = first._replace(v=jnp.zeros((network.n_inputs, n)))
        steps = refined(phi) if self.refine is None else self.refine
        return (first, *later, *[NetworkStep()] * steps)

    def _train_expansion(
        self, task: Task, network: Network, units: jax.Array | None, key: jax.Array, progress: Progress
    ) -> tuple[ExpansionParams, Recipe]:
        weights = task.setup.weights
        if self.weight_e is not None:
            weights = weights._replace(e=self.weight_e)
        n_steps = FAST_STEPS if self.n_steps is None and self.recipe == "fast" else self.n_steps
        frozen = Parameters(network.params, network.h0, network.readout, self._start(network))
        settings = (task, self.recipe, n_steps, weights)
        # Variants differ in how they expand about e*: E is one.
        phi = once(
            _trained,
            network.cell,
            (frozen, units),
            settings,
            np.asarray(jax.random.key_data(key)),
            progress=progress,
        )
        return phi, make_recipe(self.recipe, task.setup, n_steps)


def _trained(
    cell: Cell,
    given: tuple[Parameters, jax.Array | None],
    settings: tuple[Task, RecipeName, int | None, LossWeights],
    key: np.ndarray,
    progress: Progress,
) -> ExpansionParams:
    """E of a network that stays as it is, from the one in its parameters, in those units."""
    task, name, n_steps, weights = settings
    recipe = make_recipe(name, task.setup, n_steps)
    loss, chosen = expansion_loss(cell, weights), jax.random.wrap_key_data(jnp.asarray(key))
    return train(loss, given[0].phi, task.sample, recipe, chosen, progress, given)[0]


def _units(network: Network, trials: Trials) -> jax.Array | None:
    """Those in which the visited states after h_0, and what lies about them, are in the reach of a tanh."""
    greatest = np.abs(fit_states(network, trials)[:, 1:]).max()
    return None if greatest <= 1 else jnp.asarray(_REACH * greatest, jnp.float32)


def _sees(phi: ExpansionParams) -> ExpansionSees:
    return "input" if any(isinstance(layer, Layer) and layer.v is not None for layer in phi) else "state"


_co_rollout = jax.jit(co_rollout, static_argnums=0)
