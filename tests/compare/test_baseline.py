"""Baselines: written, read back, updated, and held against a run."""

from __future__ import annotations

import dataclasses
import json
import math
import tomllib
from pathlib import Path

import pytest

from jslds_bench import cli, report, runner
from jslds_bench.compare import compare, read_side, write_baseline
from jslds_bench.compare.sides import baseline_folder
from jslds_bench.errors import UsageError
from jslds_bench.records.record import Value
from jslds_bench.runner import RunResult


def awkward(records):
    """One value infinite, one not available, one job failed."""
    first, second, third, *rest = records
    first = dataclasses.replace(first, values=first.values | {"skill": Value(-math.inf, "1", "higher")})
    gone = Value(None, "1", "lower", 'no "such" thing')
    second = dataclasses.replace(second, values=second.values | {"relative_error": gone})
    third = dataclasses.replace(third, status="failed", reason="no luck", values={})
    return [first, second, third, *rest]


def test_a_baseline_holds_what_the_run_held(write_run, make_grid, tmp_path):
    run = read_side(write_run("run", awkward(make_grid(6, n_models=1))))
    write_baseline(run, tmp_path / "base.toml")
    base = read_side(tmp_path / "base")
    assert (base.kind, base.suite, base.rule, base.gemm) == ("baseline", "made", "interval", run.gemm)
    assert base.machines == run.machines
    assert list(base.results) == list(run.results)
    for key, results in run.results.items():
        assert base.results[key].values == results.values
        assert {s: e[0] for s, e in base.results[key].endings.items()} == {
            s: e[0] for s, e in results.endings.items()
        }
    found = compare(base, run)
    assert found.count("worse") + found.count("better") == 0
    assert {r.verdict for r in found.rows} <= {"same", "cannot tell"}


@pytest.mark.parametrize("n", [1, 5])
def test_few_seeds_make_a_baseline_that_is_judged_by_tolerance(write_run, make_grid, tmp_path, n):
    path = tmp_path / "base.toml"
    write_baseline(read_side(write_run("few", make_grid(n))), path)
    content = tomllib.loads(path.read_text())
    assert content["rule"] == "tolerance"
    assert content["metrics"]["relative_error"]["relative"] == 0.25
    near = read_side(write_run("near", make_grid(n, factors={"relative_error": 1.2})))
    far = read_side(write_run("far", make_grid(n, factors={"relative_error": 1.3})))
    assert compare(read_side(path), near).count("worse") == 0
    assert compare(read_side(path), far).count("worse") == 16


def test_update_keeps_the_tolerances_and_shows_what_moved(
    write_run, make_grid, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    before = write_run("before", make_grid(6, n_models=1))
    after = write_run("after", make_grid(6, n_models=1, factors={"relative_error": 1.3, "fit_seconds": 0.5}))
    assert cli.main(["baseline", "update", str(before)]) == 0
    assert capsys.readouterr().out == "written anew: baselines/made.toml\n"
    path = Path("baselines/made.toml")
    path.write_text(path.read_text().replace("relative = 0.05", "relative = 0.2"))
    assert cli.main(["baseline", "update", str(after)]) == 0
    out = capsys.readouterr().out
    assert out.count("\nworse ") == out.count("\nbetter ") == 4
    assert "relative_error ↓" in out
    assert "+30.0 %" in out
    assert out.endswith("updated: baselines/made.toml\n")
    assert "relative = 0.2\n" in path.read_text()
    assert compare(read_side(path), read_side(after)).count("same") == 16


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("schema = 9", "has schema 9, this version reads schema 2"),
        ("schema = 2", r"lacks something or has it in the wrong form \(KeyError: 'metrics'\)"),
        ("schema =", "cannot be read: "),
        ('schema = 1\n[[values]]\ntask = "t"', r"KeyError: 'network'"),
    ],
)
def test_a_damaged_baseline_is_one_clear_line(tmp_path, text, message):
    (tmp_path / "b.toml").write_text(text)
    with pytest.raises(UsageError, match=message):
        read_side(tmp_path / "b.toml")


def test_a_wrong_rule_and_a_wrong_source_are_refused(write_run, make_grid, tmp_path):
    run = read_side(write_run("run", make_grid(6, n_models=1)))
    write_baseline(run, tmp_path / "b.toml")
    text = (tmp_path / "b.toml").read_text()
    (tmp_path / "b.toml").write_text(text.replace('rule = "interval"', 'rule = "guess"'))
    with pytest.raises(UsageError, match="rule is 'guess'"):
        read_side(tmp_path / "b.toml")
    with pytest.raises(UsageError, match="is no run's folder"):
        write_baseline(read_side("baselines/published"), tmp_path / "c.toml")
    with pytest.raises(UsageError, match="holds no values"):
        write_baseline(read_side(write_run("empty", [])), tmp_path / "c.toml")


