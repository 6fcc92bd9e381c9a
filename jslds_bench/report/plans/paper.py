"""The paper's own figures for this run: Fig. 2 for n-bit memory, Fig. 3 for integration.

A panel applies where the records hold what it shows: the registry names that they carry decide, not labels.
Reference: Smith, Linderman and Sussillo (2021), figures 2 and 3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from jslds_bench.report.data.arrays import Arrays
from jslds_bench.report.data.run import Key, RunData
from jslds_bench.report.data.spaces import PLANE, project, read_out, readout_labels, readout_space
from jslds_bench.report.figures.spectrum import Spectrum, spectra
from jslds_bench.report.figures.states import Cloud, Path, Scene, outputs, scenes
from jslds_bench.report.figures.summary import Bar, bars
from jslds_bench.report.plans.evidence import (
    ARRANGED,
    CHOICE,
    figure_2a,
    figure_3a,
    figure_3d,
    figure_3j,
    figure_along,
)
from jslds_bench.report.plans.plan import Plan, error_text, file_name, lacking, make_bar
from jslds_bench.report.style import INK, MUTED, Style, network_line, plain, stroke

GROUP = "As in the paper"
Build = Callable[[RunData, Key, Arrays], Figure]


class Subject(NamedTuple):
    """The first (task, network, model) of a run with given registry names, and these in words."""

    key: Key | None
    words: str


def paper_plans(data: RunData, task: str) -> Iterator[Plan]:
    """The panels of the paper's figure for this task, if it has one there."""
    entry = next(data.entry("task", key) for key in data.records if key[0] == task)
    cotrained, standard = (
        _find(data, task, "cotrained", "jslds"),
        _find(data, task, "standard", "fixed_points"),
    )
    if entry == "nbit_memory":
        yield from _figure_2(data, task, cotrained, standard)
    elif entry == "context_integration":
        yield from _figure_3(data, task, cotrained, standard)


def _find(data: RunData, task: str, network: str, model: str) -> Subject:
    words = f"{model} on a {network} network"
    for key in data.records:
        if key[0] == task and (data.entry("network", key), data.entry("model", key)) == (network, model):
            return Subject(key, words)
    return Subject(None, words)


def _figure_2(data: RunData, task: str, cotrained: Subject, standard: Subject) -> Iterator[Plan]:
    for letter, caption, subject, needs, build in (
        ("A", "The task: −1 (dark) and +1 (light) arrive on each channel; the last of them is to be put out.",
         cotrained, ("example_inputs", "example_targets"), figure_2a),
        ("B", "The co-trained network and its JSLDS running freely, in readout space, held-out trials.",
         cotrained, ("example_free_run", "readout_w", "readout_b"), _figure_2b),
        ("C", "The standard network in readout space, with its numerical fixed points.",
         standard, ("network_points", "readout_w", "readout_b"), _figure_2c),
        ("D", "A trial of the standard network in its PCA plane, and the one-step predictions of the "
         "dynamics linearised about its fixed points.",
         standard, ("example_one_step", "pca_mean", "pca_axes"), _figure_2d),
        ("E", "The co-trained network's numerical fixed points and the points that JSLDS expanded about, "
         "in readout space.",
         cotrained, ("expansion", "network_points", "readout_w", "readout_b"), _figure_2e),
        ("F", "A trial of the co-trained network in its PCA plane, and its JSLDS running freely.",
         cotrained, ("example_free_run", "pca_mean", "pca_axes"), _figure_2f),
    ):  # fmt: skip
        yield _panel(data, task, f"2{letter}", caption, subject, ("example_states", *needs), build)
    yield _along(data, task, "2S", cotrained)


