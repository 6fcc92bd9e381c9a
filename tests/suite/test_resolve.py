"""A suite as jobs: what the registries do not know, what does not go together, what each job is told."""

import dataclasses

import pytest
from suite_texts import BASE, message

from jslds_bench.analysis.stats import pairs_needed
from jslds_bench.runner.outcome import blank_record
from jslds_bench.suite import Entry, load_plugins, load_suite, registries, resolve
from jslds_bench.types import MODELS, TASKS


def test_every_model_of_the_package_is_in_the_suites_of_its_kind():
    models = registries()["models"]
    ours = {name for name in models if models.get(name).__module__.startswith("jslds_bench.models.")}
    of_networks = {name for name in ours if hasattr(models.get(name), "fit")}
    assert of_networks >= {"fixed_points", "jslds", "persistence", "taylor_at_state"}
    # of `synthetic` those that are compared in the paper's own terms; of the quick one not what takes long
    newer = {"clds", "edmd", "learned_jacobian", "low_rank", "smooth_switching"}
    lacking = {
        "smoke": set(),
        "synthetic": newer,
        "methods_quick": {"slds", "learned_jacobian"},
        "methods": set(),
    }
    for suite, left_out in lacking.items():
        assert {model.name for model in load_suite(suite).models} == of_networks - left_out, suite
    of_spikes = {name for name in ours if hasattr(models.get(name), "fit_spikes")} - {"slds"}
    for suite in ("spikes", "maze"):
        assert {model.name for model in load_suite(suite).models} == of_spikes


def test_every_model_of_methods_meets_every_network_on_enough_tasks_to_test_pairs_of_six():
    suite = load_suite("methods")
    jobs = resolve(suite).jobs
    assert not any(job.refusal for job in jobs)
    cells = len(suite.tasks) * len(suite.networks) - 3  # what networks do not learn
    on_frozen = len(suite.tasks)  # jslds_refined is not on co-trained networks, which have an E of their own
    assert len(jobs) == (cells * len(suite.models) - on_frozen) * len(suite.seeds)
    assert len(suite.tasks) >= pairs_needed(0.05, n_tests=15)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            'name = "jslds"',
            'name = "jsld"',
            "x.toml: [[models]] 2: unknown model 'jsld'; did you mean 'jslds'?",
        ),
        (
            'name = "cotrained"',
            'name = "cotraind"',
            "[[networks]] 2: unknown network 'cotraind'; did you mean",
        ),
        (
            "n_bits = 2",
            "n_bit = 2",
            "[[tasks]] 1: task 'nbit_memory' has no parameter 'n_bit'; did you mean 'n_bits'?",
        ),
        (
            "n_bits = 2",
            'n_bits = "2"',
            "[[tasks]] 1: parameter 'n_bits' of task 'nbit_memory' is '2' (str), expected",
        ),
        ("n_bits = 2", "n_bits = 0", "[[tasks]] 1: nbit_memory needs n_bits ≥ 1"),
        (
            "seeds = [3, 1]",
            'seeds = [3]\nmetrics = ["skil"]',
            "x.toml: metrics: unknown metric 'skil'; did you mean 'skill'",
        ),
        ("seeds = [3, 1]", 'seeds = [3]\nrecipe = "fats"', "x.toml: recipe: parameter 'recipe' of network"),
        ("seeds = [3, 1]", 'seeds = [3]\nplugins = ["mine.py"]', "mine.py: no such file"),
    ],
)
def test_what_the_registries_do_not_know_is_said_with_its_place(write, old, new, expected):
    suite = load_suite(write(BASE.replace(old, new)))
    assert expected in message(resolve, suite)


def test_a_task_that_lacks_something_is_told_what_and_none_needs_a_tiny_version(write, monkeypatch):
    monkeypatch.setattr(TASKS, "_entries", dict(TASKS._entries))

    class Mine:
        n_inputs = n_outputs = 1
        setup = None

        def sample(self, key, n_trials):
            raise AssertionError("resolving samples nothing")

        def expansion_inputs(self):
            raise AssertionError("resolving expands nothing")

    TASKS.register("lacking")(dataclasses.make_dataclass("Lacking", [], bases=(Mine,), frozen=True))
    TASKS.register("whole")(
        dataclasses.make_dataclass("Whole", [], bases=(Mine,), namespace={"n_steps": 3}, frozen=True)
    )
    text = BASE.replace('name = "nbit_memory"', 'name = "NAME"\nlabel = "nbit_memory"').replace(
        "n_bits = 2", ""
    )
    said = message(resolve, load_suite(write(text.replace("NAME", "lacking"))))
    assert "'lacking' is a task of no setting: a task for networks also needs n_steps (see" in said
    assert {job.setting for job in resolve(load_suite(write(text.replace("NAME", "whole")))).jobs} == {
        "networks"
    }


def test_a_missing_checkpoint_is_found_before_anything_runs(write):
    text = BASE.replace('name = "cotrained"', 'name = "checkpoint"\npath = "weights.npz"')
    path = write(text)
    expected = f"[[networks]] 2: path: no file at {path.parent / 'weights.npz'}"
    assert expected in message(resolve, load_suite(path))