def test_names_find_the_packages_own_baselines(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read_side("baselines/published").kind == read_side("published").kind == "published"
    with pytest.raises(UsageError, match="did you mean 'baselines/published'"):
        read_side("baselines/publishd")


def test_every_baseline_of_the_project_reads():
    files = sorted(baseline_folder().glob("*.toml"))
    assert {read_side(file).kind for file in files} >= {"published"}


SUITE_OF_LABELS = """
schema = 1
name = "smoke"
seeds = [0, 1]
[[tasks]]
name = "perturbations"
label = "memory"
[[networks]]
name = "analytic"
label = "net"
[[models]]
name = "dmdc"
label = "one"
[[models]]
name = "dmdc"
label = "other"
"""


@pytest.fixture
def pretended_run(write_run, monkeypatch):
    """`jslds-bench run` that finds its records made; returns where to put them and how many jobs to fail."""

    def pretend(records, n_failed=0):
        def run_suite(suite, out, **options):
            made = [dataclasses.replace(r, suite="smoke") for r in records]
            path = write_run(f"run-{len(records)}", made, suite="smoke")
            return RunResult(path, len(records), n_failed, 0, 0)

        monkeypatch.setattr(runner, "run_suite", run_suite)
        monkeypatch.setattr(report, "write_report", lambda run, progress, processes: run / "index.html")

    return pretend


def test_run_check_gates(write_run, make_grid, tmp_path, monkeypatch, capsys, pretended_run):
    monkeypatch.chdir(tmp_path)
    write_baseline(read_side(write_run("base", make_grid(6, n_models=1), suite="smoke")), Path("base.toml"))
    command = ["run", "--suite", "smoke", "--quiet", "--out", "run", "--check", "base.toml"]
    pretended_run(make_grid(6, n_models=1))
    assert cli.main(command) == 0
    out = capsys.readouterr().out
    assert "16 rows: 0 worse" in out
    assert "No test can tell a change from chance with 1 seed (the least p is 1): it takes 6" in out
    pretended_run(make_grid(6, n_models=1, factors={"relative_error": 1.1}), n_failed=1)
    assert cli.main(command) == 1
    out = capsys.readouterr().out
    assert out.count("\nworse ") == 4
    assert "\nsame " not in out
    assert cli.main([*command, "--no-report"]) == 1
    assert capsys.readouterr().out.count("\nworse ") == 4
    pretended_run(make_grid(6, n_models=1), n_failed=1)
    assert cli.main(command) == 2
    assert cli.main([*command, "--no-report"]) == 2
    pretended_run(make_grid(5, n_models=1))
    assert cli.main(command) == 1
    assert "B lacks what A has: context · cotrained · model_0, seed 5; " in capsys.readouterr().out
    assert cli.main([*command, "--seeds", "0-4"]) == 0  # a part of it, as it was asked for


def test_run_check_knows_entries_by_name(write_run, make_grid, tmp_path, monkeypatch, pretended_run):
    """`--model slds` chooses all models of that name, whatever their labels: so does the gate."""
    monkeypatch.chdir(tmp_path)
    text = SUITE_OF_LABELS
    (tmp_path / "labels.toml").write_text(text)
    records = [
        dataclasses.replace(r, task="memory", network="net", model=model, suite="smoke")
        for r in make_grid(2, n_models=1)
        if (r.task, r.network) == ("memory", "standard")
        for model in ("one", "other")
    ]
    write_baseline(read_side(write_run("base", records, suite="smoke")), Path("base.toml"))
    command = ["run", "--suite", "labels.toml", "--quiet", "--out", "run", "--check", "base.toml"]
    pretended_run([r for r in records if r.model == "one"])
    assert cli.main([*command, "--model", "dmdc"]) == 1  # `other` is one of these, and is not there
    assert cli.main([*command, "--model", "one"]) == 0


def test_run_check_is_refused_before_anything_runs(write_run, make_grid, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runner, "run_suite", lambda *a, **k: pytest.fail("it ran"))
    write_baseline(read_side(write_run("base", make_grid(2, n_models=1))), Path("base.toml"))
    assert cli.main(["run", "--suite", "smoke", "--check", "base.toml"]) == 3
    assert "--check base.toml is of suite 'made', this is suite 'smoke'" in capsys.readouterr().err
    assert cli.main(["run", "--suite", "smoke", "--check", "nowhere"]) == 3
    assert "no run or baseline at nowhere" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["a"], "the following arguments are required: B"),
        (["a", "b"], "no run or baseline at a"),
        (["a", "b", "--format", "txt"], "unknown format 'txt'; did you mean 'text'?"),
        (["a", "b", "--fail-on", "wors"], "unknown verdict 'wors'; did you mean 'worse'?"),
    ],
)
def test_wrong_words_are_one_line(words, expected, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["compare", *words]) == 3
    assert expected in capsys.readouterr().err


def test_formats(write_run, make_grid, tmp_path, capsys):
    hostile = make_grid(6, n_models=1)
    label = "a|b <i>\x1b[31m"
    before = write_run("before", [dataclasses.replace(r, model=label) for r in hostile])
    worse = make_grid(6, n_models=1, factors={"relative_error": 1.1})
    after = write_run("after", [dataclasses.replace(r, model=label) for r in worse])
    pair = ["compare", str(before), str(after)]
    assert cli.main(pair) == 0
    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert "16 rows: 4 worse, 0 better, 0 cannot tell, 12 same" in text
    assert "over 4 rows that moved in 6 pairs of seeds or more" in text
    assert text.index("\nworse ") < text.index("\nsame ")
    assert cli.main([*pair, "--format", "markdown", "--output", str(tmp_path / "c.md")]) == 0
    table = (tmp_path / "c.md").read_text()
    assert r"a\|b \<i\>" in table
    assert len({len(re_cells(line)) for line in table.splitlines() if line.startswith("|")}) == 1
    assert cli.main([*pair, "--format", "json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["counts"] == {"worse": 4, "better": 0, "cannot tell": 0, "same": 12}
    assert content["rows"][0]["model"] == label


def re_cells(line: str) -> list[str]:
    """The cells of a Markdown row, whose escaped bars are text."""
    return line.replace("\\|", "").split("|")
