"""Laplace-EM for switching linear dynamical systems with q(z) q(x), q(x) a Gaussian chain.

q(z) is exact given q(x) (forward–backward on expected log potentials). q(x) starts as a Laplace
approximation: Newton to the mode x*, J = −∂²/∂x². From there it takes the same Newton step with gradient
and Hessian averaged over q(x), which is the natural gradient of the ELBO; it is back-tracked on the ELBO
and dropped if it does not help. With Gaussian emissions and gates that do not read x that one step is
the exact optimum. Expectations are closed: E exp for Poisson, a lower bound for the recurrent gate
(`transitions.expected_log_transitions`). So the ELBO is a true lower bound on log p(y) in every case,
and ELBO + log prior never falls by more than rounding.

Reference: Zoltowski, Pillow and Linderman (2020), section 3; Khan and Lin (2017) for the natural gradient.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jslds_bench.dynamics.compiled import compiled
from jslds_bench.switching import arhmm, hmm
from jslds_bench.switching import gaussian_chain as gc
from jslds_bench.switching.arhmm import rows
from jslds_bench.switching.emissions import (
    Views,
    emission_log_prior,
    expected_log_emission,
    log_base,
    update_emission,
)
from jslds_bench.switching.linear import (
    LOG_2PI,
    Forms,
    Links,
    expected_log_dynamics,
    make_forms,
    update_linear,
)
from jslds_bench.switching.parameters import Belief, Data, Params, Prior, Spec
from jslds_bench.switching.transitions import GateRows, expected_log_transitions, update_gate

_SHORTEST = 1e-3  # the last fraction of a step that back-tracking tries


class Variational(NamedTuple):
    """q: the modes' belief and the states' chain with its moments, all with a leading trial axis."""

    belief: Belief
    chain: gc.Chain
    moments: gc.Moments


class Step(NamedTuple):
    """One iteration's result: parameters, q, the ELBO per trial and ELBO + log prior, both at that result."""

    params: Params
    q: Variational
    elbo: Float[Array, " B"]
    objective: Float[Array, ""]


_Trial = tuple[jax.Array, ...]  # y [T, N], u [T, U], mask [T]
_XMoments = tuple[jax.Array, ...]  # mean, cov, cross of one trial


class _Ready(NamedTuple):
    """Parameters with the inverses that every evaluation at them shares."""

    params: Params
    modes: Forms
    first: arhmm.InitialForm


def _prepare(params: Params) -> _Ready:
    return _Ready(params, make_forms(params.linear), arhmm.initial_form(params.initial))


