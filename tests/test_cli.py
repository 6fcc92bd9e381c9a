"""The command line: exit codes, one-line errors, where output goes. Verbs that need no training."""

import io
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import jslds_bench
from jslds_bench import cli
from jslds_bench.cli import verbs
from jslds_bench.records import sealed, store
from jslds_bench.records.record import Record, Value
from jslds_bench.records.table import COLUMNS, load_run
from jslds_bench.runner import cache
from jslds_bench.runner.limits import Limits
from jslds_bench.types import MODELS

COMMAND = [sys.executable, "-m", "jslds_bench"]
ENV = {**os.environ, "PYTHONPATH": str(Path(jslds_bench.__file__).parents[1]), "COLUMNS": "100"}


def process(*words: str, cwd: Path, **kwargs) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, in folder `cwd`."""
    kwargs = {"capture_output": True, "env": ENV, **kwargs}
    return subprocess.run([*COMMAND, *words], cwd=cwd, text=True, timeout=120, **kwargs)


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """A run of two records, one with awkward values and one without any."""
    run = tmp_path / "run"
    values = {
        "relative_error": Value(0.25, "1", "lower"),
        "skill": Value(math.inf, "1", "higher"),
        "nrmse": Value(math.nan, "1", "lower"),
        "fixed_point_recall": Value(None, "1", "higher", "no fixed points"),
    }
    common = {
        "suite": "s",
        "task": "t",
        "network": "n",
        "parameters": {},
        "series": {},
        "detail": {},
        "environment": {},
        "setting": "networks",
    }
    good = Record(**common, model="a", seed=0, status="ok", reason=None, values=values, digest="d")
    bad = Record(**common, model="b", seed=0, status="failed", reason="no, really", values={}, digest="d")
    sealed.write_json(run / "run.json", {})
    for record in (good, bad):
        store.write_record(run, record, {})
    return run


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("jslds-bench: ")
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["list", "suites"], ["rn"]])
def test_a_light_verb_imports_nothing_heavy(words, tmp_path):
    code = f"""
