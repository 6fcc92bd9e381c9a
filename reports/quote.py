"""Puts the tables of the reference runs into the documentation: `make reference` ends with this.

A block of a Markdown file between ``<!-- table NAME -->`` and ``<!-- end -->`` is written anew from
``reports/reference/``. With ``--check`` nothing is written, and the exit code tells whether one would change.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from jslds_bench.perf.quality import PUBLISHED, Paper, soonest
from jslds_bench.records.numbers import number
from jslds_bench.reproduce.claims import read_claims

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("results", "fairness", "spikes", "statistics", "variants", "reproduce", "method", "clusters")
FILES = [f"docs/{name}.md" for name in (*PAGES, "speed")]
BLOCK = re.compile(r"(<!-- table (\S+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class Quoted:
    """A table of seed means.

    Attributes:
        run: the reference run.
        columns: title → (task, metric).
        networks: rows are of these; none: of all.
        models: only these; none: all.
    """

    run: str
    columns: dict[str, tuple[str, str]]
    networks: tuple[str, ...] = ()
    models: tuple[str, ...] = ()


def _of_both(*columns: tuple[str, str]) -> dict[str, tuple[str, str]]:
    """(title, metric) of the paper's two tasks, whose first column names each; blanks tell titles apart."""
    found = {}
    for task, name, blank in (("nbit_memory", "3-bit", ""), ("context_integration", "context", " ")):
        (first, metric), *rest = columns
        found[f"{name} {first}"] = task, metric
        found |= {f"{title}{blank}": (task, metric) for title, metric in rest}
    return found


TABLES = {
    "synthetic": Quoted(
        "synthetic",
        _of_both(
            ("free-run", "relative_error"),
            ("nrmse", "nrmse"),
            ("one-step", "relative_error_one_step"),
            ("systems", "n_systems_effective"),
            ("q", "fixed_point_speed"),
        ),
        networks=("standard", "cotrained"),
    ),
    "methods_quick": Quoted(
        "methods_quick",
        {
            title: (task, "relative_error")
            for title, task in {
                "3-bit": "nbit_memory",
                "context": "context_integration",
                "delayed match": "delayed_match",
                "path integration": "path_integration",
                "Poisson clicks": "poisson_clicks",
                "ready-set-go": "ready_set_go",
                "sine": "sine_generator",
            }.items()
        },
        networks=("standard", "cotrained"),
    ),
    "matched": Quoted(
        "synthetic",
        _of_both(("free-run", "relative_error"), ("nrmse", "nrmse"), ("task error", "task_error_network")),
        models=("fixed_points", "fixed_points_actual", "jslds", "codebook"),
    ),
    "spikes": Quoted(
        "spikes",
        {
            "co-smoothing, bits/spike": ("spiking_rotations", "co_bits_per_spike"),
            "rate R²": ("spiking_rotations", "rate_r2"),
            "velocity R²": ("spiking_rotations", "velocity_r2"),
            "relative error": ("spiking_rotations", "relative_error"),
            "frequency error": ("spiking_rotations", "frequency_error"),
            "plane angle, °": ("spiking_rotations", "plane_angle"),
        },
        models=("lfads", "lfads_jslds", "lfads_affine", "lds", "rslds", "smoothing", "psth"),
    ),
    "regimes": Quoted(
        "spikes",
        {
            "regime error": ("spiking_regimes", "regime_error"),
            "rate R²": ("spiking_regimes", "rate_r2"),
            "co-smoothing, bits/spike": ("spiking_regimes", "co_bits_per_spike"),
        },
        models=(
            *("lfads", "lfads_at_states", "lfads_affine", "lfads_jslds", "lfads_jslds_identity"),
            *("lds", "rslds"),
        ),
    ),
    "maze": Quoted(
        "maze",
        {
            "co-smoothing, bits/spike": ("mc_maze", "co_bits_per_spike"),
            "JSLDS branch": ("mc_maze", "co_bits_per_spike_jslds"),
            "relative error": ("mc_maze", "relative_error"),
        },
        models=("lfads", "lfads_affine", "lfads_jslds", "lds", "rslds", "smoothing"),
    ),
    "lambda_e": Quoted(
        "lambda_e",
        {
            "3-bit free-run": ("nbit_memory", "relative_error"),
            "q": ("nbit_memory", "fixed_point_speed"),
            "precision": ("nbit_memory", "fixed_point_precision"),
            "systems": ("nbit_memory", "n_systems_effective"),
            "context free-run": ("context_integration", "relative_error"),
            "q ": ("context_integration", "fixed_point_speed"),
            "systems ": ("context_integration", "n_systems_effective"),
        },
    ),
    "modes": Quoted(
        "modes",
        {
            "free-run": ("context_integration", "relative_error"),
            "one-step": ("context_integration", "relative_error_one_step"),
            "modes known": ("context_integration", "relative_error_oracle"),
        },
    ),
    "latents": Quoted(
        "latents",
        _of_both(
            ("free-run", "relative_error"),
            ("one-step", "relative_error_one_step"),
            ("left out", "projection_error"),
            ("systems", "n_systems_effective"),
        ),
    ),
    "first_step": Quoted(
        "synthetic",
        {
            "free-run": ("context_integration", "relative_error"),
            "from h_1": ("context_integration", "relative_error_from_h1"),
            "one-step": ("context_integration", "relative_error_one_step"),
            "from h_1 ": ("context_integration", "relative_error_one_step_from_h1"),
            "valid time, steps": ("context_integration", "valid_prediction_time"),
            "from h_1  ": ("context_integration", "valid_prediction_time_from_h1"),
        },
        networks=("standard", "cotrained"),
        models=(
            *("fixed_points", "fixed_points_actual", "fixed_points_start", "fixed_points_start_actual"),
            *("codebook", "jslds", "rslds"),
        ),
    ),
}


