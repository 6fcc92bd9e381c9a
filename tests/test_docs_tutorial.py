"""docs/tutorial.md: what it chooses is run, and the command that it names is the same run."""

import ast
import re
import shlex
from pathlib import Path

from jslds_bench.cli import main
from jslds_bench.suite import grid, load_suite, select

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "tutorial.md").read_text("utf-8")


def test_the_command_runs_what_the_page_ran_and_nothing_chosen_is_left_out(capsys, tmp_path):
    (chosen,) = re.findall(r"^suite = select\(load_suite\(\"smoke\"\), (.*?\])\)$", PAGE, re.M | re.S)
    words = {a.arg: ast.literal_eval(a.value) for a in ast.parse(f"f({chosen})", mode="eval").body.keywords}
    jobs = [[entry.label for entry in entries] for *entries, _ in grid(select(load_suite("smoke"), **words))]
    assert sorted(model for *_, model in jobs) == sorted(words["models"])
    (command,) = re.findall(r"^jslds-bench (run .*)$", PAGE, re.M)
    assert main([*shlex.split(command), "--dry-run", "--out", str(tmp_path / "out")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines[1 : lines.index("")]] == jobs
