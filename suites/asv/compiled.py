"""What the compiler makes of the core: counts that no noise touches, held to `baselines/compiled.json`.

Clocks of shared machines are noisy, compiled programs are not. For each kernel at the paper's sizes:
floating-point operations and bytes by XLA's cost model, bytes of temporary and of peak memory, fusions and
matrix products of the optimised program; and how many programs are compiled by calls that should share them.
A change that costs the core a product or a compilation more shows here, whatever the machine is doing.

    python suites/asv/compiled.py            # compares: exit code 1 where something differs
    python suites/asv/compiled.py --update   # writes the file: `make compiled`
    python suites/asv/compiled.py --print    # the counts, as JSON

One core is used (XLA splits programs for several) and no instruction beyond AVX2, so that counts are alike on
most machines. Where they are not the file's and the machine is not of its kind either, the counts of the
revision that wrote the file are made here and now, by its own code, and stand in for it; where that cannot be
(no git, or no history), exit code 2 and the reason.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import platform
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "baselines" / "compiled.json"
COMPILED = "/jax/core/compile/backend_compile_duration"
CELLS, PER_CELL = ("gru", "vanilla"), ("forward", "training_step", "recurrent_jacobians")
KERNELS = (*(f"{kernel}-{cell}" for kernel in PER_CELL for cell in CELLS), "em_iteration", "lfads_step")
CALLS = ("searches", "runs", "fits")
COUNTS = (
    *("flops", "bytes", "temporary_bytes", "peak_bytes", "fusions", "products"),
    *("compilations", "compilations again"),
)
Counts = dict[str, int]


class Incomparable(Exception):
    """There is nothing that this machine's counts could be held to; the text says why."""


def alike() -> None:
    """Before JAX is imported: one core, all of XLA's optimisations, instructions that most machines have."""
    for name in ("JAX_DISABLE_MOST_OPTIMIZATIONS", "JAX_COMPILATION_CACHE_DIR", "JSLDS_BENCH_ASV"):
        os.environ.pop(name, None)
    os.environ["XLA_FLAGS"] = "--xla_cpu_max_isa=AVX2" if x86() else ""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def x86() -> bool:
    return platform.machine().lower() in ("x86_64", "amd64")


def kind_of_machine() -> dict[str, str]:
    """What the counts may depend on."""
    import jax

    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    flags = sorted({word for line in lines if line.startswith("flags") for word in line.split()[2:]})
    processor = hashlib.sha256(" ".join(flags).encode()).hexdigest()[:16]
    return {"jax": jax.__version__, "backend": jax.default_backend(), "processor": processor}


def compilations(call: Callable[[], Any]) -> int:
    """How many programs are compiled while `call` runs."""
    import jax

    seen: list[str] = []

    def listen(event: str, duration_secs: float, **_: Any) -> None:
        seen.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        call()
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
    return seen.count(COMPILED)


def calls() -> dict[str, Callable[[], None]]:
    """Calls of the same shapes, or shapes padded to the same: they should share what is compiled."""
    import jax
    import numpy as np
    import problems

    from jslds_bench.dynamics.fixed_points import locate
    from jslds_bench.dynamics.rollout import trajectories
    from jslds_bench.switching import model as switching

    network = problems.analytic()
    assert network.truth is not None
    known, rng = network.truth[0], np.random.default_rng(0)

    def searches() -> None:
        for n in (90, 90, 80):  # padded to one size
            states = known.points[rng.integers(len(known.points), size=n)] + 0.01
            locate(network.cell, network.params, states, known.u_star)

    def runs() -> None:
        for _ in range(2):
            inputs = np.asarray(rng.normal(size=(4, 5, network.params[0].v.shape[0])), np.float32)
            trajectories(network, inputs)

    def fits() -> None:
        for seed in range(2):
            y = rng.normal(size=(3, 12, 4)).cumsum(axis=1)
            settings = switching.FitSettings(max_iterations=2, init_iterations=2)
            switching.fit(switching.Spec(2), y, key=jax.random.key(seed), settings=settings)

    return {call.__name__: call for call in (searches, runs, fits)}


