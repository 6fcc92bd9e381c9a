"""The suite grammar: what it accepts, what it refuses and in which words, and that it round-trips."""

import re
import string
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from suite_texts import BASE, keys, message

from jslds_bench.errors import UsageError
from jslds_bench.suite import Entry, Suite, dump, load_suite, suite_names
from jslds_bench.suite.toml import KEYS, RESTRICTIONS, parse


def test_a_suite_is_read_with_its_defaults(write):
    suite = load_suite(write(BASE))
    assert (suite.name, suite.seeds, suite.metrics, suite.n_trials, suite.recipe) == (
        "tiny",
        (3, 1),
        None,
        1024,
        None,
    )
    assert suite.tasks[0] == Entry("nbit_memory", "nbit_memory", {"n_bits": 2})
    assert suite.networks[1] == Entry("cotrained", "mine", {}, tasks=("nbit_memory",))


def test_jobs_run_by_task_network_seed_model_within_the_restrictions(write):
    assert keys(load_suite(write(BASE))) == [
        ("nbit_memory", "standard", "persistence", 3),
        ("nbit_memory", "standard", "persistence", 1),
        ("nbit_memory", "mine", "persistence", 3),
        ("nbit_memory", "mine", "jslds", 3),
        ("nbit_memory", "mine", "persistence", 1),
        ("nbit_memory", "mine", "jslds", 1),
        ("context_integration", "standard", "persistence", 3),
        ("context_integration", "standard", "persistence", 1),
    ]


def test_the_packaged_suites_load_under_their_own_names():
    assert {"smoke", "synthetic", "paper", "truth"} <= set(suite_names())
    for name in suite_names():
        assert load_suite(name).name == name


def test_the_issue_s_sizes_of_the_packaged_suites():
    assert len(load_suite("synthetic").seeds) == 5
    paper = load_suite("paper")
    assert (paper.seeds, paper.recipe) == (tuple(range(10)), "paper")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("schema = 1\n", "", "x.toml: has no schema, this version reads schema = 1"),
        ("schema = 1", "schema = 2", "x.toml: has schema = 2, this version reads schema = 1: write"),
        ("seeds = [3, 1]", "sedes = [3, 1]", "x.toml: unknown key 'sedes'; did you mean 'seeds'?"),
        ("seeds = [3, 1]\n", "", "x.toml: 'seeds' is missing"),
        ("seeds = [3, 1]", "seeds = [3, 1.0]", "seeds holds 1.0, expected a list of distinct integers"),
        ("seeds = [3, 1]", "seeds = [true]", "seeds holds True, expected"),
        ("seeds = [3, 1]", "seeds = [-1]", "seeds holds -1, expected"),
        ("seeds = [3, 1]", "seeds = [4294967296]", "seeds holds 4294967296, expected"),
        ("seeds = [3, 1]", "seeds = [3, 3]", "seeds holds 3 twice"),
        ("seeds = [3, 1]", "seeds = []", "seeds is [], expected"),
        ("seeds = [3, 1]", "seeds = 3", "seeds is 3, expected"),
        (
            "seeds = [3, 1]",
            "seeds = [3]\nn_trials = 0",
            "x.toml: n_trials is 0, expected a whole number from 1 to 1,000,000",
        ),
        ("seeds = [3, 1]", "seeds = [3]\nmetrics = []", "x.toml: metrics is [], expected a list of texts"),
        ("seeds = [3, 1]", 'seeds = [3]\nmetrics = ["a", "a"]', "x.toml: metrics holds 'a' twice"),
        ("seeds = [3, 1]", "seeds = [3]\nrecipe = 1", "x.toml: recipe is 1, expected a line of text"),
        ('name = "tiny"', 'name = ""', "x.toml: name is '', expected"),
        ('name = "tiny"', "name = 3", "x.toml: name is 3, expected"),
        ('name = "persistence"', 'nam = "persistence"', "x.toml: [[models]] 1: `name` is missing"),
        (
            'label = "mine"',
            'label = "Standard"',
            "[[networks]] 2 and [[networks]] 1 are both called 'Standard'",
        ),
        ('label = "mine"', "label = 7", "x.toml: [[networks]] 2: label is 7, expected"),
        ('label = "mine"', f'label = "{"x" * 300}"', "[[networks]] 2: label is too long for a file name"),
        (
            'networks = ["mine"]',
            'networks = ["mien"]',
            "[[models]] 2: networks: no label 'mien'; did you mean 'mine'?",
        ),
        (
            'networks = ["mine"]',
            'networks = "mine"',
            "[[models]] 2: networks is 'mine', expected a list of texts",
        ),
        ('tasks = ["nbit_memory"]', 'tasks = ["nbit"]', "[[networks]] 2: tasks: no label 'nbit'"),
        ("n_bits = 2", "n_bits = 1979-05-27", "[[tasks]] 1: n_bits is 1979-05-27: dates and times are no"),
        pytest.param("n_bits = 2", f"n_bits = {'[' * 3000}", "x.toml: not valid TOML: ", id="nesting"),
        pytest.param("n_bits = 2", f"n_bits = {'1' * 5000}", "x.toml: not valid TOML: ", id="digits"),
        ("n_bits = 2", 'path = "a\\u0000b"', "x.toml: [[tasks]] 1: path is 'a\\x00b', expected the path"),
        ("seeds = [3, 1]", 'seeds = [3]\nplugins = [""]', "x.toml: plugins is '', expected"),
        ("[[tasks]]\n", "[tasks]\n", "x.toml: not valid TOML: "),
        ("seeds = [3, 1]", "seeds = [3, 1", "x.toml: not valid TOML: "),
    ],
)
def test_what_the_file_alone_gets_wrong_is_said_with_its_place(write, old, new, expected):
    assert old in BASE
    assert expected in message(load_suite, write(BASE.replace(old, new)))


