"""Runs whose parts are done elsewhere come to the records of a run here, whatever is lost on the way."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import slurm
from boards import Board
from twins import SUITE, same

from jslds_bench.records.store import read_records
from jslds_bench.runner import run_suite
from jslds_bench.runner.executors.shards import Ended, Shard, last_line

FEW = SUITE.replace("[0, 1, 2, 3, 4, 5]", "[0, 1]").replace('[[models]]\nname = "jslds"\nn_steps = 3\n', "")


class Here:
    """Does shards one after the other; `spoil` may have one end in another way."""

    exclusive = False

    def __init__(self, spoil=lambda shard, time: None) -> None:
        self.spoil = spoil
        self.times: dict[int, int] = {}

    def run(self, shards: Sequence[Shard]) -> Iterator[tuple[Shard, Ended]]:
        for shard in shards:
            time = self.times[shard.number] = self.times.get(shard.number, 0) + 1
            if (ended := self.spoil(shard, time)) is None:
                done = subprocess.run(shard.command, capture_output=True, text=True)
                ended = Ended(done.returncode, last_line(done.stderr))
            yield shard, ended


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch, unoptimised):
    monkeypatch.setenv("JSLDS_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XLA_FLAGS", unoptimised["XLA_FLAGS"])


@pytest.fixture(scope="module")
def here(tmp_path_factory, unoptimised) -> Path:
    """The folder of the suite of few jobs and of its run by workers."""
    folder = tmp_path_factory.mktemp("here")
    (folder / "few.toml").write_text(FEW)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JSLDS_BENCH_CACHE", str(folder / "cache"))
        patch.setenv("XLA_FLAGS", unoptimised["XLA_FLAGS"])
        run_suite(str(folder / "few.toml"), folder / "run", progress=Board())
    return folder


def test_parts_come_to_the_records_of_the_whole(here, tmp_path):
    executor = Here()
    result = run_suite(str(here / "few.toml"), tmp_path / "run", executor=executor, progress=Board())
    assert (result.n_ok, result.n_failed, result.n_kept) == (4, 0, 0)
    assert executor.times == {0: 1, 1: 1}  # one part for each seed
    assert same(tmp_path / "run", here / "run", 4)
    assert not (tmp_path / "run/shards").exists()
    for record in read_records(tmp_path / "run"):
        assert record.values["steps_per_second"].reason == "void: others computed on the machine (--shared)"
        assert record.values["fit_seconds"].value is not None
    again = run_suite(str(here / "few.toml"), tmp_path / "run", executor=executor, progress=Board())
    assert again.n_kept == 4
    assert executor.times == {0: 1, 1: 1}


def test_what_a_part_reads_does_not_grow_with_the_number_of_parts(tmp_path):
    class Nowhere:
        exclusive = False

        def run(self, shards: Sequence[Shard]) -> Iterator[tuple[Shard, Ended]]:
            files = {
                word.removeprefix("--suite=") for s in shards for word in s.command if "--suite=" in word
            }
            (file,) = files
            read.append(len(Path(file).read_bytes()) + max(len(" ".join(s.command)) for s in shards))
            yield from ((shard, Ended(None, "the node is gone")) for shard in shards)

    read: list[int] = []
    for n in (10, 90):
        text = FEW.replace("[0, 1]", str(list(range(10, 10 + n))))
        (tmp_path / f"{n}.toml").write_text(text)
        result = run_suite(
            str(tmp_path / f"{n}.toml"), tmp_path / str(n), executor=Nowhere(), progress=Board()
        )
        assert result.n_failed == 2 * n
    assert max(read) - min(read) < 5  # its number has more digits


def test_a_lost_part_is_tried_once_more_and_a_second_loss_is_recorded(here, tmp_path):
    def spoil(shard: Shard, time: int) -> Ended | None:
        if shard.number == 0:
            return Ended(None, "the node is gone") if time == 1 else None
        return Ended(137, "Killed")

    board = Board()
    result = run_suite(str(here / "few.toml"), tmp_path / "run", executor=Here(spoil), progress=board)
    assert board.notes == [
        "a part was lost: the node is gone; tried once more",
        "a part ended with exit code 137: Killed; tried once more",
    ]
    assert (result.n_ok, result.n_failed) == (2, 2)
    reasons = {record.reason for record in read_records(tmp_path / "run") if record.status != "ok"}
    assert reasons == {"its part ended with exit code 137: Killed"}


def test_records_of_other_code_and_damaged_ones_are_not_taken(here, tmp_path):
    def spoil(shard: Shard, time: int) -> Ended | None:
        if shard.number == 0:
            words = [word for word in shard.command if not word.startswith("--suite=")]
            other = tmp_path / "other.toml"
            other.write_text(FEW.replace("n_trials = 16", "n_trials = 17"))
            subprocess.run([*words, f"--suite={other}"], check=True)
            return Ended(0)
        subprocess.run(shard.command, check=True)
        for path in shard.folder.rglob("*.npz"):
            path.write_bytes(b"")
        return Ended(0)

    result = run_suite(
        str(here / "few.toml"),
        tmp_path / "run",
        executor=Here(spoil),
        progress=Board(),
    )
    assert (result.n_ok, result.n_failed) == (0, 4)
    reasons = sorted(str(record.reason) for record in read_records(tmp_path / "run"))
    assert all("are not those that were written" in reason for reason in reasons[:2])
    assert reasons[2:] == 2 * ["it was done with other code or libraries than it was planned with"]


def test_what_an_executor_lacks_is_told(here, tmp_path, monkeypatch):
    words = [sys.executable, "-m", "jslds_bench", "run", "--suite", str(here / "few.toml"), "--out", "run"]
    monkeypatch.setenv("PATH", str(tmp_path))

    def complaint(*more: str) -> str:
        done = subprocess.run([*words, *more], capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 3, done.stderr
        return last_line(done.stderr)

    assert "the executor slurm needs sbatch" in complaint("--executor", "slurm")
    assert "--executor dask: name its --scheduler" in complaint("--executor", "dask")
    assert "unknown executor 'dusk'; did you mean 'dask'?" in complaint("--executor", "dusk")


# ----------------------------------------------------------------------------- real clusters


@pytest.fixture(scope="module")
def large(tmp_path_factory, unoptimised) -> Path:
    """The folder of the suite of more jobs and of its run by workers."""
    folder = tmp_path_factory.mktemp("large")
    (folder / "twins.toml").write_text(SUITE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JSLDS_BENCH_CACHE", str(folder / "cache"))
        patch.setenv("XLA_FLAGS", unoptimised["XLA_FLAGS"])
        run_suite(str(folder / "twins.toml"), folder / "run", progress=Board())
    return folder


def start(large: Path, out: Path, *words: str, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "jslds_bench", "run", "--suite", str(large / "twins.toml")]
    return subprocess.Popen(
        [*command, "--out", str(out), "--no-report", *words],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


CLUSTER = """
import sys, time
from distributed import LocalCluster
if __name__ == "__main__":
    n = int(sys.argv[1])
    with LocalCluster(n_workers=n, threads_per_worker=1, dashboard_address=None) as cluster:
        print(cluster.scheduler_address, flush=True)
        while True:
            print(*[worker.process.pid for worker in cluster.workers.values() if worker.process], flush=True)
            time.sleep(0.5)