def test_the_suite_s_recipe_goes_to_networks_that_do_not_state_their_own(write):
    text = BASE.replace("seeds = [3, 1]", 'seeds = [3]\nrecipe = "paper"')
    text = text.replace('label = "mine"', 'label = "mine"\nrecipe = "fast"')
    standard, cotrained = resolve(load_suite(write(text))).suite.networks
    assert (standard.parameters["recipe"], cotrained.parameters["recipe"]) == ("paper", "fast")


def test_the_suite_s_recipe_goes_to_models_that_train_as_well():
    jobs = {job.key[:3]: job for job in resolve(load_suite("paper")).jobs}
    job = jobs["nbit_memory", "standard", "jslds"]
    assert MODELS.get("jslds")().recipe == "fast"
    assert blank_record(job, "ok", None, {}).parameters["model"]["recipe"] == "paper"


@pytest.mark.parametrize("name", ["paper", "synthetic"])
def test_the_suite_s_recipe_reaches_every_entry_that_takes_one(name):
    jobs = resolve(dataclasses.replace(load_suite(name), recipe="paper")).jobs
    told = [values["recipe"] for job in jobs for values in job.parameters.values() if "recipe" in values]
    assert len(told) > len(jobs)  # of each network, and of some models
    assert set(told) == {"paper"}


@pytest.mark.parametrize("name", ["smoke", "synthetic", "paper", "truth", "spikes", "switching"])
def test_the_packaged_suites_are_valid_and_resolving_twice_changes_nothing(name):
    plan = resolve(load_suite(name))
    assert resolve(plan.suite) == plan


def test_resolving_loads_the_plug_ins_that_a_suite_names(write):
    suite = write(BASE.replace("seeds = [3, 1]", 'seeds = [3]\nplugins = ["mine.py"]'))
    plugin = suite.parent / "mine.py"
    plugin.write_text("raise RuntimeError('not today')\n")
    (said,) = load_plugins(load_suite(suite).plugins)
    assert said.endswith("mine.py could not be imported: RuntimeError: not today")
    assert resolve(load_suite(suite)).suite == load_suite(suite)  # nothing in it needs the plug-in


def test_a_model_says_why_it_cannot_serve_before_anything_is_trained(tiny_nwb):
    refused = {job.key[1:3]: job.refusal for job in resolve(load_suite("synthetic")).jobs}
    assert refused["cotrained", "jslds"] is None
    assert refused["standard", "persistence"] is None
    names = ("rslds", "slds", "lfads", "smoothing", "persistence")
    suite = dataclasses.replace(
        load_suite("switching"),
        seeds=(0,),
        tasks=(Entry("nascar", "nascar"), Entry("mc_maze", "mc_maze", {"path": str(tiny_nwb)})),
        models=tuple(Entry(name, name) for name in names),
    )
    refused = {(job.task.name, job.model.name): job.refusal for job in resolve(suite).jobs}
    assert refused["nascar", "rslds"] is None
    assert refused["nascar", "persistence"] == "it describes networks, not recorded data"
    assert refused["mc_maze", "persistence"] == "it describes networks, not spikes"
    for name in ("slds", "lfads", "smoothing"):
        assert refused["mc_maze", name] is None
    assert refused["nascar", "lfads"] == "it describes spikes, not recorded data"


def test_recorded_data_and_networks_do_not_mix(write):
    text = 'schema = 1\nname = "x"\nseeds = [0]\n[[tasks]]\nname = "nascar"\n[[models]]\nname = "rslds"\n'
    (job,) = resolve(load_suite(write(text))).jobs
    assert job.key == ("nascar", "data", "rslds", 0)
    with_network = text + '[[networks]]\nname = "standard"\n'
    expected = "needs no network: move it to a suite without [[networks]]"
    assert f"'nascar' {expected}" in message(resolve, load_suite(write(with_network)))
    spiking = with_network.replace("nascar", "mc_maze")
    assert f"'mc_maze' {expected}" in message(resolve, load_suite(write(spiking)))
    without = with_network.replace("nascar", "nbit_memory").replace('[[networks]]\nname = "standard"\n', "")
    assert "'nbit_memory' needs a network: add a [[networks]] table" in message(
        resolve, load_suite(write(without))
    )


def test_the_label_of_no_network_is_no_network(write):
    suite = load_suite(
        str(write(BASE.replace('label = "mine"', 'label = "data"').replace('["mine"]', '["data"]')))
    )
    assert "label 'data' stands for no network: choose another" in message(resolve, suite)


STILL = """
import dataclasses
from jslds_bench.models.persistence import Persistence
from jslds_bench.types import MODELS

@MODELS.register("being_written")
@dataclasses.dataclass(frozen=True)
class BeingWritten(Persistence):
    pass
"""


def test_a_plug_in_that_is_being_written_is_a_change(write, tmp_path):
    plugin = tmp_path / "mine.py"
    plugin.write_text(STILL)
    text = BASE.replace("seeds = [3, 1]", f'seeds = [3, 1]\nplugins = ["{plugin}"]')
    text = text.replace('name = "persistence"', 'name = "being_written"')
    found = resolve(load_suite(str(write(text))))
    assert not found.is_stale()
    plugin.write_text("x = (\n")
    assert found.is_stale()
