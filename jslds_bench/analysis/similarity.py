"""How alike two driven dynamics are, whatever the coordinates in which each is seen."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

N_DELAYS = 2
"""States that one row holds: the present one and the one before it."""
RANK = 10
_NEGLIGIBLE = 1e-8
"""Variance, relative to the largest, under which a component of float32 states counts as none."""
_N_STARTS = 48
_N_KEPT = 4
_N_STEPS = (80, 400)  # of all starts, and then of the best


class Driven(NamedTuple):
    """v_{t+1} ≈ A v_t + B u_t + c: A [R, R], B [R, U]; v of unit variance along each axis."""

    a: Float[np.ndarray, "R R"]
    b: Float[np.ndarray, "R U"]


def driven(
    states: Float[Any, "B T1 N"], inputs: Float[Any, "B T U"], rank: int = RANK, n_delays: int = N_DELAYS
) -> Driven:
    """The linear dynamics of delayed states, in their leading principal components, by least squares.

    Inputs are scaled to unit variance, all alike. Where the states have fewer components, the rest of A and B
    are 0.
    """
    x, u = np.asarray(states, np.float64), np.asarray(inputs, np.float64)
    x = _components(x, rank)
    length = x.shape[1] - n_delays + 1
    if length < 2:
        raise ValueError(f"got {x.shape[1]} states of a trial, expected at least {n_delays + 1}")
    rows = np.concatenate([x[:, n_delays - 1 - k :][:, :length] for k in range(n_delays)], axis=2)
    v = _components(rows, rank)
    u = u[:, n_delays - 1 :].reshape(-1, u.shape[2])
    spread = np.sqrt(np.mean((u - u.mean(axis=0)) ** 2))
    given = np.concatenate([v[:, :-1].reshape(len(u), v.shape[2]), u / (spread or 1.0)], axis=1)
    after = v[:, 1:].reshape(len(u), v.shape[2])
    found = np.linalg.lstsq(given - given.mean(axis=0), after - after.mean(axis=0), rcond=1e-8)[0].T
    kept = v.shape[2]
    a, b = np.zeros((rank, rank)), np.zeros((rank, u.shape[1]))
    a[:kept, :kept], b[:kept] = found[:, :kept], found[:, kept:]
    return Driven(a, b)


def _components(x: Float[np.ndarray, "B T N"], rank: int) -> Float[np.ndarray, "B T R"]:
    """Leading principal components, each of unit variance; those that vary."""
    rows = x.reshape(x.shape[0] * x.shape[1], x.shape[2])
    centred = rows - rows.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred / len(rows))
    values, vectors = values[::-1][:rank], vectors[:, ::-1][:, :rank]
    varies = values > _NEGLIGIBLE * max(values.max(initial=0), 1e-30)
    return (centred @ vectors[:, varies] / np.sqrt(values[varies])).reshape(*x.shape[:2], varies.sum())


def angle(one: Driven, other: Driven) -> float:
    """min over orthogonal C of the angle between (A, B) and (C A' Cᵀ, C B'), in radians, 0 … π.

    Its cosine f(C) = tr Aᵀ C A' Cᵀ + tr Bᵀ C B' is raised, from several C, by taking the orthogonal matrix
    nearest to ∇f(C) + s C: with s ≥ 2 ‖A‖ ‖A'‖, f + s ‖C‖²/2 is convex, and no step lowers it. What is
    found is an upper bound of the least angle. π/2 where nothing moves on one side alone, 0 where nothing
    moves on either.
    """
    sizes = [np.sqrt(np.sum(d.a**2) + np.sum(d.b**2)) for d in (one, other)]
    if min(sizes) == 0:
        return 0.0 if max(sizes) == 0 else np.pi / 2
    a, b, a2, b2 = one.a / sizes[0], one.b / sizes[0], other.a / sizes[1], other.b / sizes[1]
    by_inputs = b @ b2.T
    s = 2 * np.linalg.norm(a, 2) * np.linalg.norm(a2, 2) + 1e-12
    rng = np.random.default_rng(0)
    starts = rng.normal(size=(_N_STARTS, *a.shape))
    c = _nearest(np.concatenate([np.eye(len(a))[None], by_inputs[None] + 1e-6 * starts[:1], starts]))
    for n_steps in _N_STEPS:
        for _ in range(n_steps):
            c = _nearest(a @ c @ a2.T + a.T @ c @ a2 + by_inputs + s * c)
        gaps = np.sum((a - c @ a2 @ c.transpose(0, 2, 1)) ** 2, axis=(1, 2))
        gaps += np.sum((b - c @ b2) ** 2, axis=(1, 2))
        c = c[np.argsort(gaps)[:_N_KEPT]]
    # A cosine near 1 would lose half the digits.
    return float(2 * np.arcsin(min(np.sqrt(gaps.min()) / 2, 1.0)))


def _nearest(matrices: Float[np.ndarray, "S R R"]) -> Float[np.ndarray, "S R R"]:
    """The orthogonal matrix nearest to each."""
    left, _, right = np.linalg.svd(matrices)
    return left @ right
