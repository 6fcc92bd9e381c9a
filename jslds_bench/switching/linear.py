"""The linear dynamics of each mode: expected log-likelihood, sufficient statistics and exact M-step."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import cho_solve, solve_triangular
from jaxtyping import Array, Float

from jslds_bench.switching.parameters import Linear, Prior

LOG_2PI = 1.8378770664093453
_ROWS_AT_ONCE = 240  # so that what is made of them stays in the cache


class Links(NamedTuple):
    """Moments of x_{t−1} → x_t, trials and steps flattened to R rows.

    Attributes:
        before, after: E x_{t−1}, E x_t, [R, D].
        u: u_t, [R, U].
        cov_before, cov_after: Cov(x_{t−1}), Cov(x_t), [R, D, D]; all three None for known states.
        cross: Cov(x_{t−1}, x_t), [R, D, D].
    """

    before: Float[Array, "R D"]
    after: Float[Array, "R D"]
    u: Float[Array, "R U"]
    cov_before: Float[Array, "R D D"] | None = None
    cov_after: Float[Array, "R D D"] | None = None
    cross: Float[Array, "R D D"] | None = None


def predict(
    linear: Linear, x: Float[Array, "*batch D"], u: Float[Array, "*batch U"]
) -> Float[Array, "*batch K D"]:
    """A_k x + V_k u + b_k for every mode."""
    return jnp.einsum("kij,...j->...ki", linear.a, x) + jnp.einsum("kij,...j->...ki", linear.v, u) + linear.b


def _split(x: Float[Array, "R M"]) -> Float[Array, "C r M"]:
    """Few rows at a time; the last are filled up with zeros."""
    return jnp.pad(x, ((0, -len(x) % _ROWS_AT_ONCE), (0, 0))).reshape(-1, _ROWS_AT_ONCE, x.shape[1])


class Forms(NamedTuple):
    """The inverses in log N(x_t | mode k), made once for all evaluations at the same parameters.

    Attributes:
        linear: what they belong to.
        whiten: the inverse Cholesky factor L⁻¹ of Q = L Lᵀ, [K, D, D].
        log_norm: −½ log|2π Q|, [K].
        precision, pull, inner: Q⁻¹, Q⁻¹ A and Aᵀ Q⁻¹ A, [K, D, D].
    """

    linear: Linear
    whiten: Float[Array, "K D D"]
    log_norm: Float[Array, " K"]
    precision: Float[Array, "K D D"]
    pull: Float[Array, "K D D"]
    inner: Float[Array, "K D D"]


def make_forms(linear: Linear) -> Forms:
    """The `Forms` of `linear`."""
    root = jnp.linalg.cholesky(linear.q)
    eye = jnp.broadcast_to(jnp.eye(root.shape[1]), root.shape)
    whiten = solve_triangular(root, eye, lower=True)
    log_norm = -jnp.sum(jnp.log(jnp.diagonal(root, axis1=1, axis2=2)), axis=1) - 0.5 * root.shape[1] * LOG_2PI
    white_a, turned = whiten @ linear.a, jnp.swapaxes(whiten, 1, 2)
    inner = jnp.swapaxes(white_a, 1, 2) @ white_a
    return Forms(linear, whiten, log_norm, turned @ whiten, turned @ white_a, inner)


def expected_log_dynamics(forms: Forms, links: Links) -> Float[Array, "R K"]:
    """E log N(x_t | A_k x_{t−1} + V_k u_t + b_k, Q_k) for every mode, exact."""

    # L⁻¹ (x_t − A x_{t−1} − V u − b) of all modes is one product.
    (a, v, b, _), n_rows = forms.linear, links.after.shape[0]
    seen = jnp.concatenate([links.after, links.before, links.u, jnp.ones((n_rows, 1))], axis=1)
    eye = jnp.broadcast_to(jnp.eye(a.shape[1]), a.shape)
    white = forms.whiten @ jnp.concatenate([eye, -a, -v, -b[..., None]], axis=2)
    turned = white.reshape(-1, white.shape[2]).T

    def squares(seen: jax.Array) -> jax.Array:
        return jnp.sum((seen @ turned).reshape(-1, *b.shape) ** 2, axis=2)

    if n_rows <= _ROWS_AT_ONCE:
        square = squares(seen)
    else:
        square = jax.lax.map(squares, _split(seen)).reshape(-1, b.shape[0])[:n_rows]
    if links.cross is None or links.cov_before is None or links.cov_after is None:
        return forms.log_norm - 0.5 * square

    def flat(x: jax.Array) -> jax.Array:
        return x.reshape(x.shape[0], -1)

    trace = flat(links.cov_after) @ flat(forms.precision).T + flat(links.cov_before) @ flat(forms.inner).T
    trace = trace - 2 * flat(links.cross) @ flat(jnp.swapaxes(forms.pull, 1, 2)).T
    return forms.log_norm - 0.5 * (square + trace)


def clip_below(cov: Float[Array, "*batch D D"], floor: Float[Array, " D"]) -> Float[Array, "*batch D D"]:
    """The maximiser of −log|Q| − tr(Q⁻¹ cov) over Q ⪰ diag(floor): eigenvalues under the floor are raised."""
    root = jnp.sqrt(floor)
    values, vectors = jnp.linalg.eigh(cov / (root[:, None] * root))
    raised = (vectors * jnp.maximum(values, 1.0)[..., None, :]) @ jnp.swapaxes(vectors, -1, -2)
    raised = raised * (root[:, None] * root)
    return 0.5 * (raised + jnp.swapaxes(raised, -1, -2))


def second_moments(weights: Float[Array, "R K"], x: Float[Array, "R M"]) -> Float[Array, "K M M"]:
    """Σ_r weights[r, k] x_r x_rᵀ for every mode.

    Each pair of columns is multiplied once for all modes, of few rows at a time, so that products stay in
    the cache: with 32 modes four times as fast as a product for each mode.
    """
    n, n_modes = x.shape[1], weights.shape[1]
    row, column = np.tril_indices(n)

    def add(sums: jax.Array, few: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        columns = few[1].T
        return sums + (columns[row] * columns[column]) @ few[0], None

    sums, _ = jax.lax.scan(add, jnp.zeros((len(row), n_modes)), (_split(weights), _split(x)))
    place = np.zeros((n, n), int)
    place[row, column] = place[column, row] = np.arange(len(row))
    return jnp.moveaxis(sums[place], 2, 0)


def update_linear(weights: Float[Array, "R K"], links: Links, prior: Prior) -> Linear:
    """Exact weighted least squares per mode, M = S_yx (S_xx + Λ)⁻¹, with ridge Λ and noise Q ⪰ F.

    Q = (S_yy − M S_xy − S_yx Mᵀ + M (S_xx + Λ) Mᵀ)/n is the joint maximiser under the penalty
    −½ tr(Q⁻¹ M Λ Mᵀ). A mode without points gets M = 0 and Q = F.
    """
    (n_rows, d), n_inputs = links.before.shape, links.u.shape[1]
    read, n_read = [links.before, links.u, jnp.ones((n_rows, 1))], d + n_inputs + 1
    sums = second_moments(weights, jnp.concatenate([*read, links.after], axis=1))
    s_xx, s_yx, s_yy = sums[:, :n_read, :n_read], sums[:, n_read:, :n_read], sums[:, n_read:, n_read:]
    if links.cross is not None and links.cov_before is not None and links.cov_after is not None:

        def of_modes(x: jax.Array) -> jax.Array:
            return (weights.T @ x.reshape(n_rows, -1)).reshape(-1, d, d)

        s_xx = s_xx.at[:, :d, :d].add(of_modes(links.cov_before))
        s_yx = s_yx.at[:, :, :d].add(jnp.swapaxes(of_modes(links.cross), 1, 2))
        s_yy = s_yy + of_modes(links.cov_after)

    def mode(sums: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array]:
        s_xx, s_yx, s_yy, n = sums
        s_xx = s_xx + jnp.diag(prior.linear)
        m = cho_solve((jnp.linalg.cholesky(s_xx), True), s_yx.T).T
        cross = m @ s_yx.T
        q = (s_yy - cross - cross.T + m @ s_xx @ m.T) / jnp.maximum(n, 1e-12)
        return m, clip_below(0.5 * (q + q.T), prior.state_floor)

    # one mode at a time: plain matrix products are the fast ones
    m, q = jax.lax.map(mode, (s_xx, s_yx, s_yy, jnp.sum(weights, axis=0)))
    return Linear(m[:, :, :d], m[:, :, d : d + n_inputs], m[:, :, -1], q)


def linear_log_prior(linear: Linear, prior: Prior) -> Float[Array, ""]:
    """−½ Σ_k tr(Q_k⁻¹ M_k Λ M_kᵀ)."""
    m = jnp.concatenate([linear.a, linear.v, linear.b[..., None]], axis=2)
    white = solve_triangular(jnp.linalg.cholesky(linear.q), m, lower=True)
    return -0.5 * jnp.sum(white**2 * prior.linear)
