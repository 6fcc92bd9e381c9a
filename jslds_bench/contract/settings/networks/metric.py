"""What metrics of networks are computed from: evaluations of two models, and that of a perfect one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jslds_bench.contract.instances import SEED, smoke
from jslds_bench.contract.settings.networks.cases import reference, small_case
from jslds_bench.settings.networks import evaluation as ev
from jslds_bench.types.networks import Evaluation

N_TRIALS = 20
MODELS = ("fixed_points", "persistence")
"""What a metric is checked on: a model that answers everything, and one that has no fixed points."""


def evaluation_of(model: str, case: str) -> Evaluation:
    """A model's evaluation on a case."""
    shared = small_case(case).shared
    fitted = smoke("models", model).fit(shared.task, shared.network, shared.fit_trials, jax.random.key(0))
    trials = ev.draw_trials(shared.task, SEED, "evaluation", N_TRIALS)
    return ev.evaluate(shared.task, shared.network, fitted, trials, reference(case), SEED)


def perfect(evaluation: Evaluation) -> Evaluation:
    """The evaluation of a model that is right about everything."""
    fixed = [r.points for r in evaluation.reference]
    return dataclasses.replace(
        evaluation,
        free_run=evaluation.states,
        late_run=evaluation.states[:, 1:],
        one_step=evaluation.states[:, 1:],
        found=fixed,
        found_q=[0 * r.q for r in evaluation.reference],
        jacobians_at_local=evaluation.jacobians,
        local=evaluation.jacobians,
        local_e=np.stack([fixed[k][0] for k in evaluation.sample_u_star]),
        projected=evaluation.states,
        oracle_run=evaluation.states,
    )


def predicted(evaluation: Evaluation, change: Callable[[Any], Any]) -> Evaluation:
    """`evaluation` with `change` made to all that the model was asked for."""
    arrays = ("free_run", "late_run", "one_step", "local", "local_e", "projected", "oracle_run")
    lists = ("found", "found_q")
    changed: dict[str, Any] = {
        name: change(x) for name in arrays if (x := getattr(evaluation, name)) is not None
    }
    for name in lists:
        if (xs := getattr(evaluation, name)) is not None:
            changed[name] = [change(x) for x in xs]
    return dataclasses.replace(evaluation, **changed)
