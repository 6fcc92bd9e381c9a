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

sys.path.insert(0, str(Path(__file__).resolve().parent))

from tables import REFERENCE, TABLES, markdown

from jslds_bench.records.numbers import number

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


MEANS = {
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


def table(quoted: Quoted) -> str:
    """The table in Markdown; rows in the order of the run's own."""
    values = pd.read_csv(REFERENCE / quoted.run / "values.csv")
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
    return markdown(lines)


def block(name: str) -> str:
    """The table of that name."""
    return table(MEANS[name]) if name in MEANS else TABLES[name]()


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
