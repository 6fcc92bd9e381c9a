"""What a switching system is: its specification, its parameters, the data it sees and its priors.

Letters: B trials, T steps, N observed units, D latent dimensions, U inputs, K modes; I is K, or 1 where
the previous mode does not matter (recurrent-only).
"""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, NamedTuple, get_args

import jax
from jaxtyping import Float

from jslds_bench.errors import UsageError

TransitionKind = Literal["standard", "sticky", "recurrent_only"]
EmissionKind = Literal["identity", "gaussian", "poisson"]


@dataclasses.dataclass(frozen=True)
class Spec:
    """A model to fit.

    Attributes:
        n_modes: K; 1 makes a plain LDS.
        n_latent: D; None where the emissions are the identity (the states are known, D = N).
        transitions: log p(z_t | z_{t−1}, x_{t−1}, u_t) ∝ log P (standard, sticky), or R x_{t−1} and one row
            of P, a bias (recurrent_only).
        emissions: identity (y = x), gaussian (y = C x + d + noise, diagonal), poisson (rate exp(C x + d)).
        gate_inputs: add W u_t to the gate.
        noise_floor: the least one-step and observation noise, relative to each dimension's variance.
        ridge: shrinkage of A, V and C to 0, in pseudo-observations.
        gate_ridge: precision of the prior on R and W, with x and u in units of their own RMS.
        pseudo_count: Dirichlet counts added to each row of P.
        stickiness: further counts on P's diagonal, where transitions are sticky.
    """

    n_modes: int
    n_latent: int | None = None
    transitions: TransitionKind = "recurrent_only"
    emissions: EmissionKind = "identity"
    gate_inputs: bool = True
    noise_floor: float = 1e-4
    ridge: float = 1e-2
    gate_ridge: float = 1e-2
    pseudo_count: float = 0.1
    stickiness: float = 10.0

    def __post_init__(self) -> None:
        for field, kinds in (("transitions", TransitionKind), ("emissions", EmissionKind)):
            value, known = getattr(self, field), get_args(kinds)
            if value not in known:
                raise UsageError(f"{field} is {value!r}, expected one of {', '.join(known)}")
        for field in ("n_modes", "n_latent"):
            value = getattr(self, field)
            if field == "n_latent" and (value is None) == (self.emissions != "identity"):
                raise UsageError(
                    f"n_latent is {value} with {self.emissions} emissions: "
                    + ("give the latent dimension" if value is None else "leave it out, D is N here")
                )
            if value is not None and (not isinstance(value, int) or value < 1):
                raise UsageError(f"{field} is {value!r}, expected a whole number of at least 1")
        for field in ("noise_floor", "ridge", "gate_ridge", "pseudo_count", "stickiness"):
            if not getattr(self, field) >= 0:
                raise UsageError(f"{field} is {getattr(self, field)!r}, expected a number of at least 0")
        if self.noise_floor == 0:
            raise UsageError("noise_floor is 0: noise-free data would drive Q to 0; use a small positive one")

    @property
    def structure(self) -> Spec:
        """The same model with default numbers: what compiled steps depend on, and so share."""
        return Spec(self.n_modes, self.n_latent, self.transitions, self.emissions, self.gate_inputs)

    @property
    def recurrent(self) -> bool:
        return self.transitions == "recurrent_only" and self.n_modes > 1

    @property
    def learned_gate(self) -> bool:
        """Whether the gate depends on anything besides the previous mode."""
        return self.recurrent or (self.n_modes > 1 and self.gate_inputs)


class Initial(NamedTuple):
    """z_0 ~ π and x_0 ~ N(mean, cov), independent of z_0."""

    log_pi: Float[Any, " K"]
    mean: Float[Any, " D"]
    cov: Float[Any, "D D"]


class Gate(NamedTuple):
    """log p(z_t = k | z_{t−1} = i, x_{t−1}, u_t) ∝ log_p[i, k] + r[k]·x_{t−1} + w[k]·u_t."""

    log_p: Float[Any, "I K"]
    r: Float[Any, "K D"]
    w: Float[Any, "K U"]


class Linear(NamedTuple):
    """x_t = a[k] x_{t−1} + v[k] u_t + b[k] + N(0, q[k])."""

    a: Float[Any, "K D D"]
    v: Float[Any, "K D U"]
    b: Float[Any, "K D"]
    q: Float[Any, "K D D"]


class Emission(NamedTuple):
    """c x + d: the mean (noise variances r) or the log rate; the identity for known states."""

    c: Float[Any, "N D"]
    d: Float[Any, " N"]
    r: Float[Any, " N"]


class Params(NamedTuple):
    """All of a switching system."""

    initial: Initial
    gate: Gate
    linear: Linear
    emission: Emission


class Prior(NamedTuple):
    """Priors and floors, set once from the data and then fixed, so that there is one objective to climb.

    Attributes:
        state_floor: diagonal F with Q_k ⪰ F and Cov(x_0) ⪰ F, [D].
        linear: Λ of the penalty −½ tr(Q⁻¹ M Λ Mᵀ) on M = (A, V, b), [D+U+1].
        gate: precisions of R and W's columns, [D+U].
        counts: Dirichlet counts of P's rows, [I, K].
        first: Dirichlet counts of π, [K].
        emission: penalty on C and d: Gaussian −½ Λ c²/r, Poisson −½ Λ (c − c_0)², [D+1].
        noise_floor: least observation variances, [N].
        log_rate: what the Poisson prior pulls d to, [N].
    """

    state_floor: Float[Any, " D"]
    linear: Float[Any, " M"]
    gate: Float[Any, " M-1"]
    counts: Float[Any, "I K"]
    first: Float[Any, " K"]
    emission: Float[Any, " D+1"]
    noise_floor: Float[Any, " N"]
    log_rate: Float[Any, " N"]


class Data(NamedTuple):
    """Observations, inputs and mask. u_t drives the step into x_t; u_0 is unused. Arrays of either kind."""

    y: Float[Any, "B T N"]
    u: Float[Any, "B T U"]
    mask: Float[Any, "B T"]


class Belief(NamedTuple):
    """q(z): single [B, T, K] and pair [B, T−1, I, K] marginals; these may be summed over i where I is 1."""

    single: Float[Any, "B T K"]
    pair: Float[Any, "B T-1 I K"]

    def modes(self) -> Modes:
        """What M-steps on known states need of it."""
        return Modes(self.single, self.pair.sum(axis=(0, 1)))


class Modes(NamedTuple):
    """What M-steps ask of q(z): single [B, T, K] as in `Belief`, and pairs summed over trials and steps."""

    single: Float[Any, "B T K"]
    pairs: Float[Any, "I K"]


def as_numpy(tree: Any) -> Any:
    """The same pytree with host float64 arrays."""
    return jax.tree.map(jax.device_get, tree)
