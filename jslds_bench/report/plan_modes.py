"""Figures of switching models: their modes in the plane, how K was chosen, how the fit went."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from matplotlib.figure import Figure

from jslds_bench.report.arrays import Arrays
from jslds_bench.report.figures_fit import Curve, Trace, k_curve, traces
from jslds_bench.report.figures_flow import Field, Plane, flows
from jslds_bench.report.figures_modes import Track, mode_spectrum, tracks
from jslds_bench.report.modes import Modes, read_modes
from jslds_bench.report.plan import MAX_MODELS, Plan, file_name
from jslds_bench.report.rundata import Key, RunData
from jslds_bench.report.spaces import PLANE
from jslds_bench.report.style import plain

MAX_FIELDS = 9  # modes with a panel of their own
MAX_POINTS = 2000  # states drawn in one panel
TRIED = ("n_modes_tried", "n_modes_free_run_error", "n_modes_likelihood", "n_modes_likelihood_error")


def mode_plans(data: RunData, task: str, network: str) -> Iterator[Plan]:
    """The K curve and the objective of all switching models of a network, then each model's modes.

    What the records do not hold is left out without a word: most models have no modes.
    """
    models = data.best_models(task, network, MAX_MODELS)
    yield from _fit_plans(data, task, network, models)
    for model in models:
        key = (task, network, model)
        arrays = data.example(key)
        modes = read_modes(arrays)
        if modes is None:
            continue
        group = f"Modes of {model}" + ("" if data.recorded(task) else f" on the network {network}")
        for name, caption, note, build in _figures(data, key, arrays, modes):
            yield Plan(("task", task), file_name(*key, name), caption, build, note, group)


def all_models(data: RunData, task: str, network: str) -> str:
    """The heading of figures that show all models of a network, or of recorded data."""
    return "All models" if data.recorded(task) else f"All models on the network {network}"


def _fit_plans(data: RunData, task: str, network: str, models: list[str]) -> Iterator[Plan]:
    heading = f"{plain(task, 20)}, {plain(network, 18)}: "
    curves, lines = [], []
    for model in models:
        for record in data.records[task, network, model]:
            style, tried = data.styles[model], [np.asarray(record.series.get(n, ()), float) for n in TRIED]
            if tried[0].size and len({a.size for a in tried}) == 1:
                chosen = record.series.get("n_modes_chosen")
                curves.append(Curve(style, *tried, int(chosen[0]) if chosen else None))
            if len(record.series.get("objective", ())) > 1:
                lines.append(Trace(style, np.asarray(record.series["objective"], float)))
    group = all_models(data, task, network)
    if curves:
        caption = (
            "How the number of modes was chosen, one line per model and seed: error of the free run and "
            "likelihood (± standard error) on held-out trials; a triangle stands for a free run that diverged."
        )
        yield Plan(
            ("task", task), file_name(task, network, "k_curve"), caption,
            lambda: k_curve(heading + "number of modes", curves), "", group,
        )  # fmt: skip
    if lines:
        caption = (
            "The objective of EM (bound or likelihood, plus log prior) by iteration, one line per model and "
            "seed, of the restart that was kept. Right: how far each iteration was from the last."
        )
        yield Plan(
            ("task", task), file_name(task, network, "objective"), caption,
            lambda: traces(heading + "EM", lines), "", group,
        )  # fmt: skip


Made = tuple[str, str, str, Callable[[], Figure]]


def _figures(data: RunData, key: Key, a: Arrays, modes: Modes) -> Iterator[Made]:
    recorded = data.recorded(key[0])
    labels = ("state 1", "state 2") if recorded else PLANE
    heading = f"{plain(key[2], 20)}: "
    panels, cut = _tracks(data, key, a, modes)
    ill = "; ".join(n for n in a.notes if n.startswith(("mode", "flow")))
    if panels:
        caption = (
            "Left: the true states, coloured by the true mode. Right: the states that the model infers, "
            "coloured by its most likely mode, in the true mode's colour where the two are matched."
            if recorded
            else "Left: the network's own states, coloured by the model's most likely mode given the whole trial. "
            "Right: the model running freely, coloured by the mode it used. Squares are starts."
        )
        yield "modes", caption, "; ".join(n for n in (cut, ill) if n), lambda: tracks(
            heading + "states by mode", panels, modes, labels
        )
    if "flow_at" in a and "flow" in a and len(a["flow_at"]) > 3:
        fields = [_field(a, mode) for mode in modes.order if mode < len(a["flow"])]
        left_out = len(fields) - MAX_FIELDS
        note = f"{left_out} modes that are used less have no panel" if left_out > 0 else ""
        yield "flow", _flow_caption(a), note, lambda: flows(
            heading + "flow of each mode", fields[:MAX_FIELDS], _plane(a), modes, labels
        )
    if "mode_eigenvalues" in a:
        caption = "Eigenvalues of each mode's dynamics, with the unit circle: inside it the mode is stable."
        yield "mode_eigenvalues", caption, "", lambda: mode_spectrum(
            heading + "eigenvalues of the modes", a["mode_eigenvalues"], modes
        )


def _tracks(data: RunData, key: Key, a: Arrays, modes: Modes) -> tuple[list[Track], str]:
    """The panels of example trials, and what had to be cut for length."""
    if data.recorded(key[0]):
        agreement = "" if modes.agreement is None else f"{100 * modes.agreement:.1f} % in the true mode"
        found = "modes_inferred_path" if "modes_inferred_path" in a else "modes_path"
        kinds = [
            ("true states, true modes", "", "modes_path", "modes_true", modes.true_color),
            ("inferred states, inferred modes", agreement, found, "modes_inferred", modes.color),
        ]
    else:
        error = f"free-run error {data.summary(key, 'relative_error').text}"
        kinds = [
            ("network, inferred modes", "", "modes_path", "modes_inferred", modes.color),
            ("free run, modes it used", error, "modes_free_path", "modes_free", modes.color),
        ]
    kinds = [k for k in kinds if not a.missing(k[2], k[3])]
    if not kinds or not a[kinds[0][2]].size:
        return [], ""
    n_trials, n_steps = a[kinds[0][2]].shape[:2]
    trials = min(n_trials, max(MAX_POINTS // n_steps, 1))
    steps = min(n_steps, MAX_POINTS // trials)
    cut = f"Drawn: {trials} of {n_trials} example trials, {steps} of {n_steps} steps"
    panels = [Track(n, t, a[s][:trials, :steps], a[m][:trials, :steps], c) for n, t, s, m, c in kinds]
    return panels, cut if (trials, steps) != (n_trials, n_steps) else ""


def _field(a: Arrays, mode: int) -> Field:
    known = not a.missing("mode_points", "mode_real")
    return Field(
        mode,
        a["flow"][mode],
        a["mode_points"][mode] if known else None,
        bool(a["mode_real"][mode]) if known else False,
    )


def _plane(a: Arrays) -> Plane:
    """The grid, the modes picked there, and some of the states that were visited."""
    states = a.found.get("modes_path")
    if states is not None and states.size:
        states = states[:4, :: max(states.shape[1] // 250, 1)][:, :250]
    return Plane(a["flow_at"], a.found.get("flow_mode"), states)


def _flow_caption(a: Arrays) -> str:
    arrows = "One step under each mode, the busiest first; arrows' lengths go with the square root of the step."
    if "flow_mode" not in a:
        return f"{arrows} The model's chain does not read the state: every mode can act anywhere."
    return (
        f"{arrows} Strong and tinted where the gate picks the mode. Crosses are fixed points: filled if the gate "
        "picks the mode there too (real), hollow if not (virtual); a triangle points to one outside."
    )
