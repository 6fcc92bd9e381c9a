"""Jobs as they travel to workers: as JSON, and back to what they were."""

import dataclasses
import json

import pytest
from suite_texts import message

from jslds_bench.models.persistence import Persistence
from jslds_bench.suite import Entry, Job, load_suite, registries, resolve, select
from jslds_bench.types import MODELS

KINDS = {"task": "tasks", "network": "networks", "model": "models"}


def travelled(job: Job) -> Job:
    return Job.of(json.loads(json.dumps(dataclasses.asdict(job))))


def as_lists(job: Job) -> dict:
    """The job's content as JSON can tell it: tuples as lists."""
    return json.loads(json.dumps(dataclasses.asdict(job)))


@pytest.mark.parametrize("suite", ["smoke", "truth", "paper", "switching", "spikes"])
def test_a_job_comes_back_equal_and_makes_equal_entries(suite):
    kinds = registries()
    for job in resolve(load_suite(suite)).jobs:
        back = travelled(job)
        assert as_lists(back) == as_lists(job)
        assert (back.key, back.metrics) == (job.key, job.metrics)
        for kind, registry in KINDS.items():
            if getattr(job, kind).name != "data":
                part, twin = getattr(job, kind), getattr(back, kind)
                assert twin.made(kinds[registry]) == part.made(kinds[registry])
                assert dataclasses.asdict(part.made(kinds[registry])) == part.parameters


@dataclasses.dataclass(frozen=True)
class Settled(Persistence):
    """Has a parameter that nobody may set."""

    n: int = 3
    modes: tuple[int, ...] = dataclasses.field(default=(1, 2), init=False)


def test_parameters_that_nobody_may_set_are_told_and_the_entry_is_made_without_them():
    suite = select(load_suite("smoke"), tasks=["nbit_memory"], models=["persistence"])
    MODELS.register("settled")(Settled)
    try:
        (job,) = resolve(dataclasses.replace(suite, models=(Entry("settled", "x", {"n": 4}),))).jobs
        assert job.model.parameters == {"n": 4, "modes": (1, 2)}
        assert job.parameters["model"] == {"name": "settled", **job.model.parameters}
        assert travelled(job).model.made(MODELS) == Settled(4)
        refused = dataclasses.replace(suite, models=(Entry("settled", "x", {"modes": [1]}),))
        assert "model 'settled' has no parameter 'modes'" in message(resolve, refused)
    finally:
        MODELS.forget(Settled.__module__)


@dataclasses.dataclass(frozen=True)
class Odd(Persistence):
    """Has a parameter that no file can hold."""

    words: frozenset = frozenset("ab")


def test_parameters_that_cannot_travel_are_refused_before_anything_runs():
    suite = select(load_suite("smoke"), tasks=["nbit_memory"], models=["persistence"])
    MODELS.register("odd_words")(Odd)
    try:
        said = message(resolve, dataclasses.replace(suite, models=(Entry("odd_words", "x"),)))
    finally:
        MODELS.forget(Odd.__module__)
    assert "x: the parameters of model 'odd_words' must be numbers, texts, booleans or tuples" in said


def test_why_a_job_is_not_run_travels_as_well():
    job = dataclasses.replace(resolve(load_suite("switching")).jobs[0], failure="a", refusal="b")
    assert (travelled(job).failure, travelled(job).refusal) == ("a", "b")
