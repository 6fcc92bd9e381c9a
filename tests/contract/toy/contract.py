"""The contract of sequences; there `jslds_bench/contract/settings/toy.py`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, ClassVar

import jax
import numpy as np
from jslds_bench.settings.toy import SETTING, SequenceEvaluation, SequenceTask

from jslds_bench.contract import drawing
from jslds_bench.contract.fitted import alone_faults, finite_faults, kept_faults, key_faults
from jslds_bench.contract.fitting import Case, Subject, missing
from jslds_bench.contract.instances import SEED, smoke
from jslds_bench.contract.peeking import peeking_faults
from jslds_bench.contract.settings.base import METRIC, Contract
from jslds_bench.types.core import silent


def part_faults(task: SequenceTask) -> Iterator[str]:
    """Sequences are finite, [B, T]."""
    for what, part in zip(drawing.PARTS, SETTING.parts(task, SEED), strict=True):
        if part.ndim != 2 or not np.isfinite(part).all():
            yield f"the {what} sequences have shape {part.shape} or are not finite"


def seed_faults(task: SequenceTask) -> Iterator[str]:
    """See `drawing.seed_faults`."""
    yield from drawing.seed_faults(partial(SETTING.parts, task), np.asarray)


@functools.cache
def small_case() -> Case:
    """Sequences of a registered task, which has to be there."""
    task = smoke("tasks", "toy_task")
    shared = SETTING.prepare(task, None, SEED, silent)
    return Case("sequences", SETTING, shared, lambda secret: task.sequences(jax.random.key(secret))[1])


def shape_faults(subject: Subject) -> Iterator[str]:
    """As many numbers as there were."""
    if lacking := missing(subject.fitted, ("ahead",)):
        yield from lacking
    elif subject.evaluation.expected.shape != subject.evaluation.true.shape:
        yield f"`ahead` returns shape {subject.evaluation.expected.shape}"


def isolation_faults(subject: Subject) -> Iterator[str]:
    """See `fitted.alone_faults`."""

    def answers(part: Any) -> dict[str, Any]:
        return {"numbers": subject.fitted.ahead(part)}

    yield from alone_faults(answers, subject.held_out, lambda part, i: part[i], 1e-9)


def unseen_faults(subject: Subject) -> Iterator[str]:
    """Errors are as great, whoever could know the sequences."""
    both = subject.evaluation, subject.evaluated(subject.fitted, subject.unseen)
    yield from peeking_faults(
        "its median error is", *(np.abs(made.expected - made.true).mean(axis=1) for made in both)
    )


class Toy(Contract[SequenceEvaluation]):
    """One case, and a guess at it."""

    setting = SETTING
    members: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "tasks": ("sequences",),
        "models": ("fit_sequences",),
        "metrics": METRIC,
    }
    task_rules: ClassVar = {"shapes": part_faults, "seeds": seed_faults}
    model_rules: ClassVar = {
        "shapes": shape_faults,
        "finite": finite_faults,
        "isolation": isolation_faults,
        "run": kept_faults,
        "deterministic": key_faults,
        "unseen trials": unseen_faults,
    }

    def cases(self) -> Mapping[str, Callable[[], Case]]:
        return {"sequences": small_case}

    def evaluations(self) -> Mapping[str, Mapping[str, Callable[[], SequenceEvaluation]]]:
        true = np.random.default_rng(SEED).normal(size=(6, 9))
        return {"sequences": {"a guess": lambda: SequenceEvaluation(true, 0.5 * true)}}

    def predicted(self, evaluation: SequenceEvaluation, change: Callable[[Any], Any]) -> SequenceEvaluation:
        return SequenceEvaluation(evaluation.true, change(evaluation.expected), timings=evaluation.timings)

    def perfect(self, evaluation: SequenceEvaluation) -> SequenceEvaluation:
        return SequenceEvaluation(evaluation.true, evaluation.true, timings=evaluation.timings)


CONTRACT = Toy()
