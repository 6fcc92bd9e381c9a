"""Figures of one network with all its models: outputs, trajectories, points, eigenvalues."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.figure import Figure

from jslds_bench.records.numbers import counted
from jslds_bench.report.data.arrays import Arrays
from jslds_bench.report.data.run import Key, RunData
from jslds_bench.report.data.spaces import PLANE, project
from jslds_bench.report.figures.spectrum import Spectrum, spectra
from jslds_bench.report.figures.states import Cloud, Path, Scene, scenes
from jslds_bench.report.plans.paper import outputs_figure
from jslds_bench.report.plans.plan import MAX_MODELS, Plan, file_name, group_of, heading_of, lacking
from jslds_bench.report.style import INK, MUTED, marker, network_line, stroke

AT_A_GLANCE = 4  # models that are drawn unasked
IN_ONE_PANEL = 3  # of them where all are drawn over each other: with network and target five lines
Examples = list[tuple[Key, Arrays]]


def network_plans(data: RunData, task: str, network: str) -> Iterator[Plan]:
    """Four figures of a network's best few models, on demand of more, and notes on what is missing."""
    models = data.best_models(task, network, MAX_MODELS)
    left_out = len(data.models_of(task, network)) - len(models)
    every = [((task, network, m), data.example((task, network, m))) for m in models]
    rest = f"Not drawn: {counted(left_out, 'model')} of larger error" if left_out else ""
    heading = heading_of(data, task, network)
    for name, caption, needs, build in (
        ("outputs", "Outputs on example trials: network, target (grey), and every model running freely.",
         ("example_states", "example_free_run", "readout_w", "readout_b"), _outputs),
        ("trajectories", "One trial in the plane of the network's first two principal components: network, "
         "model running freely (line) and one-step predictions (dots).",
         ("example_states", "example_free_run", "pca_mean", "pca_axes"), _trajectories),
        ("points", "Numerical fixed points of the network (plain crosses), the points that the model takes "
         "for fixed points (+ in its colour) and those it expanded about (open circles), in the same plane.",
         ("example_states", "pca_mean", "pca_axes"), _points),
        ("eigenvalues", "Eigenvalues of each model's local system at one point per distinct u*, and the "
         "network's own (open circles), with the unit circle.",
         ("eigenvalues",), _eigenvalues),
    ):  # fmt: skip
        whole = [(key, a) for key, a in every if not a.missing(*needs)]
        best = data.best_models(task, network, IN_ONE_PANEL if name == "outputs" else AT_A_GLANCE)
        few = [(key, a) for key, a in whole if key[2] in best] or whole[: len(best)]
        why = [f"{key[2]}: {why}" for key, a in every if (why := lacking(a, *needs))]
        for usable, suffix, more in ((few, "", False), (whole, "_all", True)):
            if more and len(whole) == len(few):
                continue
            note = "; ".join([n for n in (rest, *why) if n and (more or len(whole) == len(few))])
            draw = (lambda b=build, u=usable, h=heading: b(data, h, u)) if usable else None
            said = caption if len(whole) == len(few) or more else f"{caption} The {len(few)} of least error."
            yield Plan(
                ("task", task), file_name(task, network, name + suffix), said, draw,
                note if draw else f"{name}: {note or 'no records'}", group_of(data, task, network), more=more,
            )  # fmt: skip


def _outputs(data: RunData, heading: str, usable: Examples) -> Figure:
    """Models whose example trials are another seed's than the first model's cannot share its panels."""
    states = usable[0][1]["example_states"]
    same = [(k, a) for k, a in usable if np.array_equal(a["example_states"], states)]
    n_contexts = np.unique(usable[0][1].found.get("example_u_star", 0)).size
    return outputs_figure(data, heading + "outputs", same, 2 if n_contexts == 1 else 1)


def _trajectories(data: RunData, heading: str, usable: Examples) -> Figure:
    panels = []
    for key, a in usable:
        style = data.styles[key[2]]
        paths = [Path(style, project(a, a["example_free_run"][0]))]
        if "example_one_step" in a:
            paths.append(Path(style, project(a, a["example_one_step"][0]), dots=True))
        note = f"free-run error {data.summary(key, 'relative_error').text}"
        panels.append(Scene(key[2], note, project(a, a["example_states"][:1]), paths))
    legend = [
        network_line("network"),
        stroke(MUTED, "model, free-run"),
        marker("D", MUTED, "its end", filled=True),
        marker(".", MUTED, "model, one-step", filled=True),
        marker("s", INK, "h_0", filled=True),
    ]
    return scenes(heading + "one trial", panels, PLANE, legend)


def _points(data: RunData, heading: str, usable: Examples) -> Figure:
    kinds = {
        "model_points": ("+", "model's fixed point"),
        "expansion": ("o", "expansion point"),
        "network_points": ("x", "network's fixed point"),
    }
    panels, present = [], set()
    for key, a in usable:
        own = data.styles[key[2]].color
        clouds = []
        for name, (symbol, words) in kinds.items():
            if name in a and len(a[name]):
                color = INK if name == "network_points" else own
                clouds.append(Cloud(project(a, a[name]), symbol, color, words))
                present.add(name)
        counts = ", ".join(f"{len(c.points)}{c.symbol.replace('o', '○').replace('x', '×')}" for c in clouds)
        panels.append(Scene(key[2], counts or "no points", project(a, a["example_states"]), [], clouds))
    legend = [stroke(MUTED, "network, example trials", width=0.6)]
    legend += [
        marker(s, INK if n == "network_points" else MUTED, w) for n, (s, w) in kinds.items() if n in present
    ]
    return scenes(heading + "points", panels, PLANE, legend)


def _eigenvalues(data: RunData, heading: str, usable: Examples) -> Figure:
    panels = [
        Spectrum(
            key[2],
            f"eigenvalue error {data.summary(key, 'eigenvalue_error').text}",
            data.styles[key[2]],
            a["eigenvalues"],
            a.found.get("network_eigenvalues"),
        )
        for key, a in usable
    ]
    n_inputs = max(len(p.model) for p in panels)
    names = [data.u_star_name(usable[0][0], k) for k in range(n_inputs)]
    return spectra(heading + "eigenvalues", panels, names)
