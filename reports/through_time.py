"""What training through time adds to models that are fitted to the next step: a table of docs/fairness.md.

``python reports/through_time.py`` takes a quarter of an hour and writes
``reports/reference/through_time/values.csv``; ``python reports/quote.py`` puts it into the page. All numbers
of a fitted model go on from where its own fit has left them, by Adam on the free run from h_0 over whole
trials of the fit (the loss of `free_run_error`), at each of two rates. The last quarter of these trials
decides at which rate and after how many steps the least error was; the fit itself is one of what it chooses
from. So a JSLDS on a frozen network is trained, but for the task's targets.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd

from jslds_bench.dynamics.rollout import free_run, free_run_error
from jslds_bench.metrics.states import relative_errors
from jslds_bench.models._shared.states import fit_states
from jslds_bench.runner.machine import environment
from jslds_bench.settings.draws import purpose_key
from jslds_bench.settings.networks.evaluation import draw_trials
from jslds_bench.suite import registries
from jslds_bench.types.core import silent

FOLDER = Path(__file__).resolve().parent / "reference" / "through_time"
TASKS, NETWORKS = ("nbit_memory", "context_integration"), ("standard", "cotrained")
MODELS = ("dmdc", "low_rank", "smooth_switching")
SEED, N_TRIALS = 0, 512
STEPS, LOOK, BATCH, RATES = 2000, 50, 64, (1e-3, 5e-3)


def trained(model: Any, network: Any, trials: Any, states: np.ndarray, rate: float) -> tuple[float, Any]:
    """The least `free_run_error` on the last quarter of the trials, and the model that has it."""
    cut = len(states) - len(states) // 4
    first, unseen = (trials.part(part) for part in (slice(None, cut), slice(cut, None)))
    later = jnp.asarray(states[:cut, 1:], jnp.float32)
    inputs, u_star = jnp.asarray(first.inputs), jnp.asarray(first.u_star)
    spread = jnp.mean(jnp.sum((later - later.mean((0, 1))) ** 2, axis=-1))
    optimizer = optax.chain(
        optax.clip_by_global_norm(1.0), optax.adam(optax.cosine_decay_schedule(rate, STEPS))
    )

    def loss(model: Any, which: Any) -> Any:
        run = free_run(model, network.h0, inputs[which], u_star[which])
        return jnp.mean(jnp.sum((run - later[which]) ** 2, axis=-1)) / spread

    @jax.jit
    def steps(model: Any, state: Any, key: Any) -> Any:
        def step(carry: Any, key: Any) -> tuple[Any, None]:
            model, state = carry
            slope = jax.grad(loss)(model, jax.random.randint(key, (BATCH,), 0, cut))
            change, state = optimizer.update(slope, state)
            return (optax.apply_updates(model, change), state), None

        return jax.lax.scan(step, (model, state), jax.random.split(key, LOOK))[0]

    best = free_run_error(model, network, unseen, states[cut:]), model
    state = optimizer.init(model)
    for i in range(STEPS // LOOK):
        model, state = steps(model, state, jax.random.fold_in(jax.random.key(SEED), i))
        best = min(best, (free_run_error(model, network, unseen, states[cut:]), model), key=lambda x: x[0])
    return best


def rows_of(task_name: str, network_name: str, report: Callable[[str], None]) -> list[dict[str, Any]]:
    """A row for each model: its relative error on trials not fitted, before and after."""
    entries = registries()
    task = entries["tasks"].make(task_name, {})
    report("training the network")
    network = entries["networks"].make(network_name, {}).build(task, purpose_key(SEED, "network"), silent)
    fit, scored = (draw_trials(task, SEED, purpose, N_TRIALS) for purpose in ("fit", "evaluation"))
    states, true = fit_states(network, fit), fit_states(network, scored)[:, 1:]

    def error(model: Any) -> float:
        run = np.asarray(free_run(model, network.h0, scored.inputs, scored.u_star), np.float64)
        return float(relative_errors(run, true).mean())

    rows = []
    for name in MODELS:
        report(name)
        start = time.perf_counter()
        model = entries["models"].make(name, {}).fit(task, network, fit, purpose_key(SEED, "model"))
        fitted = time.perf_counter()
        single = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), model)
        _, after = min((trained(single, network, fit, states, rate) for rate in RATES), key=lambda x: x[0])
        row = {"task": task_name, "network": network_name, "model": name, "seed": SEED}
        seconds = {"fit_seconds": fitted - start, "more_seconds": time.perf_counter() - fitted}
        rows.append({**row, "fitted": error(model), "through_time": error(after), **seconds})
    return rows


def _tell(at: str, text: str) -> None:
    sys.stderr.write(f"{at}{text}\n")


def main() -> int:
    """Writes the values, and what the machine is."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # as a worker of a run has it
    about = {name: environment()[name] for name in ("cpu", "cores", "commit", "dirty", "jax", "jaxlib")}
    places = [(task, network) for task in TASKS for network in NETWORKS]
    rows, begun = [], time.perf_counter()
    for i, (task, network) in enumerate(places):
        left = f", {(time.perf_counter() - begun) / i * (len(places) - i) / 60:.0f} min left" if i else ""
        at = f"{i + 1} of {len(places)}{left}: {task}, {network}: "
        rows += rows_of(task, network, partial(_tell, at))
    FOLDER.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(FOLDER / "values.csv", index=False)
    (FOLDER / "machine.json").write_text(json.dumps(about, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