def test_malformed_toml_gives_line_and_column(write):
    assert message(load_suite, write(BASE.replace("n_bits = 2", "n_bits = "))).endswith(
        "(at line 7, column 10)"
    )


def test_one_table_in_place_of_a_list_of_tables_is_refused(write):
    text = BASE.split("[[models]]")[0] + '[models]\nname = "persistence"\n'
    assert "models must be one or more [[models]] tables" in message(load_suite, write(text))


def test_restrictions_that_leave_no_job_are_refused(write):
    text = BASE.replace('name = "persistence"', 'name = "persistence"\ntasks = ["context_integration"]')
    text = text.replace('networks = ["mine"]', 'networks = ["mine"]\ntasks = ["context_integration"]')
    text = text.replace('[[networks]]\nname = "standard"\n\n', "")
    assert "leaves no job to run" in message(load_suite, write(text))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("synthetc", "unknown suite 'synthetc'; did you mean 'synthetic'? (known: "),
        ("no/such.toml", "no suite file at "),
        (".toml", "no suite file at "),
        ("~nobody-of-that-name/x.toml", "no suite file at "),
        pytest.param("x" * 5000, "unknown suite 'xxx", id="long"),
        ("/", "suite file / cannot be read: it is a folder"),
    ],
)
def test_a_suite_that_is_not_there(name, expected):
    assert message(load_suite, name).startswith(expected)


def test_a_file_that_is_no_text(tmp_path):
    (tmp_path / "x.toml").write_bytes(b"schema = 1\nname = \xff\n")
    assert "x.toml: not UTF-8 text (byte 18)" in message(load_suite, tmp_path / "x.toml")


def test_a_suite_in_the_working_folder_needs_no_slash(write, monkeypatch):
    monkeypatch.chdir(write(BASE).parent)
    assert load_suite("x.toml").where == "x.toml"


WORDS = st.text(string.ascii_letters + string.digits + " _-.é\"'\\#\t\x7f漢", min_size=1, max_size=8)
LABELS = WORDS.filter(str.isprintable)
VALUES = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
RESERVED = {"name", "label", "tasks", "networks", "path"}
PARAMETERS = st.dictionaries(st.text(max_size=6).filter(lambda k: k not in RESERVED), VALUES, max_size=3)


@st.composite
def suites(draw) -> Suite:
    def entries(*restrictions: tuple[str, tuple[Entry, ...]]) -> tuple[Entry, ...]:
        labels = draw(st.lists(LABELS, min_size=1, max_size=3, unique_by=str.casefold))
        made = []
        for label in labels:
            limits = {
                to: draw(
                    st.none()
                    | st.lists(st.sampled_from([e.label for e in of]), min_size=1, unique=True).map(tuple)
                )
                for to, of in restrictions
            }
            made.append(Entry(draw(LABELS), label, draw(PARAMETERS), **limits))
        return tuple(made)

    tasks = entries()
    networks = entries(("tasks", tasks))
    return Suite(
        name=draw(LABELS),
        seeds=tuple(draw(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=4, unique=True))),
        tasks=tasks,
        networks=networks,
        models=entries(("networks", networks), ("tasks", tasks)),
        metrics=draw(st.none() | st.lists(WORDS, min_size=1, max_size=3, unique=True).map(tuple)),
        n_trials=draw(st.integers(1, 10**6)),
        plugins=tuple(draw(st.lists(st.sampled_from(["/a/b.py", "/c d.py"]), unique=True))),
        recipe=draw(st.none() | LABELS),
    )


@given(suites())
@settings(deadline=None)
def test_a_dumped_suite_loads_back_equal(suite):
    assert parse(tomllib.loads(dump(suite)), Path("/elsewhere/y.toml")) == suite


@given(st.data())
@settings(deadline=None)
def test_any_toml_content_is_a_suite_or_one_line_of_complaint(data):
    content = tomllib.loads(BASE)
    spoilt = data.draw(
        st.sampled_from([content, *content["tasks"], *content["networks"], *content["models"]])
    )
    key = data.draw(
        st.sampled_from(sorted({*spoilt, "label", "tasks", "networks", "metrics", "plugins", "path"}))
    )
    spoilt[key] = data.draw(VALUES)
    try:
        outcome = dump(parse(content, Path("x.toml")))
    except UsageError as error:
        outcome = str(error)
        complaint = outcome.splitlines()
        refused = len(complaint) == 1 and "x.toml" in complaint[0]
    else:
        refused = False
    assert refused or outcome.startswith("schema = 1")


def test_relative_paths_start_at_the_suite_s_folder(write):
    text = BASE.replace("seeds = [3, 1]", 'seeds = [3]\nplugins = ["p.py"]')
    path = write(text.replace('label = "mine"', 'label = "mine"\npath = "../w.npz"'))
    suite = load_suite(path)
    assert suite.plugins == (str(path.parent / "p.py"),)
    assert suite.networks[1].parameters["path"] == str(path.parent.parent / "w.npz")


def test_every_key_of_a_suite_file_is_in_the_documentation():
    page = (Path(__file__).resolve().parents[2] / "docs" / "use.md").read_text("utf-8")
    shown = re.findall(r"^\| `\[*(\w+)\]*` \|", page.partition("## What a suite file holds")[2], re.M)
    of_tables = ["name", "label", *dict.fromkeys(to for tos in RESTRICTIONS.values() for to in tos), "path"]
    assert sorted(shown) == sorted([*KEYS, *of_tables])
