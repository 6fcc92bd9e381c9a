"""The public face: fit, infer, sample, forecast, most likely modes, fixed points."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Complex, Float, Int, PRNGKeyArray

from jslds_bench.dynamics.spectrum import eigenvalues
from jslds_bench.errors import UsageError
from jslds_bench.switching import arhmm, hmm, initialise, rollout
from jslds_bench.switching import laplace_em as em
from jslds_bench.switching.checks import check_data, check_enough
from jslds_bench.switching.parameters import Belief, Data, Params, Prior, Spec, as_numpy
from jslds_bench.switching.precision import in_float64
from jslds_bench.switching.rollout import Paths
from jslds_bench.switching.scoring import mode_points
from jslds_bench.types import Progress, silent


@dataclasses.dataclass(frozen=True)
class FitSettings:
    """How long a fit looks.

    Attributes:
        restarts: independent starts; the one of highest ELBO (or log-likelihood) is kept.
        max_iterations: EM iterations of each.
        tolerance: it has converged when two iterations running gain less than this per step, in nats.
        init_iterations: most iterations of each ARHMM stage of the start.
    """

    restarts: int = 1
    max_iterations: int = 100
    tolerance: float = 1e-4
    init_iterations: int = 30

    def __post_init__(self) -> None:
        for field in ("restarts", "max_iterations", "init_iterations"):
            if getattr(self, field) < 1:
                raise UsageError(f"{field} is {getattr(self, field)!r}, expected at least 1")


DEFAULT_SETTINGS = FitSettings()


@dataclasses.dataclass(frozen=True)
class Fit:
    """A fitted switching system. Arrays are float64 on the host.

    Attributes:
        spec, params: the model.
        elbo: the bound on log p(y) of the training data (log-likelihood itself for known states), nats per
            valid step.
        objective: ELBO + log prior per iteration, in nats per valid step: what never falls.
        converged: whether the tolerance was met within the iterations.
        restart_elbos: `elbo` of every restart; this is the best of them.
        occupancy: expected steps in each mode, [K].
        notes: what was repaired or looks wrong, in words.
    """

    spec: Spec
    params: Params
    elbo: float
    objective: Float[Any, " iterations"]
    converged: bool
    restart_elbos: Float[Any, " restarts"]
    occupancy: Float[Any, " K"]
    notes: tuple[str, ...] = ()


class Inference(NamedTuple):
    """What a model with frozen parameters makes of data.

    Attributes:
        elbo: bound on log p(y) per trial (log p itself for known states), nats, [B].
        modes: q(z_t = k), [B, T, K].
        mean: E x_t, [B, T, D].
        cov: Cov(x_t), [B, T, D, D]; zero for known states.
        mask: the valid steps, [B, T].
    """

    elbo: Float[Any, " B"]
    modes: Float[Any, "B T K"]
    mean: Float[Any, "B T D"]
    cov: Float[Any, "B T D D"]
    mask: Float[Any, "B T"]

    @property
    def elbo_per_step(self) -> float:
        """Nats per valid step."""
        return float(self.elbo.sum() / self.mask.sum())


class ModePoints(NamedTuple):
    """Each mode's fixed point under one input.

    Attributes:
        points: (I − A_k)⁻¹ (V_k u + b_k), [K, D].
        real: whether the gate picks mode k at its own point (else the point is virtual), [K].
        eigenvalues: of A_k, by falling magnitude, [K, D].
    """

    points: Float[Any, "K D"]
    real: Bool[Any, " K"]
    eigenvalues: Complex[Any, "K D"]


class _Run(NamedTuple):
    params: Params
    belief: Belief
    elbo: float
    trace: list[float]
    converged: bool
    notes: tuple[str, ...]


def _climb(
    step: Any, state: Any, settings: FitSettings, n_steps: float, report: Any
) -> tuple[Any, list[float], bool, bool]:
    """Iterates `step` to convergence: the last finite state, the trace, converged, and if all was finite.

    `step(state)` returns (next state, objective of `state` or of the next one: either never falls).
    """
    trace: list[float] = []
    calm = 0
    for i in range(settings.max_iterations):
        after, objective = step(state)
        value = float(objective) / n_steps
        if not np.isfinite(value):
            return state, trace, False, False
        calm = calm + 1 if trace and value - trace[-1] < settings.tolerance else 0
        trace.append(value)
        state = after
        report(i + 1, f"objective {value:.4f} nats per step")
        if calm >= 2:
            return state, trace, True, True
    return state, trace, False, True


def _one_run(
    spec: Spec,
    data: Data,
    start: initialise.Start,
    seed: int,
    variant: int,
    settings: FitSettings,
    report: Any,
) -> _Run:
    params, belief, reseeded = initialise.start_modes(
        spec, start.x, data, seed, variant, settings.init_iterations
    )
    notes = (f"{reseeded} empty modes were reseeded at the start",) if reseeded else ()
    prior, n_steps = initialise.make_prior(spec, data, start.x), float(data.mask.sum())
    if spec.emissions == "identity":
        params, belief, elbo, trace, converged, finite = _run_known(
            spec, params, data, prior, settings, n_steps, report
        )
    else:
        params = params._replace(emission=start.emission)
        params, belief, elbo, trace, converged, finite = _run_latent(
            spec, params, belief, start.x, data, prior, settings, n_steps, report
        )
    if not finite:
        notes = (
            *notes,
            f"the objective left the finite numbers after {len(trace)} iterations: the last good is kept",
        )
    return _Run(params, belief, elbo / n_steps, trace, converged, notes)


def _run_known(
    spec: Spec, params: Params, data: Data, prior: Prior, settings: FitSettings, n_steps: float, report: Any
) -> tuple[Params, Belief, float, list[float], bool, bool]:
    def step(params: Params) -> tuple[Params, Any]:
        out = arhmm.em_step(params, data, prior, spec)
        return out.params, out.objective

    params, trace, converged, finite = _climb(step, params, settings, n_steps, report)
    belief, log_lik = arhmm.e_step(params, data)
    total = float(jnp.sum(log_lik) + arhmm.log_prior(params, prior, spec)) / n_steps
    return params, belief, float(jnp.sum(log_lik)), [*trace, total], converged, finite


def _run_latent(
    spec: Spec,
    params: Params,
    belief: Belief,
    x: Any,
    data: Data,
    prior: Prior,
    settings: FitSettings,
    n_steps: float,
    report: Any,
) -> tuple[Params, Belief, float, list[float], bool, bool]:
    q = em.laplace(params, belief, x, data, spec)
    q, elbo = em.e_step(params, q, data, spec)
    first = float(jnp.sum(elbo) + em.log_prior(params, prior, spec)) / n_steps

    def step(state: Any) -> tuple[Any, Any]:
        out = em.em_step(state[0], state[1], data, prior, spec)
        return (out.params, out.q, out.elbo), out.objective

    state, trace, converged, finite = _climb(step, (params, q, elbo), settings, n_steps, report)
    params, q, elbo = state
    return params, q.belief, float(jnp.sum(elbo)), [first, *trace], converged, finite


@in_float64
def fit(
    spec: Spec,
    observations: Float[Any, "B T N"],
    inputs: Float[Any, "B T U"] | None = None,
    lengths: Int[Any, " B"] | None = None,
    *,
    key: PRNGKeyArray,
    settings: FitSettings = DEFAULT_SETTINGS,
    progress: Progress = silent,
) -> Fit:
    """Fit a switching system by (Laplace-)EM from PCA → ARHMM starts; the best restart by ELBO is kept.

    Args:
        observations: y; padded past `lengths`.
        inputs: u; u_t drives the step into x_t, u_0 is not used.
        lengths: valid steps of each trial; None: all.
        key: all randomness derives from it.

    Raises:
        UsageError: data that cannot be fitted (see `checks`). What could be repaired is in `Fit.notes`.
    """
    data = check_data(spec, observations, inputs, lengths)
    notes = check_enough(spec, data)
    start = initialise.start_states(spec, data)
    total = settings.restarts * settings.max_iterations
    runs = []
    for r in range(settings.restarts):
        seed = int(jax.random.bits(jax.random.fold_in(key, r)))

        def report(i: int, text: str, r: int = r) -> None:
            progress(r * settings.max_iterations + i, total, f"restart {r + 1}: {text}")

        runs.append(_one_run(spec, data, start, seed, r, settings, report))
    best = max(runs, key=lambda run: run.elbo if np.isfinite(run.elbo) else -np.inf)
    if not np.isfinite(best.elbo):
        raise UsageError(
            "the fit is not finite from any start: scale the data to about unit variance, raise noise_floor "
            f"(now {spec.noise_floor:g}) or ridge (now {spec.ridge:g}), or take fewer modes"
        )
    occupancy = initialise.occupancy(best.belief)
    each = best.params.linear.a.shape[1] + data.u.shape[2] + 1
    idle = tuple(
        f"mode {k} holds {n:.1f} steps, fewer than its {each} coefficients"
        for k, n in enumerate(occupancy)
        if n < each
    )
    return Fit(
        spec,
        as_numpy(best.params),
        best.elbo,
        np.array(best.trace),
        best.converged,
        np.array([run.elbo for run in runs]),
        occupancy,
        (*notes, *start.notes, *best.notes, *idle),
    )


def _project(fitted: Fit, data: Data) -> Any:
    """States by least squares through the emissions (Gaussian), or zeros (Poisson): where Newton starts."""
    c, d, r = fitted.params.emission
    if fitted.spec.emissions == "poisson":
        return np.zeros((*data.y.shape[:2], c.shape[1]))
    white = c / np.sqrt(r)[:, None]
    return ((data.y - d) / np.sqrt(r)) @ np.linalg.pinv(white).T * data.mask[..., None]


@in_float64
def infer(
    fitted: Fit,
    observations: Float[Any, "B T N"],
    inputs: Float[Any, "B T U"] | None = None,
    lengths: Int[Any, " B"] | None = None,
    *,
    max_iterations: int = 50,
    tolerance: float = 1e-5,
) -> Inference:
    """q(z) and q(x) of new data at frozen parameters; the summed ELBO is the held-out ELBO.

    Latent states are found from two starts, and each trial keeps the better: all modes alike, and the
    modes that an ARHMM gives to the projected states.

    Raises:
        UsageError: shapes or widths that do not fit the model, or values that are not finite.
    """
    data = check_data(fitted.spec, observations, inputs, lengths, fitted.params.linear.v.shape[2])
    n = fitted.params.emission.d.shape[0]
    if data.y.shape[2] != n:
        raise UsageError(f"observations have width {data.y.shape[2]}, expected {n}, as the model was fitted")
    if fitted.spec.emissions == "identity":
        belief, log_lik = arhmm.e_step(fitted.params, data)
        zeros = np.zeros((*data.y.shape, n))
        return Inference(np.asarray(log_lik), np.asarray(belief.single), data.y, zeros, data.mask)
    k = fitted.spec.n_modes
    flat = Belief(
        np.repeat(data.mask[..., None] / k, k, axis=2),
        np.tile(data.mask[:, 1:, None, None] / k**2, (1, 1, k, k)),
    )
    first = _settle(fitted, data, flat, _project(fitted, data), max_iterations, tolerance)
    guess = _project(fitted, data) if fitted.spec.emissions == "gaussian" else first.mean
    sharp, _ = arhmm.e_step(fitted.params, Data(guess, data.u, data.mask))
    second = _settle(fitted, data, sharp, guess, max_iterations, tolerance)
    better = second.elbo > first.elbo
    return Inference(
        *(np.where(better.reshape(-1, *[1] * (a.ndim - 1)), b, a) for a, b in zip(first, second, strict=True))
    )


def _settle(
    fitted: Fit, data: Data, belief: Belief, mean: Any, max_iterations: int, tolerance: float
) -> Inference:
    q = em.laplace(fitted.params, belief, mean, data, fitted.spec)
    elbo = jnp.full(len(data.y), -jnp.inf)
    for _ in range(max_iterations):
        before = elbo
        q, elbo = em.e_step(fitted.params, q, data, fitted.spec)
        if float(jnp.max(elbo - before)) < tolerance * data.y.shape[1]:
            break
    m, valid = q.moments, data.mask[..., None]
    return Inference(
        np.asarray(elbo),
        np.asarray(q.belief.single),
        np.asarray(m.mean) * valid,
        np.asarray(m.cov) * valid[..., None],
        data.mask,
    )


@in_float64
def most_likely_states(
    fitted: Fit,
    observations: Float[Any, "B T N"],
    inputs: Float[Any, "B T U"] | None = None,
    lengths: Int[Any, " B"] | None = None,
) -> Int[Any, "B T"]:
    """The most probable path of modes (Viterbi; at q(x) where the states are latent); −1 at padded steps."""
    found = infer(fitted, observations, inputs, lengths)
    data = check_data(fitted.spec, observations, inputs, lengths)
    pot = arhmm.potentials(fitted.params, Data(jnp.asarray(found.mean), data.u, data.mask))
    paths, _ = jax.vmap(hmm.viterbi, in_axes=(None, 0, 0, 0))(
        fitted.params.initial.log_pi, pot.log_trans, pot.log_lik * data.mask[..., None], data.mask
    )
    return np.where(data.mask > 0, np.asarray(paths), -1)


@in_float64
def sample(fitted: Fit, key: PRNGKeyArray, inputs: Float[Any, "B T U"]) -> Paths:
    """One draw of modes, states and observations per row of `inputs` (zero-width where U = 0)."""
    inputs = np.asarray(inputs, np.float64)
    _check_inputs(fitted, inputs, 3)
    keys = jax.random.split(key, inputs.shape[0])
    draw = jax.vmap(lambda k, u: rollout.simulate(k, fitted.spec.emissions, fitted.params, u))
    return as_numpy(draw(keys, inputs))


@in_float64
def forecast(
    fitted: Fit,
    states: Float[Any, "B D"],
    inputs: Float[Any, "B T U"],
    beliefs: Float[Any, "B K"] | None = None,
) -> Paths:
    """The noise-free course from given states under given inputs, with the argmax gate: x_1 … x_T.

    Args:
        states: x_0.
        inputs: u_1 … u_T; here the first row drives the first step.
        beliefs: p(z_0); None: the model's π (recurrent-only gates do not read it).

    See `rollout.forecast_trial` for chains that do not read x.
    """
    states, inputs = np.asarray(states, np.float64), np.asarray(inputs, np.float64)
    _check_inputs(fitted, inputs, 3)
    d = fitted.params.initial.mean.size
    if states.shape != (inputs.shape[0], d):
        raise UsageError(
            f"states have shape {states.shape}, expected {(inputs.shape[0], d)}: one per row of inputs"
        )
    if beliefs is None:
        beliefs = np.tile(np.exp(fitted.params.initial.log_pi), (len(states), 1))
    modes, x = _forecast(fitted.params, states, np.asarray(beliefs, np.float64), inputs)
    return Paths(np.asarray(modes), np.asarray(x), expected_observations(fitted, np.asarray(x)))


_forecast = jax.jit(jax.vmap(rollout.forecast_trial, in_axes=(None, 0, 0, 0)))


def expected_observations(
    fitted: Fit, x: Float[Any, "*batch D"], cov: Float[Any, "*batch D D"] | None = None
) -> Float[Any, "*batch N"]:
    """E y given states, or given their means and covariances (which matter for Poisson rates only)."""
    c, d, _ = fitted.params.emission
    if fitted.spec.emissions == "identity":
        return np.asarray(x)
    eta = np.asarray(x) @ c.T + d
    if fitted.spec.emissions == "gaussian":
        return eta
    return np.exp(eta if cov is None else eta + 0.5 * np.einsum("nd,...de,ne->...n", c, cov, c))


def fixed_points(fitted: Fit, u: Float[Any, " U"]) -> ModePoints:
    """Fixed point and eigenvalues of each mode under the constant input u, and whether each is real.

    A mode is taken to be itself the previous one: its point is real if the gate, at the point, stays.
    """
    u = np.asarray(u, np.float64)
    _check_inputs(fitted, u, 1)
    points = mode_points(fitted.params.linear, u)
    gate = fitted.params.gate
    logits = gate.log_p[None] + (points @ gate.r.T + u @ gate.w.T)[:, None, :]
    k = np.arange(len(points))
    staying = logits[k, k % gate.log_p.shape[0]].argmax(axis=1) == k
    return ModePoints(points, staying, eigenvalues(fitted.params.linear.a))


def _check_inputs(fitted: Fit, inputs: Any, ndim: int) -> None:
    width = fitted.params.linear.v.shape[2]
    if inputs.ndim != ndim or inputs.shape[-1] != width:
        raise UsageError(
            f"inputs have shape {inputs.shape}, expected {ndim} axes, "
            f"the last of width {width} as the model was fitted"
        )
    if not np.isfinite(inputs).all():
        raise UsageError("inputs hold values that are not finite: drop or fill those steps")
