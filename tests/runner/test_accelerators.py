"""One worker for each accelerator, told apart without starting one; the seeds of a network as one program."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from boards import Board

from jslds_bench.cli import main
from jslds_bench.errors import UsageError
from jslds_bench.records.store import read_records
from jslds_bench.runner import accelerators, run_suite
from jslds_bench.runner.accelerators import Devices

PLUGIN = Path(__file__).with_name("batching.py")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch, unoptimised):
    monkeypatch.setenv("JSLDS_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XLA_FLAGS", unoptimised["XLA_FLAGS"])
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    for name in ("CUDA_VISIBLE_DEVICES", "JAX_CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)


def has(monkeypatch, platform: str, n: int) -> None:
    """JAX would find these devices."""
    monkeypatch.setattr(accelerators, "could_be", lambda: True)
    monkeypatch.setattr(accelerators, "devices", lambda: Devices(platform, n))


def suite_file(folder: Path, networks: str = "standard", model: str = "persistence") -> str:
    """A suite of a tiny context task, tiny networks and two seeds."""
    tables = "".join(
        f'[[networks]]\nname = "{name}"\nn_state = 6\nn_steps = 3\nrecipe = "paper"\n'
        for name in networks.split()
    )
    path = folder / "tiny.toml"
    path.write_text(
        f'schema = 1\nname = "tiny"\nseeds = [0, 1]\nn_trials = 16\nplugins = ["{PLUGIN}"]\n'
        f'metrics = ["relative_error", "network_seconds"]\n[[tasks]]\nname = "context_integration"\n'
        f'n_steps = 5\n{tables}[[models]]\nname = "{model}"\n'
    )
    return str(path)


def run(suite: str, out: Path, **options):
    """The records of a run by (network, seed), and the notes."""
    board = Board()
    result = run_suite(suite, out, progress=board, **options)
    return {(r.network, r.seed): r for r in read_records(result.path)}, board.notes


# Where workers compute


def test_without_accelerators_workers_have_cores(monkeypatch):
    has(monkeypatch, "cpu", 8)
    assert accelerators.places() == []


def test_each_worker_sees_one_gpu(monkeypatch):
    def names():
        places = accelerators.places()
        assert all(place["JAX_CUDA_VISIBLE_DEVICES"] == "all" for place in places)
        return [place["CUDA_VISIBLE_DEVICES"] for place in places]

    has(monkeypatch, "gpu", 2)
    assert names() == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5, GPU-8932f937")
    assert names() == ["5", "GPU-8932f937"]
    monkeypatch.setenv("JAX_CUDA_VISIBLE_DEVICES", "all")
    assert names() == ["5", "GPU-8932f937"]
    has(monkeypatch, "gpu", 1)
    monkeypatch.setenv("JAX_CUDA_VISIBLE_DEVICES", "1")
    assert names() == ["GPU-8932f937"]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert names() == ["1"]


def test_devices_that_cannot_be_told_apart_have_one_worker(monkeypatch):
    has(monkeypatch, "tpu", 4)
    assert accelerators.places() == [{}]


def test_another_process_says_what_there_is(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=3")
    assert accelerators.devices() == ("cpu", 3)


def test_devices_that_do_not_start_are_an_error_in_one_line(monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "nonsense")
    with pytest.raises(UsageError, match=r"cannot start its devices \(.*nonsense.*JAX_PLATFORMS=cpu"):
        accelerators.devices()


def test_jax_is_not_asked_where_it_has_nothing_to_reach_one_with(monkeypatch):
    monkeypatch.delenv("JAX_PLATFORMS")
    monkeypatch.setattr(accelerators.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(accelerators.importlib.metadata, "entry_points", lambda group: ())
    assert not accelerators.could_be()
    monkeypatch.setattr(accelerators, "devices", lambda: pytest.fail("asked"))
    assert accelerators.places() == []
    monkeypatch.setattr(accelerators.importlib.metadata, "entry_points", lambda group: ("xla_cuda",))
    assert accelerators.could_be()
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    assert not accelerators.could_be()


def test_the_runner_starts_no_device(tmp_path):
    """It would keep the memory of a GPU, or a core's share of it, from the workers."""
    code = f"""
import sys
from jslds_bench.runner import accelerators
accelerators.places()
assert "jax" not in sys.modules
from jslds_bench.suite import load_suite, resolve
resolve(load_suite({suite_file(tmp_path)!r}))
from jax._src import xla_bridge
assert not xla_bridge.backends_are_initialized()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="there is no pinning here")
def test_on_gpus_there_is_one_unpinned_worker_each_and_seeds_are_batched(tmp_path, monkeypatch):
    has(monkeypatch, "gpu", 2)
    suite = suite_file(tmp_path, "standard cotrained", "placed")
    records, notes = run(suite, tmp_path / "run", workers=5)
    assert notes == ["2 of 5 workers: each has an accelerator to itself"]
    placed = {key: record.detail["fitted_to"] for key, record in records.items()}
    assert len(placed) == 4
    by_network = [
        {placed[network, seed]["device"] for seed in (0, 1)} for network in ("standard", "cotrained")
    ]
    assert sorted(map(sorted, by_network)) == [[0], [1]]
    assert {at["cores"] for at in placed.values()} == {len(os.sched_getaffinity(0))}
    assert {at["pools"] for at in placed.values()} == {0}
    for record in records.values():
        assert record.environment["batched"] is True
        assert record.detail["timing"]["network_batch"] == 2


# Seeds together


def test_seeds_trained_together_give_what_each_does(tmp_path, capsys):
    suite = suite_file(tmp_path)

    def states(*options):
        assert main(["run", "--suite", suite, "--out", str(tmp_path / "new"), "--dry-run", *options]) == 0
        out = capsys.readouterr().out
        return out.count("network cached"), out.count("network to be made")

    many, notes = run(suite, tmp_path / "many", batched=True, workers=1)
    assert notes == []
    assert states("--batch-seeds") == (2, 0)
    assert states("--no-batch-seeds") == states() == (0, 2)
    alone, _ = run(suite, tmp_path / "alone", workers=1)
    for key, record in many.items():
        one, timing = alone[key], record.detail["timing"]
        error = record.values["relative_error"].value
        assert error == pytest.approx(one.values["relative_error"].value, rel=1e-4)
        assert (record.environment["batched"], one.environment["batched"]) == (True, False)
        assert (timing["network_cached"], timing["network_batch"]) == (False, 2)
        # What was trained together is in the cache, but not for a run that trains one by one.
        assert one.detail["timing"]["network_cached"] is False
        assert one.detail["timing"]["network_batch"] == 1
    shares = {record.values["network_seconds"].value for record in many.values()}
    assert len(shares) == 1
    assert (
        many["standard", 0].values["relative_error"].value
        != many["standard", 1].values["relative_error"].value
    )
    again, _ = run(suite, tmp_path / "again", batched=True, workers=1)
    for key, record in again.items():
        timing = record.detail["timing"]
        assert (timing["network_cached"], timing["network_batch"]) == (True, 2)
        assert record.values["network_seconds"].value in shares
        assert record.values["relative_error"] == many[key].values["relative_error"]


def test_one_that_diverges_fails_its_own_jobs_alone(tmp_path):
    records, _ = run(suite_file(tmp_path, "one_diverges"), tmp_path / "run", batched=True, workers=1)
    assert records["one_diverges", 0].status == "ok"
    lost = records["one_diverges", 1]
    assert (lost.status, lost.reason) == ("diverged", "network: it blew up")


@pytest.mark.parametrize(
    ("name", "note"),
    [
        (
            "one_by_one",
            "one_by_one: networks are made one by one, since together MemoryError: 2 are too many",
        ),
        ("dies_of_many", "networks are made one by one, since together its worker died: signal 11 (SIGSEGV)"),
    ],
)
def test_networks_that_cannot_be_made_together_are_made_one_by_one(tmp_path, name, note):
    records, notes = run(suite_file(tmp_path, name), tmp_path / "run", batched=True, workers=1)
    assert [r.status for r in records.values()] == ["ok", "ok"]
    assert {r.detail["timing"]["network_batch"] for r in records.values()} == {1}
    assert notes == [note]


def test_networks_made_together_have_the_time_of_each(tmp_path):
    start = time.monotonic()
    records, _ = run(suite_file(tmp_path, "hangs_with_many"), tmp_path / "run", batched=True, timeout=8)
    assert time.monotonic() - start > 16
    assert {r.status for r in records.values()} == {"timeout"}
    assert {r.reason for r in records.values()} == {"stopped after 16 s (--timeout)"}
