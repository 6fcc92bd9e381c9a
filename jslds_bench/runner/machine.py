"""Where a number came from: commit, versions, machine, threads, flags, and how fast the machine is."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from jslds_bench.entries.options import options
from jslds_bench.version import __version__

PACKAGE = Path(__file__).resolve().parents[1]
LIBRARIES = ("jax", "jaxlib", "flax", "optax", "numpy", "scipy")


def environment() -> dict[str, Any]:
    """The environment as plain JSON values. Starts JAX's backend, to name its device.

    Keys: version, commit (None in a wheel), dirty, python, jax … scipy, platform, machine, cpu, cores,
    threads (cores that this process may use), device, xla_flags, x64, matmul_precision, options (all that are
    `entries.options`).
    """
    import jax

    import jslds_bench.types.core  # noqa: F401, which sets the precision of products

    device = jax.devices()[0]
    return {
        "version": __version__,
        **_checkout(),
        "python": platform.python_version(),
        **{name: _version(name) for name in LIBRARIES},
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "threads": _usable_cores(),
        "device": f"{device.platform}: {device.device_kind}",
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
        "x64": bool(jax.config.read("jax_enable_x64")),
        "matmul_precision": jax.config.jax_default_matmul_precision,  # type: ignore[attr-defined]
        "options": options(),
    }


def worker_environment(batched: bool | None = None, threads: int = 1) -> dict[str, Any]:
    """The environment as a worker has it, which owns `threads` cores unless it computes on an accelerator.

    Both are as in `run_suite`.
    """
    about = environment()
    on_core = about["device"].startswith("cpu:")
    if on_core and hasattr(os, "sched_getaffinity"):
        about["threads"] = threads
    return {**about, "batched": batched if batched is not None else not on_core}


def _version(library: str) -> str | None:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return None


@functools.cache
def _checkout() -> dict[str, Any]:
    """Commit and dirty flag of the checkout that the package runs from; None for both in a wheel.

    A wheel installed into an environment that lies inside some other repository is not of its commit, so
    the checkout must be the package's own folder.
    """
    if not (PACKAGE.parent / ".git").exists():
        return {"commit": None, "dirty": None}
    commit, status = _git("rev-parse", "HEAD"), _git("status", "--porcelain")
    return {"commit": commit, "dirty": None if status is None else bool(status)}


def _git(*words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(PACKAGE.parent), *words], capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def _usable_cores() -> int | None:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
