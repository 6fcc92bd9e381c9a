"""What a fitted model, its parameters frozen, makes of data: ELBO, states and modes."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jslds_bench.dynamics.compiled import compiled
from jslds_bench.errors import UsageError
from jslds_bench.switching import arhmm, hmm
from jslds_bench.switching import laplace_em as em
from jslds_bench.switching.checks import check_data
from jslds_bench.switching.fitting import Fit
from jslds_bench.switching.float64 import in_float64
from jslds_bench.switching.parameters import Belief, Data, Emission, EmissionKind, Params


class Inference(NamedTuple):
    """What a model with frozen parameters makes of data.

    Attributes:
        elbo: bound on log p(y) per trial (log p itself for known states), nats, [B].
        modes: q(z_t = k), [B, T, K].
        mean: E x_t, [B, T, D].
        cov: Cov(x_t), [B, T, D, D]; zero for known states.
        mask: the valid steps, [B, T].
    """

    elbo: Float[Any, " B"]
    modes: Float[Any, "B T K"]
    mean: Float[Any, "B T D"]
    cov: Float[Any, "B T D D"]
    mask: Float[Any, "B T"]

    @property
    def elbo_per_step(self) -> float:
        """Nats per valid step."""
        return float(self.elbo.sum() / self.mask.sum())


@compiled(static=("kind",))
def _from_emissions(
    kind: EmissionKind, emission: Emission, y: Float[Array, "B T N"]
) -> tuple[Float[Array, "B T D"], Float[Array, "B D D"]]:
    """States that explain each step's observations by themselves, and each trial's mean error covariance.

    Least squares for Gaussian emissions. For Poisson ones Newton on y·η − Σ exp η − ½λ‖x‖², η = C x + d, with
    λ = 10⁻³ tr(CᵀC)/D so that silent steps stay finite; the best of halved steps is taken.
    """
    c, d, r = emission
    if kind == "gaussian":
        precision = c.T @ (c / r[:, None])
        x = jnp.linalg.solve(precision, ((y - d) / r @ c)[..., None])[..., 0]
        return x, jnp.repeat(jnp.linalg.inv(precision)[None], len(y), axis=0)
    ridge = 1e-3 * jnp.sum(c**2) / c.shape[1]
    scales = 0.5 ** jnp.arange(12.0)

    def value(x: jax.Array, counts: jax.Array) -> jax.Array:
        eta = c @ x + d
        return counts @ eta - jnp.sum(jnp.exp(eta)) - 0.5 * ridge * jnp.sum(x**2)

    def curvature(x: jax.Array) -> jax.Array:
        return c.T @ (jnp.exp(c @ x + d)[:, None] * c) + ridge * jnp.eye(c.shape[1])

    def one(counts: jax.Array) -> tuple[jax.Array, jax.Array]:
        def newton(_: int, x: jax.Array) -> jax.Array:
            gradient = c.T @ (counts - jnp.exp(c @ x + d)) - ridge * x
            step = jnp.linalg.solve(curvature(x), gradient)
            tries = jnp.concatenate([x[None], x + scales[:, None] * step])
            return tries[jnp.argmax(jax.vmap(value, in_axes=(0, None))(tries, counts))]

        start = jnp.linalg.lstsq(c, jnp.log(counts + 0.5) - d)[0]
        x = jax.lax.fori_loop(0, 30, newton, start)
        return x, jnp.linalg.inv(curvature(x))

    x, covs = jax.vmap(jax.vmap(one))(y)
    return x, jnp.mean(covs, axis=1)


def _start(fitted: Fit, data: Data) -> tuple[Belief, Any]:
    """Modes of an ARHMM on states from the emissions alone, whose errors count as noise of the steps."""
    x, errors = _from_emissions(fitted.spec.emissions, fitted.params.emission, data.y)
    x = np.asarray(x) * data.mask[..., None]
    known = arhmm.on_known_states(fitted.params)
    return _modes_behind(known, Data(x, data.u, data.mask), errors), x


@compiled
def _modes_behind(known: Params, data: Data, errors: Float[Array, "B D D"]) -> Belief:
    """The ARHMM's modes on states with errors of their own in each trial, which so stands alone."""

    def trial(error: jax.Array, *arrays: jax.Array) -> Belief:
        noisy = known._replace(linear=known.linear._replace(q=known.linear.q + 2 * error))
        belief = arhmm.posterior(noisy, Data(*(a[None] for a in arrays)))
        return Belief(*(a[0] for a in belief))

    return jax.vmap(trial)(errors, *data)