import sys
from jslds_bench.cli import main
main({words!r})
heavy = {{"jax", "flax", "optax", "pandas", "matplotlib", "scipy", "jinja2"}} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=ENV, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_plan_imports_jax_and_no_more_than_it_needs(tmp_path):
    code = """
import sys
from jslds_bench.cli import main
assert main(["run", "--suite", "methods", "--dry-run"]) == 0
parts = ("linalg", "special", "optimize", "spatial", "ndimage", "cluster", "stats")
heavy = {"flax", "optax", "pandas", "matplotlib", "jinja2", "h5py", *(f"scipy.{part}" for part in parts)}
assert "jax" in sys.modules
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=ENV, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "say what to do, as in: jslds-bench run --suite smoke"),
        (["rn"], "unknown verb 'rn'; did you mean 'run'? (verbs: run, reproduce, "),
        (["--sute", "smoke"], "unknown option '--sute'"),
        (["run"], "the following arguments are required: --suite (try: jslds-bench run --help)"),
        (["run", "--suit", "smoke"], "run has no option '--suit'; did you mean '--suite'?"),
        (["run", "--suit=smoke"], "run has no option '--suit'; did you mean '--suite'?"),
        (["run", "--suite"], "argument --suite: expected one argument"),
        (["run", "--suite", "smok"], "unknown suite 'smok'; did you mean 'smoke'?"),
        (["run", "--suite", "smoke", "--workers", "two"], "argument --workers: invalid int value: 'two'"),
        (["run", "--suite", "smoke", "--workers", "0"], "workers is 0, expected at least 1"),
        (["run", "--suite", "smoke", "--timeout", "nan"], "timeout is nan s, expected more than 0"),
        (["run", "--suite", "smoke", "--seeds", "1,x"], "--seeds '1,x': 'x' is no seed or range"),
        (["run", "--suite", "smoke", "--model", "jslsd"], "has no model 'jslsd'; did you mean 'jslds'?"),
        (["run", "--suite", "smoke", "--task", "bits"], "has no task 'bits'"),
        (
            ["run", "--suite", "smoke", "--network", "standrd"],
            "has no network 'standrd'; did you mean 'standard'?",
        ),
        (
            ["run", "--suite", "paper", "--recipe", "fats"],
            "recipe: parameter 'recipe' of network 'standard' is 'fats'",
        ),
        (["run", "--suite", "smoke", "--plugin", "no.py"], "no.py: no such file"),
        (["export", "--", "--nowhere"], "no run at --nowhere/run.json"),
        (["run", "smoke", "--suite", "smoke"], "run does not take 'smoke'"),
        (["list", "task"], "unknown kind 'task'; did you mean 'tasks'?"),
        (["list", "models", "--plugin", "no.py"], "plug-in no.py: no such file"),
        (["info", "jslsd"], "nothing is called 'jslsd'; did you mean 'jslds'?"),
        (["info", "GRU"], "nothing is called 'GRU'; did you mean 'gru'?"),
        (["report", "/nowhere"], "no run at /nowhere/run.json"),
        (["export", "/nowhere"], "no run at /nowhere/run.json"),
        (["export", "/nowhere", "--format", "cvs"], "unknown format 'cvs'; did you mean 'csv'?"),
    ],
)
def test_a_wrong_word_is_one_line_and_exit_code_3(words, expected, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(words) == 3
    assert expected in one_line(capsys)
    assert not any(tmp_path.iterdir())


def test_errors_of_a_real_process(tmp_path):
    done = process("run", "--suite", "smok", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("jslds-bench: unknown suite 'smok'; did you mean 'smoke'?")
    assert done.stderr.count("\n") == 1


def test_debug_shows_the_traceback_before_the_line_and_keeps_the_code(capsys):
    assert cli.main(["--debug", "run", "--suite", "smok"]) == 3
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1].startswith("jslds-bench: unknown suite 'smok'")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], " goes on from there"),
        (["--no-resume"], " without --no-resume goes on from there, and keeps those of earlier runs too"),
    ],
)
def test_an_interrupted_run_says_what_goes_on_from_there(options, expected, capsys, monkeypatch):
    def run(arguments):
        raise KeyboardInterrupt

    monkeypatch.setitem(verbs.VERBS, "run", run)
    assert cli.main(["run", "--suite", "smoke", *options]) == 130
    kept = "jslds-bench: interrupted: finished jobs are kept, the same command"
    assert one_line(capsys) == f"{kept}{expected}\n"


def test_our_own_mistakes_are_one_line_and_exit_code_70(capsys, monkeypatch):
    def doctor(arguments):
        raise ZeroDivisionError("so\nit goes")

    monkeypatch.setitem(verbs.VERBS, "doctor", doctor)
    assert cli.main(["doctor"]) == 70
    assert (
        one_line(capsys)
        == "jslds-bench: internal error: ZeroDivisionError: so it goes; run again with --debug\n"
    )
    assert cli.main(["doctor", "--debug"]) == 70
    assert "Traceback" in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_error(tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    done = process(
        "list", "suites", cwd=tmp_path, capture_output=False, stdout=writing, stderr=subprocess.PIPE
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_head_gets_its_line_and_nothing_complains(tmp_path, run_folder):
    shell = f"{sys.executable} -m jslds_bench export {run_folder} --format json | head -n 1"
    done = subprocess.run(
        ["bash", "-c", shell], cwd=tmp_path, env=ENV, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "[\n", "")


@pytest.mark.parametrize("words", [["list", "suites"], ["--help"]])
def test_a_full_disk_behind_stdout_is_one_line(words, tmp_path):
    with open("/dev/full", "w") as full:
        done = process(*words, cwd=tmp_path, capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 3
    assert done.stderr == "jslds-bench: cannot write the output: No space left on device\n"


@pytest.mark.parametrize(("closed", "code"), [("1>&-", 0), ("2>&-", 0), ("1>&- 2>&-", 0)])
def test_closed_streams_are_no_error(closed, code, tmp_path):
    shell = f"{sys.executable} -m jslds_bench list suites {closed}"
    done = subprocess.run(
        ["bash", "-c", shell], cwd=tmp_path, env=ENV, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (code, "")


def test_a_terminal_without_the_letters_gets_question_marks(tmp_path):
    env = {**ENV, "PYTHONIOENCODING": "ascii"}
    done = process("list", "suites", cwd=tmp_path, env=env)
    assert done.returncode == 0
    assert "2 tasks ? 2 networks" in done.stdout


def test_version(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"jslds-bench {jslds_bench.__version__}\n"


PLUGIN = '''
import dataclasses
from jslds_bench.types import MODELS

@MODELS.register("{name}")
@dataclasses.dataclass(frozen=True)
class Mine:
    """Mine alone."""

    def unsupported(self, task, network):
        return "it is too small" if task.n_inputs < 5 else None

    def fit(self, task, network, trials, key, progress=None):
        raise NotImplementedError
'''


def test_a_plug_in_is_listed_when_it_is_named(tmp_path, capsys, monkeypatch):
    (tmp_path / "mine.py").write_text(PLUGIN.format(name="mine"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(MODELS, "_entries", dict(MODELS._entries))  # what it registers is forgotten
    assert cli.main(["list", "models"]) == 0
    assert "Mine" not in capsys.readouterr().out
    assert cli.main(["list", "models", "--plugin", "mine.py"]) == 0
    named = capsys.readouterr().out
    assert ["mine", "Mine alone."] in [line.split(maxsplit=1) for line in named.splitlines()]


def test_a_dry_run_lists_jobs_and_refusals_and_leaves_nothing(tmp_path):
    (tmp_path / "mine.py").write_text(PLUGIN.format(name="mine"))
    (tmp_path / "x.toml").write_text(
        """
