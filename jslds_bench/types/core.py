"""The value types that everything else passes around, shape by shape.

Letters in shapes: B trials, T steps, N state units, U inputs, O outputs, P points, K distinct
expansion inputs. Arrays are float32 unless a docstring says otherwise.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

PRECISION = "highest"
"""Of matrix products: float32 means float32. Accelerators would by themselves take TF32, which errs by 1e-3.

Set here, because everything that trains, fits or scores imports this, in a worker or by hand.
"""
jax.config.update("jax_default_matmul_precision", PRECISION)

Carry = Any  # whatever pytree a linearisation carries from step to step


class Affine(NamedTuple):
    """The map ``left @ w + u @ v + b`` of one stage of a cell (rows are inputs, as in Flax kernels).

    Of a stage in `Cell.gains` it is ``left * w``, w [N], and v and b are empty: [U, 0] and [0].
    """

    w: Float[Array, "L M"]
    v: Float[Array, "U M"]
    b: Float[Array, " M"]


CellParams = tuple[Affine, ...]
"""θ: one affine map per stage of the cell."""


class Layer(NamedTuple):
    """One layer of the expansion network, h ← tanh(h + h W + b), with (u − u*) V in it where there is a V."""

    w: Float[Array, "N N"]
    b: Float[Array, " N"]
    v: Float[Array, "U N"] | None = None


class NetworkStep(NamedTuple):
    """A layer of E that is the network itself, x ← F(x, u*): it has no numbers of its own."""


ExpansionParams = tuple[Layer | NetworkStep, ...]
"""φ: the layers of E."""


class Readout(NamedTuple):
    """Linear output, o = h W + b."""

    w: Float[Array, "N O"]
    b: Float[Array, " O"]

    def __call__(self, h: Float[Array, "*batch N"]) -> Float[Array, "*batch O"]:
        return h @ self.w + self.b


class Activation(NamedTuple):
    """An element-wise y = value(z), and dy/dz = slope(y), of the value: that is what a reverse pass keeps."""

    value: Callable[[Any], Any]
    slope: Callable[[Any], Any]


def _itself(z: Any) -> Any:
    return z


IDENTITY = Activation(_itself, jnp.ones_like)
TANH = Activation(jnp.tanh, lambda y: 1 - y**2)
SIGMOID = Activation(jax.nn.sigmoid, lambda y: y * (1 - y))
RELU = Activation(jax.nn.relu, lambda y: jnp.where(y > 0, 1.0, 0.0).astype(y.dtype))
SOFTPLUS = Activation(jax.nn.softplus, lambda y: -jnp.expm1(-y))


@dataclasses.dataclass(frozen=True)
class Cell:
    """A recurrent update F(h, u; θ) as affine stages with element-wise functions between them.

    Stage i multiplies ``left_i(h, zs)`` into its matrix, f_i(left_i W_i + u V_i + b_i), and appends the
    result, in blocks of N units, to the list zs that later stages read; then h' = ``output(h, zs)``. All of
    `lefts` and `output` act unit by unit, so a step's cost and its reverse pass are a handful of matrix
    products that the fast path can see.

    Attributes:
        name: the name that suites use, parameters in brackets.
        widths: how many blocks each stage makes.
        lefts: one function (h, zs) → [*, N] per stage, zs being the blocks [*, N] of all stages before it.
        output: function (h, zs) → h', [*, N], of all blocks.
        activations: f_i per stage; the identity for all if left out. What f_i computes is not computed again
            in the reverse pass, as what `lefts` and `output` compute is.
        gains: stages whose matrix is diagonal, w∘left without input and bias, of one block; not the first.
        points: (θ, u*) → all solutions of F(h, u*) = h, [P, N], float64, where they can be had in closed
            form; None in place of them where they are too many to try, or not isolated.
        frozen: why networks of this cell cannot be trained here, if they cannot: their matrices have a
            structure (zeros, repeated columns) that training would not keep.
    """

    name: str
    widths: tuple[int, ...]
    lefts: tuple[Callable[..., Any], ...]
    output: Callable[..., Any]
    activations: tuple[Activation, ...] = ()
    gains: tuple[int, ...] = ()
    points: Callable[..., Any] | None = None
    frozen: str | None = None

    def activation(self, stage: int) -> Activation:
        """f of a stage."""
        return self.activations[stage] if self.activations else IDENTITY

    def step(
        self, params: CellParams, h: Float[Array, "*batch N"], u: Float[Array, "*batch U"]
    ) -> Float[Array, "*batch N"]:
        """F(h, u; θ), the plain way: any batch shape, differentiable to any order."""
        zs: list[jax.Array] = []
        for i, (left, p) in enumerate(zip(self.lefts, params, strict=True)):
            z = left(h, zs) * p.w if i in self.gains else left(h, zs) @ p.w + u @ p.v + p.b
            zs.extend(jnp.split(self.activation(i).value(z), self.widths[i], axis=-1))
        return self.output(h, zs)


@runtime_checkable
class CellSource(Protocol):
    """What makes a cell. Entries are frozen dataclasses, whose fields are the cell's parameters."""

    name: str

    def build(self) -> Cell:
        """The cell with these parameters; `dynamics.cells` gives it its name."""
        ...


class Trials(NamedTuple):
    """A batch of task trials.

    Attributes:
        inputs: u, [B, T, U].
        targets: what the readout should give, [B, T, O].
        mask: 1 at the steps that are scored, 0 elsewhere, [T].
        u_star: each trial's expansion input u*, [B, U].
    """

    inputs: Float[Array, "B T U"]
    targets: Float[Array, "B T O"]
    mask: Float[Array, " T"]
    u_star: Float[Array, "B U"]

    def part(self, which: slice) -> Trials:
        """Some of the trials."""
        return Trials(self.inputs[which], self.targets[which], self.mask, self.u_star[which])