def measured(names: list[str]) -> dict[str, Counts]:
    """The counts of each name."""
    sys.path.insert(0, str(Path(__file__).parent))
    import problems

    out: dict[str, Counts] = {}
    if set(names) & set(CALLS):  # all of them and first: what is compiled before them, they need not compile
        for name, call in calls().items():
            out[name] = {"compilations": compilations(call), "compilations again": compilations(call)}
    for name in set(names) & set(KERNELS):
        out[name] = problems.program_counts(*problems.KERNELS[name]())
    return {name: out[name] for name in names}


def differences(found: dict[str, Counts], expected: dict[str, Counts]) -> list[str]:
    """In words, one line per count that is not as expected."""
    lines = []
    for name in dict.fromkeys([*expected, *found]):
        old, new = expected.get(name, {}), found.get(name, {})
        lines += [
            f"{name}: {count} {old.get(count, 'none')} → {new.get(count, 'none')}"
            for count in dict.fromkeys([*old, *new])
            if old.get(count) != new.get(count)
        ]
    return lines


def git(*words: str) -> bytes:
    try:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", b"").decode(errors="replace").strip() or str(error)
        raise Incomparable(f"no history to compare with: {said}") from error


def made_here(names: list[str]) -> dict[str, Counts]:
    """The counts, on this machine, of the revision that wrote the file."""
    if git("rev-parse", "--is-shallow-repository").strip() == b"true":
        raise Incomparable("the history is cut short: git fetch --unshallow")
    commit = git("log", "-1", "--format=%H", "--", str(FILE.relative_to(ROOT))).decode().strip()
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(git("archive", commit))) as archive:
            archive.extractall(folder, filter="data")
        script = str(Path(folder, "suites", "asv", "compiled.py"))
        done = subprocess.run(
            [sys.executable, script, "--print", *names],
            env=os.environ | {"PYTHONPATH": folder},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        raise Incomparable(f"{commit[:8]}, which wrote the counts, does not run here: {done.stderr[-300:]}")
    found: dict[str, Counts] = json.loads(done.stdout)
    return found


def held(found: dict[str, Counts]) -> tuple[list[str], str]:
    """The differences, and from what: the file, or what stands in for it."""
    known = json.loads(FILE.read_text("utf-8"))
    lines = differences(found, {name: known["counts"].get(name, {}) for name in found})
    if not lines or known["machine"] == kind_of_machine():
        return lines, FILE.name
    here = f"the revision that wrote {FILE.name}, compiled here: the file is of {known['machine']}"
    return differences(found, made_here(list(found))), here


def main(argv: list[str] | None = None) -> int:
    """Compares, prints or writes."""
    parser = argparse.ArgumentParser(
        description="counts of the compiled core against baselines/compiled.json"
    )
    parser.add_argument("names", nargs="*", help=f"of these alone: {', '.join((*KERNELS, *CALLS))}")
    act = parser.add_mutually_exclusive_group()
    act.add_argument("--update", action="store_true", help="write the file instead")
    act.add_argument("--print", action="store_true", help="print the counts instead")
    arguments = parser.parse_args(argv)
    names = arguments.names or [*KERNELS, *CALLS]
    if unknown := set(names) - {*KERNELS, *CALLS}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    if arguments.update and arguments.names:
        parser.error("--update writes all counts")
    alike()
    found = measured(names)
    if arguments.print:
        sys.stdout.write(json.dumps(found) + "\n")
        return 0
    if arguments.update:
        content = {"schema": 2, "machine": kind_of_machine(), "counts": found}
        FILE.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
        return 0
    try:
        lines, of = held(found)
    except Incomparable as error:
        sys.stdout.write(f"nothing to compare: {error}\n")
        return 2
    sys.stdout.write("\n".join(lines or ["the compiled core is as it was"]) + f"\n(held to {of})\n")
    return int(bool(lines))


if __name__ == "__main__":
    sys.exit(main())
