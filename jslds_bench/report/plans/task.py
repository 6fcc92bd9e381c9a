"""Figures of a task over all its networks, models and seeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from jslds_bench.records.numbers import counted
from jslds_bench.report.data.run import RunData
from jslds_bench.report.figures.summary import SEED_LINES, Bar, bars, horizon, matrix
from jslds_bench.report.plans.plan import MAX_MODELS, Plan, file_name, make_bar
from jslds_bench.report.style import FEW, plain

HORIZONS = {
    "free_run": ("relative_error", "horizon_free_run", "free-run"),
    "one_step": ("relative_error_one_step", "horizon_one_step", "one-step"),
}
MATRIX = {
    "relative_error": "relative error, free-run",
    "nrmse": "nrmse, free-run",
    "relative_error_one_step": "relative error, one-step",
}


def horizon_plans(data: RunData, task: str) -> Iterator[Plan]:
    """Error against step, free-run and one-step, one panel per network: the best few, and on demand all."""
    for kind, (metric, series, words) in HORIZONS.items():
        panels = {
            network: found
            for network in data.networks_of(task)
            if (found := _series(data, task, network, series))
        }
        few = {
            network: {m: found[m] for m in data.best_models(task, network, FEW, metric) if m in found}
            for network, found in panels.items()
        }
        few = {network: found for network, found in few.items() if found}
        name, heading = file_name(task, f"horizon_{kind}"), f"{plain(task)}: {words} error by step"
        note = _subsets(data, few) if panels else f"no record of {task} holds the series {series}"
        caption = {
            "free_run": "Free-run: the model predicts from its own predictions, so errors build up with t.",
            "one_step": "One-step: the model predicts each step from the true state before it.",
        }[kind] + " Thick: mean over seeds, infinite where one seed is"
        best = "; thin: seeds." + (f" The {FEW} of least error on each network." if few != panels else "")
        build = (lambda h=heading, p=few: horizon(h, p, data.styles)) if few else None
        yield Plan(("horizon", task), name, caption + best, build, note, wide=len(few) > 1)
        if any(len(found) > FEW for found in panels.values()):
            n_models = len({model for found in panels.values() for model in found})
            caption += "; thin: seeds." if n_models <= SEED_LINES else "; single seeds are left out."
            all_of_them = lambda h=heading, p=panels: horizon(f"{h}, all models", p, data.styles)  # noqa: E731
            yield Plan(
                ("horizon", task), f"{name}_all", caption, all_of_them, _subsets(data, panels),
                wide=len(panels) > 1, more=True,
            )  # fmt: skip


def matrix_plan(data: RunData, task: str) -> Plan:
    """Networks × models: free-run, by ‖h‖ and by the spread of states, and one-step."""
    networks = data.networks_of(task)
    models = [m for m in data.models if any((task, n, m) in data.records for n in networks)]
    keys = {(n, m): (task, n, m) for n in networks for m in models if (task, n, m) in data.records}
    panels = {
        words: {place: data.summary(key, metric) for place, key in keys.items()}
        for metric, words in MATRIX.items()
    }
    caption = (
        "Error of every model on every network, mean over seeds: columns tell what the network contributed, "
        "rows what the linearisation did. The relative error of all models falls where a network's states "
        "lie farther from 0; nrmse divides by their spread, and compares networks. Empty: not asked; n/a: "
        "asked, but there is no value."
    )
    heading = f"{plain(task)}: errors"
    return Plan(
        ("matrix", task),
        file_name(task, "matrix"),
        caption,
        lambda: matrix(heading, networks, models, panels),
    )


def bars_plan(data: RunData, task: str) -> Plan:
    """Mean relative error with sd, both horizons, the best models of each network."""
    groups: dict[str, list[Bar]] = {}
    left_out = 0
    for network in data.networks_of(task):
        models = data.best_models(task, network, MAX_MODELS)
        left_out += len(data.models_of(task, network)) - len(models)
        for model in models:
            key = (task, network, model)
            for hollow, (metric, _, words) in enumerate(HORIZONS.values()):
                label = f"{plain(model, 22)}, {words}"
                groups.setdefault(network, []).append(make_bar(data, key, metric, label, bool(hollow)))
    caption = "Mean relative error over trials and steps: filled free-run, hollow one-step; ticks are seeds."
    larger = f"{counted(left_out, 'model')} of larger error"
    note = f"Left out here: {larger}; the tables hold every one" if left_out else ""
    heading = f"{plain(task)}: mean relative error"
    return Plan(
        ("task", task), file_name(task, "bars"), caption, lambda: bars(heading, groups), note, "All models"
    )


def _subsets(data: RunData, panels: Mapping[str, Mapping[str, np.ndarray]]) -> str:
    """Which means are over fewer seeds than were asked for."""
    counts = [
        f"{model} on {network} {len(rows)} of {len(data.seeds)}"
        for network, series in panels.items()
        for model, rows in series.items()
        if len(rows) < len(data.seeds)
    ]
    return f"Over fewer seeds than asked: {', '.join(counts)}" if counts else ""


def _series(data: RunData, task: str, network: str, name: str) -> dict[str, np.ndarray]:
    """Model → [seeds, T] of a record's series, over the seeds that have it."""
    found = {}
    for model in data.models_of(task, network):
        rows = [r.series[name] for r in data.records[task, network, model] if r.series.get(name)]
        if rows:
            length = min(map(len, rows))
            found[model] = np.array([row[:length] for row in rows], dtype=float)
    return found
