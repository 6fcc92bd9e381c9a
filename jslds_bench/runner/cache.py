"""Trained networks, kept by the content of everything that made them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from jslds_bench.errors import UsageError
from jslds_bench.files import read_file
from jslds_bench.records.sealed import read_json, write_atomic, write_json

if TYPE_CHECKING:
    from jslds_bench.types.core import Network

MACHINE = (
    *("jax", "jaxlib", "optax", "flax", "numpy", "scipy", "device", "threads", "cpu", "batched"),
    *("xla_flags", "options"),
)
"""What decides a trained network to the last bit, besides what the job says of it.

Networks trained together have other last bits than one trained alone, and those depend on how many they are.
That number is not in the key, so that more seeds leave the networks that there are: of "batched" ones the
last bits are not promised, and a run that trains one by one never reads them.
"""

ADVICE = "name another folder in JSLDS_BENCH_CACHE"


def cache_folder() -> Path:
    """``$JSLDS_BENCH_CACHE``, or the user's cache folder."""
    chosen = os.environ.get("JSLDS_BENCH_CACHE")
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("jslds-bench"))


def network_key(network_digest: str, environment: Mapping[str, Any]) -> str:
    """Hash of every input that matters: what the job knows (`Job.network_digest`), libraries, machine."""
    content = [network_digest, {k: environment.get(k) for k in MACHINE}]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def holds(key: str) -> bool:
    """Whether a network is kept under `key`; it may still turn out to be damaged, or another's."""
    return (cache_folder() / "networks" / f"{key}.json").exists()


def load(key: str) -> tuple[Network, float, int] | None:
    """The network of `key`, its seconds and of how many made together it is; None: none, or damaged."""
    from jslds_bench.networks._shared.format import network_of

    folder = cache_folder() / "networks"
    try:
        about = read_json(folder / f"{key}.json", "cached network")
        data = read_file(folder / f"{key}.npz")
        if about["key"] != key or hashlib.sha256(data).hexdigest() != about["sha256"]:
            return None
        return network_of(data, folder / f"{key}.npz"), float(about["seconds"]), int(about["together"])
    except (UsageError, OSError, KeyError, TypeError, ValueError, MemoryError):
        return None


def save(key: str, network: Network, seconds: float, together: int) -> None:
    """Keeps a trained network that can be read back.

    Raises:
        UsageError: the cache cannot be written; the network is there all the same.
    """
    from jslds_bench.networks._shared.format import can_be_read, is_whole, network_bytes

    if not (can_be_read(network) and is_whole(network)):
        return
    folder, data = cache_folder() / "networks", network_bytes(network)
    write_atomic(folder / f"{key}.npz", data, ADVICE)
    about = {"key": key, "seconds": seconds, "together": together}
    write_json(folder / f"{key}.json", {**about, "sha256": hashlib.sha256(data).hexdigest()}, ADVICE)
