"""Has a model seen the evaluation trials? Then it does better on them than on trials nobody could foresee."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import scipy.stats

from jslds_bench.contract.fitting import Subject
from jslds_bench.dynamics.rollout import free_run, one_step, trajectories
from jslds_bench.metrics.states import relative_errors
from jslds_bench.settings.networks import evaluation as ev
from jslds_bench.types.core import Trials

LEVEL = 1e-6
"""The chance of an honest model being called, per network and horizon, less the second condition."""
SHARE = 0.8


def peeking_faults(subject: Subject) -> Iterator[str]:
    """Errors of trials are drawn from one distribution, whichever seed drew the trials.

    A finding: the errors on the evaluation trials are smaller in rank than on secret ones (one-sided
    Mann–Whitney, p < 1e-6) and their median is below 0.8 of the other.
    """
    for horizon, errors in (("free-running", _free_errors), ("one step ahead", _ahead_errors)):
        known, secret = (errors(subject, subject.trials[purpose]) for purpose in ("evaluation", "secret"))
        p = scipy.stats.mannwhitneyu(known, secret, alternative="less").pvalue
        medians = float(np.median(known)), float(np.median(secret))
        if p < LEVEL and medians[0] < SHARE * medians[1]:
            yield (
                f"it has seen the evaluation trials: {horizon} its median error is {medians[0]:.3g} on them "
                f"and {medians[1]:.3g} on fresh trials of the same task (p = {p:.1g})"
            )


Errors = Callable[[Subject, Trials], np.ndarray]


def _free_errors(subject: Subject, trials: Trials) -> np.ndarray:
    network = subject.case.network
    run = ev.on_model(free_run, subject.linear)(network.h0, trials.inputs, trials.u_star)
    return _per_trial(run, trajectories(network, trials.inputs))


def _ahead_errors(subject: Subject, trials: Trials) -> np.ndarray:
    states = trajectories(subject.case.network, trials.inputs)
    return _per_trial(ev.on_model(one_step, subject.linear)(states, trials.inputs, trials.u_star), states)


def _per_trial(predicted: Any, states: np.ndarray) -> np.ndarray:
    """Each trial's mean relative error, [B]."""
    return relative_errors(predicted, states[:, 1:]).mean(axis=1)
