"""Fixed points of a fitted map of few dimensions, by Newton's method from several starts."""

from __future__ import annotations

from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
import scipy
from jaxtyping import Float

from jslds_bench.dynamics.compiled import compiled
from jslds_bench.dynamics.fixed_points import groups_within, padded_to_class, rms_radius
from jslds_bench.switching.float64 import in_float64

N_STEPS = 60
TOLERANCE, MERGE, STRIDE, OUTLIER = 1e-8, 1e-2, 0.5, 1.0
"""In RMS radii of the states: the residual of a root, what counts as one root, the longest step, and how far
from every visited state a root is no longer the model's own: nothing was fitted there."""


class Latent(Protocol):
    """A pytree with a map of its own coordinates."""

    def ahead(self, x: Any, u: Any) -> Any:
        """The next x, [D], of x [D] and u [U]."""
        ...


@in_float64
def fixed_points(
    model: Latent, states: Float[Any, "S D"], u: Float[Any, " U"], more: Float[Any, "P D"] | None = None
) -> Float[np.ndarray, "M D"]:
    """The distinct solutions of x = ahead(x, u) that Newton's method finds, near visited states, in float64.

    Args:
        states: visited ones, where it starts, and which say what is near.
        more: other starts.
    """
    states = np.asarray(states, np.float64)
    radius = rms_radius(states)
    starts = states if more is None else np.concatenate([states, np.asarray(more, np.float64)])
    model = jax.tree.map(lambda a: jnp.asarray(np.asarray(a, np.float64)), model)
    padded, n = padded_to_class(starts[np.isfinite(starts).all(axis=1)])
    found, gaps = (np.asarray(x)[:n] for x in _newton(model, padded, jnp.asarray(u, float), STRIDE * radius))
    far = scipy.spatial.cKDTree(states).query(np.nan_to_num(found, posinf=0, neginf=0))[0]
    roots = found[(gaps <= TOLERANCE * max(radius, 1e-12)) & (far <= OUTLIER * radius)]
    return roots[np.unique(groups_within(roots, MERGE * radius))]


class Projected(Latent, Protocol):
    """Such a map of the components x = Wᵀ(h − h̄)."""

    @property
    def mean(self) -> Any:
        """h̄, [N]."""
        ...

    @property
    def loadings(self) -> Any:
        """W, [N, D]."""
        ...


def fixed_states(
    model: Projected, visited: Float[Any, "S D"], u: Float[Any, " U"]
) -> Float[jax.Array, "P N"]:
    """h̄ + W x of its `fixed_points` near visited ones; P is 0 where none is found."""
    x = fixed_points(model, visited, u)
    made = np.asarray(model.mean) + x @ np.asarray(model.loadings).T
    return jnp.asarray(made, jnp.float32).reshape(-1, model.mean.shape[0])


@compiled
def _newton(model: Any, starts: Any, u: Any, stride: Any) -> tuple[jax.Array, jax.Array]:
    """Where the steps from each start end, [P, D], and ‖ahead(x) − x‖ there.

    All steps are taken, cut to the stride: of a piecewise linear map each solves the system of the region
    that the last one led to.
    """

    def residual(x: Any) -> Any:
        return model.ahead(x, u) - x

    def step(_: int, x: Any) -> Any:
        g, j = jax.vmap(residual)(x), jax.vmap(jax.jacfwd(residual))(x)
        normal = jnp.einsum("pji,pjk->pik", j, j)
        # Of rounding size: on a continuum of points the matrix is singular.
        normal += 1e-14 * (1 + jnp.trace(normal, axis1=1, axis2=2)[:, None, None]) * jnp.eye(x.shape[1])
        d = -jnp.linalg.solve(normal, jnp.einsum("pji,pj->pi", j, g)[..., None])[..., 0]
        length = jnp.linalg.norm(d, axis=1, keepdims=True)
        return x + d * jnp.minimum(1, stride / jnp.maximum(length, 1e-300))

    x = jax.lax.fori_loop(0, N_STEPS, step, starts)
    return x, jnp.linalg.norm(jax.vmap(residual)(x), axis=1)
