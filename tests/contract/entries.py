"""Tiny tasks, networks and fitted models of every registered entry, for the contract tests."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np

from jslds_bench.suite import registries
from jslds_bench.types import Evaluation

REGISTRIES = registries()
SMALL = {
    "n_state": 6,
    "n_steps": 3,
    "recipe": "paper",
    "n_trials": 16,
    "n_modes": (2,),
    "n_latent": 3,
    "max_iterations": 3,
}
"""Values for the parameters that entries share, where an entry has no `SMOKE` of its own."""


def smoke(kind: str, name: str, **more: Any) -> Any:
    """A tiny instance of an entry."""
    entry = REGISTRIES[kind].get(name)
    fields = {f.name for f in dataclasses.fields(entry)}
    parameters = getattr(entry, "SMOKE", {k: v for k, v in SMALL.items() if k in fields})
    return REGISTRIES[kind].make(name, parameters | {k: v for k, v in more.items() if k in fields})


@dataclasses.dataclass(frozen=True)
class Case:
    """A task with an untrained network for it, and trials that may not be written to."""

    task: Any
    network: Any
    trials: Any
    reference: list[Any]


def fit(model: str, case: Case) -> Any:
    return smoke("models", model).fit(case.task, case.network, case.trials, jax.random.key(0))


def host(tree: Any) -> list[np.ndarray]:
    return [np.asarray(x) for x in jax.tree.leaves(tree)]


def reads(metric: Any, kind: type) -> bool:
    """Whether `metric` is computed from this kind of evaluation."""
    found = getattr(metric, "reads", Evaluation)
    return kind in (found if isinstance(found, tuple) else (found,))
