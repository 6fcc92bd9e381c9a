"""A plug-in that does not import fails the jobs that need it, and no others; nothing unnamed is imported."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import jslds_bench
from jslds_bench.cli import main
from jslds_bench.cli.listing import listed
from jslds_bench.errors import BrokenPlugin, UsageError
from jslds_bench.records.store import read_records
from jslds_bench.suite import load_plugins, load_suite, resolve
from jslds_bench.types import MODELS

HALF = """
import dataclasses
from jslds_bench.models.persistence import Persistence
from jslds_bench.types import MODELS

@MODELS.register("half")
@dataclasses.dataclass(frozen=True)
class Half(Persistence):
    pass

raise RuntimeError("not\\ntoday")
"""
SUITE = """
schema = 1
name = "mixed"
seeds = [0]
n_trials = 16
plugins = ["half.py"]
[[tasks]]
name = "perturbations"
n_steps = 5
[[networks]]
name = "analytic"
system = "bistable"
n_state = 2
[[models]]
name = "half"
[[models]]
name = "lost"
[[models]]
name = "persistence"
"""
POINTS = """
[jslds_bench.models]
lost = lost_package:Model
[jslds_bench.metrics]
nobody_named_it = lost_package:Metric
"""
REASON = "model 'half' is not there: plug-in {}/half.py could not be imported: RuntimeError: not today"


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A suite with a broken plug-in file and a model of an installed package that does not import."""
    (tmp_path / "half.py").write_text(HALF)
    (tmp_path / "mixed.toml").write_text(SUITE)
    about = tmp_path / "site" / "lost-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: lost\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(POINTS)
    (tmp_path / "site" / "lost_package.py").write_text(
        "open('imported', 'a').close()\nraise OSError('gone')\n"
    )
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_entries_that_need_it_say_why_and_the_others_are_fine(folder):
    plan = resolve(load_suite("mixed.toml"))
    reasons = [job.failure for job in plan.jobs]
    assert reasons[0] == REASON.format(folder)
    assert reasons[1] == "model 'lost' of package 'lost_package:Model' could not be imported: OSError: gone"
    assert reasons[2] is None
    assert "half" not in MODELS  # nothing stays of a plug-in that failed half-way
    (folder / "half.py").write_text(
        HALF[: HALF.index("raise")] + "# mended, and longer than it was before\n" * 9
    )
    assert load_plugins(plan.suite.plugins) == []
    assert "half" in MODELS
    MODELS.forget(MODELS.get("half").__module__)


def test_a_suite_that_is_wrong_is_refused_as_before(folder):
    (folder / "mixed.toml").write_text(SUITE.replace('"half.py"', '"hafl.py"'))
    with pytest.raises(UsageError, match=r"hafl\.py: no such file"):
        resolve(load_suite("mixed.toml"))
    (folder / "mixed.toml").write_text(SUITE.replace('plugins = ["half.py"]', ""))
    with pytest.raises(UsageError, match="unknown model 'half'"):
        resolve(load_suite("mixed.toml"))


def test_listing_imports_no_package_and_naming_its_entry_does(folder):
    assert [
        "lost",
        "from lost_package:Model; imported when it is named (try: jslds-bench info lost)",
    ] in listed("models")
    assert not (folder / "imported").exists()
    with pytest.raises(BrokenPlugin, match="could not be imported: OSError: gone"):
        MODELS.get("lost")
    assert (folder / "imported").exists()


def test_a_dry_run_counts_them(folder, capsys):
    assert main(["run", "--suite", "mixed.toml", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert REASON.format(folder) in out
    assert out.endswith("\nmixed: 3 jobs: 1 to run, 0 kept, 0 unsupported, 2 failed; nothing was run\n")


def test_one_that_is_named_on_the_command_line_is_complained_of_and_left_out(folder, capsys):
    (folder / "bad.py").write_text("import no_such_module\n")
    chosen = ["--model", "persistence", "--plugin", "bad.py"]
    assert main(["run", "--suite", "mixed.toml", *chosen, "--dry-run"]) == 0
    out, err = capsys.readouterr()
    assert "bad.py could not be imported: ModuleNotFoundError: No module named 'no_such_module'" in err
    assert "the run goes on without it" in err
    assert out.endswith("\nmixed: 1 job: 1 to run, 0 kept, 0 unsupported; nothing was run\n")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("class Ridge(\n", "ridge.py could not be imported: SyntaxError: "),
        ("class Ridge:\n    pass\n", "ridge.py registers nothing"),
    ],
)
def test_a_model_that_is_not_there_comes_with_what_is_wrong_with_its_file(folder, capsys, text, complaint):
    (folder / "ridge.py").write_text(text)
    (folder / "mixed.toml").write_text(SUITE.replace('plugins = ["half.py"]', ""))
    assert main(["run", "--suite", "mixed.toml", "--model", "ridge", "--plugin", "ridge.py"]) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert "has no model 'ridge'" in line
    assert complaint in line


def test_a_check_says_what_a_file_registers_where_it_does_not_register_that(folder, capsys):
    # A name like no other: plug-ins of other tests, in the same process, would be guessed at.
    (folder / "empty.py").write_text("class Ridge:\n    pass\n")
    assert main(["check", "qwxz", "--plugin", "empty.py"]) == 3
    assert capsys.readouterr().err == (
        "jslds-bench: nothing is called 'qwxz'; empty.py registers nothing of its own: put "
        "@MODELS.register('qwxz'), or that of another kind, above its class\n"
    )
    whole = HALF[: HALF.index("raise")]
    (folder / "whole.py").write_text(whole.replace('"half"', '"checked_half"'))
    assert main(["check", "qwxz", "--plugin", "whole.py"]) == 3
    assert "(whole.py registers checked_half)" in capsys.readouterr().err
    MODELS.forget(MODELS.get("checked_half").__module__)
    assert main(["check", "qwxz"]) == 3
    assert "(a file needs --plugin FILE)" in capsys.readouterr().err


def test_a_run_records_their_jobs_as_failed_and_does_the_rest(folder, unoptimised):
    path = [str(Path(jslds_bench.__file__).parents[1]), str(folder / "site")]
    env = {**os.environ, **unoptimised, "PYTHONPATH": os.pathsep.join(path)}
    env["JSLDS_BENCH_CACHE"] = str(folder / "cache")
    words = [sys.executable, "-m", "jslds_bench", "run", "--suite", "mixed.toml", "--quiet"]
    done = subprocess.run(words, capture_output=True, text=True, env=env, timeout=250)
    assert done.returncode == 2, done.stderr
    assert "half.py could not be imported: RuntimeError: not today; the run goes on without it" in done.stderr
    records = {record.model: record for record in read_records(folder / "reports/mixed")}
    assert {model: record.status for model, record in records.items()} == {
        "half": "failed",
        "lost": "failed",
        "persistence": "ok",
    }
    assert records["half"].reason == REASON.format(folder)
    assert "nobody_named_it" not in records["persistence"].values
