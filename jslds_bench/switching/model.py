"""The public face: fit, infer, sample, forecast, most likely modes, fixed points."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Int, PRNGKeyArray

from jslds_bench.dynamics.compiled import compiled
from jslds_bench.dynamics.spectrum import eigenvalues
from jslds_bench.errors import UsageError
from jslds_bench.switching import rollout
from jslds_bench.switching.emissions import expectation
from jslds_bench.switching.fitting import DEFAULT_SETTINGS, Fit, FitSettings, fit
from jslds_bench.switching.float64 import in_float64
from jslds_bench.switching.inference import Inference, infer, most_likely_states
from jslds_bench.switching.parameters import Spec, as_numpy
from jslds_bench.switching.rollout import Paths
from jslds_bench.switching.scoring import mode_points
from jslds_bench.types.modes import ModePoints

__all__ = [
    "DEFAULT_SETTINGS",
    "Fit",
    "FitSettings",
    "Inference",
    "ModePoints",
    "Paths",
    "Spec",
    "course_of_modes",
    "expected_observations",
    "fit",
    "fixed_points",
    "follow",
    "forecast",
    "infer",
    "most_likely_states",
    "next_by_mode",
    "sample",
]


@in_float64
def sample(fitted: Fit, key: PRNGKeyArray, inputs: Float[Any, "B T U"]) -> Paths:
    """One draw of modes, states and observations per row of `inputs` (zero-width where U = 0)."""
    inputs = np.asarray(inputs, np.float64)
    _check_inputs(fitted, inputs, 3)
    return as_numpy(rollout.simulate(key, fitted.spec.emissions, fitted.params, inputs))


@in_float64
def forecast(
    fitted: Fit,
    states: Float[Any, "B D"],
    inputs: Float[Any, "B T U"],
    beliefs: Float[Any, "B K"] | None = None,
) -> Paths:
    """The course from given states under given inputs, x_1 … x_T, and the likeliest mode of each step.

    Without noise and with the argmax of a gate that reads the state; of a chain, E x_t.

    Args:
        states: x_0.
        inputs: u_1 … u_T; here the first row drives the first step.
        beliefs: p(z_0); None: the model's π (recurrent-only gates do not read it).
    """
    modes, x = _course(fitted, states, inputs, beliefs)
    return Paths(modes.argmax(axis=-1), x, expected_observations(fitted, x))


@in_float64
def course_of_modes(
    fitted: Fit, states: Float[Any, "B D"], inputs: Float[Any, "B T U"]
) -> Float[Any, "B T K"]:
    """p(z_t) along `forecast`: of a gate that reads the state, 1 for the mode that it picks."""
    return _course(fitted, states, inputs, None)[0]


def _course(fitted: Fit, states: Any, inputs: Any, beliefs: Any) -> tuple[np.ndarray, np.ndarray]:
    states, inputs = np.asarray(states, np.float64), np.asarray(inputs, np.float64)
    _check_inputs(fitted, inputs, 3)
    d = fitted.params.initial.mean.size
    if states.shape != (inputs.shape[0], d):
        raise UsageError(
            f"states have shape {states.shape}, expected {(inputs.shape[0], d)}: one per row of inputs"
        )
    if beliefs is None:
        beliefs = np.tile(np.exp(fitted.params.initial.log_pi), (len(states), 1))
    modes, x = _forecast(fitted.params, states, np.asarray(beliefs, np.float64), inputs)
    return np.asarray(modes), np.asarray(x)


@in_float64
def follow(
    fitted: Fit, states: Float[Any, "B D"], inputs: Float[Any, "B T U"], modes: Int[Any, "B T"]
) -> Float[Any, "B T D"]:
    """The noise-free course from given states under given inputs and modes: x_1 … x_T."""
    inputs = np.asarray(inputs, np.float64)
    _check_inputs(fitted, inputs, 3)
    return np.asarray(_follow(fitted.params, np.asarray(states, np.float64), inputs, np.asarray(modes)))


_follow = compiled(jax.vmap(rollout.follow_trial, in_axes=(None, 0, 0, 0)))
_forecast = compiled(jax.vmap(rollout.forecast_trial, in_axes=(None, 0, 0, 0)))


def expected_observations(
    fitted: Fit, x: Float[Any, "*batch D"], cov: Float[Any, "*batch D D"] | None = None
) -> Float[Any, "*batch N"]:
    """E y given states, or given their means and covariances (which matter for Poisson rates only)."""
    return expectation(fitted.spec.emissions, fitted.params.emission, x, cov)


def next_by_mode(
    fitted: Fit, x: Float[Any, "G D"], u: Float[Any, " U"]
) -> tuple[Float[Any, "K G D"], Int[Any, " G"] | None]:
    """A_k x + V_k u + b_k for every mode, and the mode that the gate picks (None: that needs the past)."""
    x, u = np.asarray(x, np.float64), np.asarray(u, np.float64)
    (a, v, b, _), gate = fitted.params.linear, fitted.params.gate
    ahead = np.einsum("kij,gj->kgi", a, x) + (v @ u + b)[:, None]
    if gate.log_p.shape[0] > 1:
        return ahead, None
    return ahead, np.argmax(x @ gate.r.T + gate.w @ u + gate.log_p[0], axis=1)


def fixed_points(fitted: Fit, u: Float[Any, " U"]) -> ModePoints:
    """(I − A_k)⁻¹ (V_k u + b_k) of each mode, A_k's eigenvalues, and whether each point is real.

    A mode is taken to be itself the previous one: its point is real if the gate, at the point, stays.
    """
    u = np.asarray(u, np.float64)
    _check_inputs(fitted, u, 1)
    points = mode_points(fitted.params.linear, u)
    gate = fitted.params.gate
    logits = gate.log_p[None] + (points @ gate.r.T + u @ gate.w.T)[:, None, :]
    k = np.arange(len(points))
    staying = logits[k, k % gate.log_p.shape[0]].argmax(axis=1) == k
    return ModePoints(points, staying, eigenvalues(fitted.params.linear.a))


def _check_inputs(fitted: Fit, inputs: Any, ndim: int) -> None:
    width = fitted.params.linear.v.shape[2]
    if inputs.ndim != ndim or inputs.shape[-1] != width:
        raise UsageError(
            f"inputs have shape {inputs.shape}, expected {ndim} axes, "
            f"the last of width {width} as the model was fitted"
        )
    if not np.isfinite(inputs).all():
        raise UsageError("inputs hold values that are not finite: drop or fill those steps")
