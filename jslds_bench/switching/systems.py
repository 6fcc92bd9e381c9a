"""Systems whose answer is known: NASCAR, Lorenz, and a switching system with known modes.

Pure functions of a key; float64 inside and NumPy out. `trials_key`, where it is given, draws the
trials of the system that `key` makes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, PRNGKeyArray

from jslds_bench.switching.float64 import in_float64
from jslds_bench.switching.parameters import (
    Emission,
    EmissionKind,
    Gate,
    Initial,
    Linear,
    Params,
    as_numpy,
)
from jslds_bench.switching.rollout import observe, simulate


class System(NamedTuple):
    """Data with its truth.

    Attributes:
        observations: [B, T, N]; equal to the states under identity emissions.
        states: [B, T, D].
        modes: the true modes, or for Lorenz the lobe (sign of the first coordinate), [B, T].
        inputs: [B, T, U].
        params: the switching system that made it; None for Lorenz.
        emission: how the states are observed.
    """

    observations: Float[Any, "B T N"]
    states: Float[Any, "B T D"]
    modes: Int[Any, "B T"]
    inputs: Float[Any, "B T U"]
    params: Params | None
    emission: Emission


def _emission(key: PRNGKeyArray, kind: EmissionKind, n_observed: int, d: int, gain: float) -> Emission:
    """Random loadings of RMS `gain` per unit of state; Poisson units have base rates of about 0.6 per bin."""
    if kind == "identity":
        return Emission(np.eye(d), np.zeros(d), np.ones(d))
    c = gain * np.asarray(jax.random.normal(key, (n_observed, d))) / np.sqrt(d)
    d_0 = np.full(n_observed, -0.5 if kind == "poisson" else 0.0)
    return Emission(c, d_0, np.full(n_observed, 0.01))


def _draw(key: PRNGKeyArray, kind: EmissionKind, params: Params, inputs: Any) -> System:
    paths = simulate(key, kind, params, inputs)
    return System(
        np.asarray(paths.observations),
        np.asarray(paths.states),
        np.asarray(paths.modes),
        np.asarray(inputs),
        as_numpy(params),
        as_numpy(params.emission),
    )


def _rotation(angle: Any) -> Any:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


@in_float64
def nascar(
    key: PRNGKeyArray,
    n_trials: int = 1,
    n_steps: int = 10_000,
    n_observed: int = 10,
    emissions: EmissionKind = "gaussian",
    trials_key: PRNGKeyArray | None = None,
) -> System:
    """A car on an oval: two half-turns about (±2, 0) and two straights between them; recurrent-only gate.

    Four modes, D = 2, noise variance 1e-4. Reference: Linderman et al. (2017), section 5.1.
    """
    k_emission = jax.random.split(key)[0]
    _, k_path = jax.random.split(key if trials_key is None else trials_key)
    turns = np.stack([_rotation(np.pi / 24), _rotation(np.pi / 48)])
    centres = np.array([[2.0, 0.0], [-2.0, 0.0]])
    offsets = np.einsum("kij,kj->ki", np.eye(2) - turns, centres)
    a = np.concatenate([turns, np.tile(np.eye(2), (2, 1, 1))])
    b = np.concatenate([offsets, np.array([[-0.1, 0.0], [0.25, 0.0]])])
    # right of +2: first turn; left of −2: second; between them the upper straight goes left, the lower right
    r = np.array([[100.0, 0.0], [-100.0, 0.0], [0.0, 10.0], [0.0, -10.0]])
    log_p = np.array([[-200.0, -200.0, 0.0, 0.0]])
    params = Params(
        Initial(np.full(4, -np.log(4.0)), np.array([0.0, 1.0]), 1e-4 * np.eye(2)),
        Gate(log_p, r, np.zeros((4, 0))),
        Linear(a, np.zeros((4, 2, 0)), b, np.tile(1e-4 * np.eye(2), (4, 1, 1))),
        _emission(k_emission, emissions, n_observed, 2, gain=1.0 if emissions == "gaussian" else 0.5),
    )
    return _draw(k_path, emissions, params, np.zeros((n_trials, n_steps, 0)))


@in_float64
def known_switching(
    key: PRNGKeyArray,
    n_trials: int = 50,
    n_steps: int = 100,
    n_observed: int = 10,
    emissions: EmissionKind = "identity",
    noise: float = 1e-4,
    trials_key: PRNGKeyArray | None = None,
) -> System:
    """Three stable spirals in sectors of the plane, each towards a point in the next sector, with an input.

    Eigenvalues 0.95 e^{±0.1i}, 0.9 e^{±0.2i}, 0.92 e^{±0.3i}; fixed points of length 3, all virtual, so that
    the state circulates; one input that changes every 10 steps; noise variance `noise`; recurrent-only gate.
    """
    k_emission = jax.random.split(key, 3)[0]
    _, k_inputs, k_path = jax.random.split(key if trials_key is None else trials_key, 3)
    angles = np.array([np.pi / 2, np.pi / 2 + 2 * np.pi / 3, np.pi / 2 + 4 * np.pi / 3])
    a = np.stack([g * _rotation(w) for g, w in ((0.95, 0.1), (0.9, 0.2), (0.92, 0.3))])
    points = 3.0 * np.stack([np.cos(angles + 2.0), np.sin(angles + 2.0)], axis=1)
    r = 10.0 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    v = np.array([[[0.1], [0.0]], [[0.0], [0.1]], [[-0.1], [0.1]]])
    params = Params(
        Initial(np.full(3, -np.log(3.0)), np.zeros(2), np.eye(2)),
        Gate(np.zeros((1, 3)), r, np.zeros((3, 1))),
        Linear(a, v, np.einsum("kij,kj->ki", np.eye(2) - a, points), np.tile(noise * np.eye(2), (3, 1, 1))),
        _emission(k_emission, emissions, n_observed, 2, gain=1.0 if emissions == "gaussian" else 0.5),
    )
    held = np.asarray(jax.random.rademacher(k_inputs, (n_trials, -(-n_steps // 10), 1)), np.float64)
    return _draw(k_path, emissions, params, np.repeat(held, 10, axis=1)[:, :n_steps])


@in_float64
def lorenz(
    key: PRNGKeyArray,
    n_trials: int = 20,
    n_steps: int = 500,
    n_observed: int = 10,
    emissions: EmissionKind = "gaussian",
    dt: float = 0.02,
    trials_key: PRNGKeyArray | None = None,
) -> System:
    """The Lorenz attractor (σ, ρ, β) = (10, 28, 8/3), by fourth-order Runge–Kutta, scaled to about unit size.

    Reference: Lorenz (1963), eqs. 25–27.
    """
    k_emission = jax.random.split(key, 3)[1]
    k_start, _, k_observe = jax.random.split(key if trials_key is None else trials_key, 3)

    def flow(x: Any) -> Any:
        return jnp.array([10 * (x[1] - x[0]), x[0] * (28 - x[2]) - x[1], x[0] * x[1] - 8 / 3 * x[2]])

    def step(x: Any, _: None) -> tuple[Any, Any]:
        for _half in range(2):
            h = dt / 2
            k1 = flow(x)
            k2 = flow(x + h / 2 * k1)
            k3 = flow(x + h / 2 * k2)
            x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + flow(x + h * k3))
        return x, x

    start = jnp.array([0.0, 0.0, 25.0]) + 5 * jax.random.normal(k_start, (n_trials, 3))
    paths = jax.jit(jax.vmap(lambda x: jax.lax.scan(step, x, None, length=n_steps + 200)[1][200:]))(start)
    states = (paths - jnp.array([0.0, 0.0, 25.0])) / 8.0
    emission = _emission(k_emission, emissions, n_observed, 3, gain=1.0 if emissions == "gaussian" else 0.5)
    return System(
        np.asarray(observe(k_observe, emissions, emission, states)),
        np.asarray(states),
        np.asarray(states[..., 0] > 0).astype(int),
        np.zeros((n_trials, n_steps, 0)),
        None,
        as_numpy(emission),
    )
