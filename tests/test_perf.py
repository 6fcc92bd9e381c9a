"""`jslds-bench perf compare`: what is slower is called, what is equal is not."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from jslds_bench.cli import main
from jslds_bench.errors import UsageError
from jslds_bench.perf import Version, compare_speeds, version
from jslds_bench.perf.versions import checkout

ROOT = Path(__file__).resolve().parents[1]
BENCHMARKS = """
import time
from jslds_bench import WORK

def spin():
    def call():
        end = time.process_time() + WORK
        while time.process_time() < end:
            pass
    return call

TIMED = {"spin": spin}
"""


def made(folder, work):
    """A version of the code whose only benchmark takes `work` seconds."""
    package = folder / "jslds_bench"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f"WORK = {work}\n")
    return Version(folder.name, folder, Path(sys.executable))


def compared(tmp_path, a, b, pairs=3, turns=2):
    benchmarks = tmp_path / "benchmarks.py"
    benchmarks.write_text(BENCHMARKS)
    stages = []
    found = compare_speeds(
        a, b, benchmarks, {"spin": 1.1}, pairs, turns, lambda done, total, text: stages.append((done, total))
    )
    assert stages == [(i, pairs) for i in range(pairs)]
    return found[0]


def test_a_version_that_takes_longer_is_slower(tmp_path):
    one = compared(tmp_path, made(tmp_path / "a", 0.02), made(tmp_path / "b", 0.04), pairs=5)
    assert one.slower
    assert one.low < 2 < one.high or one.ratio == pytest.approx(2, rel=0.2)
    assert one.seconds >= 0.02


def test_one_that_takes_as_long_or_less_is_not(tmp_path):
    a, b = made(tmp_path / "a", 0.02), made(tmp_path / "b", 0.02)
    assert not compared(tmp_path, a, b).slower
    assert not compared(tmp_path, made(tmp_path / "c", 0.03), b).slower


def test_a_version_beside_itself_is_timed_twice(tmp_path):
    one = made(tmp_path / "a", 0.01)
    found = compared(tmp_path, one, one)
    assert not found.slower
    assert found.low < found.high  # two processes: never the very same seconds


def test_a_benchmark_that_fails_says_why(tmp_path):
    broken = made(tmp_path / "b", 0.02)
    (broken.folder / "jslds_bench" / "__init__.py").write_text("")
    with pytest.raises(
        UsageError, match="benchmark 'spin' failed in b: ImportError: cannot import name 'WORK'"
    ):
        compared(tmp_path, made(tmp_path / "a", 0.02), broken)


def test_one_that_says_much_is_timed_all_the_same(tmp_path):
    """More than a pipe holds, which nobody would read while it is timed."""
    loud = made(tmp_path / "loud", 0.01)
    init = loud.folder / "jslds_bench" / "__init__.py"
    init.write_text(f"import sys\n{init.read_text()}sys.stderr.write('x' * 1_000_000)\n")
    assert compared(tmp_path, loud, made(tmp_path / "b", 0.01), pairs=2).seconds >= 0.01


def git(folder, *words):
    about = {"GIT_AUTHOR_NAME": "n", "GIT_AUTHOR_EMAIL": "e", "GIT_COMMITTER_NAME": "n"}
    about |= {"GIT_COMMITTER_EMAIL": "e", "GIT_CONFIG_GLOBAL": os.devnull}
    subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, env=os.environ | about)


@pytest.mark.skipif(shutil.which("git") is None, reason="revisions need git")
def test_a_revision_is_unpacked_and_a_folder_taken_as_it_is(tmp_path):
    repository, scratch = tmp_path / "repository", tmp_path / "scratch"
    scratch.mkdir()
    made(repository, 1)
    (repository / "requirements.lock").write_text("x")
    git(repository, "init", "-q")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "one")
    (repository / "jslds_bench" / "__init__.py").write_text("WORK = 2\n")
    old, new = version("HEAD", repository, scratch), version(str(repository), repository, scratch)
    assert (old.folder / "jslds_bench" / "__init__.py").read_text() == "WORK = 1\n"
    assert (new.folder, new.python) == (repository, old.python)
    for wrong in ("nowhere", "--output=x"):
        with pytest.raises(UsageError, match="revision"):
            version(wrong, repository, scratch)


@pytest.mark.skipif(shutil.which("git") is None, reason="revisions need git")
def test_a_revision_without_a_lock_file_is_refused_and_so_is_one_without_git(tmp_path, monkeypatch):
    repository, scratch = tmp_path / "repository", tmp_path / "scratch"
    scratch.mkdir()
    made(repository, 1)
    git(repository, "init", "-q")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "one")
    with pytest.raises(UsageError, match=r"HEAD has no requirements\.lock"):
        version("HEAD", repository, scratch)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="git, which cannot be started"):
        version("HEAD", repository, scratch)
    with pytest.raises(UsageError, match="git, which cannot be started"):
        checkout()


@pytest.mark.parametrize(
    ("words", "idle"),
    [
        (["throughput", "--only", "spin"], "--only does nothing in perf throughput"),
        (["quality", "HEAD~1"], "REV_A does nothing in perf quality"),
        (["quality", "--pairs", "7"], "--pairs does nothing in perf quality"),
        (["compare", "HEAD~1", "HEAD", "--seeds", "3"], "--seeds does nothing in perf compare"),
    ],
)
def test_what_another_action_reads_is_refused(words, idle, capsys):
    assert main(["perf", *words]) == 3
    assert idle in capsys.readouterr().err


def test_the_command_times_the_core_of_this_checkout():
    command = [
        sys.executable,
        "-m",
        "jslds_bench",
        "perf",
        "compare",
        ".",
        ".",
        "--pairs",
        "2",
        "--turns",
        "1",
    ]
    done = subprocess.run(
        [*command, "--only", "forward-vanilla", "--threshold", "100", "--quiet"],
        cwd=ROOT,
        env=os.environ | {"JSLDS_BENCH_ASV": "tiny"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "forward-vanilla" in done.stdout
    wrong = subprocess.run(
        [*command, "--only", "forwrd"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert wrong.returncode == 3
    assert "unknown benchmark 'forwrd'" in wrong.stderr


MORE = """
_whole = co_rollout

