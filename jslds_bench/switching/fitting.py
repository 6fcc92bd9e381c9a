"""Fitting: starts, (Laplace-)EM to convergence, and the best restart by ELBO."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from jslds_bench.errors import UsageError
from jslds_bench.switching import arhmm, initialise
from jslds_bench.switching import laplace_em as em
from jslds_bench.switching.checks import check_data, check_enough
from jslds_bench.switching.float64 import in_float64
from jslds_bench.switching.parameters import Belief, Data, Modes, Params, Prior, Spec, as_numpy
from jslds_bench.types.core import Progress, silent


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


class _State(NamedTuple):
    """Where EM stands: all of it belongs to the same parameters. `q` is None for known states."""

    params: Params
    modes: Modes | Belief
    elbo: Float[Array, " B"]
    objective: Float[Array, ""]
    q: em.Variational | None


class _Run(NamedTuple):
    state: _State
    trace: list[float]
    converged: bool
    notes: tuple[str, ...]


def _known(spec: Spec, params: Params, data: Data, prior: Prior) -> _State:
    modes, log_lik = arhmm.e_step(params, data)
    return _State(params, modes, log_lik, jnp.sum(log_lik) + arhmm.log_prior(params, prior), None)


def _first(
    spec: Spec, params: Params, belief: Belief | None, start: initialise.Start, data: Data, prior: Prior
) -> _State:
    """The first E-step; latent states begin at `start`, with `belief` or what its states say of the modes."""
    if spec.emissions == "identity":
        return _known(spec, params, data, prior)
    if belief is None:
        belief = arhmm.posterior(params, Data(start.x, data.u, data.mask))
    params = params._replace(emission=start.emission)
    q, elbo = em.e_step(params, em.laplace(params, belief, start.x, data, spec), data, spec)
    return _State(params, q.belief, elbo, jnp.sum(elbo) + em.log_prior(params, prior, spec), q)


def _next(spec: Spec, state: _State, data: Data, prior: Prior) -> _State:
    if state.q is None:
        assert isinstance(state.modes, Modes)
        return _known(spec, arhmm.m_step(state.params, state.modes, data, prior, spec, 1), data, prior)
    out = em.em_step(state.params, state.q, data, prior, spec)
    return _State(out.params, out.q.belief, out.elbo, out.objective, out.q)


def _one_run(
    spec: Spec,
    data: Data,
    start: initialise.Start,
    seed: int,
    variant: int,
    settings: FitSettings,
    report: Callable[[int, str], None],
) -> _Run:
    """One start, then EM."""
    params, reseeded = initialise.start_modes(spec, start.x, data, seed, variant, settings.init_iterations)
    notes = (f"{reseeded} empty modes were reseeded at the start",) if reseeded else ()
    prior, kind = initialise.make_prior(spec, data, start.x), spec.structure
    run = _climb(kind, _first(kind, params, None, start, data, prior), data, prior, settings, report)
    return run._replace(notes=(*notes, *run.notes))


def _climb(
    kind: Spec,
    state: _State,
    data: Data,
    prior: Prior,
    settings: FitSettings,
    report: Callable[[int, str], None],
) -> _Run:
    """EM until two iterations running gain too little; the last finite state is kept."""
    n_steps = float(data.mask.sum())
    trace, calm = [float(state.objective) / n_steps], 0
    for i in range(settings.max_iterations):
        after = _next(kind, state, data, prior)
        value = float(after.objective) / n_steps
        if not np.isfinite(value):
            lost = f"the objective left the finite numbers at iteration {i + 1}: the state before it is kept"
            return _Run(state, trace, False, (lost,))
        calm = calm + 1 if value - trace[-1] < settings.tolerance else 0
        trace.append(value)
        state = after
        report(i + 1, f"objective {value:.4f} nats per step")
        if calm >= 2:
            return _Run(state, trace, True, ())
    return _Run(state, trace, False, ())


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
    elbos = np.array([float(jnp.sum(run.state.elbo)) for run in runs]) / data.mask.sum()
    if not np.isfinite(elbos).any():
        raise UsageError(
            "the fit is not finite from any start: scale the data to about unit variance, raise noise_floor "
            f"(now {spec.noise_floor:g}) or ridge (now {spec.ridge:g}), or take fewer modes"
        )
    best = runs[int(np.where(np.isfinite(elbos), elbos, -np.inf).argmax())]
    return _result(spec, data, best, elbos, (*notes, *start.notes))


@in_float64
def refine(
    fitted: Fit,
    observations: Float[Any, "B T N"],
    inputs: Float[Any, "B T U"] | None = None,
    *,
    settings: FitSettings = DEFAULT_SETTINGS,
    progress: Progress = silent,
) -> Fit:
    """EM on other data, or more of them, from where a fit stands: its modes stay its modes.

    Raises:
        UsageError: data that cannot be fitted (see `checks`).
    """
    data = check_data(fitted.spec, observations, inputs, None)
    state, prior = _resumed(fitted, data)

    def report(i: int, text: str) -> None:
        progress(i, settings.max_iterations, text)

    # The floor of other data may forbid what was fitted: only after a step does the objective never fall.
    state = _next(fitted.spec.structure, state, data, prior)
    run = _climb(fitted.spec.structure, state, data, prior, settings, report)
    elbo = np.array([float(jnp.sum(run.state.elbo))]) / data.mask.sum()
    return _result(fitted.spec, data, run, elbo, fitted.notes)


def _resumed(fitted: Fit, data: Data) -> tuple[_State, Prior]:
    """Fitted parameters with what they make of `data`, and the prior of `data`."""
    spec, k = fitted.spec, fitted.spec.n_modes
    start = initialise.start_states(spec, data)
    flat = Belief(
        np.full((*data.mask.shape, k), 1 / k), np.full((len(data.y), data.y.shape[1] - 1, k, k), k**-2)
    )
    start, prior = start._replace(emission=fitted.params.emission), initialise.make_prior(spec, data, start.x)
    return _first(spec.structure, fitted.params, flat, start, data, prior), prior


@in_float64
def iteration(
    fitted: Fit, observations: Float[Any, "B T N"], inputs: Float[Any, "B T U"] | None = None
) -> Callable[[], None]:
    """One EM iteration from the fitted parameters, to be called again and again: what a timing needs."""
    spec = fitted.spec
    data = check_data(spec, observations, inputs, None)
    state, prior = _resumed(fitted, data)

    @in_float64
    def iterate() -> None:
        jax.block_until_ready(_next(spec.structure, state, data, prior).objective)

    return iterate


def _result(
    spec: Spec, data: Data, best: _Run, elbos: Float[Any, " restarts"], notes: tuple[str, ...]
) -> Fit:
    occupancy = initialise.occupancy(best.state.modes)
    each = best.state.params.linear.a.shape[1] + data.u.shape[2] + 1
    idle = tuple(
        f"mode {k} holds {n:.1f} steps, fewer than its {each} coefficients"
        for k, n in enumerate(occupancy)
        if n < each
    )
    return Fit(
        spec=spec,
        params=as_numpy(best.state.params),
        elbo=float(elbos[np.isfinite(elbos)].max()),
        objective=np.array(best.trace),
        converged=best.converged,
        restart_elbos=elbos,
        occupancy=occupancy,
        notes=(*notes, *best.notes, *idle),
    )
