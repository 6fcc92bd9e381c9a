"""Switching dynamics on known states: an autoregressive HMM with inputs, fitted by generalised EM.

No q(x) is needed, the E-step is exact, and every M-step raises its objective, so the penalised
log-likelihood log p(x) + log prior never falls.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float

from jslds_bench.dynamics.compiled import compiled
from jslds_bench.switching import hmm
from jslds_bench.switching.linear import (
    LOG_2PI,
    Links,
    clip_below,
    expected_log_dynamics,
    linear_log_prior,
    make_forms,
    update_linear,
)
from jslds_bench.switching.parameters import (
    Belief,
    Data,
    Emission,
    Gate,
    Initial,
    Linear,
    Modes,
    Params,
    Prior,
    Spec,
)
from jslds_bench.switching.transitions import (
    GateRows,
    expected_log_transitions,
    gate_log_prior,
    transition_factors,
    update_gate,
)


class Potentials(NamedTuple):
    """The log potentials of z in a batch of trials, and what of the joint does not depend on z.

    Attributes:
        log_lik: log N(x_t | mode k); zero at t = 0, [B, T, K].
        log_trans: the gate, [B, T−1, I, K].
        rest: log p(x_0), [B].
    """

    log_lik: Float[Array, "B T K"]
    log_trans: Float[Array, "B T-1 I K"]
    rest: Float[Array, " B"]


class Step(NamedTuple):
    """One iteration: the parameters after it, and modes and objectives at those before it."""

    params: Params
    modes: Modes
    log_lik: Float[Array, " B"]
    objective: Float[Array, ""]


class InitialForm(NamedTuple):
    """The inverses in log N(x_0 | m, S): m [D], L⁻¹ of S = L Lᵀ [D, D], and −½ log|2π S|."""

    mean: Float[Array, " D"]
    whiten: Float[Array, "D D"]
    log_norm: Float[Array, ""]


def initial_form(initial: Initial) -> InitialForm:
    """The `InitialForm` of `initial`."""
    root = jnp.linalg.cholesky(initial.cov)
    whiten = solve_triangular(root, jnp.eye(root.shape[0]), lower=True)
    log_norm = -jnp.sum(jnp.log(jnp.diagonal(root))) - 0.5 * root.shape[0] * LOG_2PI
    return InitialForm(initial.mean, whiten, log_norm)


def expected_log_initial(
    form: InitialForm, mean: Float[Array, "*batch D"], cov: Float[Array, "*batch D D"] | None = None
) -> Float[Array, " *batch"]:
    """E log N(x_0 | m, S) for x_0 of the given mean and covariance (None: known), exact.

    Not written as a mode with A = 0 on purpose: XLA's CPU compiler (jaxlib 0.10.2) reads memory that was
    never written where such a product of zeros is fused (compare github.com/jax-ml/jax/issues/39120).
    """
    square = jnp.sum(((mean - form.mean) @ form.whiten.T) ** 2, axis=-1)
    if cov is not None:
        square = square + jnp.sum((form.whiten @ cov) * form.whiten, axis=(-2, -1))
    return form.log_norm - 0.5 * square


def rows(x: jax.Array) -> jax.Array:
    """Trials and steps as one axis, [B, T, …] → [B T, …]."""
    return x.reshape(x.shape[0] * x.shape[1], *x.shape[2:])


@compiled
def potentials(params: Params, data: Data) -> Potentials:
    """The log potentials of the modes given known states (data.y)."""
    log_lik, rest = _likelihoods(params, data)
    log_trans = expected_log_transitions(params.gate, data.y[:, :-1], None, data.u[:, 1:])
    return Potentials(log_lik, log_trans, rest)


def _likelihoods(params: Params, data: Data) -> tuple[jax.Array, jax.Array]:
    """`log_lik` and `rest` of `Potentials`."""
    x, (n_trials, n_steps, _) = data.y, data.y.shape
    links = Links(rows(x[:, :-1]), rows(x[:, 1:]), rows(data.u[:, 1:]))
    log_lik = expected_log_dynamics(make_forms(params.linear), links).reshape(n_trials, n_steps - 1, -1)
    rest = expected_log_initial(initial_form(params.initial), x[:, 0])
    return jnp.pad(log_lik, ((0, 0), (1, 0), (0, 0))), rest


@compiled
def posterior(params: Params, data: Data) -> Belief:
    """The exact posterior of the modes, with each pair."""
    log_lik, log_trans, _ = potentials(params, data)
    first = params.initial.log_pi
    found = jax.vmap(hmm.posterior, in_axes=(None, 0, 0, 0))(first, log_trans, log_lik, data.mask)
    return Belief(found.single, found.pair)


@compiled
def e_step(params: Params, data: Data) -> tuple[Modes, Float[Array, " B"]]:
    """The exact posterior of the modes as M-steps need it, and log p(x) per trial."""
    log_lik, rest = _likelihoods(params, data)
    first, gate, read = params.initial.log_pi, params.gate, (data.y[:, :-1], data.u[:, 1:])

    def exactly() -> hmm.Counted:
        log_trans = expected_log_transitions(gate, read[0], None, read[1])
        found = jax.vmap(hmm.posterior, in_axes=(None, 0, 0, 0))(first, log_trans, log_lik, data.mask)
        return hmm.Counted(found.log_z, found.single, jnp.sum(found.pair, axis=1))

    def quickly() -> hmm.Counted:
        each = jax.vmap(hmm.posterior_of_soft, in_axes=(None, hmm.Factors._make((None, 0, 0)), 0, 0))
        return each(first, trans, log_lik, data.mask)

    if gate.log_p.shape[0] == 1:
        post = exactly()
    else:
        trans = hmm.Factors(*transition_factors(gate, *read))
        least = jnp.min(trans.table) * jnp.min(trans.now) / jnp.max(trans.norm)
        post = jax.lax.cond(least > hmm.SOFT, quickly, exactly)
    return Modes(post.single, jnp.sum(post.pairs, axis=0)), post.log_z + rest


def update_initial(
    first_mean: Float[Array, "B D"],
    first_cov: Float[Array, "B D D"] | None,
    first_modes: Float[Array, "B K"],
    prior: Prior,
) -> Initial:
    """Exact: the mean and floored covariance of x_0, and counts of z_0."""
    mean = jnp.mean(first_mean, axis=0)
    cov = jnp.mean((first_mean - mean)[:, :, None] * (first_mean - mean)[:, None, :], axis=0)
    if first_cov is not None:
        cov = cov + jnp.mean(first_cov, axis=0)
    counts = jnp.sum(first_modes, axis=0) + prior.first
    return Initial(jnp.log(counts / jnp.sum(counts)), mean, clip_below(cov, prior.state_floor))


def as_gated(belief: Belief, spec: Spec) -> Belief:
    """The belief as the gate sees it: pairs are summed over a previous mode that does not matter."""
    if spec.transitions != "recurrent_only":
        return belief
    return belief._replace(pair=jnp.sum(belief.pair, axis=2, keepdims=True))


def m_step(params: Params, modes: Modes, data: Data, prior: Prior, spec: Spec, n_newton: int) -> Params:
    """Dynamics and initial state exactly, the gate by Newton steps that never lower its objective.

    Programs of their own, since the first is the same for every kind of gate.
    """
    initial, linear = _update_states(modes.single, data, prior)
    pairs = modes.pairs
    if spec.transitions == "recurrent_only":
        pairs = np.asarray(pairs).sum(axis=0, keepdims=True)
    gate = _update_gate(params.gate, Modes(modes.single, pairs), data, prior, spec, n_newton)
    return params._replace(initial=initial, gate=gate, linear=linear)


@compiled
def _update_states(single: Float[Array, "B T K"], data: Data, prior: Prior) -> tuple[Initial, Linear]:
    links = Links(rows(data.y[:, :-1]), rows(data.y[:, 1:]), rows(data.u[:, 1:]))
    linear = update_linear(rows(single[:, 1:]), links, prior)
    return update_initial(data.y[:, 0], None, single[:, 0], prior), linear


@compiled(static=("spec",))
def _update_gate(gate: Gate, modes: Modes, data: Data, prior: Prior, spec: Spec, n_newton: int) -> Gate:
    single, valid = modes.single, data.mask[:, 1:, None]
    before = single[:, :-1] * valid if len(modes.pairs) > 1 else valid
    seen = GateRows(
        rows(before), rows(single[:, 1:]), modes.pairs, rows(data.y[:, :-1]), None, rows(data.u[:, 1:])
    )
    return update_gate(gate, seen, prior, spec, n_newton)


@compiled
def log_prior(params: Params, prior: Prior) -> Float[Array, ""]:
    """What is added to the log-likelihood (or the ELBO): ridge, gate and count priors."""
    return (
        linear_log_prior(params.linear, prior)
        + gate_log_prior(params.gate, prior)
        + jnp.sum(jnp.where(prior.first > 0, prior.first * params.initial.log_pi, 0.0))
    )


def em_step(params: Params, data: Data, prior: Prior, spec: Spec, n_newton: int = 1) -> Step:
    """E-step at `params`, then the M-step. Reference: Linderman et al. (2017), section 4, with x known."""
    modes, log_lik = e_step(params, data)
    objective = jnp.sum(log_lik) + log_prior(params, prior)
    return Step(m_step(params, modes, data, prior, spec, n_newton), modes, log_lik, objective)


def on_known_states(params: Params) -> Params:
    """The same system with its states observed: emissions become the identity."""
    d = params.initial.mean.shape[0]
    return params._replace(emission=Emission(np.eye(d), np.zeros(d), np.ones(d)))


def blank_params(spec: Spec, n_latent: int, n_inputs: int) -> Params:
    """Zero dynamics, unit noise, a flat gate and identity emissions: what first M-steps start from."""
    k, d = spec.n_modes, n_latent
    n_from = 1 if spec.transitions == "recurrent_only" else k
    return Params(
        Initial(np.full(k, -np.log(k)), np.zeros(d), np.eye(d)),
        Gate(np.full((n_from, k), -np.log(k)), np.zeros((k, d)), np.zeros((k, n_inputs))),
        Linear(
            np.zeros((k, d, d)), np.zeros((k, d, n_inputs)), np.zeros((k, d)), np.tile(np.eye(d), (k, 1, 1))
        ),
        Emission(np.eye(d), np.zeros(d), np.ones(d)),
    )
