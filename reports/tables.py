"""Tables of the documentation that are more than seed means of a run: `quote.py` puts them into the pages.

Each function reads ``reports/reference/`` and gives Markdown.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from jslds_bench.perf.quality import PUBLISHED, Paper, soonest
from jslds_bench.records.numbers import number
from jslds_bench.reproduce.claims import read_claims

REFERENCE = Path(__file__).resolve().parent / "reference"


def markdown(lines: list[list[str]]) -> str:
    """The table of these cells, the first line its head, the second dashes."""
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _errors(values: pd.DataFrame) -> pd.DataFrame:
    """(network, task) × models: the error, inf where the job failed or diverged, NaN where there was none."""
    errors = values[values.metric == "relative_error"].set_index(["network", "task", "model"]).value
    lost = values[values.status != "ok"].set_index(["network", "task", "model"]).index.unique()
    errors = errors.fillna(np.inf).combine_first(pd.Series(np.inf, lost))
    return errors.unstack()[list(dict.fromkeys(values.model))]


def over_networks() -> str:
    """The table in Markdown of `methods`: mean ranks over a kind of network's tasks, and beside `jslds`."""
    values = pd.read_csv(REFERENCE / "methods" / "values.csv")
    errors = _errors(values)
    networks = list(dict.fromkeys(values.network))
    ranks = {n: errors.loc[n].dropna(axis=1).rank(axis=1).mean() for n in networks}
    heads = [f"{n}, {len(errors.loc[n])} tasks" for n in networks]
    systems = values[values.metric == "n_systems_effective"].groupby("model").value.median()
    lines = [["model", *heads, "below `jslds`", "median ratio to it", "median systems"]]
    lines.append(["---"] * len(lines[0]))
    for model in errors:
        shown = [f"{ranks[n][model]:.1f}" if model in ranks[n] else "–" for n in networks]
        both = errors[[model, "jslds"]].dropna()
        below = (both[model] < both["jslds"]).sum()
        ratio = (both[model] / both["jslds"]).median()
        beside = ["", ""] if model == "jslds" else [f"{below} of {len(both)}", number(float(ratio), 3)]
        held = number(float(systems[model]), 3) if model in systems else "–"
        lines.append([model, *shown, *beside, held])
    return markdown(lines)


SHARES = {"level": "equal sides", "skewed": "skewed changes", "power": "10 % up", "rows": "one row up"}
SHARES |= {f"held_{n}": f"held of {n} tasks" for n in (7, 10)}
"""Of what `reports/level.py` has measured: seeds × kinds."""


def shares(measured: str) -> str:
    """The table in Markdown of shares of verdicts."""
    values = pd.read_csv(REFERENCE / "level" / "values.csv")
    values = values[values.table == measured]
    kinds = list(dict.fromkeys(values.kind))
    found = values.set_index(["seeds", "kind"]).share
    lines = [["seeds", *kinds], ["---"] * (len(kinds) + 1)]
    for n in dict.fromkeys(values.seeds):
        lines.append([str(n), *(f"{x:.3f}" if (x := found[n, kind]) else "0" for kind in kinds)])
    return markdown(lines)


_JUDGED = {
    "relative_error": "free-run error",
    "nrmse": "nrmse",
    "n_systems_effective": "systems",
    "task_error_network": "task error of the network",
}


def verdicts(name: str) -> str:
    """The table in Markdown of what became of each task's values, with verdicts."""
    file = REFERENCE / "variants" / f"{name}.json"
    rows = {(row["task"], row["metric"]): row for row in json.loads(file.read_text("utf-8"))["rows"]}
    lines = [["task", *_JUDGED.values()], ["---"] * (len(_JUDGED) + 1)]
    for task in dict.fromkeys(task for task, _ in rows):
        found = [rows[task, metric] for metric in _JUDGED]
        moved = (f"{number(row['a'], 3)} → {number(row['b'], 3)}: {row['verdict']}" for row in found)
        lines.append([task, *moved])
    return markdown(lines)


_DIVIDED = {"relative_error": "relative error", "nrmse": "nrmse"}


def by_spread() -> str:
    """The table in Markdown of how much either error changed, and in how many seeds it fell."""
    values = pd.read_csv(REFERENCE / "variants" / "values.csv")
    found = values.pivot_table(
        index=["metric", "task", "seed"], columns="network", values="value", sort=False
    )
    others = {"heavier": "cotrained_heavier", "refined": "refined"}
    heads = [f"{name}, {title}" for name in others for title in _DIVIDED.values()]
    lines = [["task", *heads], ["---"] * (len(heads) + 1)]
    for task in dict.fromkeys(values.task):
        line = [task]
        for network in others.values():
            for metric in _DIVIDED:
                of = found.loc[(metric, task)]
                logs = np.log(of[network] / of["cotrained"])
                line.append(f"×{math.exp(logs.mean()):.2f}, {(logs < 0).sum()} of {len(logs)}")
        lines.append(line)
    return markdown(lines)


def quality() -> str:
    """The table in Markdown of how soon co-training reaches the paper's figures."""
    folder = REFERENCE / "quality"
    papers = json.loads((folder / "machine.json").read_text("utf-8"))["paper"]
    found = soonest(
        pd.read_csv(folder / "values.csv"),
        {task: Paper(**paper) for task, paper in papers.items()},
        PUBLISHED,
    )
    lines = [["task", "steps", "seconds", "seeds that reach it", "the paper's whole recipe", "times as long"]]
    lines.append(["---"] * len(lines[0]))
    for row in found.itertuples():
        shown = [f"{row.steps:,.0f}", f"{row.seconds:.1f}", f"{row.reaching:.0f} of {row.seeds}"]
        lines.append([row.task, *shown, f"{row.paper_seconds:,.0f}", f"{row.ratio:.0f}"])
    return markdown(lines)


