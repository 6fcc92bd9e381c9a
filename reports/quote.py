"""Puts the tables of the reference runs into the documentation: `make reference` ends with this.

A block of a Markdown file between ``<!-- table NAME -->`` and ``<!-- end -->`` is written anew from
``reports/reference/``. With ``--check`` nothing is written, and the exit code tells whether one would change.
"""

from __future__ import annotations

import dataclasses
import re
import sys
from pathlib import Path

import pandas as pd

from jslds_bench.records.numbers import number
from jslds_bench.report.settings.networks import LINEAR_IN_INPUT, LINEAR_IN_STATE

ROOT = Path(__file__).resolve().parents[1]
FILES = ("README.md", "docs/spikes.md", "docs/fairness.md")
BLOCK = re.compile(r"(<!-- table (\S+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class Quoted:
    """A table of seed means.

    Attributes:
        run: the reference run.
        columns: title → (task, metric), or (task, metric, "worst") for the greatest over seeds.
        networks: rows are of these, in this order; none: of all.
        models: only these; none: all.
        classes: whether rows say what a model is linear in, by task, and the best of a class is marked.
        digits: of each number.
    """

    run: str
    columns: dict[str, tuple[str, ...]]
    networks: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    classes: bool = False
    digits: int = 3


TABLES = {
    "rivals": Quoted(
        "rivals",
        {
            "3-bit free-run": ("nbit_memory", "relative_error"),
            "one-step": ("nbit_memory", "relative_error_one_step"),
            "systems": ("nbit_memory", "n_systems_effective"),
            "context free-run": ("context_integration", "relative_error"),
            "one-step ": ("context_integration", "relative_error_one_step"),
            "systems ": ("context_integration", "n_systems_effective"),
        },
        networks=("standard", "cotrained"),
    ),
    "matched": Quoted(
        "rivals",
        {
            "3-bit free-run": ("nbit_memory", "relative_error"),
            "task error": ("nbit_memory", "task_error_network"),
            "context free-run": ("context_integration", "relative_error"),
            "task error ": ("context_integration", "task_error_network"),
        },
        models=("fixed_points", "fixed_points_actual", "jslds", "codebook"),
    ),
    "first_step": Quoted(
        "rivals",
        {
            "free-run": ("context_integration", "relative_error"),
            "from h_1": ("context_integration", "relative_error_from_h1"),
            "one-step": ("context_integration", "relative_error_one_step"),
            "from h_1 ": ("context_integration", "relative_error_one_step_from_h1"),
            "valid time, steps": ("context_integration", "valid_prediction_time"),
            "from h_1  ": ("context_integration", "valid_prediction_time_from_h1"),
        },
        networks=("standard",),
        models=("fixed_points", "fixed_points_actual", "fixed_points_start", "codebook", "jslds", "rslds"),
    ),
}


def rows_of(values: pd.DataFrame, quoted: Quoted) -> list[tuple[str, str]]:
    """(network, model) in the order of the run's own table."""
    pairs = dict.fromkeys(zip(values.network, values.model, strict=True))
    wanted = quoted.networks or tuple(dict.fromkeys(values.network))
    return [
        (network, model)
        for network in wanted
        for n, model in pairs
        if n == network and (not quoted.models or model in quoted.models)
    ]


def linear_in(means: pd.Series, task: str, network: str, model: str) -> str:
    """The class of a model, as reports have it."""
    state, inputs = (means.get((task, network, model, m)) for m in ("linear_in_state", "linear_in_input"))
    if state is None or pd.isna(state):
        return "unknown"
    linear = {"state": state >= LINEAR_IN_STATE, "input": inputs >= LINEAR_IN_INPUT}
    return ", ".join(name for name, is_linear in linear.items() if is_linear) or "neither"


def table(quoted: Quoted, reference: Path = ROOT / "reports" / "reference") -> str:
    """The table in Markdown."""
    values = pd.read_csv(reference / quoted.run / "values.csv")
    values = values.assign(value=values.value.astype(float))
    grouped = values.groupby(["task", "network", "model", "metric"], sort=False).value
    means, worst = grouped.mean(), grouped.max()
    places = rows_of(values, quoted)
    tasks = list(dict.fromkeys(column[0] for column in quoted.columns.values()))
    kinds = {(t, *p): linear_in(means, t, *p) if quoted.classes else "" for t in tasks for p in places}
    best: dict[tuple[str, str, str], float] = {}
    for task, metric, *_ in quoted.columns.values() if quoted.classes else ():
        for place in places:
            found = means.get((task, *place, metric))
            which = (task + metric, place[0], kinds[task, *place])
            if metric.startswith("relative_error") and found is not None and not pd.isna(found):
                best[which] = min(best.get(which, found), found)
    heads = ["network · model" if len({n for n, _ in places}) > 1 else "model"]
    heads += ["linear in"] if quoted.classes else []
    lines = [[*heads, *(title.strip() for title in quoted.columns)]]
    for network, model in places:
        line = [model if heads[0] == "model" else f"{network} · {model}"]
        if quoted.classes:
            line.append(" / ".join(dict.fromkeys(kinds[t, network, model] for t in tasks)))
        for task, metric, *how in quoted.columns.values():
            found = (worst if how else means).get((task, network, model, metric))
            if found is None or pd.isna(found):
                line.append("–")
                continue
            text = number(float(found), quoted.digits)
            marked = best.get((task + metric, network, kinds[task, network, model])) == found
            line.append(f"**{text}**" if marked else text)
        if set(line[1 + quoted.classes :]) != {"–"}:
            lines.append(line)
    rule = "|" + "---|" * len(lines[0])
    first, *rest = ("| " + " | ".join(line) + " |" for line in lines)
    return "\n".join([first, rule, *rest]) + "\n"


def quoted_text(text: str) -> str:
    """`text` with all of its blocks written anew."""
    return BLOCK.sub(lambda m: m[1] + table(TABLES[m[2]]) + m[4], text)


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