@in_float64
def infer(
    fitted: Fit,
    observations: Float[Any, "B T N"],
    inputs: Float[Any, "B T U"] | None = None,
    lengths: Int[Any, " B"] | None = None,
    *,
    max_iterations: int = 50,
    tolerance: float = 1e-5,
) -> Inference:
    """q(z) and q(x) of new data at frozen parameters; the summed ELBO is the held-out ELBO.

    Latent states are found from two starts, and each trial keeps the better: all modes alike, and the
    modes that an ARHMM gives to states taken from the emissions alone.

    Raises:
        UsageError: shapes or widths that do not fit the model, or values that are not finite.
    """
    data = check_data(fitted.spec, observations, inputs, lengths, fitted.params.linear.v.shape[2])
    n = fitted.params.emission.d.shape[0]
    if data.y.shape[2] != n:
        raise UsageError(f"observations have width {data.y.shape[2]}, expected {n}, as the model was fitted")
    if fitted.spec.emissions == "identity":
        modes, log_lik = arhmm.e_step(fitted.params, data)
        zeros = np.zeros((*data.y.shape, n))
        return Inference(np.asarray(log_lik), np.asarray(modes.single), data.y, zeros, data.mask)
    k = fitted.spec.n_modes
    flat = Belief(
        np.repeat(data.mask[..., None] / k, k, axis=2),
        np.tile(data.mask[:, 1:, None, None] / k**2, (1, 1, k, k)),
    )
    sharp, guess = _start(fitted, data)
    first = _settle(fitted, data, flat, guess, max_iterations, tolerance)
    if k == 1:  # both starts are one
        return first
    second = _settle(fitted, data, sharp, guess, max_iterations, tolerance)
    better = second.elbo > first.elbo
    return Inference(
        *(np.where(better.reshape(-1, *[1] * (a.ndim - 1)), b, a) for a, b in zip(first, second, strict=True))
    )


def _settle(
    fitted: Fit, data: Data, belief: Belief, mean: Any, max_iterations: int, tolerance: float
) -> Inference:
    q = em.laplace(fitted.params, belief, mean, data, fitted.spec.structure)
    elbo = jnp.full(len(data.y), -jnp.inf)
    for _ in range(max_iterations):
        before = elbo
        q, elbo = em.e_step(fitted.params, q, data, fitted.spec.structure)
        if float(jnp.max(elbo - before)) < tolerance * data.y.shape[1]:
            break
    m, valid = q.moments, data.mask[..., None]
    return Inference(
        np.asarray(elbo),
        np.asarray(q.belief.single),
        np.asarray(m.mean) * valid,
        np.asarray(m.cov) * valid[..., None],
        data.mask,
    )


_viterbi = compiled(jax.vmap(hmm.viterbi, in_axes=(None, 0, 0, 0)))


@in_float64
def most_likely_states(
    fitted: Fit,
    observations: Float[Any, "B T N"],
    inputs: Float[Any, "B T U"] | None = None,
    lengths: Int[Any, " B"] | None = None,
) -> Int[Any, "B T"]:
    """The most probable path of modes (Viterbi; at q(x) where the states are latent); −1 at padded steps."""
    found = infer(fitted, observations, inputs, lengths)
    data = check_data(fitted.spec, observations, inputs, lengths)
    pot = arhmm.potentials(arhmm.on_known_states(fitted.params), Data(found.mean, data.u, data.mask))
    paths, _ = _viterbi(
        fitted.params.initial.log_pi, pot.log_trans, pot.log_lik * data.mask[..., None], data.mask
    )
    return np.where(data.mask > 0, np.asarray(paths), -1)
