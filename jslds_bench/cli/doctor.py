"""What this machine is, for bug reports and for judging speeds."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from jslds_bench.processes.control_group import control_group
from jslds_bench.records.numbers import counted
from jslds_bench.records.provenance import fingerprint
from jslds_bench.runner.clock import gemm_rate
from jslds_bench.runner.machine import LIBRARIES, environment


def examine(out: Path) -> tuple[list[list[str]], bool]:
    """Rows of (what, finding), and whether a run can write its records into `out`."""
    env = environment()
    commit = (
        "a wheel" if env["commit"] is None else env["commit"][:12] + (" + changes" if env["dirty"] else "")
    )
    folder, writable = _folder(out)
    rows = [
        ["jslds-bench", f"{env['version']} ({commit})"],
        ["python", f"{env['python']} on {env['platform']}"],
        ["libraries", ", ".join(f"{name} {env[name] or 'missing'}" for name in LIBRARIES)],
        ["processor", f"{env['cpu']}, {env['threads']} of {counted(env['cores'], 'core')} usable"],
        ["device", f"{env['device']}, float64 {'on' if env['x64'] else 'off'}"],
        ["products", f"float32 at precision {env['matmul_precision']}"],
        ["XLA flags", env["xla_flags"] or "none"],
        ["fingerprint", fingerprint(env)],
        ["float32 GEMM", f"{gemm_rate() / 1e9:.0f} GFLOP/s (1024³, best of 5)"],
        ["--memory", _memory()],
        ["folder", folder],
    ]
    return rows, writable


def _memory() -> str:
    if sys.platform != "linux":
        return "cannot be limited here, on Linux alone"
    if (group := control_group(1 << 30)) is None:
        return "is watched, since this process may make no control groups"
    group.remove()
    return "is kept to by the kernel (control groups)"


def _folder(out: Path) -> tuple[str, bool]:
    """Whether `out` can be written, tried on it or on the nearest folder above it that exists."""
    place = out.absolute()
    while not os.path.exists(place):  # which no folder that may not be searched makes fail
        place = place.parent
    try:
        with tempfile.TemporaryFile(dir=place):
            free = shutil.disk_usage(place).free
    except OSError as error:
        return f"{out} cannot be written ({error.strerror}): choose another with --out", False
    return f"{out} can be written, {free / 1e9:.1f} GB free", True
