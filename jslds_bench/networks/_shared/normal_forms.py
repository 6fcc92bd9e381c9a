"""Affine maps and cubic normal forms in a frame of their own: continua, cycles and spectra known exactly."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy
from jaxtyping import Complex, Float

from jslds_bench.dynamics.cells import get_cell
from jslds_bench.types.core import Affine, Cell

PULL = 0.25
"""a of the radial map r' = r (1 + a (1 − r²)): the unit circle attracts at the rate 1 − 2a."""
N_SAMPLES = 1024
"""Points that stand for a continuum."""


class Portrait(NamedTuple):
    """y' = (y ∘ (g + y² S)) M, and its fixed points. Vectors are rows.

    Attributes:
        linear: M, [N, N].
        gain: g, [N].
        square: S, [N, N].
        points: all its fixed points, a continuum as samples, [P, N].
        values: their eigenvalues by falling magnitude, [P, N].
    """

    linear: Float[Any, "N N"]
    gain: Float[Any, " N"]
    square: Float[Any, "N N"]
    points: Float[Any, "P N"]
    values: Complex[Any, "P N"]


class NormalForm(NamedTuple):
    """A portrait seen from outside: y = (h − o) Q − u C and h' = (y' + u C + u K) Qᵀ + o.

    Static inputs, through C, move the whole portrait; the others, through K, kick the state. All numbers
    are binary fractions short enough for float32 to hold them and their products in θ exactly, so that what
    is true of the portrait is true of the network to float64 rounding.

    Attributes:
        portrait: y → y'.
        frame: Q, orthogonal, [N, N].
        centre: o Q, [N].
        shift: C, [U, N].
        kick: K, [U, N].
    """

    portrait: Portrait
    frame: Float[Any, "N N"]
    centre: Float[Any, " N"]
    shift: Float[Any, "U N"]
    kick: Float[Any, "U N"]

    @property
    def cell(self) -> Cell:
        """`affine` where S = 0, else `cubic`."""
        return get_cell("cubic" if self.portrait.square.any() else "affine")

    def states(self, y: Float[Any, "*batch N"], u: Float[Any, " U"]) -> Float[Any, "*batch N"]:
        """h of points y under input u."""
        return (y + self.centre + u @ self.shift) @ self.frame.T

    def stages(self) -> tuple[Affine, ...]:
        """θ of the cell."""
        linear, gain, square, *_ = self.portrait
        back = self.frame.T
        if not square.any():
            out = back - gain[:, None] * linear @ back  # (I − M) Qᵀ
            return (
                Affine(
                    self.frame @ (gain[:, None] * linear) @ back,
                    self.shift @ out + self.kick @ back,
                    self.centre @ out,
                ),
            )
        return (
            Affine(self.frame, -self.shift, -self.centre),
            Affine(square, np.zeros_like(self.shift), gain),
            Affine(linear @ back, (self.shift + self.kick) @ back, self.centre @ back),
        )

    def fixed_points(self, u: Float[Any, " U"]) -> tuple[Any, Any]:
        """All fixed points under input u that does not kick, [P, N], and their eigenvalues, [P, N]."""
        return self.states(self.portrait.points, u), self.portrait.values


def affine(n: int) -> Portrait:
    """A stable spiral, λ = 7/8 ± i/4, and decays: one fixed point."""
    a, b = 7 / 8, 1 / 4
    values = [a + 1j * b, a - 1j * b, *decays(n - 2)]
    linear = scipy.linalg.block_diag([[a, b], [-b, a]], np.diag(decays(n - 2)))
    return Portrait(linear, np.ones(n), np.zeros((n, n)), np.zeros((1, n)), np.array([values]))


def line(n: int, low: float, high: float) -> Portrait:
    """y_1' = y_1 and decays: every (y_1, 0 …) is fixed, of which low ≤ y_1 ≤ high is sampled."""
    values = np.array([1, *decays(n - 1)])
    points = np.linspace(low, high, N_SAMPLES)[:, None] * np.eye(1, n)
    return Portrait(np.diag(values), np.ones(n), np.zeros((n, n)), points, _at_each(points, values))


def ring(n: int) -> Portrait:
    """In a plane r' = r (1 + a (1 − r²)), else decays: the circle r = 1 is fixed, and a source inside."""
    angles = 2 * np.pi * np.arange(N_SAMPLES) / N_SAMPLES
    points = np.zeros((1 + N_SAMPLES, n))
    points[1:, :2] = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    source, circle = [1 + PULL, 1 + PULL, *decays(n - 2)], [1, *sorted([1 - 2 * PULL, *decays(n - 2)])[::-1]]
    values = np.concatenate([[source], _at_each(points[1:], circle)])
    return Portrait(np.diag([1, 1, *decays(n - 2)]), *_radial(n), points, values)


def cycle(n: int) -> Portrait:
    """The ring's map, then a turn by about 0.7 rad: a limit cycle around one source."""
    cos, sin = np.round(2**10 * np.array([np.cos(0.7), np.sin(0.7)])) / 2**10
    linear = scipy.linalg.block_diag([[cos, sin], [-sin, cos]], np.diag(decays(n - 2)))
    pair = (1 + PULL) * (cos + 1j * sin)
    values = np.array([[pair, pair.conjugate(), *decays(n - 2)]])
    return Portrait(linear, *_radial(n), np.zeros((1, n)), values)


def decays(n: int) -> np.ndarray:
    """n rates from 3/4 down to 1/4, in sixteenths, [n]."""
    return np.round(np.linspace(12, 4, n)) / 16


def mixing(n: int, rng: np.random.Generator) -> np.ndarray:
    """A random orthogonal matrix of eighths: three rounds of I − ½ v vᵀ, v = ±1, on four axes each."""
    q = np.eye(n)
    for _ in range(3):
        for axes in rng.permutation(n)[: n - n % 4].reshape(-1, 4):
            v = rng.choice([-1.0, 1.0], 4)
            q[:, axes] -= 0.5 * np.outer(q[:, axes] @ v, v)
    return q


def _radial(n: int) -> tuple[np.ndarray, np.ndarray]:
    """g and S of the map y' = y (1 + a (1 − r²)) in the first two coordinates; the identity in the others."""
    gain, square = np.ones(n), np.zeros((n, n))
    gain[:2], square[:2, :2] = 1 + PULL, -PULL
    return gain, square


def _at_each(points: np.ndarray, values: Any) -> np.ndarray:
    return np.tile(np.array(values, complex), (len(points), 1))
