"""Fig. 2A and 3A, what the tasks ask, and Fig. 3 D–J, how a network integrates evidence under each context.

Reference: Smith, Linderman and Sussillo (2021), figures 2 and 3; Mante et al. (2013), figures 5 and 6c.
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from jslds_bench.analysis.decomposition import aligned
from jslds_bench.report.data.arrays import Arrays
from jslds_bench.report.data.run import Key, RunData
from jslds_bench.report.figures.choice import Line, Paths, arrangement, choice_paths
from jslds_bench.report.figures.trial import Strip, along, trial
from jslds_bench.report.plans.plan import error_text

STREAMS = ("motion", "color")
CHOICE = ("choice_axes", "choice_run", "choice_e", "choice_evidence", "choice_u_star", "choice_relevant")
ARRANGED = (
    "choice_axes",
    "choice_streams",
    "systems_e",
    "systems_left",
    "systems_b",
    "systems_u_star",
    "readout_w",
)


def figure_2a(data: RunData, key: Key, a: Arrays) -> Figure:
    """The inputs of each channel in one trial, and what is to be remembered."""
    inputs, targets = a["example_inputs"][0], a["example_targets"][0]
    strips = [
        Strip(f"channel {k + 1}", inputs[:, 2 * k : 2 * k + 2].T, ("input −1", "input +1"), targets[:, k])
        for k in range(targets.shape[1])
    ]
    return trial("Fig. 2A  The task: 3-bit memory" if len(strips) == 3 else "Fig. 2A  The task", strips, True)


def figure_3a(data: RunData, key: Key, a: Arrays) -> Figure:
    """The two streams of one trial under each context, and the sum of the cued one."""
    contexts, strips = a["example_u_star"], []
    for k, name in enumerate(STREAMS):
        found = np.flatnonzero(contexts == k)
        if len(found):
            inputs, target = a["example_inputs"][found[0]], a["example_targets"][found[0], :, 0]
            strips.append(Strip(f"{name} context: integrate {name}", inputs[:, :2].T, STREAMS, target))
    return trial("Fig. 3A  The task: context-dependent integration", strips, False)


def figure_3d(data: RunData, key: Key, a: Arrays) -> Figure:
    """Fig. 3 D–I: left the motion context, right the color context; mean paths by strength of one stream."""
    levels = np.unique(a["choice_evidence"])
    rows = (
        ("by the relevant stream", lambda own: (own, own)),
        ("by the relevant stream", lambda own: (own, 1 - own)),
        ("by the irrelevant stream", lambda own: (1 - own, 1 - own)),
    )
    panels = []
    for (how, pick), letters in zip(rows, ("DI", "EH", "FG"), strict=True):
        for k, letter in enumerate(letters):
            sorted_by, shown = pick(int(a["choice_relevant"][k]))
            panels.append(_panel(a, k, sorted_by, shown, f"{letter}  {STREAMS[k]} context", how, levels))
    return choice_paths("Fig. 3D–I  Evidence moves the choice", panels, [f"{x:+g} per step" for x in levels])


def _panel(
    a: Arrays, context: int, sorted_by: int, shown: int, name: str, how: str, levels: np.ndarray
) -> Paths:
    own, planes = a["choice_u_star"] == context, [0, 1 + shown]
    strengths = a["choice_evidence"][own, sorted_by]
    paths = np.stack([a["choice_run"][own][strengths == x].mean(axis=0)[2:, planes] for x in levels])
    points = a["choice_e"][own].reshape(-1, a["choice_e"].shape[-1])[:, planes]
    return Paths(name, f"sorted {how}", paths, points, ("choice", STREAMS[shown]))


def figure_3j(data: RunData, key: Key, a: Arrays) -> Figure:
    """Where the line attractors lie, and what the selection vectors of each take up."""
    axes, readout, streams = a["choice_axes"], a["readout_w"][:, 0], a["choice_streams"]
    lines = []
    for k, name in enumerate(STREAMS):
        own = a["systems_u_star"] == k
        left = aligned(a["systems_left"][own, 0], readout).real
        inputs = a["systems_b"][own][..., streams]
        sizes = np.linalg.norm(left, axis=1)[:, None] * np.linalg.norm(inputs, axis=1)
        lines.append(
            Line(
                f"{name} context",
                a["systems_e"][own] @ axes[:2].T,
                np.einsum("ln,lns->ls", left, inputs) / np.where(sizes > 0, sizes, np.inf),
            )
        )
    return arrangement("Fig. 3J  Line attractors and selection", lines, ("choice", STREAMS[0]), STREAMS)


def figure_along(data: RunData, key: Key, a: Arrays) -> Figure:
    """Sizes of the leading eigenvalues along a trial."""
    note = error_text(data, key, "relative_error", "free-run")
    return along("Eigenvalues along a trial", note, np.abs(a["trial_values"]), data.styles[key[2]].color)
