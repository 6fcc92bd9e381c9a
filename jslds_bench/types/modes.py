"""What models with discrete modes answer; letters of shapes as in `types`, but K modes, G points."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, runtime_checkable

from jaxtyping import Bool, Complex, Float, Int


class ModePoints(NamedTuple):
    """Each mode's fixed point under one input.

    Attributes:
        points: where the mode would rest, [K, N].
        real: whether the gate picks the mode at its own point; elsewhere the point is virtual, [K].
        eigenvalues: of A_k, by falling magnitude, [K, D].
    """

    points: Float[Any, "K N"]
    real: Bool[Any, " K"]
    eigenvalues: Complex[Any, "K D"]


@runtime_checkable
class Switching(Protocol):
    """What a linearisation with discrete modes may answer besides, for the oracle and the figures (host)."""

    @property
    def n_modes(self) -> int:
        """K."""
        ...

    def project(self, h: Float[Any, "*batch N"]) -> Float[Any, "*batch N"]:
        """The nearest states that the model can represent."""
        ...

    def smoothed_modes(self, states: Float[Any, "B T1 N"], inputs: Float[Any, "B T U"]) -> Int[Any, "B T"]:
        """The likeliest mode of each step t ≥ 1 given all of the network's own states, future included."""
        ...

    def free_modes(self, h0: Float[Any, " N"], inputs: Float[Any, "B T U"]) -> Float[Any, "B T K"]:
        """p(z_t) along the free run: 1 for the mode that is taken, or the weights of those that are mixed."""
        ...

    def follow(
        self, h0: Float[Any, " N"], inputs: Float[Any, "B T U"], modes: Int[Any, "B T"]
    ) -> Float[Any, "B T N"]:
        """The free run that takes the given modes."""
        ...

    def mode_points(self, u_star: Float[Any, " U"]) -> ModePoints:
        """Each mode's fixed point under `u_star`."""
        ...

    def by_mode(
        self, h: Float[Any, "G N"], u: Float[Any, " U"]
    ) -> tuple[Float[Any, "K G N"], Int[Any, " G"] | None]:
        """The next state under each mode, and the mode that the gate picks; None: that needs the past."""
        ...

    def fit_series(self) -> dict[str, list[float]]:
        """The objective per iteration, and scores against the number of modes where it was chosen."""
        ...
