"""The gate: log p(z_t | z_{t−1}, x_{t−1}, u_t), its expectation under a Gaussian x, and its M-step."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jslds_bench.switching.parameters import Gate, Prior, Spec

_ROWS_AT_ONCE = 512


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


def _curvature(gate: Gate, rows: GateRows, prior: Prior) -> jax.Array:
    """−∂²/∂θ² of the logistic likelihood at the means, θ = (R | W | log_p) flat, [P, P]; a positive bound.

    The part of x's covariance that enters the curvature is Cov(x) added to x xᵀ.
    """
    phi = jnp.concatenate([rows.x, rows.u], axis=1)
    n_phi, (n_from, n_modes) = phi.shape[1], gate.log_p.shape
    if n_from == 1:  # the bias is one more thing that is read, always 1
        p = jax.nn.softmax(gate_logits(gate, rows.x, rows.u), axis=-1)[:, 0]
        wp = rows.before * p
        full = _squares(wp, p, jnp.pad(phi, ((0, 0), (0, 1)), constant_values=1.0))
        top, side, corner = full[:, :-1, :, :-1], full[:, :-1, None, :, -1], full[None, :, -1, :, -1]
        if rows.cov is not None:
            n = rows.x.shape[1]
            h = wp[:, :, None] * jnp.eye(n_modes) - wp[:, :, None] * p[:, None, :]
            spread = h.reshape(len(h), -1).T @ rows.cov.reshape(len(h), -1)
            spread = spread.reshape(n_modes, n_modes, n, n).swapaxes(1, 2)
            beside = (0, n_phi - n)
            top = top + jnp.pad(spread, ((0, 0), beside, (0, 0), beside))
    else:
        top, side, corner = _blocks(gate, rows, phi)
    top = top.reshape(n_modes * n_phi, n_modes * n_phi)
    top = top + jnp.diag(jnp.tile(prior.gate, n_modes))
    rows_p = jax.nn.softmax(gate.log_p, axis=-1)
    total = jnp.sum(prior.counts, axis=1)
    corner = corner + total[:, None, None] * (
        rows_p[:, :, None] * jnp.eye(n_modes) - rows_p[:, :, None] * rows_p[:, None, :]
    )
    side = side.reshape(n_modes * n_phi, n_from * n_modes)
    corner = jnp.einsum("ikl,ij->ikjl", corner, jnp.eye(n_from)).reshape(n_from * n_modes, -1)
    return jnp.block([[top, side], [side.T, corner]])


def _squares(wp: jax.Array, p: jax.Array, phi: jax.Array) -> jax.Array:
    """Σ w (diag p − p pᵀ) ⊗ φ φᵀ where the previous mode does not matter, [K, P, K, P].

    Large products of few rows at a time, so that they stay in the cache; of the second part, which is
    symmetric, those columns on and right of the diagonal that a few groups of modes leave.
    """
    (n_rows, n_modes), n_phi = p.shape, phi.shape[1]
    width = max(-(-n_modes // 4), min(n_modes, 8))
    groups = [(k * n_phi, min(k + width, n_modes) * n_phi) for k in range(0, n_modes, width)]

    def split(x: jax.Array) -> jax.Array:
        padded = jnp.pad(x, ((0, -n_rows % _ROWS_AT_ONCE), (0, 0)))
        return padded.reshape(-1, _ROWS_AT_ONCE, x.shape[1])

    def add(sums: tuple[jax.Array, list[jax.Array]], x: tuple[jax.Array, ...]) -> tuple[Any, None]:
        wp, p, phi = x
        left = (wp.T[:, None] * phi.T).reshape(n_modes * n_phi, -1)
        right = (p[:, :, None] * phi[:, None]).reshape(-1, n_modes * n_phi)
        parts = [s + left[i:j] @ right[:, i:] for s, (i, j) in zip(sums[1], groups, strict=True)]
        return (sums[0] + left @ phi, parts), None

    start = jnp.zeros((n_modes * n_phi, n_phi)), [jnp.zeros((j - i, n_modes * n_phi - i)) for i, j in groups]
    (own, parts), _ = jax.lax.scan(add, start, tuple(split(x) for x in (wp, p, phi)))
    both = [  # each group's rows: what lies left of the diagonal is above it in earlier groups
        [*(s[:, i - a : j - a].T for s, (a, _) in zip(parts, groups[:n], strict=False)), part]
        for n, (part, (i, j)) in enumerate(zip(parts, groups, strict=True))
    ]
    whole = jnp.block(both).reshape(n_modes, n_phi, n_modes, n_phi)
    return jnp.eye(n_modes)[:, None, :, None] * own.reshape(n_modes, n_phi, 1, n_phi) - whole


def _blocks(gate: Gate, rows: GateRows, phi: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Σ w (diag p − p pᵀ) ⊗ φ φᵀ over rows and previous modes i, and with the biases of each i.

    [K, P, K, P], [K, P, I, K] and [I, K, K]. No p is made: it is P[i, k] e[k] / z[i] (`_Read`), so that all
    sums over rows are products of matrices, of pairs k ≥ l alone.
    """
    n_modes, n_phi = gate.log_p.shape[1], phi.shape[1]
    read, p_from, eye = _read(gate, rows.x, rows.u), jnp.exp(gate.log_p), jnp.eye(n_modes)
    k, j = np.tril_indices(n_modes)
    which = np.zeros((n_modes, n_modes), int)
    which[k, j] = which[j, k] = np.arange(len(k))
    once, twice = rows.before / read.z, rows.before / read.z**2
    e_pairs, p_pairs = read.e[:, k] * read.e[:, j], p_from[:, k] * p_from[:, j]

    squares = (phi[:, :, None] * phi[:, None]).reshape(-1, n_phi**2)
    own = (squares.T @ (read.e * (once @ p_from))).reshape(n_phi, n_phi, n_modes)
    both = (squares.T @ (e_pairs * (twice @ p_pairs))).reshape(n_phi, n_phi, -1)[..., which]
    top = jnp.transpose(own[..., None] * eye - both, (2, 0, 3, 1))

    ones = jnp.pad(phi, ((0, 0), (0, 1)), constant_values=1.0)

    def with_ones(x: jax.Array, of: jax.Array) -> jax.Array:
        """Σ_r of[r, i] ones[r, a] x[r, c], [I, P + 1, C]."""
        each = (of[:, :, None] * ones[:, None]).reshape(len(of), -1)
        return (each.T @ x).reshape(of.shape[1], n_phi + 1, -1)

    own = p_from[:, None] * with_ones(read.e, once)
    both = (p_pairs[:, None] * with_ones(e_pairs, twice))[..., which]
    along = own[..., None] * eye - both  # [I, P + 1, K, K]
    return top, jnp.transpose(along[:, :-1], (2, 1, 0, 3)), along[:, -1]


