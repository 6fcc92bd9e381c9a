"""What the core reaches of this machine, and what limits it: the table of docs/speed.md.

``python reports/speed.py FOLDER`` takes thirteen minutes on an otherwise idle machine with two cores or
more, and writes ``values.csv`` and ``machine.json`` there (on Linux, where a process can be held to some
cores). ``python reports/quote.py`` puts those of ``reports/reference/speed`` into the page. With one
thread, and with two, each on a core of its own, these take turns, in several processes, since where one has
its memory moves a figure by a tenth:

- the function, at the paper's size of the cell and its task;
- the yardstick: the same equations by `lax.scan`, `vmap` and automatic differentiation;
- its products of N × N matrices alone, one by one, with nothing between them;
- one product of 1024 × 1024 matrices, whose rate is the machine's;
- where training computes a batch in parts, the same without.
"""

from __future__ import annotations

import functools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

KINDS = ((1, 64), (1, 256), (2, 256))
"""Threads, each with a core, and trials of a batch."""
PROCESSES, TURNS, STEPS = 5, 5, 10
_N, _POINTS = 1024, 256
_STEP, _JACOBIANS = "training step", "recurrent Jacobians"
Calls = dict[str, Callable[[], Any]]


def products_alone(n: int, batch: int, n_steps: int, width: int, layers: int, backward: bool) -> Any:
    """The products [B, N] × [N, N] of a scan of network and JSLDS, and of its reverse pass, one by one.

    A step has one for each layer of E and, of each of the `width` blocks of the cell, three: by h, by e* and
    by the tangent. The reverse pass has two more for each, by the transposed weights and Xᵀ dY. Weights are
    orthogonal, so that numbers stay as large as they are without anything between the products.
    """
    import jax
    import jax.numpy as jnp

    block_of = [*range(layers), *(layers + i for i in range(width) for _ in range(3))]
    ws = jnp.linalg.qr(jax.random.normal(jax.random.key(0), (layers + width, n, n)))[0]
    xs = jax.random.normal(jax.random.key(1), (len(block_of), batch, n))

    def run(xs: Any, ws: Any) -> Any:
        transposed = jnp.swapaxes(ws, 1, 2)

        def step(carry: Any, _: None) -> tuple[Any, None]:
            lefts, sums = carry
            out = [x @ ws[i] for x, i in zip(lefts, block_of, strict=True)]
            if not backward:
                return (out, sums), None
            sums = [
                s + sum(lefts[j].T @ out[j - 1] for j, k in enumerate(block_of) if k == i)
                for i, s in enumerate(sums)
            ]
            return ([x @ transposed[i] for x, i in zip(out, block_of, strict=True)], sums), None

        return jax.lax.scan(step, (list(xs), list(jnp.zeros_like(ws))), None, length=n_steps)[0]

    return run, (xs, ws)


def trained(value_and_grad: Callable[..., Any]) -> Callable[..., Any]:
    """`STEPS` steps of gradient descent in one program, as training has them: memory is asked for once."""
    import jax

    def run(params: Any, trials: Any) -> Any:
        def step(params: Any, _: None) -> tuple[Any, Any]:
            value, gradient = value_and_grad(params, trials)
            return jax.tree.map(lambda p, g: p - 1e-6 * g, params, gradient), value

        return jax.lax.scan(step, params, None, length=STEPS)

    return run


