"""Entries that belong to no setting are told what would make them, and tasks of data what is wrong there."""

import dataclasses
from typing import ClassVar

import jax
import numpy as np
import pytest

from jslds_bench import contract
from jslds_bench.errors import Unsupported
from jslds_bench.suite import registries
from jslds_bench.types import (
    METRICS,
    MODELS,
    TASKS,
    Recording,
    RecordingSetup,
    SpikeEvaluation,
    SpikeTrials,
)


@pytest.fixture(autouse=True)
def own_entries(monkeypatch):
    """What these tests register is forgotten after each."""
    for registry in registries().values():
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))


def found(registry, entry):
    """The findings on a class that is made an entry, and the notes."""
    entry.__doc__ = entry.__doc__ or "An entry."
    registry.register("mine")(dataclasses.dataclass(frozen=True)(entry))
    outcome = contract.check(f"{registry.kind}s", "mine")
    return [str(finding) for finding in outcome.findings], outcome.notes


def test_a_model_that_cannot_be_fitted_to_anything():
    class Mine:
        def fits(self):
            return None

    findings, notes = found(MODELS, Mine)
    assert findings == [
        "model: entry: it is a model of no setting: for networks it has no 'fit'; for recorded data it has "
        "no 'fit_recording'; for spikes it has no 'fit_spikes' (see jslds_bench.types)"
    ]
    assert notes == ["nothing more was checked: mend this first"]


@pytest.mark.parametrize(
    ("has", "lacks"),
    [
        (
            (),
            "networks needs n_inputs, n_outputs, n_steps, setup, sample and expansion_inputs; a task for "
            "recorded data needs setup and record; a task for spikes needs n_latent and spikes",
        ),
        (("n_latent",), "spikes also needs spikes"),
        (("setup",), "recorded data also needs record"),
        (("setup", "n_inputs", "n_outputs", "sample"), "networks also needs n_steps and expansion_inputs"),
    ],
)
def test_a_task_that_lacks_something_is_told_what_the_nearest_kind_needs(has, lacks):
    (finding,), _ = found(TASKS, type("Mine", (), dict.fromkeys(has)))
    assert finding == (f"task: entry: it is a task of no setting: a task for {lacks} (see jslds_bench.types)")


def test_a_task_needs_no_tiny_version():
    assert found(TASKS, type("Mine", (Recorded,), {"calls": []})) == ([], [])
    assert not hasattr(Recorded, "SMOKE")


class Number:
    unit: ClassVar = "1"
    better: ClassVar = "none"
    bounds: ClassVar = (0.0, 1.0)
    timing: ClassVar = False

    def compute(self, evaluation):
        return 1.0


def test_a_metric_that_reads_no_evaluation():
    class Mine(Number):
        reads: ClassVar = int

    assert found(METRICS, Mine)[0] == [
        "metric: entry: what it `reads` is no evaluation: expected Evaluation or RecordedEvaluation or "
        "SpikeEvaluation, or several of them"
    ]


class Recorded:
    """A recording that can be made wrong in one way."""

    setup: ClassVar = RecordingSetup(1, 2)
    wrong: ClassVar = ""
    calls: ClassVar = []

    def record(self, key):
        self.calls.append(1)
        rng = np.random.default_rng(np.asarray(jax.random.key_data(key)).tolist())
        y = rng.normal(size=(6, 9, 3))
        parts = [Recording(part, np.zeros((3, 9, 0)), "gaussian") for part in (y[:3], y[3:])]
        fit, held_out = parts
        changed = {
            "the same trials": lambda: (fit, fit),
            "another draw each time": lambda: (
                fit,
                dataclasses.replace(held_out, observations=y[3:] + len(self.calls)),
            ),
            "lost numbers": lambda: (fit, dataclasses.replace(held_out, observations=y[3:] * np.nan)),
            "one seed": lambda: [Recording(np.ones((3, 9, 3)) * i, fit.inputs, "gaussian") for i in (1, 2)],
            "modes that there are not": lambda: (
                dataclasses.replace(fit, modes=np.full((3, 9), 2)),
                held_out,
            ),
            "no counts": lambda: [dataclasses.replace(part, emissions="poisson") for part in parts],
            "strange emissions": lambda: [dataclasses.replace(part, emissions="laplace") for part in parts],
            "two axes": lambda: (fit, dataclasses.replace(held_out, observations=y[3:, :, 0])),
        }
        return tuple(changed[self.wrong]()) if self.wrong else (fit, held_out)


