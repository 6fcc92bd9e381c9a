"""Models that cheat or are broken are called by what they do; models that are merely bad are not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from jslds_bench.contract.cases import random_network, small_case, smoke
from jslds_bench.contract.model import RULES, model_faults

import jslds_bench
from jslds_bench import contract
from jslds_bench.contract.fitting import fit_to
from jslds_bench.entries import plugins
from jslds_bench.errors import Unsupported
from jslds_bench.networks._shared.format import network_bytes
from jslds_bench.runner import job
from jslds_bench.settings.networks import evaluation as ev
from jslds_bench.types import MODELS, silent

CHEATS = Path(__file__).with_name("cheats.py")
ENV = {**os.environ, "PYTHONPATH": str(Path(jslds_bench.__file__).parents[1])}
ONE = ("frozen vanilla",)


@pytest.fixture(scope="module", autouse=True)
def cheats():
    """The models of cheats.py are registered while the tests of this module run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MODELS, "_entries", dict(MODELS._entries))
        plugins.load(CHEATS)
        yield


EXPECTED = {
    "asks": "frozen vanilla: fit: it asked for the evaluation trials",
    "foresees": "frozen vanilla: unseen trials: it has seen the evaluation trials: one step ahead its median",
    "late_peek": "frozen vanilla: shapes: after its fit it asks for the evaluation trials",
    "edits_attributes": "frozen vanilla: fit: it changed the frozen network that it was given",
    "edits_memory": "frozen vanilla: fit: it changed the frozen network that it was given",
    "writes_trials": "frozen vanilla: fit: it wrote to the trials that it was given",
    "lost": "frozen vanilla: finite: one step ahead it is not finite on ",
    "two_faced": "frozen vanilla: local: `step` and `local` disagree at 32 of 32 states, by up to 0.",
    "moody": "frozen vanilla: pure: `step` gives another state when it is called again with the same",
    "draws": "frozen vanilla: pure: `step` gives another state when it is traced again",
    "calls_back": "frozen vanilla: program: `step` calls back into Python (pure_callback)",
    "drawn_at_will": "frozen vanilla: deterministic: two fits with the same key differ by ",
    "restless": "frozen vanilla: compiles once: it is compiled again on every call",
    "unrolled": "frozen vanilla: program: `step` is traced into 1200 operations",
    "compiles_in_a_loop": "frozen vanilla: fit: it compiles 60 programs each time it is called",
    "half_size": "frozen vanilla: shapes: the state that `step` returns is float16[6], expected float32[6]",
    "odd_points": "frozen vanilla: fixed points: `fixed_points` has shape [6], expected [P, 6]",
    "long_winded": "frozen vanilla: unsupported: its reason is not one line of text",
    "changeable": "model: entry: it can be changed: write @dataclasses.dataclass(frozen=True)",
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_cheat_is_called_by_what_it_does(name):
    where, rule, text = EXPECTED[name].split(": ", 2)
    if rule in RULES:  # that rule alone: a whole check compiles a lot
        found = model_faults(rule, fit_to(smoke("models", name), small_case(where), secret=5))
    else:
        found = [f.text for f in contract.check("models", name, cases=ONE).findings if f.rule == rule]
    assert any(one.startswith(text) for one in found), found
    assert all("\n" not in one for one in found)


def test_a_whole_check_stops_at_nothing_but_the_first_rules():
    outcome = contract.check("models", "two_faced", cases=ONE)
    assert [str(finding) for finding in outcome.findings] == [str(outcome.findings[0])]
    assert str(outcome.findings[0]).startswith(EXPECTED["two_faced"])
    assert outcome.n_rules == 1 + len(RULES)
    stopped = contract.check("models", "half_size", cases=ONE)
    assert stopped.notes == ["frozen vanilla: nothing more was checked: mend this first"]


def test_remembering_the_training_trials_is_allowed():
    subject = fit_to(smoke("models", "honest_table"), small_case(*ONE), secret=5)
    assert [
        text for rule in ("fit", "deterministic", "unseen trials") for text in model_faults(rule, subject)
    ] == []


@pytest.mark.slow
def test_no_other_trials_are_to_be_found_in_memory():
    """In a process of its own: other tests leave trials about."""
    command = [sys.executable, "-m", "jslds_bench", "check", "rummages", "--plugin", cheats.__file__]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "sets of trials" not in done.stdout + done.stderr
    assert done.returncode == 0, done.stdout + done.stderr


def test_in_a_run_what_a_cheat_does_to_its_network_and_trials_reaches_no_other_model():
    case = small_case(*ONE)
    shared = job.Prepared(case.task, case.network, 0.0, False, ev.read_only(case.trials), [])
    for name in ("edits_attributes", "edits_memory"):
        with pytest.raises(Unsupported, match="the model changed the frozen network"):
            job._fit(smoke("models", name), shared, 0, silent)
    job._fit(smoke("models", "writes_trials"), shared, 0, silent)
    with pytest.raises(Unsupported, match="the model asked for the evaluation trials"):
        job._fit(smoke("models", "asks"), shared, 0, silent)
    assert network_bytes(shared.network) == network_bytes(random_network("vanilla", 6, 4, 2, 0, gain=0.5))
    assert shared.fit_trials.inputs.any()


def test_every_cheat_is_tested():
    loaded = {
        name
        for name in MODELS.registered()
        if MODELS.get(name).__module__.startswith("jslds_bench_plugin_cheats_")
    }
    assert loaded == {*EXPECTED, "honest_table", "rummages"}


def test_the_command_says_each_in_a_line_and_ends_with_1(tmp_path):
    words = [sys.executable, "-m", "jslds_bench", "check", "changeable", "--plugin", str(CHEATS)]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, timeout=120, env=ENV)
    assert done.returncode == 1, done.stderr
    assert EXPECTED["changeable"] in done.stdout
    assert done.stdout.splitlines()[-1].startswith("changeable: ")
