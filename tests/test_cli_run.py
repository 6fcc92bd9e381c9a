"""`jslds-bench run` in real processes: what it prints and leaves, and how it ends when things go wrong."""

import contextlib
import os
import pty
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import jslds_bench
from jslds_bench.cli import main
from jslds_bench.records import store
from jslds_bench.suite import registries

PLUGIN = '''
"""A network without training, and models that misbehave: quick to run, slow or broken on demand."""

import dataclasses
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jslds_bench.dynamics.cells import get_cell
from jslds_bench.networks._shared.format import known_points
from jslds_bench.models.persistence import Persistence
from jslds_bench.types import MODELS, NETWORKS, Affine, Network, Readout, silent


@NETWORKS.register("random")
@dataclasses.dataclass(frozen=True)
class Random:
    """Random weights, and a truth that spares a search; with `wait`, not before a file called go is there."""

    wait: bool = False

    def build(self, task, key, progress=silent):
        if self.wait:
            Path("begun").touch()
        while self.wait and not Path("go").exists():
            progress(1, 100, "waiting")
            time.sleep(0.02)
        w, v, out = (jax.random.normal(k, (4, 4)) / 4 for k in jax.random.split(key, 3))
        affine = Affine(w, v[: task.n_inputs], jnp.zeros(4))
        readout = Readout(out[:, : task.n_outputs], jnp.zeros(task.n_outputs))
        truth = [known_points(np.zeros((1, 4)), np.zeros((1, 4), complex), star)
                 for star in np.asarray(task.expansion_inputs())]
        h0 = jnp.full(4, 0.1)
        return Network(get_cell("vanilla"), (affine,), h0, readout, None, "random", truth=tuple(truth))

    def sources(self):
        return {}


@MODELS.register("broken")
@dataclasses.dataclass(frozen=True)
class Broken(Persistence):
    """Cannot be fitted."""

    def fit(self, *args, **kwargs):
        raise ValueError("out of ideas")


@MODELS.register("endless")
@dataclasses.dataclass(frozen=True)
class Endless(Persistence):
    """Takes for ever to fit."""

    def fit(self, *args, **kwargs):
        time.sleep(1000)
'''

SUITE = """
schema = 1
name = "odd"
seeds = [0]
n_trials = 8
plugins = ["odd.py"]
metrics = ["relative_error", "skill"]

[[tasks]]
name = "nbit_memory"
n_bits = 1
n_steps = 4
n_unscored = 1

[[networks]]
name = "random"

[[networks]]
name = "random"
label = "slow"
wait = true

[[models]]
name = "persistence"

[[models]]
name = "broken"

[[models]]
name = "endless"
"""

RUN = ["run", "--suite", "odd.toml", "--out", "out"]
QUICK = [*RUN, "--network", "random", "--workers", "1"]
GOOD = ("nbit_memory", "random", "persistence", 0)


@pytest.fixture(scope="module")
def environment(unoptimised) -> dict[str, str]:
    """Each folder has a cache of its own."""
    inherited = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "PYTHONUNBUFFERED")}
    package = str(Path(jslds_bench.__file__).parents[1])
    return {
        **inherited,
        **unoptimised,
        "PYTHONPATH": package,
        "JSLDS_BENCH_CACHE": "cache",
        "TERM": "xterm",
        "COLUMNS": "100",
    }


@pytest.fixture
def env(environment: dict[str, str]) -> dict[str, str]:
    return dict(environment)


def fill(folder: Path) -> Path:
    (folder / "odd.py").write_text(PLUGIN)
    (folder / "odd.toml").write_text(SUITE)
    return folder


@pytest.fixture
def here(tmp_path: Path) -> Path:
    return fill(tmp_path)


def command(words: list[str], cwd: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "jslds_bench", *words]
    return subprocess.run(line, cwd=cwd, env=env, capture_output=True, text=True, timeout=250)


@pytest.fixture
def run(env, here) -> Callable[..., subprocess.CompletedProcess[str]]:
    return lambda words: command(words, here, env)


