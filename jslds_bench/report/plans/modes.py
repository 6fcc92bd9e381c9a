"""Figures of switching models: their modes in the plane, how K was chosen, how the fit went."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from jslds_bench.records.numbers import counted
from jslds_bench.records.record import Record
from jslds_bench.report.data.arrays import Arrays
from jslds_bench.report.data.modes import Modes, read_modes
from jslds_bench.report.data.run import Key, RunData
from jslds_bench.report.figures.fit import Curve, Trace, k_curve, traces
from jslds_bench.report.figures.flow import Field, Plane, flows, has_regions
from jslds_bench.report.figures.modes import Track, mode_spectrum, tracks
from jslds_bench.report.plans.plan import MAX_MODELS, Made, Plan, file_name, group_of, heading_of, of_model
from jslds_bench.report.style import Style, plain

MAX_PANELS = 9  # of a figure of flows
MAX_VISITED = 80  # states drawn in the panel of one mode
MAX_TRIALS = 4  # drawn in one panel
MAX_POINTS = 2000  # states drawn in one panel
TRIED = (
    "n_modes_tried",
    "n_modes_error",
    "n_modes_free_run_error",
    "n_modes_likelihood",
    "n_modes_likelihood_error",
)
"""Series that tell of the choice of K; the last three are those of earlier versions."""
SLICE = " The flow is that within the plane; states off it are projected onto it."


class Meaning(NamedTuple):
    """What the modes of a setting's models are seen in.

    Attributes:
        axes: the names of the plane's axes.
        caption: of the figure of states by mode.
        panels: its panels: a name, the arrays of states (the first that there is), and that of modes.
        note: a second line for the second panel.
        flow: what else to say of the figure of flows.
    """

    axes: Sequence[str]
    caption: str
    panels: tuple[tuple[str, tuple[str, ...], str], ...]
    note: Callable[[RunData, Key, Modes], str]
    flow: str = ""


def mode_plans(data: RunData, task: str, network: str, meaning: Meaning) -> Iterator[Plan]:
    """The modes of each model that has more than one.

    What the records do not hold is left out without a word, for most models have no modes; what is of the
    wrong shape is named.
    """
    for model in data.best_models(task, network, MAX_MODELS):
        key = (task, network, model)
        arrays = data.example(key)
        modes = read_modes(arrays)
        made = _figures(data, key, arrays, modes, meaning) if modes and len(modes.order) > 1 else ()
        ill = [n for n in arrays.notes if n.startswith(("mode", "flow"))]
        yield from of_model(key, made, ill, group_of(data, task, network, f"Modes of {model}"))


def k_plans(data: RunData, task: str, network: str) -> Iterator[Plan]:
    """How the models of a network chose K, where they did."""
    curves = []
    for style, record in _fits(data, task, network):
        tried, new, old = (np.asarray(record.series.get(name, ()), float) for name in TRIED[:3])
        error = new if new.size else old
        if tried.size > 1 and error.size == tried.size:
            chosen = record.series.get("n_modes_chosen") or [np.nan]
            curves.append(Curve(style, tried, error, chosen[0]))
    if curves:
        caption = (
            "How the number of modes was chosen, one line per model and seed: the error on trials that the "
            "fit had not seen, as the model is scored by it; a triangle is a free run that diverged."
        )
        title = f"{heading_of(data, task, network)}number of modes"
        yield _of_fits(data, task, network, "k_curve", caption, lambda: k_curve(title, curves))


def objective_plans(data: RunData, task: str, network: str) -> Iterator[Plan]:
    """The course of EM of the models of a network, where they were fitted by it."""
    found = [(style, r.series.get("objective", ())) for style, r in _fits(data, task, network)]
    lines = [Trace(style, np.asarray(series, float)) for style, series in found if len(series) > 1]
    if lines:
        caption = (
            "The objective of EM (bound or likelihood, plus log prior) by iteration, one line per model and "
            "seed, of the restart that was kept. Right: how far each iteration was from the last."
        )
        title = f"{heading_of(data, task, network)}EM"
        yield _of_fits(data, task, network, "objective", caption, lambda: traces(title, lines))


def _of_fits(
    data: RunData, task: str, network: str, name: str, caption: str, build: Callable[[], Figure]
) -> Plan:
    where = group_of(data, task, network)
    return Plan(("task", task), file_name(task, network, name), caption, build, "", where)


def _fits(data: RunData, task: str, network: str) -> Iterator[tuple[Style, Record]]:
    for model in data.best_models(task, network, MAX_MODELS):
        for record in data.records[task, network, model]:
            yield data.styles[model], record


def _figures(data: RunData, key: Key, a: Arrays, modes: Modes, meaning: Meaning) -> Iterator[Made]:
    heading = f"{plain(key[2], 20)}: "
    panels, cut = _tracks(a, modes, meaning, meaning.note(data, key, modes))
    if panels:
        yield (
            "modes",
            f"{meaning.caption} Percentages are of the example trials' steps.",
            cut,
            lambda: tracks(heading + "states by mode", panels, modes, meaning.axes),
        )
    if "mode_eigenvalues" in a:
        caption = "Eigenvalues of each mode's dynamics, with the unit circle: inside it the mode is stable."
        yield (
            "mode_eigenvalues",
            caption,
            "",
            lambda: mode_spectrum(heading + "eigenvalues of the modes", a["mode_eigenvalues"], modes),
        )
    if "flow" in a and _is_grid(a.found.get("flow_at")):
        fields, plane = [_field(a, mode) for mode in modes.order if mode < len(a["flow"])], _plane(a)
        shown = MAX_PANELS - has_regions(plane, modes)
        left_out = len(fields) - shown
        note = f"Without a panel: {counted(left_out, 'mode')} of less use" if left_out > 0 else ""
        yield (
            "flow",
            _flow_caption(a) + SLICE + meaning.flow,
            note,
            lambda: flows(heading + "flow of each mode", fields[:shown], plane, modes, meaning.axes),
        )


def _tracks(a: Arrays, modes: Modes, meaning: Meaning, note: str) -> tuple[list[Track], str]:
    """The panels of example trials, and what had to be cut for length."""
    found = []
    for (name, paths, which), said in zip(meaning.panels, ("", note), strict=True):
        path = next((p for p in paths if p in a), None)
        if path and which in a:
            color = modes.true_color if which == "modes_true" else modes.color
            found.append((name, said, a[path], a[which], color))
    if not found or not found[0][2].size:
        return [], ""
    n_trials, n_steps = found[0][2].shape[:2]
    trials = min(n_trials, MAX_TRIALS, max(MAX_POINTS // n_steps, 1))
    steps = min(n_steps, MAX_POINTS // trials)
    cut = f"Drawn: {trials} of {counted(n_trials, 'example trial')}" + (
        f", {counted(steps, 'step')} of each" if steps < n_steps else ""
    )
    panels = [Track(n, t, s[:trials, :steps], m[:trials, :steps], c) for n, t, s, m, c in found]
    return panels, cut if (trials, steps) != (n_trials, n_steps) else ""


def _field(a: Arrays, mode: int) -> Field:
    known = not a.missing("mode_points", "mode_real")
    return Field(
        mode,
        a["flow"][mode],
        _visited(a, mode),
        a["mode_points"][mode] if known else None,
        bool(a["mode_real"][mode]) if known else False,
    )


def _is_grid(at: np.ndarray | None) -> bool:
    """Whether these points [G, 2] are a square of at least 2 × 2 with some extent."""
    if at is None or len(at) < 4 or math.isqrt(len(at)) ** 2 != len(at):
        return False
    return bool(np.isfinite(at).all() and (np.ptp(at, axis=0) > 0).all())


def _visited(a: Arrays, mode: int) -> np.ndarray:
    """States x_{t−1} of the example trials whose z_t is `mode`, evenly thinned, [V, 2]."""
    if a.missing("modes_path", "modes_inferred"):
        return np.zeros((0, 2))
    return _thin(a["modes_path"][:, :-1][a["modes_inferred"][:, 1:] == mode], MAX_VISITED)


def _plane(a: Arrays) -> Plane:
    """The grid, the modes picked there, and some of the states that were visited."""
    states = a.found.get("modes_path")
    return Plane(a["flow_at"], a.found.get("flow_mode"), None if states is None else _thin(states, 160))


def _thin(states: np.ndarray, most: int) -> np.ndarray:
    """At most `most` of the states [*, 2], evenly spread over their order."""
    flat = states.reshape(-1, 2)
    return flat[:: -(-len(flat) // most) or 1]


def _flow_caption(a: Arrays) -> str:
    arrows = "Lengths of arrows go with the square root of the step."
    if len(a["flow"]) == 1:
        return f"One step of the model from each point of the plane. {arrows}"
    if "flow_mode" not in a:
        return (
            f"One step under each mode, the busiest first. {arrows} The model's chain does not read the "
            "state: any mode can act anywhere."
        )
    return (
        "Which mode the gate picks, and one step under each mode, the busiest first: strong and tinted where "
        f"the gate picks the mode. {arrows} Crosses are fixed points: filled if the gate picks the mode "
        "there too (real), hollow if not (virtual); a triangle points to one outside."
    )