schema = 1
name = "x"
seeds = [0]
plugins = ["mine.py"]
[[tasks]]
name = "nbit_memory"
[[tasks]]
name = "context_integration"
[[networks]]
name = "standard"
[[models]]
name = "mine"
[[models]]
name = "persistence"
"""
    )
    done = process("run", "--suite", "x.toml", "--seeds", "4-5", "--model", "mine", "--dry-run", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    rows = [line.split(maxsplit=4) for line in done.stdout.splitlines()]
    assert rows[1:5] == [
        ["nbit_memory", "standard", "mine", "4", "to run, network to be made"],
        ["nbit_memory", "standard", "mine", "5", "to run, network to be made"],
        ["context_integration", "standard", "mine", "4", "unsupported: it is too small"],
        ["context_integration", "standard", "mine", "5", "unsupported: it is too small"],
    ]
    assert done.stdout.splitlines()[-1] == "x: 4 jobs: 2 to run, 0 kept, 2 unsupported; nothing was run"
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "__pycache__") == [
        "mine.py",
        "x.toml",
    ]


def test_a_dry_run_looks_for_the_networks_of_as_many_threads(tmp_path, monkeypatch, capsys):
    """Numbers may differ between one and several, so that networks are kept apart."""
    asked = []
    key = cache.network_key
    monkeypatch.setattr(Limits, "check_here", lambda self: None)  # there may be one core
    monkeypatch.setattr(
        cache, "network_key", lambda digest, about: asked.append(about["threads"]) or key(digest, about)
    )
    for threads in ("1", "3"):
        words = ["run", "--suite", "smoke", "--task", "nbit_memory", "--threads", threads, "--dry-run"]
        assert cli.main([*words, "--out", str(tmp_path / "out")]) == 0
    capsys.readouterr()
    assert set(asked[: len(asked) // 2]) == {1}
    assert set(asked[len(asked) // 2 :]) == {3}


def test_a_report_of_a_file_is_one_line(run_folder, capsys):
    assert cli.main(["report", str(run_folder / "run.json")]) == 3
    assert "run.json" in one_line(capsys)


def test_a_recipe_for_networks_that_are_not_trained_is_refused(tmp_path, capsys):
    (tmp_path / "w.npz").touch()
    (tmp_path / "x.toml").write_text(
        """