def _figure_3(data: RunData, task: str, cotrained: Subject, standard: Subject) -> Iterator[Plan]:
    yield _panel(
        data, task, "3A", "The task: of two noisy streams the one that the context names is to be summed.",
        cotrained, ("example_inputs", "example_targets", "example_u_star"), figure_3a,
    )  # fmt: skip
    yield _panel(
        data, task, "3B", "Outputs on held-out trials: network, JSLDS running freely, and target.",
        cotrained, ("example_states", "example_free_run", "readout_w", "readout_b"), _figure_3b,
    )  # fmt: skip
    yield _panel(
        data, task, "3C", "Eigenvalues of JSLDS at one expansion point per context, with the unit circle.",
        cotrained, ("eigenvalues",), _figure_3c,
    )  # fmt: skip
    yield _panel(
        data, task, "3DI", "Mean states of the JSLDS by strength of evidence, from the third step on. Above: "
        "along the choice axis they go as far as the relevant evidence says. Below: sorted by the irrelevant "
        "stream the paths differ along its input axis, and not in choice.",
        cotrained, CHOICE, figure_3d,
    )  # fmt: skip
    yield _panel(
        data, task, "3J", "Left: expansion points under each context, along the choice axis. Right: "
        "cosines of the selection vectors with ∂F/∂u of both inputs: each context takes up its own alone.",
        cotrained, ARRANGED, figure_3j,
    )  # fmt: skip
    yield _along(data, task, "3S", cotrained)
    yield _figure_3k(data, task, cotrained, standard)


def _along(data: RunData, task: str, figure: str, cotrained: Subject) -> Plan:
    caption = (
        "Eigenvalues of the JSLDS at each step of a trial, followed from step to step. What lies at 1 is "
        "kept, whichever system is in force; what lies below decays."
    )
    return _panel(data, task, figure, caption, cotrained, ("trial_values",), figure_along)


def _figure_3k(data: RunData, task: str, cotrained: Subject, standard: Subject) -> Plan:
    caption = (
        "Mean relative error, sd over seeds: JSLDS running freely on the co-trained network, and the "
        "standard network linearised about its fixed points, one step ahead and running freely."
    )
    free, one = ("relative_error", "free-run"), ("relative_error_one_step", "one-step")
    groups: dict[str, list[Bar]] = {}
    for subject, metrics in ((cotrained, [free]), (standard, [one, free])):
        if subject.key is not None:
            groups[f"{plain(subject.key[1])} network"] = [
                make_bar(
                    data, subject.key, metric, f"{plain(subject.key[2], 20)}, {how}", hollow=how == "one-step"
                )
                for metric, how in metrics
            ]
    name, section = file_name(task, "fig3k"), ("task", task)
    if not groups:
        note = f"Fig. 3K: the run has neither {cotrained.words} nor {standard.words} for {task}"
        return Plan(section, name, caption, None, note, GROUP)
    return Plan(section, name, caption, lambda: bars("Fig. 3K  Mean relative error", groups), "", GROUP)


def _panel(
    data: RunData,
    task: str,
    figure: str,
    caption: str,
    subject: Subject,
    needs: tuple[str, ...],
    build: Build,
) -> Plan:
    """The Plan of one panel: drawn by `build(data, key, arrays)` if the records allow it."""
    name, section, key = file_name(task, f"fig{figure.lower()}"), ("task", task), subject.key
    if key is None:
        note = f"Fig. {figure}: the run has no {subject.words} for {task}"
        return Plan(section, name, caption, None, note, GROUP)
    arrays = data.example(key)
    if why := lacking(arrays, *needs):
        return Plan(section, name, caption, None, f"Fig. {figure}: {why}", GROUP)
    return Plan(section, name, caption, lambda: build(data, key, arrays), "", GROUP)


def _network(key: Key, backdrop: bool = False) -> Line2D:
    name = f"{plain(key[1])} network"
    return stroke(MUTED, name, width=0.6) if backdrop else network_line(name)


def _figure_2b(data: RunData, key: Key, a: Arrays) -> Figure:
    style, note = data.styles[key[2]], error_text(data, key, "relative_error", "free-run")
    paths = [Path(style, readout_space(a, trial)) for trial in a["example_free_run"]]
    scene = Scene("readout space, held-out trials", note, readout_space(a, a["example_states"]), paths)
    return scenes(
        "Fig. 2B  Co-trained: network and JSLDS", [scene], readout_labels(a), [_network(key), style.line()]
    )


