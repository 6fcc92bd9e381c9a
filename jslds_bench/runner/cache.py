"""Trained networks, kept by the content of everything that made them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import platformdirs

from jslds_bench.errors import UsageError
from jslds_bench.networks._shared.format import network_bytes, read_network
from jslds_bench.records.store import SCHEMA, read_json, write_atomic, write_json
from jslds_bench.runner.machine import code_digest
from jslds_bench.types.core import Network
from jslds_bench.types.networks import NetworkSource, Task

MAKERS = ("dynamics", "tasks", "networks", "types")
"""The code that decides a trained network; a changed byte in it makes another key."""


def cache_folder() -> Path:
    """``$JSLDS_BENCH_CACHE``, or the user's cache folder."""
    chosen = os.environ.get("JSLDS_BENCH_CACHE")
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("jslds-bench"))


def network_key(task: Task, source: NetworkSource, seed: int, environment: dict[str, Any]) -> str:
    """Hash of every input that matters: parameters, seed, code, library versions, device, threads."""
    machine = {k: environment.get(k) for k in ("jax", "jaxlib", "optax", "flax", "device", "threads", "cpu")}
    content = {
        "task": [task.name, dataclasses.asdict(task)],  # type: ignore[call-overload]
        "network": [source.name, dataclasses.asdict(source), source.sources()],  # type: ignore[call-overload]
        "seed": seed,
        "code": code_digest(*MAKERS),
        "machine": machine,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:32]


def load(key: str) -> tuple[Network, float] | None:
    """The cached network and the processor seconds it took, or None; a damaged entry counts as none."""
    folder = cache_folder() / "networks"
    try:
        about = read_json(folder / f"{key}.json", "cached network")
        data = (folder / f"{key}.npz").read_bytes()
        if hashlib.sha256(data).hexdigest() != about["sha256"]:
            return None
        return read_network(folder / f"{key}.npz"), float(about["seconds"])
    except (UsageError, OSError, KeyError):
        return None


def save(key: str, network: Network, seconds: float) -> None:
    """Keeps a trained network; raises UsageError where the cache cannot be written."""
    folder, data = cache_folder() / "networks", network_bytes(network)
    write_atomic(folder / f"{key}.npz", data)
    about = {"schema": SCHEMA, "seconds": seconds, "sha256": hashlib.sha256(data).hexdigest()}
    write_json(folder / f"{key}.json", about)
