"""A suite made narrower or wider: by labels, seeds, a data file, the models of plug-ins, an earlier run."""

import dataclasses
import tomllib
from pathlib import Path

import pytest
from suite_texts import BASE, keys, message

from jslds_bench.entries import plugins
from jslds_bench.suite import (
    Entry,
    dump,
    load_suite,
    parse_seeds,
    resolve,
    select,
    with_data,
    with_plugin_models,
)
from jslds_bench.suite.choosing import united
from jslds_bench.suite.toml import parse
from jslds_bench.types import MODELS


def test_selection_by_label_and_by_name_cuts_restrictions_down(write):
    suite = load_suite(write(BASE))
    chosen = select(suite, networks=["standard"], seeds=[8])
    assert keys(chosen) == [
        ("nbit_memory", "standard", "persistence", 8),
        ("context_integration", "standard", "persistence", 8),
    ]
    assert select(suite, networks=["cotrained"]) == select(suite, networks=["mine"])
    assert parse(tomllib.loads(dump(chosen)), Path("y.toml")) == chosen


def test_a_label_means_its_entry_alone_although_another_has_it_for_a_name(write):
    suite = load_suite(write(BASE.replace('name = "cotrained"', 'name = "standard"')))
    assert [n.label for n in select(suite, networks=["standard"]).networks] == ["standard"]
    assert [n.label for n in select(suite, networks=["mine"]).networks] == ["mine"]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({"models": ["jslsd"]}, "has no model 'jslsd'; did you mean 'jslds'? (it has: persistence, jslds)"),
        ({"tasks": ["memory"]}, "has no task 'memory'"),
        (
            {"networks": ["standard"], "models": ["jslds"]},
            "leave no job to run: in the suite model 'jslds' has networks = ['mine']",
        ),
        (
            {"networks": ["mine"], "tasks": ["context_integration"]},
            "leave no job to run: in the suite network 'mine' has tasks = ['nbit_memory']",
        ),
        ({"seeds": [-1]}, "--seeds: seeds holds -1, expected"),
    ],
)
def test_a_selection_that_the_suite_does_not_hold(write, chosen, expected):
    assert expected in message(select, load_suite(write(BASE)), **chosen)


def test_restrictions_that_leave_no_job_are_named(write):
    smoke = load_suite("smoke")
    assert message(select, smoke, networks=["cotrained"], models=["clds"]).endswith(
        "leave no job to run: in the suite network 'cotrained' has tasks = ['nbit_memory'], "
        "model 'clds' has tasks = ['context_integration']"
    )
    # A suite whose networks are all left out is not one of recordings, which needs none.
    assert message(select, smoke, tasks=["perturbations"], networks=["cotrained"], models=["dmdc"]).endswith(
        "leave no job to run: in the suite network 'cotrained' has tasks = ['nbit_memory']"
    )
    many = "".join(f'[[models]]\nname = "dmdc"\nlabel = "{i}"\nnetworks = ["mine"]\n' for i in range(6))
    suite = load_suite(write(BASE[: BASE.index("[[models]]")] + many))
    words = message(select, suite, networks=["standard"])
    assert words.endswith("model '2' has networks = ['mine'] and 3 more")
    assert message(select, suite, models=[]).endswith("leave no job to run")


@pytest.mark.parametrize("kind", ["tasks", "networks", "models"])
def test_one_label_is_asked_for_in_a_list(write, kind):
    suite = load_suite(write(BASE))
    said = message(select, suite, **{kind: "nbit_memory"})
    assert said == f"select: {kind} is 'nbit_memory', expected labels in a list: {kind}=['nbit_memory']"


@pytest.mark.parametrize(
    ("text", "seeds"), [("0,1,2", [0, 1, 2]), ("0-3", [0, 1, 2, 3]), ("7, 1-2", [7, 1, 2])]
)
def test_seeds_on_the_command_line(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    "text", ["", "a", "1,", "3-1", "-1", "1.5", "0-99999999", "1,1", "²", "4294967296", "1" * 5000]
)
def test_bad_seeds_on_the_command_line(text):
    assert message(parse_seeds, text).startswith("--seeds")


