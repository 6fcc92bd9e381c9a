"""Baselines: a run's values and the tolerances to judge later runs by, as TOML that people can edit."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import tomlkit

from jslds_bench.compare.sides import SCHEMA, Metric, Results, Side
from jslds_bench.compare.tolerance import FEW, QUALITY, SPEED
from jslds_bench.compare.verdicts import too_few
from jslds_bench.errors import UsageError
from jslds_bench.records.sealed import write_atomic

HEAD = """\
# Values of one run, by seed, for `jslds-bench compare` and `jslds-bench run --check`.
# Written by `jslds-bench baseline update`, which keeps the rule and the tolerances that stand here.
# rule: interval (of six seeds on: docs/statistics.md) or tolerance (a change beyond it is worse; no speeds).
# A change of at most `relative` of the value, or of at most `absolute`, is none. In values, "" is a job that
# gave none, and other text the reason that a metric has none.
"""


def write_baseline(run: Side, path: Path, earlier: Side | None = None) -> None:
    """Write the run `run` as a baseline to `path`, with the rule and the tolerances of `earlier`.

    Raises:
        UsageError: `run` is no run, or has no values; `path` cannot be written.
    """
    if run.kind != "run":
        raise UsageError(f"{run.name} is no run's folder: a baseline is made from a run")
    if not run.metrics:
        raise UsageError(f"{run.name} holds no values to make a baseline of")
    if len(run.machines) != 1:
        raise UsageError(f"{run.name} was measured on {len(run.machines)} machines: make a baseline of one")
    write_atomic(path, baseline_text(run, earlier).encode())


def baseline_text(run: Side, earlier: Side | None = None) -> str:
    """The content of the file that `write_baseline` writes."""
    seeds = {seed for results in run.results.values() for seed in results.endings}
    # By `interval` nothing could ever be called of fewer seeds, and a gate that never closes is none.
    rule = (earlier.rule if earlier else None) or ("tolerance" if too_few(len(seeds)) else "interval")
    machine = {k: v for k, v in next(iter(run.machines.values())).items() if v is not None}
    content: dict[str, Any] = {"schema": SCHEMA, "suite": run.suite, "rule": rule, "origin": run.origin}
    content["machine"] = machine | ({"gemm_flops": run.gemm} if run.gemm else {})
    judged = {name for name, metric in run.metrics.items() if rule == "interval" or not metric.speed}
    content["metrics"] = {}
    for name in sorted(judged):
        metric = _toleranced(name, run.metrics[name], earlier, rule)
        tolerance = dataclasses.asdict(metric.tolerance)  # type: ignore[arg-type]
        content["metrics"][name] = {"unit": metric.unit, "better": metric.better, **tolerance}
    content["results"] = [
        dict(zip(("task", "network", "model"), key, strict=True)) | _values(results, judged)
        for key, results in run.results.items()
    ]
    return HEAD + tomlkit.dumps(content)


def _values(results: Results, judged: set[str]) -> dict[str, Any]:
    seeds = sorted(results.endings)
    endings = [results.endings[seed][0] for seed in seeds]
    values: dict[str, list[Any]] = {name: [] for name in sorted(judged & results.values.keys())}
    for name, stored in values.items():
        for seed in seeds:
            value = results.values[name].get(seed)
            empty = "" if value is None else value.reason or "no value"
            stored.append(empty if value is None or value.value is None else value.value)
    return {"seeds": seeds, **({"endings": endings} if set(endings) != {"ok"} else {}), "values": values}


def _toleranced(name: str, metric: Metric, earlier: Side | None, rule: str) -> Metric:
    """`metric` with the tolerance that the earlier file states, else that of its kind."""
    before = earlier.metrics.get(name) if earlier else None
    default = SPEED if metric.speed else FEW if rule == "tolerance" else QUALITY
    return dataclasses.replace(metric, tolerance=before.tolerance if before and before.tolerance else default)