def scale() -> str:
    """The table in Markdown of what `reports/scale.py` has measured, by number of jobs."""
    values = pd.read_csv(REFERENCE / "scale" / "values.csv")
    sizes = sorted(set(values.jobs))
    lines = [["", *(f"{n:,} jobs" for n in sizes)], ["---"] * (len(sizes) + 1)]
    for what, of in values.groupby("what", sort=False):
        found = {row.jobs: f"{number(row.value, 2)} {row.unit}" for row in of.itertuples()}
        lines.append([str(what), *(found.get(n, "") for n in sizes)])
    return markdown(lines)


CORE = {"gru": "GRU, N = 100", "vanilla": "tanh, N = 128"}


def speed() -> str:
    """The table in Markdown of what `reports/speed.py` has measured, a row for each function and cell:
    medians over the processes, with the smallest and largest ratio to the yardstick."""
    values = pd.read_csv(REFERENCE / "speed" / "values.csv")
    lines = [["threads, trials", "cell", "", "ms", "of a large product's rate"]]
    lines[0] += ["its products alone, of its time", "yardstick, times as long", "memory, MB", "yardstick's"]
    lines.append(["---"] * len(lines[0]))
    keys = ["threads", "batch", "cell", "function"]
    for (threads, batch, cell, function), of in values.groupby(keys, sort=False):
        seconds, operations, memory = (
            of.pivot(index="process", columns="what", values=name)
            for name in ("seconds", "operations", "temporary_bytes")
        )
        core, rates = seconds.core, operations / seconds
        shown = [f"{1e3 * core.median():.1f}", "–", "–"]
        if rates.core.any():
            shown[1:] = [f"{(rates.core / rates.machine).median():.0%}"]
            shown.append(f"{(seconds.products / core).median():.0%}")
        longer = seconds.yardstick / core
        shown.append(f"{longer.median():.2f} ({longer.min():.2f}–{longer.max():.2f})")
        shown += [f"{memory[name].median() / 1e6:.1f}" for name in ("core", "yardstick")]
        lines.append([f"{threads}, {batch}", CORE[cell], function, *shown])
    return markdown(lines)


APART = ("fixed_points", "fixed_points_start", "jslds", "codebook", "taylor_at_state", "rslds")
"""Models of `synthetic` of which the numbers of systems are quoted by distance."""


def by_apart() -> str:
    """The table in Markdown of how many systems there are on co-trained networks, by distance."""
    values = pd.read_csv(REFERENCE / "synthetic" / "by_apart.csv")
    values = values[(values.network == "cotrained") & values.model.isin(APART)]
    means = values.groupby(["model", "task", "apart"]).n_systems_effective.mean()
    sizes = sorted(set(values.apart), reverse=True)
    tasks = {"nbit_memory": "3-bit", "context_integration": "context"}
    lines = [["model", *(f"{name}, {size:g}" for name in tasks.values() for size in sizes)]]
    lines.append(["---"] * len(lines[0]))
    for model in APART:
        found = (means[model, task, size] for task in tasks for size in sizes)
        lines.append([model, *(number(float(x), 3) for x in found)])
    return markdown(lines)


def through_time() -> str:
    """The table in Markdown of free-run errors before and after training through time."""
    values = pd.read_csv(REFERENCE / "through_time" / "values.csv")
    places = {
        f"{'3-bit' if task == 'nbit_memory' else 'context'}, {network}": of.set_index("model")
        for (task, network), of in values.groupby(["task", "network"], sort=False)
    }
    lines = [["model", *places], ["---"] * (len(places) + 1)]
    for model in dict.fromkeys(values.model):
        lines.append([model])
        for of in places.values():
            before, after = of.fitted[model], of.through_time[model]
            lines[-1].append(f"{number(before, 3)} → {number(after, 3)} ({after / before - 1:+.0%})")
    return markdown(lines)


def claims(instead: bool) -> str:
    """How many claims have which verdict, and the scorecard in Markdown, a row for each test."""
    file = REFERENCE / "reproduce" / "claims.json"
    found = {claim["id"]: claim for claim in json.loads(file.read_text("utf-8"))["claims"]}
    lines = [["claim", "verdict", "test", "published", "found", "seeds"], ["---"] * 6]
    for claim in (c for c in read_claims() if c.found is instead):
        said = [claim.says, found[claim.id]["verdict"]]
        for test in found[claim.id]["tests"]:
            values = [float(x) for x in test["values"].values()]
            shown = "–"
            if values:
                ends = (
                    f" [{number(min(values), 3)}, {number(max(values), 3)}]" if len(set(values)) > 1 else ""
                )
                shown = f"{number(sum(values) / len(values), 3)}{ends}"
            published = "–" if test["published"] is None else number(test["published"], 3)
            lines.append([*said, test["says"], published, shown, f"{len(test['held'])}/{len(values)}"])
            said = ["", ""]
    verdicts = [found[c.id]["verdict"] for c in read_claims() if c.found is instead]
    counts = ", ".join(f"{verdicts.count(v)} {v}" for v in dict.fromkeys(verdicts))
    table = markdown(lines).replace("|cos|", "\\|cos\\|")
    return f"Of {len(verdicts)}: {counts}.\n\n{table}"


TABLES: dict[str, Callable[[], str]] = {
    "methods": over_networks,
    **{f.__name__: f for f in (by_apart, by_spread, quality, scale, speed, through_time)},
    **{name: functools.partial(shares, measured) for name, measured in SHARES.items()},
    **{name: functools.partial(verdicts, name) for name in ("heavier", "refined", "refined_at_equal")},
    "claims": functools.partial(claims, instead=False),
    "instead": functools.partial(claims, instead=True),
}
"""Name → the table."""