@pytest.fixture(scope="module")
def finished(environment, tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The folder of a run that went well, and what it printed."""
    folder = fill(tmp_path_factory.mktemp("finished"))
    return folder / "out", command([*QUICK, "--model", "persistence"], folder, environment)


@pytest.fixture
def earlier(finished, here) -> dict[str, tuple[bytes, int]]:
    """Puts a finished run where the next one goes; its files."""
    shutil.copytree(finished[0], here / "out")
    return contents(here / "out")


@pytest.fixture
def start(env, here, heeded):
    """Start the command; what is still running at the end of the test is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(words, **kwargs):
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **kwargs}
        command = [sys.executable, "-m", "jslds_bench", *words]
        started.append(subprocess.Popen(command, cwd=here, env=env, text=True, **pipes))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def until(condition: Callable[[], object], seconds: float = 200) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def contents(run_folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every record and array file of a run, with its time of writing."""
    files = (path for path in (run_folder / "records").rglob("*") if path.is_file())
    return {str(path.relative_to(run_folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def workers_of(pid: int) -> list[int]:
    """The processes whose parent is `pid`."""
    children = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                children.append(int(stat.parent.name))
    return children


def test_a_run_prints_its_table_plainly_where_there_is_no_terminal(finished):
    out, done = finished
    assert done.returncode == 0, done.stderr
    assert "persistence" in done.stdout
    assert done.stdout.splitlines()[-1] == f"report: {out / 'index.html'}"
    assert (out / "index.html").stat().st_size > 1000
    # Of figures it is told where they take seconds.
    lines = [line for line in done.stderr.splitlines() if not line.startswith("drawing figures | ")]
    assert lines[0] == "odd, to out: 1 job"
    assert lines[-1].startswith("[1/1] ok nbit_memory · random · persistence · seed 0 (")
    assert not {"\x1b", "\r"} & set(done.stdout + done.stderr)


def test_finished_jobs_are_kept_and_a_failing_one_is_told_with_its_reason(run, here, earlier):
    done = run([*QUICK, "--model", "persistence", "--model", "broken", "--quiet"])
    assert (done.returncode, done.stderr) == (2, "")
    assert "failed: nbit_memory · random · broken · seed 0: ValueError" in done.stdout
    assert "out of ideas" in done.stdout
    assert contents(here / "out").items() >= earlier.items()
    record = store.read_record(store.record_path(here / "out", ("nbit_memory", "random", "broken", 0)))
    assert (record.status, record.values) == ("failed", {})


def test_workers_run_no_module_of_the_current_folder(here, env):
    """Nor do they need the package installed, or a path to it: they run that of the runner."""
    for name in ("numpy", "html"):
        (here / f"{name}.py").write_text(f"open({name + '.ran'!r}, 'w').close()\nraise SystemExit\n")
    start = (
        f"import sys; sys.path[:1] = [{env.pop('PYTHONPATH')!r}]; from jslds_bench.cli import main; main()"
    )
    words = ["-c", start, *QUICK, "--model", "persistence", "--quiet"]
    done = subprocess.run(
        [sys.executable, *words], cwd=here, env=env, capture_output=True, text=True, timeout=250
    )
    assert [path.name for path in here.glob("*.ran")] == []
    assert f"report: {here / 'out' / 'index.html'}" in done.stdout, done.stderr


def test_workers_have_the_paths_of_the_environment(here, env, run):
    (here / "helpers").mkdir()
    (here / "helpers" / "beside.py").write_text("SIZE = 4\n")
    (here / "odd.py").write_text(PLUGIN.replace("import time\n", "import time\n\nimport beside\n", 1))
    env["PYTHONPATH"] += f":{here / 'helpers'}"
    done = run([*QUICK, "--model", "persistence", "--quiet"])
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_job_that_takes_too_long_is_stopped_and_the_others_go_on(run, here, earlier):
    done = run([*QUICK, "--model", "endless", "--model", "persistence", "--timeout", "5"])
    assert done.returncode == 2
    assert "stopped after 5 s (--timeout)" in done.stderr
    status = {record.key[2]: record.status for record in store.read_records(here / "out")}
    assert status == {"persistence": "ok", "endless": "timeout"}


@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_stopped_run_leaves_whole_records_and_no_workers_and_can_be_resumed(
    number, code, word, start, run, here, earlier
):
    words = [*RUN, "--model", "persistence", "--workers", "2"]
    process = start(words)
    until((here / "begun").exists)
    workers = workers_of(process.pid)
    assert workers
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (code, "")
    assert err.splitlines()[-1] == (
        f"jslds-bench: {word}: finished jobs are kept, the same command goes on from there"
    )
    assert "Traceback" not in err
    assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]
    assert [record.key for record in store.read_records(here / "out")] == [GOOD]
    assert not [path for path in (here / "out").rglob(".*") if path.name != ".lock"]

    assert contents(here / "out") == earlier
    if number == signal.SIGINT:
        (here / "go").touch()
        done = run(words)
        assert done.returncode == 0
        assert "ok nbit_memory · slow · persistence" in done.stderr
        assert contents(here / "out").items() > earlier.items()
        assert len(list(store.read_records(here / "out"))) == 2


def test_a_killed_run_takes_its_workers_with_it(start, here):
    process = start([*RUN, "--model", "persistence", "--network", "slow", "--workers", "1"])
    until((here / "begun").exists)
    workers = workers_of(process.pid)
    process.kill()
    process.communicate()
    until(lambda: not [pid for pid in workers if Path(f"/proc/{pid}").exists()], 30)


def test_a_full_disk_is_one_line_and_leaves_earlier_records(env, here, earlier):
    words = [
        sys.executable,
        "-m",
        "jslds_bench",
        *QUICK,
        "--model",
        "persistence",
        "--seeds",
        "0-1",
        "--quiet",
    ]
    line = f"ulimit -f 0; exec {shlex.join(words)}"  # no file may grow
    full = subprocess.run(
        ["bash", "-c", line], cwd=here, env=env, capture_output=True, text=True, timeout=250
    )
    assert (full.returncode, full.stdout) == (3, "")
    assert full.stderr.startswith(f"jslds-bench: cannot write {here / 'out'}")
    assert full.stderr.count("\n") == 1
    assert contents(here / "out") == earlier
    assert [record.key for record in store.read_records(here / "out")] == [GOOD]


@pytest.fixture
def refused(env, here, monkeypatch, capsys) -> Callable[[list[str]], str]:
    """What a run that ends before it starts a process says: in this one, which is sooner done."""
    for registry in registries().values():  # what the plug-in registers is forgotten
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    monkeypatch.setenv("JSLDS_BENCH_CACHE", env["JSLDS_BENCH_CACHE"])
    monkeypatch.chdir(here)

    def refused(words: list[str]) -> str:
        assert main(words) == 3
        out, err = capsys.readouterr()
        assert out == ""
        assert err.count("\n") == 1
        return err

    return refused


@pytest.mark.parametrize("out", ["odd.toml", "odd.toml/below", "/proc/here"])
def test_a_folder_that_cannot_be_written_is_one_line(out, refused, here):
    said = refused(["run", "--suite", "odd.toml", "--out", out])
    assert said.startswith("jslds-bench: cannot write")
    assert out in said
    assert (here / "odd.toml").read_text() == SUITE


def test_a_run_folder_of_another_schema_is_left_alone(refused, here):
    (here / "out").mkdir()
    (here / "out" / "run.json").write_text('{"schema": 99}')
    said = refused([*QUICK, "--quiet"])
    assert "has schema 99, this version reads schema 4: use the version that wrote it, or" in said
    assert (here / "out" / "run.json").read_text() == '{"schema": 99}'
    assert not (here / "out" / "records").exists()


@pytest.mark.parametrize("no_color", ["", "1"])
def test_on_a_terminal_there_is_one_live_line(no_color, start, here, env):
    env["NO_COLOR"] = no_color
    terminal, end = pty.openpty()
    (here / "go").touch()
    words = [*RUN, "--model", "broken", "--network", "slow", "--workers", "1"]
    process = start(words, stderr=end)
    os.close(end)
    shown = b""
    with contextlib.suppress(OSError):  # how the end of a terminal reads
        while data := os.read(terminal, 4096):
            shown += data
    os.close(terminal)
    process.communicate(timeout=60)
    assert process.returncode == 2
    assert b"\r" in shown.replace(b"\r\n", b"")
    assert (b"\x1b[31mfailed\x1b[0m" in shown) == (not no_color)
    assert (b"\x1b" in shown) == (not no_color)


SWALLOWING = """
import gc, os, signal, sys, time
from jslds_bench.cli import main, verbs

def sends(phase, info):
    gc.callbacks.remove(sends)
    os.kill(os.getpid(), {number})
    sum(range(1000))

def waits(arguments):
    gc.callbacks.append(sends)
    gc.collect()
    time.sleep(20)
    return 0

verbs.VERBS["doctor"] = waits
sys.exit(main(["doctor"]))
"""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_an_interrupt_that_python_swallows_comes_again(number, code, tmp_path, heeded):
    """What is raised while the garbage collector calls someone, as JAX has it do, is printed and ignored."""
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", SWALLOWING.format(number=int(number))],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(jslds_bench.__file__).parents[1])},
        timeout=60,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert time.monotonic() - start < 15
