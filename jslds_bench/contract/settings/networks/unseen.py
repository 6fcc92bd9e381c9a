"""Has a model seen the evaluation trials? Its errors on them and on trials that nobody could foresee."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from jslds_bench.contract.fitting import Subject
from jslds_bench.contract.peeking import peeking_faults
from jslds_bench.dynamics.rollout import free_run, one_step, trajectories
from jslds_bench.metrics.states import relative_errors
from jslds_bench.settings.networks.calls import on_model
from jslds_bench.types.core import Trials


def unseen_faults(subject: Subject) -> Iterator[str]:
    """Errors of trials are drawn from one distribution, whichever seed drew the trials."""
    for horizon, errors in (("free-running", _free_errors), ("one step ahead", _ahead_errors)):
        known, unseen = (errors(subject, trials) for trials in (subject.held_out, subject.unseen))
        yield from peeking_faults(f"{horizon} its median error is", known, unseen)


Errors = Callable[[Subject, Trials], np.ndarray]


def _free_errors(subject: Subject, trials: Trials) -> np.ndarray:
    network = subject.case.shared.network
    run = on_model(free_run, subject.fitted)(network.h0, trials.inputs, trials.u_star)
    return _per_trial(run, trajectories(network, trials.inputs))


def _ahead_errors(subject: Subject, trials: Trials) -> np.ndarray:
    states = trajectories(subject.case.shared.network, trials.inputs)
    return _per_trial(on_model(one_step, subject.fitted)(states, trials.inputs, trials.u_star), states)


def _per_trial(predicted: Any, states: np.ndarray) -> np.ndarray:
    """Each trial's mean relative error, [B]."""
    return relative_errors(predicted, states[:, 1:]).mean(axis=1)
