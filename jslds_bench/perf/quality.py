"""How soon co-training reaches the paper's figures, against the paper's recipe at its cost per step here.

What is timed is the making of a network as a run makes it. Rates of learning depend on the length of a
training: the errors after n steps are those of a whole training of n steps, not of a longer one on its way.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import pandas as pd

from jslds_bench.dynamics.jslds import co_rollout
from jslds_bench.dynamics.training import CHUNK, RecipeName, make_recipe, task_error
from jslds_bench.metrics.states import relative_errors
from jslds_bench.networks.cotrained import CoTrained
from jslds_bench.settings.draws import purpose_key
from jslds_bench.settings.networks.evaluation import draw_trials
from jslds_bench.types.core import Network, Progress, Trials
from jslds_bench.types.networks import Task

N_TRIALS, PAPER_CHUNKS = 1024, 2
LADDER = (0.25, 0.5, 0.75, 1.0, 1.5)
"""Lengths of training, in those of the recipe."""


class Errors(NamedTuple):
    """On trials of the evaluation: of the JSLDS's free run, of the outputs of the network and the JSLDS."""

    relative_error: float
    task_error_network: float
    task_error_model: float


PUBLISHED = {
    "nbit_memory": Errors(0.0465, 4.1e-4, 4.1e-4),
    "context_integration": Errors(0.0097, 4.4e-4, 4.4e-4),
}
"""What Smith et al. (2021) reach by their recipe."""


class Paper(NamedTuple):
    """The paper's recipe on this machine: one of its steps, how many it takes, and both multiplied."""

    step_seconds: float
    n_steps: int
    seconds: float


def errors(network: Network, trials: Trials) -> Errors:
    """The suite's metrics of the same names, of model `jslds` on the co-trained `network`."""
    assert network.expansion is not None
    h0 = jnp.broadcast_to(network.h0, (len(trials.inputs), network.n_state))
    states = _co_rollout(network.cell, network.params, network.expansion, h0, trials.inputs, trials.u_star)
    free = relative_errors(states.a, states.h).mean()
    return Errors(
        float(free), *(float(_task_error(network.readout, x, trials)) for x in (states.h, states.a))
    )


_co_rollout = jax.jit(co_rollout, static_argnums=0)
_task_error = jax.jit(task_error)


def ladder(task: Task) -> list[int]:
    """Numbers of steps: whole chunks, for a remainder would be compiled by itself, and at least two."""
    whole = make_recipe("fast", task.setup).n_steps
    return sorted({CHUNK * max(2, round(share * whole / CHUNK)) for share in LADDER})


def trained(task: Task, key: jax.Array, recipe: RecipeName, n_steps: int) -> tuple[Network, float, float]:
    """A co-trained network, the processor seconds of all its steps, and those of all that is no step.

    A step's are those of the chunks that follow the first one, which compiles; where there is no other chunk,
    all is a step's. Steps on the task alone that come first count as they cost, by the same rule.
    """
    n_first = make_recipe(recipe, task.setup, n_steps).n_first
    start = time.process_time()
    ticks = {0: start}
    network = CoTrained(recipe, n_steps=n_steps).build(
        task, key, lambda done, *_: ticks.update({done: time.process_time()})
    )
    steps = 0.0
    for begin, n in ((0, n_first), (n_first, n_steps)):
        warm = CHUNK if n > CHUNK else 0
        steps += n * (ticks[begin + n] - ticks[begin + warm]) / max(n - warm, 1)
    return network, steps, time.process_time() - start - steps


def measure(
    rungs: Mapping[str, tuple[Task, Sequence[int]]], seeds: Sequence[int], progress: Progress
) -> tuple[pd.DataFrame, dict[str, Paper]]:
    """One row per task, number of steps and seed; and the paper's recipe per task, in the same process.

    Columns: task, seed, steps, seconds (of the processor, for all steps), other_seconds (tracing, compiling,
    drawing the start), and `Errors`. The paper's step is measured before and after the ladder, and the mean
    is taken.

    Args:
        rungs: by name, a task and the numbers of steps that its networks are trained for.
    """
    total = sum(len(steps) * len(seeds) for _, steps in rungs.values())
    rows: list[dict[str, Any]] = []
    papers = {}
    for name, (task, steps) in rungs.items():
        first = purpose_key(seeds[0], "network")
        progress(len(rows), total, f"{name}, the paper's recipe")
        few = PAPER_CHUNKS * CHUNK
        before = trained(task, first, "paper", few)[1]
        for n, seed in ((n, seed) for n in steps for seed in seeds):
            progress(len(rows), total, f"{name}, {n} steps, seed {seed}")
            network, seconds, other = trained(task, purpose_key(seed, "network"), "fast", n)
            found = errors(network, draw_trials(task, seed, "evaluation", N_TRIALS))
            about = {"task": name, "seed": seed, "steps": n, "seconds": seconds, "other_seconds": other}
            rows.append(about | found._asdict())
        step = (before + trained(task, first, "paper", few)[1]) / 2 / few
        n_steps = make_recipe("paper", task.setup).n_steps
        papers[name] = Paper(step, n_steps, step * n_steps)
    return pd.DataFrame(rows), papers


def soonest(frame: pd.DataFrame, papers: Mapping[str, Paper], targets: Mapping[str, Errors]) -> pd.DataFrame:
    """Time to quality: per task, the shortest training from which on medians over seeds reach all targets.

    Columns: task, steps, seconds (median), reaching (how many seeds reach all targets in so many steps),
    seeds, paper_seconds, ratio (paper_seconds / seconds). NaN where the longest training does not reach them.
    """
    rows = []
    for name, group in frame.groupby("task", sort=False):
        target, paper = pd.Series(targets[str(name)]._asdict()), papers[str(name)].seconds
        medians = group.groupby("steps").median(numeric_only=True).sort_index(ascending=False)
        reached = (medians[target.index] <= target).all(axis=1).cummin()
        row: dict[str, Any] = {"task": name, "steps": math.nan, "seconds": math.nan, "reaching": math.nan}
        if reached.iloc[0]:
            steps = reached[reached].index[-1]
            each = (group[group.steps == steps][target.index] <= target).all(axis=1)
            row |= {"steps": steps, "seconds": medians.seconds[steps], "reaching": each.sum()}
        ratio = paper / row["seconds"]
        rows.append({**row, "seeds": group.seed.nunique(), "paper_seconds": paper, "ratio": ratio})
    return pd.DataFrame(rows)
