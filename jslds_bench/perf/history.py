"""The last commits measured by asv, each in the environment of its lock file, and the dashboard of all.

    python -m jslds_bench.perf.history --last 5    # `make perf`

asv builds nothing here: it runs today's benchmarks in an environment that exists, on a commit's code that is
unpacked and put first on the path. Commits that have results are not measured again. Only an environment of
another lock file than this one's needs a network, once.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from jslds_bench.errors import UsageError
from jslds_bench.perf.page import page
from jslds_bench.perf.versions import Version, version
from jslds_bench.records.sealed import write_atomic

CONFIGURATION = "asv.conf.json"


def commits(repository: Path, last: int, branch: str) -> list[str]:
    """The last commits of the branch that changed the package, oldest first."""
    found = _run(["git", "log", f"-{last}", "--format=%H", branch, "--", "jslds_bench"], repository)
    return found.split()[::-1]


def configured(repository: Path) -> tuple[str, Path, Path]:
    """Branch, folder of results and folder of the dashboard, as asv will have them."""
    text = (repository / CONFIGURATION).read_text("utf-8")
    read = json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE))
    return read["branches"][0], repository / read["results_dir"], repository / read["html_dir"]


def measure(code: Version, commit: str, repository: Path, more: list[str]) -> bool:
    """One round of asv on the code, recorded under the commit; False if some benchmark failed."""
    command = ["run", "--environment", f"existing:{code.python}", "--set-commit-hash", commit, *more]
    done = subprocess.run(
        [sys.executable, "-m", "asv", *command],
        cwd=repository,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"ASV_PYTHONPATH": str(code.folder)},
        check=False,
    )
    return done.returncode == 0


def history(repository: Path, last: int, more: list[str]) -> int:
    """Measures what has no results, publishes, and says where; 1 if a benchmark failed somewhere."""
    branch, results, html = configured(repository)
    chosen = commits(repository, last, branch)
    _run([sys.executable, "-m", "asv", "machine", "--yes"], repository)
    failed = []
    with tempfile.TemporaryDirectory(prefix="jslds-bench-perf-") as scratch:
        for commit in chosen:
            if list(results.glob(f"*/{commit[:8]}-*.json")):
                continue
            code = version(commit, repository, Path(scratch))
            if not measure(code, commit, repository, more):
                failed.append(commit[:8])
    _run([sys.executable, "-m", "asv", "publish"], repository)
    all_commits = _run(["git", "rev-list", "--reverse", branch], repository).split()
    write_atomic(html / "speed.html", page(results, all_commits).encode())
    sys.stdout.write(f"look at {html / 'speed.html'}, or with a network at asv's own dashboard:\n")
    sys.stdout.write(f"    python -m http.server --bind 127.0.0.1 --directory {html}\n")
    if failed:
        sys.stdout.write(f"some benchmarks failed in {', '.join(failed)}\n")
    return int(bool(failed))


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise UsageError(f"{' '.join(command[:3])} failed: {' '.join(last)}")
    return done.stdout


def main(argv: list[str] | None = None) -> int:
    """The command; words that it does not know go to `asv run` (`--quick`, `--bench Speed`)."""
    parser = argparse.ArgumentParser(description="asv on the last commits, and its dashboard")
    parser.add_argument("--last", type=int, default=5, help="how many commits that changed the package")
    arguments, more = parser.parse_known_args(argv)
    try:
        if arguments.last < 1:
            raise UsageError(f"--last is {arguments.last}, expected at least 1")
        return history(Path.cwd(), arguments.last, more)
    except UsageError as error:
        sys.stderr.write(f"{error}\n")
        return 3


if __name__ == "__main__":
    sys.exit(main())