def co_rollout(cell, theta, phi, h0, inputs, stars):
    out, n = _whole(cell, theta, phi, h0, inputs, stars), round(0.3 * len(h0))
    more = _whole(cell, theta, phi, h0[:n], inputs[:n], stars[:n])
    return out._replace(h=out.h.at[0, 0, 0].add(0 * sum(x.sum() for x in more)))
"""
KERNELS = ("forward-gru", "forward-vanilla")


@pytest.mark.slow  # 20 comparisons of two kernels: in 10 three tenths of the trials run twice, 10 are equal
@pytest.mark.timeout(3600)
def test_planted_slow_downs_are_called_and_equal_pairs_are_not(tmp_path):
    copy = tmp_path / "slower"
    shutil.copytree(ROOT / "jslds_bench", copy / "jslds_bench")
    with (copy / "jslds_bench" / "dynamics" / "jslds.py").open("a") as kernel:
        kernel.write(MORE)
    here, slower = (Version(p.name, p, Path(sys.executable)) for p in (ROOT, copy))
    benchmarks = ROOT / "suites" / "asv" / "problems.py"

    def called(b):
        found = compare_speeds(here, b, benchmarks, dict.fromkeys(KERNELS, 1.1), 5, 8, lambda *_: None)
        print(b.name, *found, sep="\n  ", flush=True)
        return sum(one.slower for one in found)

    planted, equal = (sum(called(b) for _ in range(10)) for b in (slower, here))
    print(f"planted: {planted} of 20 called; equal: {equal} of 20")
    assert planted >= 19
    assert equal <= 1
