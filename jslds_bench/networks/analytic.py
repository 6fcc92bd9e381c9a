"""Networks whose fixed points and spectra are known in closed form: a truth to hold methods to."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from jslds_bench.dynamics.cells import get_cell
from jslds_bench.entries.registry import NETWORKS
from jslds_bench.errors import UsageError
from jslds_bench.networks._shared import normal_forms
from jslds_bench.networks._shared.format import known_points
from jslds_bench.networks._shared.normal_forms import NormalForm, Portrait, mixing
from jslds_bench.networks._shared.populations import Populations, populations
from jslds_bench.types.core import Affine, Network, Progress, Readout, silent
from jslds_bench.types.networks import Task

WEIGHTS: dict[str, Any] = {
    "bistable": [[1.5]],
    "flip_flop": [[1.5, 0], [0, 1.5]],
    "low_rank": [[1.5, 0], [0.75, 0.5]],
}
"""Of the populations of tanh units: self-excitation above 1 makes two stable points and a saddle between."""
LEAST = {"affine": 2, "bistable": 1, "flip_flop": 2, "line": 1, "ring": 2, "cycle": 2, "low_rank": 2}
"""The smallest N of each system."""


@NETWORKS.register("analytic")
@dataclasses.dataclass(frozen=True)
class Analytic:
    """A network of known fixed points, Jacobians and spectra. Nothing is trained.

    Inputs that differ from 0 in some u* are static: they move the fixed points. The others kick the state.
    The seed draws how the system lies among the units (a rotation, or memberships and signs), and where.

        affine     one stable spiral
        bistable   two stable points and the saddle between, of tanh units (with n_state = 1: one scalar unit)
        flip_flop  two such bits: four stable points, four saddles, one source
        low_rank   rank-2 tanh network: two stable points and a saddle, none normal
        line       a line attractor, λ = 1 along it
        ring       a ring attractor around a source
        cycle      a limit cycle around a source

    Attributes:
        system: which of these.
        n_state: N.
    """

    system: Literal["affine", "bistable", "flip_flop", "line", "ring", "cycle", "low_rank"] = "affine"
    n_state: int = 16

    def __post_init__(self) -> None:
        if self.n_state < LEAST[self.system]:
            raise UsageError(
                f"n_state is {self.n_state}, expected at least {LEAST[self.system]} for {self.system}"
            )

    def build(self, task: Task, key: PRNGKeyArray, progress: Progress = silent) -> Network:
        key_place, key_trials = jax.random.split(key)
        rng = np.random.default_rng(np.asarray(jax.random.key_data(key_place)).tolist())
        u_stars = np.asarray(task.expansion_inputs(), np.float64)
        kicks = np.all(u_stars == 0, axis=0, keepdims=True)[0]
        if not kicks.any():
            raise UsageError(
                f"analytic networks need inputs that are 0 in every u* to kick the state; task {task.name!r} "
                "has none: use `perturbations`"
            )
        if self.system in WEIGHTS:
            return _of_populations(WEIGHTS[self.system], self.n_state, kicks, u_stars, task.n_outputs, rng)
        portrait = self._portrait(task, kicks, key_trials)
        return _of_normal_form(self.system, portrait, kicks, u_stars, task.n_outputs, rng)

    def sources(self) -> dict[str, Any]:
        return {}

    def _portrait(self, task: Task, kicks: np.ndarray, key: PRNGKeyArray) -> Portrait:
        """The system in its frame; a line is sampled over the stretch that trials of the task visit."""
        if self.system != "line":
            return getattr(normal_forms, self.system)(self.n_state)
        inputs = np.asarray(task.sample(key, 256).inputs, np.float64)
        along = inputs[..., np.flatnonzero(kicks)[0]].cumsum(axis=1)
        return normal_forms.line(self.n_state, along.min(), along.max())


def _of_populations(
    weights: Any,
    n_state: int,
    kicks: np.ndarray,
    u_stars: np.ndarray,
    n_outputs: int,
    rng: np.random.Generator,
) -> Network:
    """Kicks of ±1 to one population each, in turn; static inputs of ±0.1 to all; h_0 beside the saddle."""
    n = len(weights)
    drive = np.where(kicks[:, None], 0, 0.1 * rng.choice([-1.0, 1.0], (len(kicks), n)))
    for i, channel in enumerate(np.flatnonzero(kicks)):
        drive[channel, i % n] = rng.choice([-1.0, 1.0])
    made = populations(np.array(weights, np.float64), drive, n_state, rng)
    read = (made.member[:, None] == np.arange(n_outputs) % n) * made.signs[:, None]
    readout = read / np.abs(read).sum(axis=0)
    h0 = made.states(np.full(n, 0.05))
    return _network(get_cell("vanilla"), made, h0, readout, np.zeros(n_outputs), u_stars)


def _of_normal_form(
    system: str,
    portrait: Portrait,
    kicks: np.ndarray,
    u_stars: np.ndarray,
    n_outputs: int,
    rng: np.random.Generator,
) -> Network:
    """Kicks along one coordinate of the frame each, in turn; static inputs move the portrait."""
    n = len(portrait.gain)
    shift = np.where(kicks[:, None], 0, rng.integers(-4, 5, (len(kicks), n)) / 8)
    kick, y0 = np.zeros_like(shift), np.full(n, 0.25)
    n_kicked, strength = (n, 1.0) if system in ("affine", "line") else (2, 5 / 8)
    if system == "line":
        shift[:, 0] = y0[0] = 0  # so that the coordinate along it is the sum of the kicks
    elif n_kicked == 2:
        shift[:, :2], y0[:2] = shift[:, :2] / 4, 0  # beside the source: the first kick decides where to
    for i, channel in enumerate(np.flatnonzero(kicks)):
        kick[channel, i % n_kicked] = strength
    made = NormalForm(portrait, mixing(n, rng), rng.integers(-2, 3, n) / 8, shift, kick)
    w = made.frame[:, np.arange(n_outputs) % n]
    h0 = made.states(y0, np.zeros(len(kicks)))
    return _network(made.cell, made, h0, w, -made.centre[np.arange(n_outputs) % n], u_stars)


def _network(
    cell: Any, made: Populations | NormalForm, h0: Any, w: Any, b: Any, u_stars: np.ndarray
) -> Network:
    """The network in float32, with its fixed points per u*."""
    params, start, readout = jax.tree.map(
        lambda x: jnp.asarray(x, jnp.float32), (made.stages(), h0, Readout(w, b))
    )
    truth = []
    for u_star in u_stars:
        points, values = made.fixed_points(u_star)
        values = np.take_along_axis(values, np.argsort(-np.abs(values), axis=-1, kind="stable"), axis=-1)
        truth.append(known_points(points, values, np.float32(u_star)))
    params = tuple(Affine(*stage) for stage in params)
    return Network(cell, params, start, readout, None, "analytic", truth=tuple(truth))