def _potentials(
    ready: _Ready, spec: Spec, x: _XMoments, trial: _Trial
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """E log potentials of z, [T, K] and [T−1, I, K], and E of all that z does not touch (but `log_base`)."""
    (mean, cov, cross), (y, u, mask) = x, trial
    links = Links(mean[:-1], mean[1:], u[1:], cov[:-1], cov[1:], cross)
    log_lik = jnp.pad(expected_log_dynamics(ready.modes, links), ((1, 0), (0, 0)))
    gate_cov = cov[:-1] if spec.recurrent else None
    log_trans = expected_log_transitions(ready.params.gate, mean[:-1], gate_cov, u[1:])
    views = Views(y, mask, mean, cov)
    rest = jnp.sum(expected_log_emission(spec.emissions, ready.params.emission, views))
    return log_lik, log_trans, rest + arhmm.expected_log_initial(ready.first, mean[0], cov[0])


def _expected_log_joint(ready: _Ready, spec: Spec, belief: Belief, x: _XMoments, trial: _Trial) -> jax.Array:
    """E_q log p(y, x, z) of one trial, but for `log_base`: q does not change it."""
    log_lik, log_trans, rest = _potentials(ready, spec, x, trial)
    gated = jnp.where(belief.pair > 0, belief.pair * log_trans, 0.0)
    start = jnp.where(belief.single[0] > 0, belief.single[0] * ready.params.initial.log_pi, 0.0)
    return rest + jnp.sum(start) + jnp.sum(belief.single * log_lik) + jnp.sum(gated)


def _entropy_x(log_det: jax.Array, mask: jax.Array, n_latent: int) -> jax.Array:
    return 0.5 * (jnp.sum(mask) * n_latent * (1 + LOG_2PI) - log_det)


def _target(
    ready: _Ready, spec: Spec, belief: Belief, x: _XMoments, trial: _Trial
) -> tuple[jax.Array, gc.Chain, jax.Array]:
    """E log p, the Newton target as a chain, J = −E ∂²log p and h = J E x + E ∂log p, and E ∂log p.

    All come from one reverse pass: E ∂² = 2 ∂E/∂Σ. At zero covariance this is Laplace's Newton step.
    """
    value, (g_mean, g_cov, g_cross) = jax.value_and_grad(_expected_log_joint, argnums=3)(
        ready, spec, belief, x, trial
    )
    mask, mean = trial[2], x[0]
    valid = mask[:, None, None] > 0
    eye = jnp.eye(mean.shape[1])
    diagonal = jnp.where(valid, -(g_cov + jnp.swapaxes(g_cov, 1, 2)), eye)
    lower = jnp.where(valid[1:], -jnp.swapaxes(g_cross, 1, 2), 0.0)
    g_mean = jnp.where(mask[:, None] > 0, g_mean, 0.0)
    linear = jnp.einsum("tij,tj->ti", diagonal, mean) + g_mean
    linear = linear.at[1:].add(jnp.einsum("tij,tj->ti", lower, mean[:-1]))
    linear = linear.at[:-1].add(jnp.einsum("tji,tj->ti", lower, mean[1:]))
    return value, gc.Chain(diagonal, lower, linear), g_mean


def _laplace_trial(
    ready: _Ready, spec: Spec, belief: Belief, mean: jax.Array, trial: _Trial, n_newton: int
) -> tuple[gc.Chain, gc.Moments]:
    """Newton from `mean` to the mode of E_q(z) log p(y, x, z); the quadratic model of the last step."""
    # zeros that the compiler does not know to be zeros: see `arhmm.expected_log_initial`
    cov = 0.0 * (mean[:, :, None] * mean[:, None, :])
    cross = cov[1:]

    def body(state: tuple[Any, ...]) -> tuple[Any, ...]:
        mean, _, _, n = state
        now, chain, gradient = _target(ready, spec, belief, (mean, cov, cross), trial)
        direction = gc.solve(gc.factorise(chain.diagonal, chain.lower), gradient)

        def attempt(carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
            scale = 0.5 * carry[0]
            return scale, _expected_log_joint(
                ready, spec, belief, (mean + scale * direction, cov, cross), trial
            )

        scale, after = jax.lax.while_loop(
            lambda c: ~(c[1] >= now) & (c[0] > _SHORTEST), attempt, (jnp.full((), 2.0), jnp.full((), jnp.nan))
        )
        moved = jnp.where(after >= now, mean + scale * direction, mean)
        return moved, chain, (after - now > 1e-8 * jnp.abs(now)), n + 1

    start = (mean, gc.Chain(cov, cross, mean), jnp.array(True), 0)
    _, chain, _, _ = jax.lax.while_loop(lambda c: c[2] & (c[3] < n_newton), body, start)
    return chain, gc.moments(chain)


@compiled(static=("spec", "n_newton"))
def laplace(
    params: Params, belief: Belief, mean: Float[Array, "B T D"], data: Data, spec: Spec, n_newton: int = 30
) -> Variational:
    """q(x) by Laplace's approximation, from a guess of the means; q(z) as given."""
    ready, belief = _prepare(params), arhmm.as_gated(belief, spec)
    chain, moments = jax.vmap(lambda b, m, *trial: _laplace_trial(ready, spec, b, m, trial, n_newton))(
        belief, mean, *data
    )
    return Variational(belief, chain, moments)


def _update_x_trial(
    ready: _Ready, spec: Spec, belief: Belief, chain: gc.Chain, moments: gc.Moments, trial: _Trial
) -> tuple[gc.Chain, gc.Moments]:
    """One natural-gradient step of q(x), back-tracked; the old q(x) where no fraction of it helps."""

    def with_entropy(joint: jax.Array, log_det: jax.Array) -> jax.Array:
        return joint + _entropy_x(log_det, trial[2], moments.mean.shape[1])

    joint, target, _ = _target(ready, spec, belief, moments[:3], trial)
    now = with_entropy(joint, moments.log_det)

    def attempt(carry: tuple[Any, ...]) -> tuple[Any, ...]:
        scale = 0.5 * carry[0]
        moved = jax.tree.map(lambda old, new: old + scale * (new - old), chain, target)
        m = gc.moments(moved)
        joint = _expected_log_joint(ready, spec, belief, m[:3], trial)
        return scale, moved, m, with_entropy(joint, m.log_det)

    start = (jnp.full((), 2.0), chain, moments, jnp.full((), jnp.nan))
    _, moved, after, value = jax.lax.while_loop(lambda c: ~(c[3] >= now) & (c[0] > _SHORTEST), attempt, start)
    keep = value >= now
    return jax.tree.map(lambda new, old: jnp.where(keep, new, old), (moved, after), (chain, moments))


def _update_z(
    ready: _Ready, spec: Spec, moments: gc.Moments, data: Data
) -> tuple[Belief, Float[Array, " B"]]:
    """The exact q(z) given q(x), and the ELBO per trial there (log Z of the expected potentials holds it)."""

    def trial(m: gc.Moments, *t: jax.Array) -> tuple[Belief, jax.Array]:
        log_lik, log_trans, rest = _potentials(ready, spec, (m.mean, m.cov, m.cross), t)
        post = hmm.posterior(ready.params.initial.log_pi, log_trans, log_lik * t[2][:, None], t[2])
        return Belief(post.single, post.pair), post.log_z + rest + _entropy_x(
            m.log_det, t[2], m.mean.shape[1]
        )

    belief, elbo = jax.vmap(trial)(moments, *data)
    return belief, elbo + jnp.sum(data.mask * log_base(spec.emissions, data.y), axis=1)


@compiled(static=("spec",))
def e_step(params: Params, q: Variational, data: Data, spec: Spec) -> tuple[Variational, Float[Array, " B"]]:
    """q(x), then q(z), at fixed parameters; the ELBO per trial of the result."""
    ready = _prepare(params)
    chain, moments = jax.vmap(lambda b, c, m, *trial: _update_x_trial(ready, spec, b, c, m, trial))(
        q.belief, q.chain, q.moments, *data
    )
    belief, elbo = _update_z(ready, spec, moments, data)
    return Variational(belief, chain, moments), elbo


@compiled(static=("spec",))
def m_step(params: Params, q: Variational, data: Data, prior: Prior, spec: Spec, n_newton: int) -> Params:
    """Exact for dynamics, initial state and Gaussian emissions; ascending for the gate and Poisson ones."""
    m, u = q.moments, rows(data.u[:, 1:])
    before, cov_before = rows(m.mean[:, :-1]), rows(m.cov[:, :-1])
    links = Links(before, rows(m.mean[:, 1:]), u, cov_before, rows(m.cov[:, 1:]), rows(m.cross))
    gate_rows = GateRows.of(rows(q.belief.pair), before, cov_before if spec.recurrent else None, u)
    views = Views(rows(data.y), rows(data.mask), rows(m.mean), rows(m.cov))
    return Params(
        arhmm.update_initial(m.mean[:, 0], m.cov[:, 0], q.belief.single[:, 0], prior),
        update_gate(params.gate, gate_rows, prior, spec, n_newton),
        update_linear(rows(q.belief.single[:, 1:]), links, prior),
        update_emission(spec.emissions, params.emission, views, prior),
    )


@compiled(static=("spec",))
def log_prior(params: Params, prior: Prior, spec: Spec) -> Float[Array, ""]:
    """What is added to the ELBO in the objective."""
    emission = emission_log_prior(spec.emissions, params.emission, prior)
    return arhmm.log_prior(params, prior) + emission


def em_step(params: Params, q: Variational, data: Data, prior: Prior, spec: Spec, n_newton: int = 1) -> Step:
    """M-step at `q`, then q(x), then q(z): each raises ELBO + log prior, or leaves it."""
    params = m_step(params, q, data, prior, spec, n_newton)
    q, elbo = e_step(params, q, data, spec)
    return Step(params, q, elbo, jnp.sum(elbo) + log_prior(params, prior, spec))
