"""Models that cheat or are broken are called by what they do; models that are merely bad are not."""

import contextlib
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import jslds_bench
from jslds_bench import contract
from jslds_bench.contract.fitting import fit_to, watched
from jslds_bench.contract.instances import smoke
from jslds_bench.contract.peeking import peeking_faults
from jslds_bench.contract.settings import of
from jslds_bench.entries import plugins
from jslds_bench.errors import Unsupported
from jslds_bench.records.store import read_records
from jslds_bench.runner import job, run_suite
from jslds_bench.runner.clock import Parts
from jslds_bench.runner.progress import ProgressBoard
from jslds_bench.settings.draws import PEEKED, fingerprint
from jslds_bench.suite import load_suite, resolve
from jslds_bench.types import MODELS, silent

FILES = {
    name: Path(__file__).with_name(f"{name}.py") for name in ("cheats", "cheats_recordings", "cheats_spikes")
}
ENV = {**os.environ, "PYTHONPATH": str(Path(jslds_bench.__file__).parents[1])}
ONE = ("frozen vanilla",)
SETTINGS = {"frozen vanilla": "networks", "recording": "recordings", "spikes": "spikes"}
HONEST = {"networks": "honest_table", "recordings": "honest_recorded", "spikes": "honest_spikes"}
RUMMAGE = {"networks": "rummages", "recordings": "rummages_recorded", "spikes": "rummages_spikes"}