WRONG = {
    "": None,
    "the same trials": "seeds: a held-out trial is among those to fit to",
    "another draw each time": "seeds: a seed gives other trials the second time",
    "lost numbers": "shapes: the held-out observations are not finite",
    "one seed": "seeds: another seed gives the same trials",
    "modes that there are not": "shapes: the fit modes leave 0 … 1, the K of its set-up",
    "no counts": "shapes: the fit observations are no counts, but its emissions are poisson",
    "strange emissions": "shapes: the fit emissions are 'laplace', expected one of identity, ",
    "two axes": "shapes: the held-out observations or inputs have other than three axes",
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_recording_is_called_by_what_is_wrong_with_it(wrong):
    findings, notes = found(TASKS, type("Mine", (Recorded,), {"wrong": wrong, "calls": []}))
    if WRONG[wrong] is None:
        assert findings == notes == []
    else:
        assert any(finding.startswith(f"task: {WRONG[wrong]}") for finding in findings), findings


class Spiking:
    """Spikes that can be made wrong in one way."""

    SMOKE: ClassVar = {}
    n_latent: ClassVar = 1
    wrong: ClassVar = {}

    def spikes(self, key):
        rng = np.random.default_rng(np.asarray(jax.random.key_data(key)).tolist())
        hidden = np.array([True, False, False])
        parts = [SpikeTrials(rng.poisson(2.0, (4, 9, 3)).astype(float), 0.01, hidden) for _ in range(2)]
        return parts[0], dataclasses.replace(parts[1], **self.wrong)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, None),
        (
            {"counts": np.full((4, 9, 3), 0.5)},
            "shapes: the held-out counts are no whole numbers of at least 0",
        ),
        (
            {"held_out_units": np.ones(3, bool)},
            "shapes: the held-out held_out_units must be booleans and leave",
        ),
        (
            {"held_out_units": np.zeros(3, bool)},
            "shapes: the fit and held-out trials hold out different units",
        ),
        ({"rates": np.full((4, 9, 3), np.nan)}, "shapes: the held-out rates are not finite"),
        ({"conditions": np.zeros(3, int)}, "shapes: the held-out conditions have shape (3,), expected (4,)"),
        ({"bin_seconds": 0.0}, "shapes: the held-out bin_seconds are 0.0, expected a time above 0"),
    ],
)
def test_spikes_are_called_by_what_is_wrong_with_them(wrong, said):
    findings, notes = found(TASKS, type("Mine", (Spiking,), {"wrong": wrong}))
    if said is None:
        assert findings == notes == []
    else:
        assert any(finding.startswith(f"task: {said}") for finding in findings), findings


@pytest.mark.parametrize(
    ("says", "said"),
    [
        ({"origin": "real", "caption": "Of a cat."}, None),
        ({"origin": "invented"}, "its origin is 'invented': expected one of synthetic, recorded, real"),
        ({"caption": "one line\nand another"}, "its caption is not one line of text"),
        (
            {"__annotations__": {"origin": str}, "origin": "real"},
            "its 'origin' is a parameter: declare it as a",
        ),
    ],
)
def test_what_a_task_says_of_its_data(says, said):
    findings, _ = found(TASKS, type("Mine", (Spiking,), {"__doc__": "Its origin.", **says}))
    assert [finding.startswith(f"task: entry: {said}") for finding in findings] == [True] * (said is not None)


def test_a_task_whose_file_nobody_names_is_looked_at_by_its_form():
    class Mine(Spiking):
        """Reads `path`."""

        path: str = ""

        def spikes(self, key):
            raise RuntimeError("read a file that nobody named")

    Mine.__annotations__ = {"path": str}
    assert found(TASKS, Mine) == (
        [],
        ["it reads a file that the user names: only its form was checked (--set path=FILE for the rest)"],
    )


def test_a_task_that_names_its_file_is_looked_at_whole():
    class Mine(Spiking):
        """Reads `path`."""

        path: str = ""
        SMOKE: ClassVar = {"path": "tiny.nwb"}

        def spikes(self, key):
            raise RuntimeError(f"read {self.path}")

    Mine.__annotations__ = {"path": str}
    findings, _ = found(TASKS, Mine)
    assert "RuntimeError" in findings[0]
    assert "read tiny.nwb" in findings[0]


def test_a_metric_that_nothing_of_the_check_has():
    class Mine(Number):
        reads: ClassVar = SpikeEvaluation

        def compute(self, evaluation):
            raise Unsupported("nobody has it")

    findings, notes = found(METRICS, Mine)
    assert findings == [
        "metric: unsupported: it serves nothing that it is checked on (a guess on spikes, a guess at "
        "regimes on spikes, a guess without truth on spikes)"
    ]
    assert notes[0] == "a guess on spikes: not checked, it says: nobody has it"