def _errors(values: pd.DataFrame) -> pd.DataFrame:
    """(network, task) × models: the error, inf where the job failed or diverged, NaN where there was none."""
    errors = values[values.metric == "relative_error"].set_index(["network", "task", "model"]).value
    lost = values[values.status != "ok"].set_index(["network", "task", "model"]).index.unique()
    errors = errors.fillna(np.inf).combine_first(pd.Series(np.inf, lost))
    return errors.unstack()[list(dict.fromkeys(values.model))]


def over_networks() -> str:
    """The table in Markdown of `methods`: mean ranks over a kind of network's tasks, and beside `jslds`."""
    values = pd.read_csv(ROOT / "reports" / "reference" / "methods" / "values.csv")
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
    return _markdown(lines)


SHARES = {"level": "equal sides", "skewed": "skewed changes", "power": "10 % up", "rows": "one row up"}
SHARES |= {f"held_{n}": f"held of {n} tasks" for n in (7, 10)}
"""Of what `reports/level.py` has measured: seeds × kinds."""


def shares(measured: str) -> str:
    """The table in Markdown of shares of verdicts."""
    values = pd.read_csv(ROOT / "reports" / "reference" / "level" / "values.csv")
    values = values[values.table == measured]
    kinds = list(dict.fromkeys(values.kind))
    found = values.set_index(["seeds", "kind"]).share
    lines = [["seeds", *kinds], ["---"] * (len(kinds) + 1)]
    for n in dict.fromkeys(values.seeds):
        lines.append([str(n), *(f"{x:.3f}" if (x := found[n, kind]) else "0" for kind in kinds)])
    return _markdown(lines)


VERDICTS = ("heavier", "refined", "refined_at_equal")
"""Of what `make reference` has `compare` write: networks of `variants` against others."""
_JUDGED = {
    "relative_error": "free-run error",
    "nrmse": "nrmse",
    "n_systems_effective": "systems",
    "task_error_network": "task error of the network",
}


def verdicts(name: str) -> str:
    """The table in Markdown of what became of each task's values, with verdicts."""
    file = ROOT / "reports" / "reference" / "variants" / f"{name}.json"
    rows = {(row["task"], row["metric"]): row for row in json.loads(file.read_text("utf-8"))["rows"]}
    lines = [["task", *_JUDGED.values()], ["---"] * (len(_JUDGED) + 1)]
    for task in dict.fromkeys(task for task, _ in rows):
        found = [rows[task, metric] for metric in _JUDGED]
        moved = (f"{number(row['a'], 3)} → {number(row['b'], 3)}: {row['verdict']}" for row in found)
        lines.append([task, *moved])
    return _markdown(lines)


_DIVIDED = {"relative_error": "relative error", "nrmse": "nrmse"}


def by_spread() -> str:
    """The table in Markdown of how much either error changed, and in how many seeds it fell."""
    values = pd.read_csv(ROOT / "reports" / "reference" / "variants" / "values.csv")
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
    return _markdown(lines)


def quality() -> str:
    """The table in Markdown of how soon co-training reaches the paper's figures."""
    folder = ROOT / "reports" / "reference" / "quality"
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
    return _markdown(lines)


def scale() -> str:
    """The table in Markdown of what `reports/scale.py` has measured, by number of jobs."""
    values = pd.read_csv(ROOT / "reports" / "reference" / "scale" / "values.csv")
    sizes = sorted(set(values.jobs))
    lines = [["", *(f"{n:,} jobs" for n in sizes)], ["---"] * (len(sizes) + 1)]
    for what, of in values.groupby("what", sort=False):
        found = {row.jobs: f"{number(row.value, 2)} {row.unit}" for row in of.itertuples()}
        lines.append([str(what), *(found.get(n, "") for n in sizes)])
    return _markdown(lines)