def test_data_is_the_path_of_every_task_that_reads_a_file(write, tmp_path, monkeypatch):
    text = 'schema = 1\nname = "x"\nseeds = [0]\n[[tasks]]\nname = "nascar"\n'
    for label in ("one", "two"):
        text += f'[[tasks]]\nname = "mc_maze"\nlabel = "{label}"\nbin_seconds = 0.01\n'
    suite = load_suite(write(text + '[[models]]\nname = "slds"\n'))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spikes.nwb").touch()
    found = resolve(with_data(suite, "spikes.nwb")).suite
    assert found.tasks[0] == suite.tasks[0]
    for task in found.tasks[1:]:
        assert task.parameters == {"bin_seconds": 0.01, "path": str(tmp_path / "spikes.nwb")}
    assert parse(tomllib.loads(dump(found)), Path("y.toml")) == found
    assert message(with_data, suite, "spiks.nwb") == "--data spiks.nwb: no such file"
    assert message(with_data, suite, ".") == "--data .: is a folder, name a file"
    without = message(with_data, load_suite("switching"), "spikes.nwb")
    assert without.startswith("--data spikes.nwb: no task of ")


@pytest.fixture
def two_models(tmp_path):
    """A plug-in file with two models, and after the test none of them."""
    file = tmp_path / "two_models.py"
    file.write_text(
        "import dataclasses\nfrom jslds_bench.models.persistence import Persistence\n"
        "from jslds_bench.types import MODELS\n\n"
        + "".join(
            f'@MODELS.register("chosen_{name}")\n@dataclasses.dataclass(frozen=True)\n'
            f"class {name.title()}(Persistence):\n    n: int = 3\n\n"
            for name in ("one", "two")
        )
    )
    yield str(file)
    MODELS.forget(plugins.load(file).__name__)


def test_the_models_of_a_plug_in_join_a_suite_at_their_defaults(write, two_models):
    suite = load_suite(write(BASE))
    wider = with_plugin_models(suite, [two_models, two_models])
    assert wider.models == (
        *suite.models,
        Entry("chosen_one", "chosen_one"),
        Entry("chosen_two", "chosen_two"),
    )
    assert with_plugin_models(wider, [two_models]) == wider
    assert [m.label for m in select(wider, models=["jslds", "chosen_two"]).models] == ["jslds", "chosen_two"]
    parameters = {job.model.label: job.model.parameters for job in resolve(wider).jobs}
    assert parameters["chosen_one"] == {"n": 3}


def test_a_model_that_the_suite_names_already_is_not_added_again(write, two_models):
    text = BASE + '\n[[models]]\nname = "chosen_one"\nlabel = "of mine"\nn = 5\n'
    suite = load_suite(write(text))
    assert with_plugin_models(suite, [two_models]).models == (
        *suite.models,
        Entry("chosen_two", "chosen_two"),
    )


def test_what_a_suite_asked_for_earlier_stays_asked_for(write):
    suite = load_suite(write(BASE))
    assert united(suite, None) == suite
    narrow = select(suite, networks=["mine"], models=["jslds"], seeds=[7])
    assert keys(narrow) == [("nbit_memory", "mine", "jslds", 7)]
    both = united(narrow, suite)
    assert both == dataclasses.replace(suite, seeds=(1, 3, 7))
    assert parse(tomllib.loads(dump(both)), Path("y.toml")) == both
    # Narrow first: what comes later follows in its own order.
    wide = united(suite, narrow)
    assert [n.label for n in wide.networks] == ["mine", "standard"]
    assert [m.label for m in wide.models] == ["jslds", "persistence"]
    assert (wide.tasks, wide.seeds) == (suite.tasks, (1, 3, 7))


def test_an_entry_that_was_changed_is_as_it_is_now_but_restricted_to_what_either_asks(write):
    text = BASE.replace('networks = ["mine"]', 'networks = ["mine", "standard"]\nn_steps = 5')
    earlier = load_suite(write(text))
    narrow = select(load_suite(write(text.replace("n_steps = 5", "n_steps = 9"))), networks=["mine"])
    jslds = united(narrow, earlier).models[1]
    assert jslds == Entry("jslds", "jslds", {"n_steps": 9}, networks=("mine", "standard"))
    everywhere = load_suite(write(text.replace('networks = ["mine", "standard"]\n', "")))
    assert united(everywhere, earlier).models[1].networks is None
    assert united(earlier, everywhere).models[1].networks is None


def test_the_plug_ins_of_both_are_needed(write):
    one, two = (
        dataclasses.replace(load_suite(write(BASE)), plugins=files) for files in (("/a", "/b"), ("/b", "/c"))
    )
    assert united(two, one).plugins == ("/a", "/b", "/c")
