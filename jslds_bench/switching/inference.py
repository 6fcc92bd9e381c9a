"""What a fitted model, its parameters frozen, makes of data: ELBO, states and modes."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from jslds_bench.errors import UsageError
from jslds_bench.switching import arhmm, hmm
from jslds_bench.switching import laplace_em as em
from jslds_bench.switching.checks import check_data
from jslds_bench.switching.fitting import Fit
from jslds_bench.switching.parameters import Belief, Data
from jslds_bench.switching.precision import in_float64


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


def _project(fitted: Fit, data: Data) -> Any:
    """States by least squares through the emissions (Gaussian), or zeros (Poisson): where Newton starts."""
    c, d, r = fitted.params.emission
    if fitted.spec.emissions == "poisson":
        return np.zeros((*data.y.shape[:2], c.shape[1]))
    white = c / np.sqrt(r)[:, None]
    return ((data.y - d) / np.sqrt(r)) @ np.linalg.pinv(white).T * data.mask[..., None]


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
    modes that an ARHMM gives to the projected states.

    Raises:
        UsageError: shapes or widths that do not fit the model, or values that are not finite.
    """
    data = check_data(fitted.spec, observations, inputs, lengths, fitted.params.linear.v.shape[2])
    n = fitted.params.emission.d.shape[0]
    if data.y.shape[2] != n:
        raise UsageError(f"observations have width {data.y.shape[2]}, expected {n}, as the model was fitted")
    if fitted.spec.emissions == "identity":
        belief, log_lik = arhmm.e_step(fitted.params, data)
        zeros = np.zeros((*data.y.shape, n))
        return Inference(np.asarray(log_lik), np.asarray(belief.single), data.y, zeros, data.mask)
    k = fitted.spec.n_modes
    flat = Belief(
        np.repeat(data.mask[..., None] / k, k, axis=2),
        np.tile(data.mask[:, 1:, None, None] / k**2, (1, 1, k, k)),
    )
    first = _settle(fitted, data, flat, _project(fitted, data), max_iterations, tolerance)
    guess = _project(fitted, data) if fitted.spec.emissions == "gaussian" else first.mean
    sharp, _ = arhmm.e_step(arhmm.on_known_states(fitted.params), Data(guess, data.u, data.mask))
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


_viterbi = jax.jit(jax.vmap(hmm.viterbi, in_axes=(None, 0, 0, 0)))


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