"""


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("n", [2, 4])
def test_dask_workers_may_die_in_the_middle(n, large, tmp_path):
    (tmp_path / "cluster.py").write_text(CLUSTER)
    dice, killed, told = random.Random(n), 0, tmp_path / "told"
    with told.open("w") as out:
        command = [sys.executable, str(tmp_path / "cluster.py"), str(n)]
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        while not (lines := [x for x in told.read_text().splitlines() if x.startswith("tcp://")]):
            time.sleep(0.2)
        run = start(large, tmp_path / "run", "--executor", "dask", "--scheduler", lines[0])
        while run.poll() is None:
            time.sleep(dice.uniform(2, 8))
            workers = [line for line in told.read_text().splitlines() if line[:1].isdigit()]
            if run.poll() is None and killed < 4 and workers:
                try:
                    os.kill(int(dice.choice(workers[-1].split())), signal.SIGKILL)
                    killed += 1
                except ProcessLookupError:
                    continue
        _, err = run.communicate()
    finally:
        end([process])
    assert run.returncode == 0, err
    assert killed >= 2, "the workers were to be killed while they worked"
    assert same(tmp_path / "run", large / "run")
    print(f"{n} workers, {killed} of them killed")


def dask(kind: str, *words: str, told: Path, namespace: str = "") -> subprocess.Popen[bytes]:
    """A process of a Dask cluster by the command that its own users start it with, in a group of its own."""
    within = ["ip", "netns", "exec", namespace] if namespace else []
    with told.open("ab") as out:
        return subprocess.Popen(
            [*within, sys.executable, "-m", "dask", kind, "--no-dashboard", *words],
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return probe.getsockname()[1]


def under_way(out: Path) -> bool:
    return any((out / "shards").glob("shard-*/run.json"))


def wait_for(what: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.2)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_dask_scheduler_that_dies_ends_the_run_and_another_goes_on_with_it(large, tmp_path):
    def cluster() -> tuple[list[subprocess.Popen[bytes]], str]:
        port, told = free_port(), tmp_path / "told"
        at = f"tcp://127.0.0.1:{port}"
        worker = [at, "--nthreads=1", "--death-timeout=10"]
        first = dask("scheduler", f"--port={port}", "--host=127.0.0.1", told=told)
        return [first, *(dask("worker", *worker, told=told) for _ in range(2))], at

    processes, at = cluster()
    try:
        run = start(large, tmp_path / "run", "--executor", "dask", "--scheduler", at)
        wait_for(lambda: run.poll() is not None or under_way(tmp_path / "run"), 120)
        processes[0].kill()
        began = time.monotonic()
        _, err = run.communicate(timeout=180)
        print(f"told after {time.monotonic() - began:.0f} s")
    finally:
        end(processes)
    assert run.returncode == 3, err
    assert f"the Dask scheduler at {at} was lost: start the run again" in err
    assert "Traceback" not in err
    processes, at = cluster()
    try:
        run = start(large, tmp_path / "run", "--executor", "dask", "--scheduler", at)
        _, err = run.communicate(timeout=400)
    finally:
        end(processes)
    assert run.returncode == 0, err
    assert same(tmp_path / "run", large / "run")


@pytest.fixture
def cut_off() -> Iterator[tuple[str, Callable[[], None]]]:
    """A network namespace that is reached through one cable, and what pulls that."""
    name, ours, theirs = f"node{os.getpid()}", f"a{os.getpid()}", f"b{os.getpid()}"

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True)

    ip("netns", "add", name)
    try:
        ip("link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", name)
        for words in (
            ("addr", "add", "10.213.77.1/30", "dev", ours),
            ("link", "set", ours, "up"),
            ("-n", name, "addr", "add", "10.213.77.2/30", "dev", theirs),
            ("-n", name, "link", "set", theirs, "up"),
            ("-n", name, "link", "set", "lo", "up"),
        ):
            ip(*words)
        yield name, lambda: ip("link", "set", ours, "down")
    finally:
        ip("netns", "del", name)  # the cable goes with it


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0 or shutil.which("ip") is None,
    reason="needs network namespaces: root on Linux, with iproute2",
)
def test_a_node_whose_network_is_cut_loses_nothing(large, tmp_path, cut_off):
    namespace, cut = cut_off
    port, told = free_port(), tmp_path / "told"
    at = f"tcp://10.213.77.1:{port}"
    processes = [dask("scheduler", f"--port={port}", "--host=10.213.77.1", told=told)]
    try:
        processes.append(dask("worker", at, "--nthreads=1", told=told, namespace=namespace))
        run = start(large, tmp_path / "run", "--executor", "dask", "--scheduler", at)
        wait_for(lambda: run.poll() is not None or under_way(tmp_path / "run"), 120)
        cut()
        began = time.monotonic()
        processes.append(dask("worker", at, "--nthreads=1", told=told))
        _, err = run.communicate(timeout=700)
        print(f"done {time.monotonic() - began:.0f} s after the cut: {err}")
    finally:
        end(processes)
    assert run.returncode == 0, err
    assert same(tmp_path / "run", large / "run")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(
    not all(map(shutil.which, slurm.NEEDED)), reason="needs Debian's packages slurm-wlm and munge"
)
def test_slurm_runs_arrays_and_tasks_may_be_requeued_and_cancelled(large, tmp_path):
    with slurm.cluster(tmp_path / "cluster") as environment:

        def call(*words: str) -> str:
            return subprocess.run(words, env=environment, capture_output=True, text=True).stdout

        own = {"SLURM_CONF": environment["SLURM_CONF"]}
        run = start(large, tmp_path / "run", "--executor", "slurm", "--sbatch=--cpus-per-task=1", **own)
        requeued = cancelled = False
        while run.poll() is None:
            time.sleep(1)
            running = call("squeue", "-h", "-r", "-t", "running", "-o", "%i").split()
            if running and not requeued and any((tmp_path / "run/shards").glob("shard-*/records")):
                call("scontrol", "requeue", running[0])
                requeued = True
            elif running and requeued and not cancelled:
                call("scancel", running[-1])
                cancelled = True
        _, err = run.communicate()
        assert run.returncode == 0, err
        assert requeued
        assert cancelled
        assert "was lost" in err
        assert same(tmp_path / "run", large / "run")

        # A run that is interrupted takes its array with it.
        run = start(large, tmp_path / "again", "--executor", "slurm", **own)
        while not call("squeue", "-h", "-r", "-t", "running", "-o", "%i").split():
            time.sleep(0.5)
        run.send_signal(signal.SIGTERM)
        run.communicate(timeout=30)
        assert run.returncode == 143
        deadline = time.monotonic() + 30
        while (left := call("squeue", "-h")) and time.monotonic() < deadline:
            time.sleep(0.5)
        assert not left
        run = start(large, tmp_path / "again", "--executor", "slurm", "--exclusive", **own)
        run.communicate()
        assert run.returncode == 0
        assert same(tmp_path / "again", large / "run")
        rates = [record.values["steps_per_second"].value for record in read_records(tmp_path / "again")]
        assert any(rate is not None for rate in rates)
