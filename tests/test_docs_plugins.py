"""The worked example of docs/plugins.md does what the page says."""

import csv
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import jslds_bench

PAGE = Path(__file__).resolve().parents[1] / "docs" / "plugins.md"


def blocks() -> list[tuple[str, str]]:
    """The page's code blocks, (language, text), from the first to the last."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_page_s_blocks_run_in_their_order(tmp_path):
    package = str(Path(jslds_bench.__file__).parents[1])
    env = {**os.environ, "PYTHONPATH": package, "JSLDS_BENCH_CACHE": str(tmp_path / "cache")}
    said = []
    for language, text in blocks():
        if language == "sh":
            for line in text.splitlines():
                program, *words = shlex.split(line)
                assert program == "jslds-bench"
                command = [sys.executable, "-m", "jslds_bench", *words]
                done = subprocess.run(
                    command, capture_output=True, text=True, cwd=tmp_path, env=env, timeout=250
                )
                assert done.returncode == 0, done.stdout + done.stderr
                said.append(done.stdout)
        elif language == "python":  # in place of the file's end
            first = text.splitlines()[0]
            (file,) = (f for f in tmp_path.glob("my_*.py") if first in f.read_text())
            head = file.read_text().partition(first)[0]
            file.write_text(head.replace("import CELLS, TANH", "import CELLS, SIGMOID, TANH") + text)
        else:
            assert language == "toml"
            (tmp_path / text.splitlines()[0].removeprefix("# ")).write_text(text)
    _, checked, ran, _, _, cell_checked, cell_ran = said
    assert checked.startswith("my_method keeps the contract of a model")
    assert cell_checked.startswith("my_cell keeps the contract of a cell")
    assert cell_ran.rstrip().endswith("reports/cells/index.html")
    assert ran.rstrip().endswith("reports/mine/index.html")
    assert (tmp_path / "reports/mine/index.html").exists()
    with (tmp_path / "mine.csv").open(newline="") as stream:
        rows = {
            row["model"]: row for row in csv.DictReader(stream) if row["metric"] == "relative_error_one_step"
        }
    assert rows.keys() == {"jslds", "my_method", "one_point"}
    assert float(rows["my_method"]["value"]) < float(rows["one_point"]["value"])
