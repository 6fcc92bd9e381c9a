"""Networks of tanh units in populations that act as one, up to signs: low rank, and known exactly."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np
import scipy
from jaxtyping import Float, Int

from jslds_bench.types.core import Affine


class Populations(NamedTuple):
    """h_i = s_i x_g(i) with x_g' = tanh(Σ_k w_gk x_k + u·v_g), where w is lower triangular: rank G.

    Each population is driven by itself and by earlier ones alone. So the fixed points are the roots of one
    scalar equation after another, and the eigenvalues at them are (1 − x_g²) w_gg, and N − G zeros.

    Attributes:
        weights: w, with the values that float32 weights between units add up to, [G, G].
        drive: v, [U, G].
        member: g(i), [N].
        signs: s_i, [N].
    """

    weights: Float[Any, "G G"]
    drive: Float[Any, "U G"]
    member: Int[Any, " N"]
    signs: Float[Any, " N"]

    def states(self, x: Float[Any, "*batch G"]) -> Float[Any, "*batch N"]:
        """h of population activities x."""
        return x[..., self.member] * self.signs

    def stages(self) -> tuple[Affine, ...]:
        """θ of a vanilla cell: each unit hears each unit of population k with weight w_gk/N_k."""
        share = self.weights / np.bincount(self.member)
        w = share[np.ix_(self.member, self.member)].T * np.outer(self.signs, self.signs)
        return (Affine(w, self.states(self.drive), 0 * self.signs),)

    def fixed_points(self, u: Float[Any, " U"]) -> tuple[Any, Any]:
        """All fixed points under input u, [P, N], and their eigenvalues, [P, N]."""
        found: list[list[float]] = [[]]
        for g, (row, c) in enumerate(zip(self.weights, u @ self.drive, strict=True)):
            found = [
                [*x, root] for x in found for root in fixed_points_of_unit(row[g], c + row[:g] @ np.array(x))
            ]
        x = np.array(found)
        rest = len(self.signs) - len(self.weights)
        values = np.pad((1 - x**2) * np.diag(self.weights), ((0, 0), (0, rest)))
        return self.states(x), values.astype(complex)


def populations(
    weights: Float[Any, "G G"], drive: Float[Any, "U G"], n_state: int, rng: np.random.Generator
) -> Populations:
    """N units dealt to G populations of about equal sizes, with random signs."""
    member = rng.permutation(np.arange(n_state) % len(weights))
    sizes = np.bincount(member)
    held = sizes * np.float32(weights / sizes).astype(np.float64)
    return Populations(held, np.float64(np.float32(drive)), member, rng.choice([-1.0, 1.0], n_state))


def fixed_points_of_unit(w: float, c: float) -> list[float]:
    """All x with x = tanh(w x + c), ascending, to rounding.

    tanh(w x + c) − x is monotone between the points where its slope w (1 − tanh²) − 1 is zero: two for
    w > 1, else none. So each stretch between them holds one root or none.
    """

    def gap(x: float) -> float:
        return float(np.tanh(w * x + c) - x)

    bend = np.arctanh((1 - 1 / w) ** 0.5) if w > 1 else None
    turns = [] if bend is None else [(-bend - c) / w, (bend - c) / w]
    edges = [-1.0, *np.clip(turns, -1, 1), 1.0]
    return [
        scipy.optimize.brentq(gap, a, b, xtol=1e-300, rtol=4 * np.finfo(float).eps)
        for a, b in itertools.pairwise(edges)
        if gap(a) * gap(b) < 0
    ]