schema = 1
name = "x"
seeds = [0]
[[tasks]]
name = "nbit_memory"
[[networks]]
name = "checkpoint"
path = "w.npz"
[[models]]
name = "persistence"
"""
    )
    assert cli.main(["run", "--suite", str(tmp_path / "x.toml"), "--recipe", "fast", "--dry-run"]) == 3
    assert "--recipe fast: nothing in " in one_line(capsys)


def test_csv_has_one_flat_row_per_value(run_folder, capfdbinary):
    assert cli.main(["export", str(run_folder)]) == 0
    out = capfdbinary.readouterr().out
    table = pd.read_csv(io.BytesIO(out))
    assert list(table.columns) == list(COLUMNS)
    assert len(table) == 5
    assert table.value[table.metric == "relative_error"].item() == 0.25
    assert table.value[table.metric == "skill"].item() == math.inf
    assert table.value.isna().sum() == 3
    assert table.reason[table.status == "failed"].item() == "no, really"


def test_json_has_null_for_nan_and_words_for_infinity(run_folder, tmp_path):
    assert (
        cli.main(["export", str(run_folder), "--format", "json", "--output", str(tmp_path / "o.json")]) == 0
    )
    records = {r["metric"]: r for r in json.loads((tmp_path / "o.json").read_text())}
    assert [records[m]["value"] for m in ("relative_error", "skill", "nrmse")] == [0.25, "inf", None]
    assert records["fixed_point_recall"]["reason"] == "no fixed points"
    assert records[None]["seed"] == 0


def test_parquet_reads_back_equal(run_folder, tmp_path):
    assert (
        cli.main(["export", str(run_folder), "--format", "parquet", "--output", str(tmp_path / "o.parquet")])
        == 0
    )
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "o.parquet"), load_run(run_folder))


def test_a_damaged_record_is_named(run_folder, capsys):
    path = store.record_path(run_folder, ("t", "n", "a", 0))
    path.write_text(path.read_text().replace("0.25", "0.24"))
    assert cli.main(["export", str(run_folder)]) == 3
    assert f"record {path} was changed after it was written" in one_line(capsys)


def test_a_run_of_another_schema_is_refused_and_left_alone(run_folder, capsys):
    before = '{"schema": 99}'
    (run_folder / "run.json").write_text(before)
    for words in (["export", str(run_folder)], ["report", str(run_folder)]):
        assert cli.main(words) == 3
        assert "has schema 99, this version reads schema 4" in one_line(capsys)
    assert (run_folder / "run.json").read_text() == before


def test_an_export_that_cannot_be_written_is_one_line(run_folder, capsys):
    output = run_folder / "run.json" / "o.csv"  # a file stands where a folder would have to be
    assert cli.main(["export", str(run_folder), "--output", str(output)]) == 3
    assert f"cannot write {output}" in one_line(capsys)


def test_doctor_tells_versions_device_speed_and_disk(tmp_path):
    done = process("doctor", "--out", "new/folder", cwd=tmp_path)
    found = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert done.returncode == 0
    assert found["jslds-bench"].startswith(jslds_bench.__version__)
    assert "GFLOP/s" in found["float32"]
    assert found["folder"].startswith("new/folder can be written")
    assert max(map(len, done.stdout.splitlines())) <= 120
    assert not (tmp_path / "new").exists()


def test_doctor_says_what_to_mend(tmp_path):
    (tmp_path / "file").touch()
    done = process("doctor", "--out", "file", cwd=tmp_path)
    assert done.returncode == 3
    assert "file cannot be written (Not a directory): choose another with --out" in done.stdout
