"""Error against what the description costs: models of networks, by effective number of local systems."""

from __future__ import annotations

import math

from jslds_bench.report.data.run import RunData
from jslds_bench.report.figures.complexity import Point, complexity
from jslds_bench.report.plans.plan import Plan, file_name
from jslds_bench.report.style import plain

ERROR, COST = "relative_error", "n_systems_effective"


def points_of(data: RunData, task: str, short: bool = False) -> tuple[dict[str, list[Point]], list[str]]:
    """Network → its models that have both on every seed, and what has not; `short`: names of models alone."""
    panels: dict[str, list[Point]] = {}
    missing: list[str] = []
    networks = data.networks_of(task)
    for network in networks:
        for model in data.models_of(task, network):
            key = (task, network, model)
            error, cost = data.summary(key, ERROR), data.summary(key, COST)
            if all(s.complete and math.isfinite(s.mean) and s.mean > 0 for s in (error, cost)):
                seeds = [
                    (r.values[COST].value or math.nan, r.values[ERROR].value or math.nan)
                    for r in data.records[key]
                ]
                name = model if short or len(networks) == 1 else f"{model} · {network}"
                point = Point(data.styles[model], cost.mean, error.mean, seeds, data.rivals(key), name)
                panels.setdefault(network, []).append(point)
            else:
                missing.append(f"{model} on {network}")
    return panels, missing


def complexity_plan(data: RunData, task: str) -> Plan:
    """Free-run error against the effective number of systems, a panel per network, a mark per class."""
    panels, missing = points_of(data, task, short=True)
    caption = (
        "Free-run error against the effective number of local systems that the model used (exp of the "
        "entropy of their use on evaluation trials; two are one where they agree to 0.05 RMS radii): means "
        "over seeds, small marks are seeds. The line joins what no other model beats in both. Marks tell "
        "what a model is linear in, by measure; it is ranked among its like."
    )
    note = f"Without a finite error and number on all seeds: {', '.join(missing)}" if missing else ""
    build = (lambda: complexity(f"{plain(task)}: error against complexity", panels)) if panels else None
    return Plan(
        ("complexity", task), file_name(task, "complexity"), caption, build, note, wide=len(panels) > 1
    )
