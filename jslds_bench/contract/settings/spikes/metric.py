"""What metrics of spikes are computed from: guesses near the truth, and the truth."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from jslds_bench.contract.instances import SEED, smoke
from jslds_bench.settings.spikes import SETTING
from jslds_bench.types.spikes import Inferred, SpikeEvaluation, SpikeTrials

N_SYSTEMS = 8
NOISE = 0.3
"""Of guesses, relative."""
DECAY = 0.99
"""|λ| of the planted rotations of a perfect model."""


def guess() -> SpikeEvaluation:
    """A model that is not far off, with all that a model of spikes may have."""
    return _near("spiking_rotations")


def guess_at_regimes() -> SpikeEvaluation:
    """The same where one plane turns at one of two frequencies."""
    return _near("spiking_regimes")


def _near(task: str) -> SpikeEvaluation:
    fit, held_out = SETTING.parts(smoke("tasks", task), SEED)
    nothing = Inferred(np.zeros(0))
    truth = perfect(SpikeEvaluation(fit, held_out, nothing, nothing, None, None))
    assert truth is not None
    rng = np.random.default_rng(SEED)
    return predicted(truth, lambda x: x * rng.lognormal(0, NOISE, x.shape))


def guess_without_truth() -> SpikeEvaluation:
    """The same without dynamics, where nobody knows the rates, the conditions and the hand."""
    made = guess()
    unknown: Any = dict.fromkeys(("rates", "conditions", "velocity", "rotations", "regimes"))
    fit, held_out = (dataclasses.replace(part, **unknown) for part in (made.fit, made.held_out))
    inferred_fit, inferred = Inferred(made.inferred_fit.rates), Inferred(made.inferred.rates)
    return SpikeEvaluation(fit, held_out, inferred_fit, inferred, systems=None, loadings=None)


def perfect(made: SpikeEvaluation) -> SpikeEvaluation | None:
    """The evaluation of a model that knows rates, and rotations or regimes."""
    fit, held_out = made.fit, made.held_out
    if fit.rates is None or held_out.rates is None:
        return None
    dt, sampled = held_out.bin_seconds, None
    if held_out.rotations is not None:
        planes = held_out.rotations.planes
        systems = np.repeat(_system(held_out.rotations.frequencies, dt)[None], N_SYSTEMS, axis=0)
    elif held_out.regimes is not None:
        planes, at = held_out.regimes.plane[None], held_out.regimes.at
        sampled = np.concatenate([np.argwhere(at == k)[:N_SYSTEMS] for k in np.unique(at)])
        by_regime = np.stack([_system(np.array([f]), dt) for f in held_out.regimes.frequencies])
        systems = by_regime[at[tuple(sampled.T)]]
    else:
        return None
    loadings = np.concatenate([plane.T for plane in planes])
    return dataclasses.replace(
        made,
        inferred_fit=_true(fit, loadings),
        inferred=_true(held_out, loadings),
        systems=systems,
        loadings=loadings,
        sampled=sampled,
    )


def predicted(made: SpikeEvaluation, change: Callable[[Any], Any]) -> SpikeEvaluation:
    """`made` with `change` made to all that the model was asked for."""

    def each(x: Any) -> Any:
        return None if x is None else change(x)

    return dataclasses.replace(
        made,
        inferred_fit=Inferred(*map(each, made.inferred_fit)),
        inferred=Inferred(*map(each, made.inferred)),
        systems=each(made.systems),
        loadings=each(made.loadings),
    )


EVALUATIONS: dict[str, Callable[[], SpikeEvaluation]] = {
    "a guess": guess,
    "a guess at regimes": guess_at_regimes,
    "a guess without truth": guess_without_truth,
}


def _true(trials: SpikeTrials, loadings: np.ndarray) -> Inferred:
    """The true rates and the states behind them, with a linearisation that follows."""
    assert trials.rates is not None
    log_rates = np.log(trials.rates)
    visited = (log_rates - log_rates.mean(axis=(0, 1))) @ np.linalg.pinv(loadings)
    states = np.concatenate([visited[:, :1], visited], axis=1)
    return Inferred(trials.rates, trials.rates, states, states, states[:, 1:], states[:, 1:])


def _system(frequencies: np.ndarray, dt: float) -> np.ndarray:
    """The matrix that turns each pair of states by its planted frequency, in column convention."""
    n = 2 * len(frequencies)
    system = np.zeros((n, n))
    for i, angle in enumerate(2 * np.pi * frequencies * dt):
        turn = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        system[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = DECAY * np.array(turn)
    return system