@dataclasses.dataclass(frozen=True)
class Network:
    """A recurrent network, frozen: what models linearise.

    Attributes:
        cell: the update rule.
        params: θ.
        h0: the initial state that both systems start from, [N].
        readout: linear output.
        expansion: φ of a co-trained expansion network, or None.
        kind: how it came to be: standard, cotrained, checkpoint, imported or analytic.
        history: loss terms over training, name → [n] (host arrays), with "step".
        truth: all fixed points per distinct u* of its task, in closed form, where they are known; a continuum
            as samples of it. What models are then scored against, in place of a numerical search.
    """

    cell: Cell
    params: CellParams
    h0: Float[Array, " N"]
    readout: Readout
    expansion: ExpansionParams | None
    kind: str
    history: dict[str, Any] = dataclasses.field(default_factory=dict)
    truth: tuple[FixedPoints, ...] | None = None

    @property
    def n_state(self) -> int:
        return self.h0.shape[0]

    @property
    def n_inputs(self) -> int:
        return self.params[0].v.shape[0]

    def step(self, h: Float[Array, "*batch N"], u: Float[Array, "*batch U"]) -> Float[Array, "*batch N"]:
        """F(h, u; θ) at this network's parameters."""
        return self.cell.step(self.params, h, u)


class LocalLinear(NamedTuple):
    """F near (e, u*): h' ≈ c + A (h − e) + B (u − u*). Column convention: A[i, j] = ∂F_i/∂h_j."""

    e: Float[Array, "*batch N"]
    u_star: Float[Array, "*batch U"]
    A: Float[Array, "*batch N N"]
    B: Float[Array, "*batch N U"]
    c: Float[Array, "*batch N"]


class FixedPoints(NamedTuple):
    """Distinct fixed or slow points of F(·, u*) for one u*.

    Attributes:
        points: [P, N], float64 on the host.
        q: ½‖F(h, u*) − h‖², [P]. (The paper's code reports mean((F − h)²) = 2q/N instead.)
        eigenvalues: of ∂F/∂h at each point, by falling magnitude, [P, N] complex.
        n_unstable: eigenvalues outside the unit circle (beyond 1 + 1e-3), [P].
        u_star: the input they belong to, [U].
        n_candidates: how many starting states the search was given; 0 where there was none.
        n_rejected: how many ended above the tolerance, or outside the region of the candidates.
        completeness: the share of all such points that these are, 1 where they are known in closed form, an
            estimate where they were searched for; None: not estimated, or some lie on a continuum.
    """

    points: Float[Any, "P N"]
    q: Float[Any, " P"]
    eigenvalues: Any
    n_unstable: Int[Any, " P"]
    u_star: Float[Any, " U"]
    n_candidates: int
    n_rejected: int
    completeness: float | None = None


@runtime_checkable
class Linearization(Protocol):
    """What a fitted model answers. `init` and `step` are pure and jittable; the step is the fast path.

    `init`, `step` and `local` act on one trial, [N] and [U]; callers vmap over trials.
    """

    def init(self, h0: Float[Array, " N"], u_star: Float[Array, " U"]) -> Carry:
        """What the model remembers besides the state, before the first step."""
        ...

    def step(
        self, carry: Carry, h: Float[Array, " N"], u: Float[Array, " U"], u_star: Float[Array, " U"], /
    ) -> tuple[Carry, Float[Array, " N"]]:
        """The next state predicted from state `h` and input `u`; must not form A where a JVP will do."""
        ...

    def local(
        self, h: Float[Array, " N"], u: Float[Array, " U"], u_star: Float[Array, " U"]
    ) -> LocalLinear | None:
        """The linear system in force at `h`, for spectra and Jacobian errors; None: no such thing."""
        ...

    def fixed_points(self, u_star: Float[Array, " U"]) -> Float[Array, "P N"] | None:
        """The points that the model takes for fixed points under `u_star`, or None where it has none."""
        ...


@runtime_checkable
class Accountable(Protocol):
    """What a fitted model may say besides: which data it rests on, where not on all that it was given."""

    def fitted_to(self) -> dict[str, int]:
        """Numbers by name, for the record: trials used of those given, trials drawn, steps of training."""
        ...


class Progress(Protocol):
    """Where long work reports how far it is: `done` of `total`, with a short text."""

    def __call__(self, done: int, total: int, text: str) -> None: ...


def silent(done: int, total: int, text: str) -> None:
    """A Progress that shows nothing."""


@dataclasses.dataclass(frozen=True)
class Evaluated:
    """One fitted model on data that it is scored on: what metrics read.

    Attributes:
        timings: seconds and rates measured by the runner, by metric name.
    """

    timings: dict[str, float] = dataclasses.field(default_factory=dict, kw_only=True)


@runtime_checkable
class Metric(Protocol):
    """One number from an evaluation. Entries are frozen dataclasses.

    Attributes:
        unit: of the number; "1" for none.
        better: "lower", "higher", or "none" where neither is.
        bounds: the least and the greatest possible value.
        timing: whether the number is a time or rate, and so differs from run to run.
        reads: the kind of `Evaluated` that it is computed from, or a tuple of kinds; left out, `Evaluation`.
        family, order, headline: its place in tables, each optional: what it belongs to ("other"), its rank
            (the least comes first; left out, last), and whether it is shown before one asks for all (no).
    """

    name: str
    unit: ClassVar[str]
    better: ClassVar[str]
    bounds: ClassVar[tuple[float, float]]
    timing: ClassVar[bool]

    def compute(self, evaluation: Any) -> float:
        """The value; inf where the model diverged.

        Raises:
            Unsupported: the model cannot have this metric; the message is the reason shown.
        """
        ...