def _figure_2c(data: RunData, key: Key, a: Arrays) -> Figure:
    note = error_text(data, key, "relative_error_one_step", "one-step")
    cloud = Cloud(
        readout_space(a, a["network_points"]), "x", data.styles[key[2]].color, "numerical fixed point"
    )
    scene = Scene("readout space", note, readout_space(a, a["example_states"]), [], [cloud])
    return scenes(
        "Fig. 2C  Standard: its fixed points",
        [scene],
        readout_labels(a),
        [_network(key, backdrop=True), cloud.key],
    )


def _figure_2d(data: RunData, key: Key, a: Arrays) -> Figure:
    style, note = data.styles[key[2]], error_text(data, key, "relative_error_one_step", "one-step")
    path = Path(style, project(a, a["example_one_step"][0]), dots=True)
    scene = Scene("PCA plane, one trial", note, project(a, a["example_states"][:1]), [path])
    legend = [_network(key), stroke(style.color, f"{plain(key[2], 16)}, one-step", width=0.8)]
    return scenes("Fig. 2D  Standard: linearised one-step", [scene], PLANE, legend)


def _figure_2e(data: RunData, key: Key, a: Arrays) -> Figure:
    style: Style = data.styles[key[2]]
    note = error_text(data, key, "relative_error", "free-run")
    clouds = [
        Cloud(readout_space(a, a["expansion"]), "o", style.color, "expansion point"),
        Cloud(readout_space(a, a["network_points"]), "x", INK, "numerical fixed point"),
    ]
    scene = Scene("readout space", note, readout_space(a, a["example_states"]), [], clouds)
    return scenes(
        "Fig. 2E  Co-trained: expansion points",
        [scene],
        readout_labels(a),
        [*[c.key for c in clouds], _network(key, backdrop=True)],
    )


def _figure_2f(data: RunData, key: Key, a: Arrays) -> Figure:
    style, note = data.styles[key[2]], error_text(data, key, "relative_error", "free-run")
    path = Path(style, project(a, a["example_free_run"][0]))
    scene = Scene("PCA plane, one trial", note, project(a, a["example_states"][:1]), [path])
    return scenes("Fig. 2F  Co-trained: JSLDS free-run", [scene], PLANE, [_network(key), style.line()])


def _figure_3b(data: RunData, key: Key, a: Arrays) -> Figure:
    return outputs_figure(data, "Fig. 3B  Co-trained: outputs", [(key, a)], per_context=2)


def _figure_3c(data: RunData, key: Key, a: Arrays) -> Figure:
    note = error_text(data, key, "relative_error", "free-run")
    panel = Spectrum("at an expansion point per context", note, data.styles[key[2]], a["eigenvalues"], None)
    names = [data.u_star_name(key, k) for k in range(len(a["eigenvalues"]))]
    return spectra("Fig. 3C  Co-trained: eigenvalues", [panel], names)


def example_trials(a: Arrays, per_context: int) -> list[int]:
    """Indices of the first `per_context` example trials of each of the first three u*."""
    n = len(a["example_states"])
    labels = a["example_u_star"] if "example_u_star" in a else np.zeros(n, dtype=int)
    chosen = [np.flatnonzero(labels == k)[:per_context] for k in np.unique(labels)[:3]]
    return [int(i) for group in chosen for i in group]


def outputs_figure(data: RunData, heading: str, models: list[tuple[Key, Arrays]], per_context: int) -> Figure:
    """Outputs over time of the network and of `models` (whose example trials are the same)."""
    a = models[0][1]
    trials, n_outputs = example_trials(a, per_context), min(a["readout_w"].shape[1], 3)
    several = "example_u_star" in a and np.unique(a["example_u_star"]).size > 1

    def name(trial: int, output: int) -> str:
        context = f", {data.u_star_name(models[0][0], int(a['example_u_star'][trial]))}" if several else ""
        return f"trial {trial + 1}{context}" + (f", output {output + 1}" if n_outputs > 1 else "")

    paths = [
        Path(data.styles[key[2]], read_out(own, own["example_free_run"][trials][:, 1:])[..., :n_outputs])
        for key, own in models
    ]
    return outputs(
        heading,
        read_out(a, a["example_states"][trials][:, 1:])[..., :n_outputs],
        a["example_targets"][trials][..., :n_outputs] if "example_targets" in a else None,
        a.found.get("mask"),
        paths,
        [name(trial, output) for trial in trials for output in range(n_outputs)],
    )
