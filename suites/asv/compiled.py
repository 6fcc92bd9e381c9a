"""What the compiler makes of the core: counts that no noise touches, held to `baselines/compiled.json`.

Clocks of shared machines are noisy, compiled programs are not. For each function of the core at the paper's
sizes: floating-point operations and bytes by XLA's cost model, bytes of temporary memory, fusions and matrix
products of the optimised program; how many programs are compiled by calls that should share them. A change
that costs the core a product or a compilation more shows here, whatever the machine is doing.

    python suites/asv/compiled.py            # compares, exit code 1 where something differs
    python suites/asv/compiled.py --update   # writes the file: `make compiled`

Counts belong to a version of JAX, to a kind of processor (XLA asks what it can do), and to one core: XLA
splits programs for several. On another kind there is nothing to compare, and that is said.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "baselines" / "compiled.json"
COMPILED = "/jax/core/compile/backend_compile_duration"
Counts = dict[str, int]


def on_one_core() -> None:
    """Before JAX is imported: one core, and XLA as it is by default."""
    for name in ("JAX_DISABLE_MOST_OPTIMIZATIONS", "XLA_FLAGS"):
        os.environ.pop(name, None)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def kind_of_machine() -> dict[str, str]:
    """What the counts depend on."""
    import hashlib

    import jax

    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    flags = sorted({word for line in lines if line.startswith("flags") for word in line.split()[2:]})
    return {
        "jax": jax.__version__,
        "backend": jax.default_backend(),
        "processor": hashlib.sha256(" ".join(flags).encode()).hexdigest()[:16],
    }


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


def measured() -> dict[str, Counts]:
    """All counts, by function and cell."""
    import jax
    import numpy as np

    sys.path.insert(0, str(ROOT / "suites" / "asv"))
    import bench_core as core

    from jslds_bench.dynamics.fixed_points import locate
    from jslds_bench.dynamics.rollout import trajectories
    from jslds_bench.switching import model as switching

    out: dict[str, Counts] = {}
    for cell in ("gru", "vanilla"):
        for function in (core.forward, core.training_step, core.recurrent_jacobians):
            out[f"{function.__name__}, {cell}"] = core.program_counts(*function(cell))
    network = core.FixedPoints.network()
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

    for call in (searches, runs, fits):
        out[call.__name__] = {"compilations": compilations(call), "compilations again": compilations(call)}
    return out


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


def main(argv: list[str] | None = None) -> int:
    """Compares, or with --update writes."""
    parser = argparse.ArgumentParser(
        description="counts of the compiled core against baselines/compiled.json"
    )
    parser.add_argument("--update", action="store_true", help="write the file instead")
    update = parser.parse_args(argv).update
    on_one_core()
    kind = kind_of_machine()
    if update:
        content = {"schema": 1, "machine": kind, "counts": measured()}
        FILE.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
        return 0
    known = json.loads(FILE.read_text("utf-8"))
    if known["machine"] != kind:
        sys.stdout.write(f"counts are of {known['machine']}, this is {kind}: nothing to compare\n")
        return 0
    found = measured()
    lines = differences(found, known["counts"])
    sys.stdout.write("\n".join(lines) + "\n" if lines else "the compiled core is as it was\n")
    return int(bool(lines))


if __name__ == "__main__":
    sys.exit(main())
