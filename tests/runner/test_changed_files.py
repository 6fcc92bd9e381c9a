"""Files written again while a run waits, networks that a file has no place for: none is kept as another."""

import dataclasses

import jax
import numpy as np
import pytest
from boards import Board

from jslds_bench.contract.settings.networks.cases import CASES, random_network, small_case
from jslds_bench.networks._shared.format import network_bytes
from jslds_bench.records.store import read_records
from jslds_bench.runner import cache, run_suite
from jslds_bench.suite import load_suite, resolve
from jslds_bench.types import NETWORKS, TASKS, FixedPoints, NetworkStep

SUITE = """
schema = 1
name = "read"
seeds = [0]
n_trials = 16
[[tasks]]
name = "context_integration"
n_steps = 5
[[networks]]
name = "checkpoint"
path = "net.npz"
[[models]]
name = "dmdc"
"""
KEY = "0" * 32


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("JSLDS_BENCH_CACHE", str(tmp_path / "cache"))


def test_a_checkpoint_that_is_written_again_after_the_plan_is_not_run_as_the_one_before(tmp_path):
    one, other = (network_bytes(random_network(n_inputs=4, n_outputs=1, seed=seed)) for seed in (0, 1))
    (tmp_path / "read.toml").write_text(SUITE)
    file = tmp_path / "net.npz"
    file.write_bytes(one)
    plan = resolve(load_suite(str(tmp_path / "read.toml")))
    file.write_bytes(other)
    run_suite(plan, tmp_path / "run", workers=1, progress=Board())
    (record,) = read_records(tmp_path / "run")
    assert record.status == "failed"
    changed = "network: what 'checkpoint' reads has changed since the run was planned: start it again,"
    assert record.reason == f"{changed} what is done is kept"
    assert not list((tmp_path / "cache").rglob("*.npz"))
    file.write_bytes(one)
    values = []
    for out in ("run", "elsewhere"):
        run_suite(plan, tmp_path / out, workers=1, progress=Board())
        (record,) = read_records(tmp_path / out)
        values.append(record.values["nrmse"].value)
    assert values[0] == values[1]


def swapped(network):
    """A step of the network between two layers: files have those last."""
    first, last = network.expansion[:2]
    return dataclasses.replace(network, expansion=(first, NetworkStep(), last))


def searched(network):
    """Points of a search, of which a file keeps no more than of those in closed form."""
    n = network.n_state
    found = FixedPoints(
        np.zeros((1, n)), np.full(1, 3e-6), np.ones((1, n)), np.zeros(1, int), np.zeros(2), 10, 1, 0.4
    )
    return dataclasses.replace(network, truth=(found,))


def unknown(network):
    """Points of which nobody has said how many there are."""
    (found,) = searched(network).truth
    return dataclasses.replace(network, truth=(found._replace(q=np.zeros(1), completeness=None),))


def derived(network):
    """A network with a step of its own."""

    class Other(type(network)):
        def step(self, h, u):
            return 2 * super().step(h, u)

    return Other(**vars(network))


def wide(network):
    return dataclasses.replace(network, h0=np.zeros(network.n_state))


@pytest.mark.parametrize(
    "change",
    [swapped, searched, unknown, derived, wide, lambda network: dataclasses.replace(network, expansion=())],
    ids=["swapped", "searched", "unknown", "derived", "wide", "no layers"],
)
def test_a_network_that_would_come_back_as_another_is_not_kept(change):
    network = random_network()
    cache.save(KEY, network, 1.0, 1)
    assert network_bytes(cache.load(KEY)[0]) == network_bytes(network)
    (kept,) = cache.cache_folder().rglob(f"{KEY}.json")
    kept.unlink()
    cache.save(KEY, change(network), 1.0, 1)
    assert cache.load(KEY) is None


@pytest.mark.parametrize("name", [*CASES, "bistable", "line"])
def test_networks_of_this_package_are_kept_as_they_are(name):
    """Those of the contract, and two with points in closed form."""
    if name in CASES:
        network = small_case(name).shared.network
    else:
        task = TASKS.make("perturbations", {"n_steps": 5})
        network = NETWORKS.make("analytic", {"system": name, "n_state": 2}).build(task, jax.random.key(0))
        assert network.truth is not None
    cache.save(KEY, network, 1.0, 1)
    kept = cache.load(KEY)[0]
    assert network_bytes(kept) == network_bytes(network)
    assert all(
        np.array_equal(a, b)
        for a, b in zip(jax.tree.leaves(kept.truth), jax.tree.leaves(network.truth), strict=True)
    )
