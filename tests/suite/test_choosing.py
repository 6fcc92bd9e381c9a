"""A suite made narrower or wider: by labels, seeds, a data file, the models of plug-ins, an earlier run."""

import tomllib
from pathlib import Path

import pytest
from suite_texts import BASE, keys, message

from jslds_bench.suite import dump, load_suite, parse_seeds, resolve, select, with_data
from jslds_bench.suite.toml import parse


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
        ({"networks": ["standard"], "models": ["jslds"]}, "leave no job to run"),
        ({"seeds": [-1]}, "--seeds: seeds holds -1, expected"),
    ],
)
def test_a_selection_that_the_suite_does_not_hold(write, chosen, expected):
    assert expected in message(select, load_suite(write(BASE)), **chosen)


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