def _flat(gate: Gate) -> jax.Array:
    return jnp.concatenate([jnp.concatenate([gate.r, gate.w], axis=1).ravel(), gate.log_p.ravel()])


def _unflat(theta: jax.Array, like: Gate) -> Gate:
    (n_modes, d), n_inputs = like.r.shape, like.w.shape[1]
    split = n_modes * (d + n_inputs)
    weights = theta[:split].reshape(n_modes, d + n_inputs)
    log_p = theta[split:].reshape(like.log_p.shape)
    return Gate(log_p - jax.nn.logsumexp(log_p, axis=-1, keepdims=True), weights[:, :d], weights[:, d:])


def _free(like: Gate, spec: Spec) -> jax.Array:
    """1 for the entries of θ that the kind of gate learns."""
    r = jnp.full(like.r.shape, float(spec.recurrent))
    w = jnp.full(like.w.shape, float(spec.gate_inputs))
    return _flat(Gate(jnp.ones_like(like.log_p), r, w))


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
    free = _free(gate, spec)

    def value(theta: jax.Array) -> jax.Array:
        return _objective(_unflat(theta, gate), rows, prior)

    def newton(_: int, theta: jax.Array) -> jax.Array:
        now, gradient = jax.value_and_grad(value)(theta)
        gradient = gradient * free
        h = _curvature(_unflat(theta, gate), rows, prior) * free[:, None] * free
        # relative to the diagonal, so that units do not matter; a constant on all biases is a null direction
        h = h + jnp.diag(jnp.where(free > 0, 1e-9 * jnp.diagonal(h) + 1e-30, 1.0))
        direction = jax.scipy.linalg.cho_solve((jnp.linalg.cholesky(h), True), gradient)
        slope = jnp.vdot(gradient, direction)

        def attempt(carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
            scale = 0.5 * carry[0]
            return scale, value(theta + scale * direction)

        def short(carry: tuple[jax.Array, jax.Array]) -> jax.Array:
            return ~(carry[1] >= now + 1e-4 * carry[0] * slope) & (carry[0] > 1e-6)

        scale, after = jax.lax.while_loop(short, attempt, (jnp.full((), 2.0), jnp.full((), jnp.nan)))
        return jnp.where(after > now, theta + scale * direction, theta)

    return _unflat(jax.lax.fori_loop(0, n_newton, newton, _flat(gate)), gate)