def problems_of(cell: str, batch: int) -> dict[str, tuple[dict[str, Any], float]]:
    """Function → (what takes turns, each a function with arguments; operations of its products)."""
    import jax
    import jax.numpy as jnp
    import problems

    from jslds_bench.dynamics.batches import AT_ONCE
    from jslds_bench.dynamics.compiled import on_one_core
    from jslds_bench.dynamics.linearize import jacobians
    from jslds_bench.dynamics.training import co_training_loss
    from jslds_bench.perf.throughput import N_LAYERS

    problems.BATCH = batch
    problems.setting.cache_clear()
    p = problems.setting(cell)
    n, n_steps, width = p.params.h0.shape[0], p.trials.inputs.shape[1], sum(p.cell.widths)
    flops = 2.0 * n_steps * batch * (N_LAYERS + 3 * width) * n**2
    alone = functools.partial(products_alone, n, width=width, layers=N_LAYERS)
    parts = batch // AT_ONCE if on_one_core() else 1
    (core, args), (yardstick, _) = problems.training_step(cell), problems.plain_training_step(cell)
    h = 0.5 * jax.random.normal(jax.random.key(2), (_POINTS, n))
    u = jax.random.normal(jax.random.key(3), (_POINTS, p.task.n_inputs))
    step: dict[str, Any] = {"core": (trained(core), args), "yardstick": (trained(yardstick), args)}
    step["products"] = alone(batch // parts, STEPS * n_steps * parts, backward=True)
    if parts > 1:
        loss = co_training_loss(p.cell, p.task.setup.weights)
        step["at once"] = trained(jax.value_and_grad(loss, has_aux=True)), args
    made: dict[str, tuple[dict[str, Any], float]] = {
        _STEP: (step, 3 * flops),
        "both systems, forward": (
            {
                "core": problems.forward(cell),
                "yardstick": problems.plain_forward(cell),
                "products": alone(batch, n_steps, backward=False),
            },
            flops,
        ),
    }
    stages = {
        "core": (functools.partial(jacobians, p.cell), (p.params.theta, h, u)),
        "yardstick": (jax.vmap(jax.jacrev(p.cell.step, argnums=1), (None, 0, 0)), (p.params.theta, h, u)),
    }
    later = sum(p.cell.widths[1:])
    assert later <= 1, "of more products than one, as many would have to be timed"
    if later:  # a first stage's Jacobian is written, not computed
        rows, w = jax.random.normal(jax.random.key(4), (_POINTS * n, n)), jnp.eye(n)
        stages["products"] = jnp.matmul, (rows, w)
    made[_JACOBIANS] = stages, 2.0 * _POINTS * later * n**3
    return made


def measure(threads: int, batch: int) -> list[dict[str, Any]]:
    """A row for each cell, function and what was timed: median seconds, operations of products, memory."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "suites" / "asv"))
    import jax
    import jax.numpy as jnp
    import problems

    a = jax.random.normal(jax.random.key(0), (_N, _N))
    rows = []
    for cell in problems.CELLS:
        for name, (turns, flops) in problems_of(cell, batch).items():
            if name == _JACOBIANS and batch != min(size for n, size in KINDS if n == threads):
                continue  # they have no batch: once for each number of threads
            programs = {
                what: (jax.jit(f).lower(*args).compile(), args)
                for what, (f, args) in {"machine": (jnp.matmul, (a, a)), **turns}.items()
            }
            calls = {what: functools.partial(program, *args) for what, (program, args) in programs.items()}
            for what, seconds in in_turns(calls).items():
                of_machine = what == "machine"
                row = {"threads": threads, "batch": batch, "cell": cell, "function": name, "what": what}
                row["seconds"] = seconds / STEPS if name == _STEP and not of_machine else seconds
                row["operations"] = 2.0 * _N**3 if of_machine else flops
                row["temporary_bytes"] = programs[what][0].memory_analysis().temp_size_in_bytes
                rows.append(row)
    return rows


def in_turns(calls: Calls, turns: int = TURNS) -> dict[str, float]:
    """Median seconds of each, in turns, beginning with another each time, and each just after it ran untimed:
    what the one before left in caches and of memory is not its own."""
    import jax

    taken: dict[str, list[float]] = {name: [] for name in calls}
    names = list(calls)
    for turn in range(turns):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            jax.block_until_ready(calls[name]())
            start = time.perf_counter()
            jax.block_until_ready(calls[name]())
            taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def main(folder: Path) -> int:
    """Measures all kinds, and writes the values and what the machine is."""
    import pandas as pd

    from jslds_bench.runner.machine import environment

    needed = max(threads for threads, _ in KINDS)
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(cores) < needed:
        sys.stderr.write(
            f"it takes {needed} cores that a process can be held to, and there are {len(cores)}\n"
        )
        return 1
    about = {name: environment()[name] for name in ("cpu", "cores", "commit", "dirty", "jax", "jaxlib")}
    rows, begun = [], time.perf_counter()
    runs = [(process, *kind) for process in range(PROCESSES) for kind in KINDS]
    for i, (process, threads, batch) in enumerate(runs):
        left = f", {(time.perf_counter() - begun) / i * (len(runs) - i) / 60:.0f} min left" if i else ""
        said = f"{threads} thread{'s' * (threads > 1)}, {batch} trials"
        sys.stderr.write(f"{i + 1} of {len(runs)}{left}: {said}\n")
        words = [",".join(map(str, cores[:threads])), str(threads), str(batch)]
        done = subprocess.run(
            [sys.executable, __file__, *words], check=True, stdout=subprocess.PIPE, text=True
        )
        rows += [{"process": process, **row} for row in json.loads(done.stdout.splitlines()[-1])]
    folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(folder / "values.csv", index=False)
    (folder / "machine.json").write_text(json.dumps(about, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    if len(sys.argv) == 4:
        os.sched_setaffinity(0, map(int, sys.argv[1].split(",")))  # before JAX counts its threads
        sys.stdout.write(json.dumps(measure(int(sys.argv[2]), int(sys.argv[3]))) + "\n")
        sys.exit(0)
    sys.exit(main(Path(sys.argv[1])))
