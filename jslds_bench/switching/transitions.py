"""The gate: log p(z_t | z_{t−1}, x_{t−1}, u_t), its expectation under a Gaussian x, and its M-step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jslds_bench.switching.linear import second_moments
from jslds_bench.switching.parameters import Gate, Prior, Spec

_PRODUCTS, _ENOUGH = 20, 0.1
"""Most products of a Newton step, and the share of what an average one gained below which one is the last.

With 32 modes that the state decides the likelihood after eight iterations was that of exact steps; that of
a sticky chain was half a nat per step behind, and such fits ended at the same errors.
"""
_JITTER = 1e-9


def gate_logits(
    gate: Gate, x: Float[Array, "*batch D"], u: Float[Array, "*batch U"]
) -> Float[Array, "*batch I K"]:
    """log_p[i, k] + r[k]·x + w[k]·u, not normalised."""
    return gate.log_p + (x @ gate.r.T + u @ gate.w.T)[..., None, :]


def expected_log_transitions(
    gate: Gate,
    mean: Float[Array, "*batch D"],
    cov: Float[Array, "*batch D D"] | None,
    u: Float[Array, "*batch U"],
) -> Float[Array, "*batch I K"]:
    """A lower bound on E log p(z_t | z_{t−1}, x, u) for x ~ N(mean, cov); exact where cov is None or R = 0.

    With m the logits at the mean, S = R cov Rᵀ and any distribution a over the modes,

        E log Σ_k exp m_k(x) ≤ log Σ_k exp(m_k + ½ (e_k − a)ᵀ S (e_k − a));

    here a is softmax(m), moved 0.3 of the way to where the bound at softmax(m) points: one step of the
    damped fixed-point iteration for the best a, which already makes most of its gain. The ELBO made with
    it stays a lower bound on log p(y). Reference: Knowles and Minka (2011), the tilted bound for softmax.
    """
    m = gate_logits(gate, mean, u)
    if cov is None:
        return jax.nn.log_softmax(m, axis=-1)
    s = jnp.einsum("kd,...de,le->...kl", gate.r, cov, gate.r)
    own = jnp.diagonal(s, axis1=-2, axis2=-1)[..., None, :]

    def spread(a: jax.Array) -> jax.Array:
        sa = jnp.einsum("...kl,...il->...ik", s, a)
        return own - 2 * sa + jnp.sum(a * sa, axis=-1, keepdims=True)

    a = jax.nn.softmax(m, axis=-1)
    a = a + 0.3 * (jax.nn.softmax(m + 0.5 * spread(a), axis=-1) - a)
    return m - jax.nn.logsumexp(m + 0.5 * spread(a), axis=-1, keepdims=True)


def transition_factors(
    gate: Gate, x: Float[Array, "*batch D"], u: Float[Array, "*batch U"]
) -> tuple[Float[Array, "I K"], Float[Array, "*batch K"], Float[Array, "*batch I"]]:
    """P, e and z with p(z_t = k | z_{t−1} = i, x, u) = P[i, k] e[k] / z[i]: no exponential for each pair."""
    read = _read(gate, x, u)
    return jnp.exp(gate.log_p), read.e, read.z


class _Read(NamedTuple):
    """softmax(log_p[i] + g)[k] = exp(log_p[i, k]) e[k] / z[i], where g[k] = r[k]·x + w[k]·u."""

    g: Float[Array, "*batch K"]
    shift: Float[Array, "*batch 1"]  # the largest of g
    e: Float[Array, "*batch K"]  # exp(g − shift)
    z: Float[Array, "*batch I"]


def _read(gate: Gate, x: jax.Array, u: jax.Array) -> _Read:
    g = x @ gate.r.T + u @ gate.w.T
    shift = jnp.max(g, axis=-1, keepdims=True)
    e = jnp.exp(g - shift)
    return _Read(g, shift, e, e @ jnp.exp(gate.log_p).T)


class GateRows(NamedTuple):
    """What the gate's M-step sees, trials and steps flattened to R rows.

    Attributes:
        before: p(z_{t−1} = i), one column where I = 1; zero at padded rows, [R, I].
        now: p(z_t = k); zero at padded rows, [R, K].
        pairs: p(z_{t−1} = i, z_t = k) summed over the rows, [I, K].
        x: E x_{t−1}, [R, D].
        cov: Cov(x_{t−1}), [R, D, D], or None where the states are known, or no gate reads them.
        u: u_t, [R, U].
    """

    before: Float[Array, "R I"]
    now: Float[Array, "R K"]
    pairs: Float[Array, "I K"]
    x: Float[Array, "R D"]
    cov: Float[Array, "R D D"] | None
    u: Float[Array, "R U"]

    @classmethod
    def of(cls, pair: Float[Array, "R I K"], x: Any, cov: Any, u: Any) -> GateRows:
        """From p(z_{t−1} = i, z_t = k) of every row."""
        return cls(jnp.sum(pair, axis=2), jnp.sum(pair, axis=1), jnp.sum(pair, axis=0), x, cov, u)


def gate_log_prior(gate: Gate, prior: Prior) -> Float[Array, ""]:
    """Dirichlet counts on the rows of softmax(log_p), Gaussian on R and W (both without their constants)."""
    rows = jax.nn.log_softmax(gate.log_p, axis=-1)
    weights = jnp.concatenate([gate.r, gate.w], axis=1)
    counted = jnp.where(prior.counts > 0, prior.counts * rows, 0.0)
    return jnp.sum(counted) - 0.5 * jnp.sum(prior.gate * weights**2)


def _objective(gate: Gate, rows: GateRows, prior: Prior) -> jax.Array:
    if rows.cov is not None and gate.log_p.shape[0] == 1:  # chains do not read x
        expected = expected_log_transitions(gate, rows.x, rows.cov, rows.u)[:, 0]
        return jnp.sum(rows.now * expected) + gate_log_prior(gate, prior)
    read = _read(gate, rows.x, rows.u)
    log_z = read.shift + jnp.log(read.z)
    gained = jnp.sum(rows.pairs * gate.log_p) + jnp.sum(rows.now * read.g)
    return gained - jnp.sum(rows.before * log_z) + gate_log_prior(gate, prior)


class _Theta(NamedTuple):
    """What a gate learns: R and W side by side, and log_p."""

    weights: Float[Array, "K P"]
    log_p: Float[Array, "I K"]

    @classmethod
    def of(cls, gate: Gate) -> _Theta:
        return cls(jnp.concatenate([gate.r, gate.w], axis=1), gate.log_p)

    def gate(self, n_latent: int) -> Gate:
        log_p = self.log_p - jax.nn.logsumexp(self.log_p, axis=-1, keepdims=True)
        return Gate(log_p, self.weights[:, :n_latent], self.weights[:, n_latent:])

    def moved(self, scale: Any, by: _Theta) -> _Theta:
        return jax.tree.map(lambda x, y: x + scale * y, self, by)

    def dot(self, other: _Theta) -> jax.Array:
        return jnp.vdot(self.weights, other.weights) + jnp.vdot(self.log_p, other.log_p)


class _Curvature(NamedTuple):
    """−∂²/∂θ² of the expected log-likelihood at the means and of the log prior: positive, never formed.

    θ has up to a thousand numbers, and a product with this costs a few of rows times modes. What of x's
    covariance enters it is Cov(x) added to x xᵀ. No p[r, i, k] = table[i, k] e[r, k] / z[r, i] is made.

    Attributes:
        phi: what the gate reads, [R, P].
        before: p(z_{t−1} = i) over z, and that over z once more, [R, I].
        own: Σ_i p(z_{t−1} = i) p[r, i, k], [R, K].
        total: Σ_r p(z_{t−1} = i) p[r, i, k], [I, K].
        spread: what Cov(x) adds, or None.
        counts: those of the prior, summed over each row of log_p, [I, 1].
    """

    phi: Float[Array, "R P"]
    e: Float[Array, "R K"]
    table: Float[Array, "I K"]
    z: Float[Array, "R I"]
    before: tuple[Float[Array, "R I"], Float[Array, "R I"]]
    own: Float[Array, "R K"]
    total: Float[Array, "I K"]
    spread: Float[Array, "K P K P"] | None
    ridge: Float[Array, " P"]
    counts: Float[Array, "I 1"]

    @classmethod
    def at(cls, gate: Gate, rows: GateRows, prior: Prior) -> _Curvature:
        read, table = _read(gate, rows.x, rows.u), jnp.exp(gate.log_p)
        phi, once = jnp.concatenate([rows.x, rows.u], axis=1), rows.before / read.z
        own, total = read.e * (once @ table), table * (once.T @ read.e)
        spread = None
        if rows.cov is not None and len(table) == 1:  # chains do not read x
            p, (n_modes, n) = read.e * table / read.z, gate.r.shape
            h = own[:, :, None] * (jnp.eye(n_modes) - p[:, None, :])
            spread = h.reshape(len(h), -1).T @ rows.cov.reshape(len(h), -1)
            beside = (0, phi.shape[1] - n)
            spread = spread.reshape(n_modes, n_modes, n, n).swapaxes(1, 2)
            spread = jnp.pad(spread, ((0, 0), beside, (0, 0), beside))
        counts = jnp.sum(prior.counts, axis=1, keepdims=True)
        before = once, once / read.z
        return cls(phi, read.e, table, read.z, before, own, total, spread, prior.gate, counts)

    def times(self, change: _Theta) -> _Theta:
        """Its product with a change of θ."""
        of_g, biased = self.phi @ change.weights.T, self.table * change.log_p
        mean = ((self.e * of_g) @ self.table.T + self.e @ biased.T) * self.before[0]  # over modes, weighted
        once, means = self.before[0], mean / self.z
        each = self.own * of_g + self.e * (once @ biased - means @ self.table)
        weights = each.T @ self.phi + self.ridge * change.weights
        if self.spread is not None:
            weights = weights + jnp.einsum("kplq,lq->kp", self.spread, change.weights)
        log_p = self.table * (once.T @ (self.e * of_g) - means.T @ self.e) + self.total * change.log_p
        moved = change.log_p - jnp.sum(biased, axis=1, keepdims=True)
        return _Theta(weights, log_p + self.counts * self.table * moved)

    def inverse_within(self, free: Float[Array, " P"]) -> Callable[[_Theta], _Theta]:
        """θ ↦ the inverse of what couples the weights of one mode and its column of log_p, applied to it.

        The column is eliminated, which leaves P × P numbers for each mode. Weights not `free` stay 0.
        """
        (n_rows, n_phi), n_modes, (once, twice) = self.phi.shape, self.e.shape[1], self.before
        squares, table2 = self.e**2, self.table**2
        weight = self.own - squares * (twice @ table2)  # Σ_i p(z_{t−1} = i) p (1 − p)
        top = second_moments(weight, self.phi) + jnp.diag(self.ridge)
        if self.spread is not None:
            top = top + jnp.einsum("kpkq->kpq", self.spread)
        corner = self.total - table2 * (twice.T @ squares) + self.counts * self.table * (1 - self.table)

        def beside(of: jax.Array, x: jax.Array) -> jax.Array:
            """Σ_r of[r, i] phi[r, p] x[r, k], [P, I, K]."""
            return ((self.phi[:, :, None] * of[:, None]).reshape(n_rows, -1).T @ x).reshape(
                n_phi, -1, n_modes
            )

        side = free[:, None, None] * (self.table * beside(once, self.e) - table2 * beside(twice, squares))
        # relative to the diagonal, so that units do not matter; a mode that nothing speaks of has none
        corner = (1 + _JITTER) * corner + 1e-30
        top = top * free[:, None] * free + jnp.diag(1 - free)
        top = top + jnp.eye(n_phi) * (_JITTER * top + 1e-30)
        left = jnp.transpose(side / corner, (2, 0, 1))  # [K, P, I]
        factor = jnp.linalg.cholesky(top - jnp.einsum("kpi,qik->kpq", left, side))

        def solve(theta: _Theta) -> _Theta:
            rest = theta.weights - jnp.einsum("kpi,ik->kp", left, theta.log_p)
            weights = jax.scipy.linalg.cho_solve((factor, True), rest[..., None])[..., 0]
            return _Theta(weights, theta.log_p / corner - jnp.einsum("kpi,kp->ik", left, weights))

        return solve


def _newton_step(
    times: Callable[[_Theta], _Theta], within: Callable[[_Theta], _Theta], gradient: _Theta
) -> _Theta:
    """Nearly H⁻¹ g, by conjugate gradients from 0 until what they gain of g·x − ½ x·H x dwindles.

    Reference: Nash and Sofer (1990), the quadratic test of truncated Newton methods.
    """

    def step(state: tuple[Any, ...]) -> tuple[Any, ...]:
        x, rest, along, size, gained, _, n = state
        product = times(along)
        length = size / along.dot(product)
        x, rest = x.moved(length, along), rest.moved(-length, product)
        near = within(rest)
        after = rest.dot(near)
        more = 0.5 * length * size
        going = (more * (n + 1) > _ENOUGH * (gained + more)) & (after > 0)
        return x, rest, near.moved(after / size, along), after, gained + more, going, n + 1

    near = within(gradient)
    size = gradient.dot(near)
    zero = jax.tree.map(jnp.zeros_like, gradient)
    start = (zero, gradient, near, size, jnp.zeros(()), size > 0, 0)
    return jax.lax.while_loop(lambda s: s[5] & (s[6] < _PRODUCTS), step, start)[0]


def update_gate(gate: Gate, rows: GateRows, prior: Prior, spec: Spec, n_newton: Any) -> Gate:
    """The gate that raises its expected log-likelihood plus log prior; never one that lowers it.

    Without states or inputs: P in closed form. Otherwise `n_newton` back-tracked Newton steps of the
    weighted multinomial logistic regression, from the present gate. Reference: Böhning (1992), eq. 2.4.
    """
    if not spec.learned_gate:
        counts = rows.pairs + prior.counts
        total = jnp.sum(counts, axis=1, keepdims=True)
        rows_p = jnp.where(total > 0, counts / jnp.where(total > 0, total, 1.0), 1.0 / counts.shape[1])
        return gate._replace(log_p=jnp.log(rows_p))
    if not spec.recurrent and (d := gate.r.shape[1]):  # R is 0 and stays: what it would read is left out
        narrow = rows._replace(x=rows.x[:, :0], cov=None)
        own = prior._replace(gate=prior.gate[d:])
        return update_gate(gate._replace(r=gate.r[:, :0]), narrow, own, spec, n_newton)._replace(r=gate.r)
    d = gate.r.shape[1]
    free = jnp.array([float(spec.recurrent)] * d + [float(spec.gate_inputs)] * gate.w.shape[1])

    def value(theta: _Theta) -> jax.Array:
        return _objective(theta.gate(d), rows, prior)

    def newton(_: int, theta: _Theta) -> _Theta:
        now, gradient = jax.value_and_grad(value)(theta)
        gradient = gradient._replace(weights=gradient.weights * free)
        curvature = _Curvature.at(theta.gate(d), rows, prior)

        def times(change: _Theta) -> _Theta:
            product = curvature.times(change)
            return product._replace(weights=product.weights * free)

        within = curvature.inverse_within(free)
        direction = _newton_step(times, within, gradient)
        slope = gradient.dot(direction)

        def attempt(carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
            scale = 0.5 * carry[0]
            return scale, value(theta.moved(scale, direction))

        def short(carry: tuple[jax.Array, jax.Array]) -> jax.Array:
            return ~(carry[1] >= now + 1e-4 * carry[0] * slope) & (carry[0] > 1e-6)

        scale, after = jax.lax.while_loop(short, attempt, (jnp.full((), 2.0), jnp.full((), jnp.nan)))
        moved = theta.moved(scale, direction)
        return jax.tree.map(lambda x, y: jnp.where(after > now, x, y), moved, theta)

    return jax.lax.fori_loop(0, n_newton, newton, _Theta.of(gate)).gate(d)