@pytest.fixture(scope="module", autouse=True)
def loaded():
    """The modules' names; the models in them are registered while the tests of this module run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MODELS, "_entries", dict(MODELS._entries))
        yield {plugins.load(file).__name__ for file in FILES.values()}


ASKED = "it asked for data that it is scored on"
ASKS = "after its fit it asks for data that it is scored on"
SEEN = "it has seen the trials that it is scored on: "
AT_WILL = "deterministic: all randomness must come from `key`: two fits with the same key differ by "
CHANGEABLE = "model: entry: it can be changed: write @dataclasses.dataclass(frozen=True)"
EXPECTED = {
    "asks": f"frozen vanilla: fit: {ASKED}",
    "foresees": f"frozen vanilla: unseen trials: {SEEN}one step ahead its median",
    "late_peek": f"frozen vanilla: shapes: {ASKS}",
    "edits_attributes": "frozen vanilla: fit: it changed the frozen network that it was given",
    "edits_memory": "frozen vanilla: fit: it changed the frozen network that it was given",
    "writes_trials": "frozen vanilla: fit: it changed the trials that it was given",
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
    "changeable": CHANGEABLE,
    "asks_recorded": f"recording: fit: {ASKED}",
    "reaches_recorded": f"recording: fit: {ASKED}",
    "foresees_recorded": f"recording: unseen trials: {SEEN}its median error of forecasts is ",
    "late_peek_recorded": f"recording: shapes: {ASKS}",
    "late_reach": f"recording: shapes: {ASKS}",
    "edits_recording": "recording: fit: it changed the recording that it was given",
    "writes_recording": "recording: fit: it changed the recording that it was given",
    "edits_recorded_memory": "recording: fit: it changed the recording that it was given",
    "lost_recorded": "recording: finite: its predictions are not finite on ",
    "drawn_at_will_recorded": f"recording: {AT_WILL}",
    "moody_recorded": "recording: deterministic: asked again, it gives other answers, which differ by ",
    "iterates": "recording: deterministic: asked again, it gives other answers, which differ by ",
    "crowd_recorded": "recording: isolation: a trial's states change by ",
    "odd_forecast": "recording: shapes: what `forecast` returns has shape (48, 1, 6), expected (48, 3, 6)",
    "odd_modes": "recording: shapes: modes of `explain` must be whole numbers of 0 … 0",
    "mute": "recording: shapes: what it returned (Mute) has no fit_series",
    "switches_x64": "recording: fit: it switched jax_enable_x64 for the whole process",
    "rounds_products": "recording: fit: it switched jax_default_matmul_precision for the whole process",
    "overtakes": "recording: fit: it reported progress(2, 1, 'faster'): expected 0 ≤ done ≤ total",
    "changeable_recorded": CHANGEABLE,
    "asks_spikes": f"spikes: fit: {ASKED}",
    "reaches_spikes": f"spikes: fit: {ASKED}",
    "reaches_file": f"spikes: fit: {ASKED}",
    "foresees_spikes": f"spikes: unseen trials: {SEEN}its median −log p is ",
    "late_peek_spikes": f"spikes: shapes: {ASKS}",
    "edits_spikes": "spikes: fit: it changed the spikes that it was given",
    "writes_spikes": "spikes: fit: it changed the spikes that it was given",
    "edits_spike_memory": "spikes: fit: it changed the spikes that it was given",
    "lost_spikes": "spikes: rates: its predictions are not finite on ",
    "certain": "spikes: rates: ",
    "drawn_at_will_spikes": f"spikes: {AT_WILL}",
    "moody_spikes": "spikes: deterministic: asked again, it gives other answers, which differ by ",
    "crowd_spikes": "spikes: isolation: a trial's rates change by ",
    "odd_rates": "spikes: shapes: rates have shape (48, 20, 9), expected (48, 20, 12)",
    "odd_series": "spikes: run: its series 'loss' is no list of numbers",
    "changeable_spikes": CHANGEABLE,
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_cheat_is_called_by_what_it_does(name):
    where, rule, text = EXPECTED[name].split(": ", 2)
    rules = of(SETTINGS.get(where, "networks")).model_rules
    if where in ONE and rule in rules:  # that rule alone: a whole check of networks compiles a lot
        found = watched(rules[rule])(fitted(name, where))
    else:
        cases = None if where in ("recording", "spikes") else ONE
        findings = contract.check("models", name, cases=cases, secret=5).findings
        assert {f.where for f in findings} <= {where, "model"}
        found = [f.text for f in findings if f.rule == rule]
    assert any(one.startswith(text) for one in found), found
    assert all("\n" not in one for one in found)


def case_of(where):
    return of(SETTINGS[where]).cases()[where]()


def fitted(name, where):
    return fit_to(smoke("models", name), case_of(where), secret=5)


def test_a_whole_check_stops_at_nothing_but_the_first_rules():
    outcome = contract.check("models", "two_faced", cases=ONE)
    assert [str(finding) for finding in outcome.findings] == [str(outcome.findings[0])]
    assert str(outcome.findings[0]).startswith(EXPECTED["two_faced"])
    assert outcome.n_rules == 2 + len(of("networks").model_rules)
    stopped = contract.check("models", "half_size", cases=ONE)
    assert stopped.notes == ["frozen vanilla: nothing more was checked: mend this first"]


def test_remembering_the_training_trials_is_allowed():
    subject = fitted("honest_table", *ONE)
    assert subject.faults == ()
    rules = of("networks").model_rules
    assert [
        text for rule in ("deterministic", "unseen trials") for text in watched(rules[rule])(subject)
    ] == []


@pytest.mark.parametrize("name", ["honest_recorded", "honest_spikes"])
@pytest.mark.parametrize("secret", [5, 6, 7])
def test_a_model_of_one_kind_of_data_alone_passes_and_may_remember(name, secret):
    """It has no `fit` and no `unsupported`."""
    outcome = contract.check("models", name, secret=secret)
    assert [str(finding) for finding in outcome.findings] == outcome.notes == []
    assert outcome.n_rules == 8


def test_errors_are_compared_as_ratios_and_likelihoods_as_differences():
    rng = np.random.default_rng(0)
    low, high = rng.lognormal(0, 0.1, 50), rng.lognormal(1, 0.1, 50)
    assert [text.split(" (p = ")[0] for text in peeking_faults("its error is", low, high)] == [
        f"{SEEN}its error is {np.median(low):.3g} on them and {np.median(high):.3g} on fresh trials of the "
        "same origin"
    ]
    assert list(peeking_faults("", high, low)) == list(peeking_faults("", low, low)) == []
    assert list(peeking_faults("", 0.9 * high, high)) == []  # better than chance allows, but hardly
    densities = -1000 - high  # likelihoods above 1 have −log p below 0
    assert len(list(peeking_faults("", densities - 3, densities, likelihood=True))) == 1
    assert list(peeking_faults("", densities + math.log(0.9), densities, likelihood=True)) == []


@pytest.mark.slow
@pytest.mark.parametrize("setting", RUMMAGE)
def test_no_other_trials_are_to_be_found_in_memory(setting):
    """In a process of its own: other tests leave trials about."""
    file = next(file for file in FILES.values() if f'"{RUMMAGE[setting]}"' in file.read_text())
    words = [sys.executable, "-m", "jslds_bench", "check", RUMMAGE[setting], "--plugin", str(file)]
    done = subprocess.run(words, capture_output=True, text=True, env=ENV)
    assert "sets of trials" not in done.stdout + done.stderr
    assert done.returncode == 0, done.stdout + done.stderr


TASKS = {
    "networks": 'name = "context_integration"\nn_steps = 5\n[[networks]]\nname = "standard"\nn_state = 6\n'
    'n_steps = 3\nrecipe = "paper"',
    "recordings": 'name = "known_switching"\nn_observed = 6\nn_trials = 4\nn_held_out = 3\nn_steps = 60',
    "spikes": 'name = "spiking_rotations"\nn_units = 12\nn_trials = 24\nn_held_out = 18\nn_steps = 20\n'
    "n_conditions = 6",
}


def suite_of(folder, setting, *models):
    """A tiny suite of these models; a model that is named twice has two labels."""
    lines = ["schema = 1", 'name = "tiny"', "seeds = [0]", "n_trials = 16", "plugins = ["]
    lines += [f'"{file}",' for file in FILES.values()] + ["]", "[[tasks]]", TASKS[setting]]
    for i, model in enumerate(models):
        lines += ["[[models]]", f'name = "{model}"', f'label = "{model} {i}"']
    file = folder / f"{setting}.toml"
    file.write_text("\n".join(lines))
    return load_suite(file)


@pytest.mark.slow
@pytest.mark.parametrize("setting", RUMMAGE)
def test_nor_in_a_run(setting, tmp_path, monkeypatch):
    """Not those of jobs before it, either: one worker does all of them."""
    monkeypatch.setenv("JSLDS_BENCH_CACHE", str(tmp_path / "cache"))
    suite = suite_of(tmp_path, setting, HONEST[setting], RUMMAGE[setting], RUMMAGE[setting])
    result = run_suite(suite, tmp_path / "run", workers=1, progress=ProgressBoard(quiet=True))
    assert {record.model: record.reason for record in read_records(result.path)} == {
        f"{model} {i}": None for i, model in enumerate((HONEST[setting], RUMMAGE[setting], RUMMAGE[setting]))
    }


CHANGED = "the model changed the {} that it was given"
IN_A_RUN = {
    "frozen vanilla": {
        "edits_attributes": CHANGED.format("frozen network"),
        "edits_memory": CHANGED.format("frozen network"),
        "writes_trials": CHANGED.format("trials"),
        "asks": PEEKED,
    },
    "recording": {
        "edits_recording": CHANGED.format("recording"),
        "writes_recording": CHANGED.format("recording"),
        "edits_recorded_memory": CHANGED.format("recording"),
        "asks_recorded": PEEKED,
        "reaches_recorded": PEEKED,
    },
    "spikes": {
        "edits_spikes": CHANGED.format("spikes"),
        "writes_spikes": CHANGED.format("spikes"),
        "edits_spike_memory": CHANGED.format("spikes"),
        "asks_spikes": PEEKED,
        "reaches_spikes": PEEKED,
        "reaches_file": PEEKED,
    },
}


@pytest.mark.parametrize("where", IN_A_RUN)
def test_in_a_run_what_a_cheat_does_to_what_it_is_given_reaches_no_other_model(where):
    case = case_of(where)
    before = fingerprint(case.shared)
    for name, reason in IN_A_RUN[where].items():
        with pytest.raises(Unsupported) as caught:
            job.fit(smoke("models", name), case.setting, case.shared, 0, silent)
        assert str(caught.value) == reason, name
    assert fingerprint(case.shared) == before


@pytest.mark.parametrize(
    ("setting", "cheats"),
    [
        (
            "recordings",
            {
                "late_peek_recorded": PEEKED,
                "late_reach": PEEKED,
                "edits_recording": CHANGED.format("recording"),
            },
        ),
        ("spikes", {"late_peek_spikes": PEEKED, "edits_spikes": CHANGED.format("spikes")}),
    ],
)
def test_a_job_that_cheats_has_no_values_and_leaves_the_next_job_its_own(setting, cheats, tmp_path):
    jobs = resolve(suite_of(tmp_path, setting, HONEST[setting], *cheats, HONEST[setting])).jobs
    prepared = job.prepare(jobs[0], of(setting).setting, None, Parts(), silent)

    def ran(one):
        return job.run_job(one, prepared, {}, contextlib.nullcontext, Parts(), silent)[0]

    first, *others, last = map(ran, jobs)
    assert [(record.status, record.reason) for record in others] == [("failed", x) for x in cheats.values()]
    assert first.status == last.status == "ok"
    for name, value in first.values.items():
        if not name.endswith(("seconds", "seconds_per_iteration")):
            assert value == last.values[name]


def test_models_are_not_shown_the_truth():
    recording = case_of("recording")
    (shown,) = recording.setting.given(recording.shared).values()
    known = {name for name, value in vars(shown).items() if value is not None}
    assert known == {"observations", "inputs", "emissions"}
    assert recording.shared.fit.modes is not None
    spikes = case_of("spikes")
    (shown,) = spikes.setting.given(spikes.shared).values()
    assert shown.rates is None
    assert shown.rotations is None
    assert spikes.shared.fit.rates is not None


def test_every_cheat_is_tested(loaded):
    names = {name for name in MODELS.registered() if MODELS.get(name).__module__ in loaded}
    assert names == {*EXPECTED, *HONEST.values(), *RUMMAGE.values()}


def test_the_command_says_each_in_a_line_and_ends_with_1(tmp_path):
    words = [sys.executable, "-m", "jslds_bench", "check", "changeable", "--plugin", str(FILES["cheats"])]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, timeout=120, env=ENV)
    assert done.returncode == 1, done.stderr
    assert EXPECTED["changeable"] in done.stdout
    assert done.stdout.splitlines()[-1].startswith("changeable: ")
