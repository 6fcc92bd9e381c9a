"""Regression on features that have parameters of their own, and how large such a model is to be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import scipy
from jaxtyping import Float

from jslds_bench.analysis.choice import ROUNDING, WITHIN, least_adequate, least_of_ridges
from jslds_bench.dynamics.rollout import free_run_error
from jslds_bench.switching.float64 import in_float64
from jslds_bench.types.core import Linearization, Network, Progress, Trials

_EXACT = 1e-14
"""Of the targets' sum of squares: a floor of rounding, where the features follow them exactly."""
_MOST_ROWS = 8192

Lift = Callable[[Any, Any, Any], Any]
"""(NumPy or jax.numpy, parameters, what is given) → features, [R, F]."""
Solver = Callable[[np.ndarray], np.ndarray]
L = TypeVar("L", bound=Linearization)


def some(n_rows: int) -> np.ndarray:
    """Which rows parameters are fitted to: at most 8,192, drawn alike whatever they hold."""
    return np.random.default_rng(0).permutation(n_rows)[:_MOST_ROWS]


@in_float64
def climb(
    lift: Lift,
    start: Float[Any, "A B"],
    given: Any,
    targets: Float[Any, "R M"],
    penalty: Float[Any, " F"],
    precision: float,
    n_iterations: int,
) -> Float[np.ndarray, "A B"]:
    """Parameters p that minimise (R M/2) log(min_W Σ‖y − lift(p) W‖² + Σ penalty W²) + ½ precision ‖p‖².

    That is the maximum a posteriori under normal priors, with the noise's variance as it comes out. The
    regression is solved at each step, so that the gradient is that at fixed W; L-BFGS in float64. `lift`
    must be one object for one map: it is compiled for.

    Reference: Golub and Pereyra (1973), SIAM J. Numer. Anal. 10(2).
    """
    data = jax.tree.map(jnp.asarray, (given, targets, penalty, precision))

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = _objective(lift, jnp.asarray(flat.reshape(start.shape)), *data)
        return float(value), np.asarray(slope).ravel()

    options: Any = {"maxiter": n_iterations, "maxcor": 20}
    found = scipy.optimize.minimize(objective, start.ravel(), jac=True, method="L-BFGS-B", options=options)
    return found.x.reshape(start.shape)


@partial(jax.jit, static_argnums=0)
def _objective(lift: Lift, p: Any, given: Any, targets: Any, penalty: Any, precision: Any) -> Any:
    def value(p: Any) -> Any:
        lifted = lift(jnp, p, given)
        fixed = jax.lax.stop_gradient(lifted)
        gram = fixed.T @ fixed + jnp.diag(penalty)
        weights = jax.scipy.linalg.solve(gram, fixed.T @ targets, assume_a="pos")
        squares = jnp.sum((targets - lifted @ weights) ** 2) + jnp.sum(penalty[:, None] * weights**2)
        noise = squares + _EXACT * jnp.sum(targets**2)
        return 0.5 * targets.size * jnp.log(noise) + 0.5 * precision * jnp.sum(p**2)

    return jax.value_and_grad(value)(p)


def solver(lifted: Float[np.ndarray, "R F"], targets: Float[np.ndarray, "R M"]) -> Solver:
    """penalty [F] → the weights [F, M] of least Σ‖y − lifted W‖² + Σ penalty W²."""
    gram, moment = lifted.T @ lifted, lifted.T @ targets
    return lambda penalty: scipy.linalg.solve(gram + np.diag(penalty), moment, assume_a="pos")


def chosen(
    sizes: Sequence[int],
    ridges: Sequence[float],
    make: Callable[[int, slice, L | None], Callable[[float], L]],
    network: Network,
    trials: Trials,
    states: Float[np.ndarray, "B T1 N"],
    progress: Progress,
) -> L:
    """The least size, at its best ridge, whose free-run error on the last quarter is within 5 % of the best.

    Then it is fitted to all trials, from where it was. One step ahead that can only gain; where the free run
    is lost by it, the fit to three quarters stays.

    Args:
        make: (size, trials, the model to go on from or None) → ridge → model.
    """
    everything = slice(None)
    if len(sizes) == len(ridges) == 1:
        return make(sizes[0], everything, None)(ridges[0])
    cut = len(states) - len(states) // 4
    unseen, ladder = trials.part(slice(cut, None)), sorted(sizes)
    best: list[tuple[L, float]] = []
    errors: list[float] = []
    for i, size in enumerate(ladder):
        made, tried = make(size, slice(None, cut), None), []
        for j, ridge in enumerate(ridges):
            progress(i * len(ridges) + j, len(ladder) * len(ridges) + 1, f"size {size}, ridge {ridge:g}")
            tried.append(made(ridge))
        of_each = [free_run_error(model, network, unseen, states[cut:]) for model in tried]
        least = least_of_ridges(of_each, ridges)
        best.append((tried[least], ridges[least]))
        errors.append(of_each[least])
    at = least_adequate(errors)
    kept, ridge = best[at]
    progress(len(ladder) * len(ridges), len(ladder) * len(ridges) + 1, "all trials")
    further = make(ladder[at], everything, kept)(ridge)
    before, after = (free_run_error(model, network, trials, states) for model in (kept, further))
    return further if after <= WITHIN * before + ROUNDING else kept