CORE = {"gru": "GRU, N = 100", "vanilla": "tanh, N = 128"}


def speed() -> str:
    """The table in Markdown of what `reports/speed.py` has measured, a row for each function and cell:
    medians over the processes, with the smallest and largest ratio to the yardstick."""
    values = pd.read_csv(ROOT / "reports" / "reference" / "speed" / "values.csv")
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
    return _markdown(lines)


APART = ("fixed_points", "fixed_points_start", "jslds", "codebook", "taylor_at_state", "rslds")
"""Models of `synthetic` of which the numbers of systems are quoted by distance."""


def by_apart() -> str:
    """The table in Markdown of how many systems there are on co-trained networks, by distance."""
    values = pd.read_csv(ROOT / "reports" / "reference" / "synthetic" / "by_apart.csv")
    values = values[(values.network == "cotrained") & values.model.isin(APART)]
    means = values.groupby(["model", "task", "apart"]).n_systems_effective.mean()
    sizes = sorted(set(values.apart), reverse=True)
    tasks = {"nbit_memory": "3-bit", "context_integration": "context"}
    lines = [["model", *(f"{name}, {size:g}" for name in tasks.values() for size in sizes)]]
    lines.append(["---"] * len(lines[0]))
    for model in APART:
        found = (means[model, task, size] for task in tasks for size in sizes)
        lines.append([model, *(number(float(x), 3) for x in found)])
    return _markdown(lines)


def through_time() -> str:
    """The table in Markdown of free-run errors before and after training through time."""
    values = pd.read_csv(ROOT / "reports" / "reference" / "through_time" / "values.csv")
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
    return _markdown(lines)


CLAIMS = {"claims": False, "instead": True}
"""Table → whether it has what was found instead, or the paper's claims."""


def claims(instead: bool) -> str:
    """How many claims have which verdict, and the scorecard in Markdown, a row for each test."""
    file = ROOT / "reports" / "reference" / "reproduce" / "claims.json"
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
    table = _markdown(lines).replace("|cos|", "\\|cos\\|")
    return f"Of {len(verdicts)}: {counts}.\n\n{table}"


def table(quoted: Quoted) -> str:
    """The table in Markdown; rows in the order of the run's own."""
    values = pd.read_csv(ROOT / "reports" / "reference" / quoted.run / "values.csv")
    keys = ["network", "model", "task"]
    found = values.groupby([*keys, "metric"], sort=False).value
    means, known, asked = found.mean(), found.count(), values.groupby(keys).seed.nunique()
    places = [
        (network, model)
        for network, model in dict.fromkeys(zip(values.network, values.model, strict=True))
        if network in (quoted.networks or (network,)) and model in (quoted.models or (model,))
    ]
    networks = list(dict.fromkeys(values.network))
    places.sort(key=lambda place: networks.index(place[0]))
    several = len({network for network, _ in places}) > 1
    lines = [["network · model" if several else "model", *map(str.strip, quoted.columns)], []]
    lines[1] = ["---"] * len(lines[0])
    for network, model in places:
        lines.append([f"{network} · {model}" if several else model])
        for task, metric in quoted.columns.values():
            n = known.get((network, model, task, metric), 0)
            text = number(float(means[network, model, task, metric]), 3) if n else "–"
            lines[-1].append(f"{text} ({n} of {of})" if 0 < n < (of := asked[network, model, task]) else text)
    return _markdown(lines)


def _markdown(lines: list[list[str]]) -> str:
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def block(name: str) -> str:
    """The table of that name."""
    if name in VERDICTS:
        return verdicts(name)
    others = {"methods": over_networks} | {
        f.__name__: f for f in (by_apart, by_spread, quality, scale, speed, through_time)
    }
    if name in others:
        return others[name]()
    if name in CLAIMS:
        return claims(CLAIMS[name])
    return shares(SHARES[name]) if name in SHARES else table(TABLES[name])


def quoted_text(text: str) -> str:
    """`text` with all of its blocks written anew."""
    return BLOCK.sub(lambda m: m[1] + block(m[2]) + m[4], text)


def main() -> int:
    """Writes, or with --check tells, what would change."""
    stale = []
    for name in FILES:
        path = ROOT / name
        text = path.read_text("utf-8")
        if (new := quoted_text(text)) != text:
            stale.append(name)
            if "--check" not in sys.argv:
                path.write_text(new, "utf-8")
    sys.stdout.write(f"{'stale' if '--check' in sys.argv else 'written'}: {', '.join(stale) or 'nothing'}\n")
    return int(bool(stale) and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
