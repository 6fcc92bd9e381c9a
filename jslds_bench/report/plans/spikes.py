"""Figures of models fitted to spikes: rates, averages over conditions, rotations, and the linear system."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from jslds_bench.records.numbers import counted, number
from jslds_bench.report.data.arrays import Arrays
from jslds_bench.report.data.run import Key, RunData
from jslds_bench.report.figures.fit import Trace, progress
from jslds_bench.report.figures.rotations import (
    Panel,
    Rotations,
    angles,
    disc,
    pairs,
    panels,
    rotations,
    strips,
)
from jslds_bench.report.figures.spikes import Curve, Trial, jpc_planes, psths, rates
from jslds_bench.report.figures.states import Cloud, Path, Scene, scenes
from jslds_bench.report.plans.modes import TRIED
from jslds_bench.report.plans.plan import MAX_MODELS, Made, Plan, lacking, of_model
from jslds_bench.report.style import INK, MUTED, Style, plain, stroke

MAX_UNITS = 3  # drawn of those that a record holds
MAX_TRIALS = 2
MAX_SERIES = 6
FIRST = ("objective", "loss", "validation")
CHOICE = ("validation_", "step")  # series that are no course of a fit: what was tried, the steps of others
MAX_POINTS = 80  # expansion points, evenly thinned
ROTATIONS: dict[str, Any] = {
    "eigenvalues": "spikes_eigenvalues",
    "cloud": "spikes_eigenvalue_cloud",
    "pairs": "spikes_plane_eigenvalues",
    "pair_hertz": "spikes_plane_frequencies",
    "jpc_hertz": "spikes_jpca_frequencies",
    "angles": "spikes_jpca_angles",
    "planted_hertz": "spikes_true_frequencies",
}
"""A field of `Rotations` → the array that it is read from."""

AXES = ("PC 1", "PC 2", "PC 3")


def spike_plans(data: RunData, task: str, network: str) -> Iterator[Plan]:
    """The figures of each model of spiking data.

    What a model has no arrays of is left out without a word, for most models have no generator; what is of
    the wrong shape, or lacks what it is drawn against, is named.
    """
    for model in data.best_models(task, network, MAX_MODELS):
        key = (task, network, model)
        arrays = data.example(key)
        kinds = (_rates, _psths, _planes, _states, _rotations, _fit)
        made = itertools.chain.from_iterable(figures(data, key, arrays) for figures in kinds)
        ill = [n for n in arrays.notes if n.startswith("spikes") or not arrays.found]
        yield from of_model(key, made, ill, model)


def _rates(data: RunData, key: Key, a: Arrays) -> Iterator[Made]:
    found = a.found.get("spikes_example_rates")
    if found is None or not found.size:
        return
    if note := lacking(a, "spikes_time"):
        yield "rates", "", note, None
        return
    style = data.styles[key[2]]
    curves = _curves(style, a)
    counts = a.found.get("spikes_example_counts")
    names = _units(a, found.shape[2])[:MAX_UNITS]
    n_trials = min(len(found), MAX_TRIALS)
    shown = [
        Trial(
            f"{unit}, trial {e + 1}",
            [c._replace(rate=c.rate[e, :, m]) for c in curves],
            None if counts is None else counts[e, :, m],
        )
        for m, unit in enumerate(names)
        for e in range(n_trials)
    ]
    branches = ", of the RNN in ink, of the linear branch in colour" if len(curves) > 1 else ""
    caption = f"Rates of sample units along held-out trials{branches}. Ticks are spikes."
    if "spikes_example_rates_true" in a:
        caption += " Dashed: the true rates."
    caption = f"{caption} {data.said(key[0], 'caption')}".strip()
    cut = (
        f"Drawn: {n_trials} of {counted(len(found), 'example trial')}, "
        f"{len(names)} of {counted(found.shape[2], 'sample unit')}"
    )
    note = cut if found[:n_trials, :, : len(names)].size < found.size else ""
    heading = f"{plain(key[2], 20)}: single-trial rates"
    yield "rates", caption, note, lambda: rates(heading, a["spikes_time"], shown)


def _curves(style: Style, a: Arrays) -> list[Curve]:
    """Rates [B, T, Y] of the truth, the model and its linear branch, in the order in which they are drawn."""
    made = [Curve("rates", a["spikes_example_rates"], style.color, style.dash)]
    if "spikes_example_rates_jslds" in a:
        branch = a["spikes_example_rates_jslds"]
        made = [
            Curve("RNN branch", a["spikes_example_rates"], INK, width=1.8),
            Curve("linear branch", branch, style.color, style.dash),
        ]
    if "spikes_example_rates_true" in a:
        made.append(Curve("true rates", a["spikes_example_rates_true"], MUTED, (0, (3, 2)), 1.1))
    return made


def _units(a: Arrays, count: int) -> list[str]:
    numbers = a.found.get("spikes_example_units", np.arange(count))
    return [f"unit {int(n)}" if np.isfinite(n) else "unit" for n in numbers]


def _psths(data: RunData, key: Key, a: Arrays) -> Iterator[Made]:
    found = a.found.get("spikes_psth")
    if found is None or not found.size:
        return
    if note := lacking(a, "spikes_time", "spikes_psth_data"):
        yield "psths", "", note, None
        return
    names = _units(a, found.shape[2])[:MAX_UNITS]
    caption = (
        f"Mean rates of {len(found)} sample condition{'s'[: len(found) != 1]}: left the data's, smoothed, "
        f"right the model's. psth_r2 over all conditions and units: {data.summary(key, 'psth_r2').text}."
    )
    n = found.shape[2]
    note = f"Drawn: {len(names)} of {n} sample units" if len(names) < n else ""
    heading = f"{plain(key[2], 20)}: condition averages"
    yield (
        "psths",
        caption,
        note,
        lambda: psths(heading, a["spikes_time"], names, a["spikes_psth_data"], found),
    )


def _planes(data: RunData, key: Key, a: Arrays) -> Iterator[Made]:
    found = a.found.get("spikes_jpca_projection")
    if found is None or not found.size:
        return
    caption = (
        "Condition means of the generator's states in the first two planes of jPCA, coloured by where each "
        "condition starts along the plane's first axis."
    )
    if "spikes_jpca_r2" in a:
        free, skew = map(float, a["spikes_jpca_r2"])
        caption += f" R² of the linear fit: {number(free)}, of the skew-symmetric one {number(skew)}."
    heading = f"{plain(key[2], 20)}: planes of jPCA"
    yield "jpca", caption, "", lambda: jpc_planes(heading, found, a.found.get("spikes_jpca_frequencies"))


def _states(data: RunData, key: Key, a: Arrays) -> Iterator[Made]:
    found = a.found.get("spikes_states")
    if found is None or not found.size:
        return
    style = data.styles[key[2]]
    linear = a.found.get("spikes_linear_states", found[:0])
    legend = []
    if len(linear):
        legend = [stroke(INK, "generator"), stroke(style.color, "linear system", style.dash)]
    clouds = []
    for name, symbol, color, words in (
        ("spikes_expansion_points", "o", style.color, "expansion point"),
        ("spikes_fixed_points", "x", INK, "fixed point"),
    ):
        if name in a and a[name].size:
            points = a[name].reshape(-1, 3)
            clouds.append(Cloud(points[:: -(-len(points) // MAX_POINTS)], symbol, color, words))
            legend.append(clouds[-1].key)
    if not len(linear):  # where there are points, `scenes` draws the trials as their backdrop
        line = stroke(MUTED, "states", width=0.6) if clouds else stroke(INK, "states")
        legend.insert(0, line)
    error = f"relative error {data.summary(key, 'relative_error').text}" if len(linear) else ""
    shown = [
        Scene(
            f"{AXES[0]} and {AXES[k]}",
            error if k == 1 else "",
            found[..., [0, k]],
            [Path(style, trial[:, [0, k]]) for trial in linear],
            [cloud._replace(points=cloud.points[:, [0, k]]) for cloud in clouds],
            (AXES[0], AXES[k]),
        )
        for k in (1, 2)
    ]
    caption = "Example trials in principal components of the states."
    if len(linear):
        caption += " Coloured: the linear system on its own from the same first state; diamonds are its ends."
    if clouds:
        names = [f"{cloud.name}s" for cloud in clouds]
        caption += f" Also shown: {' and '.join(names)}."
    heading = f"{plain(key[2], 20)}: {'generator and linear system' if len(linear) else 'states'}"
    yield "states", caption, "", lambda: scenes(heading, shown, AXES[:2], legend)


def _rotations(data: RunData, key: Key, a: Arrays) -> Iterator[Made]:
    null = a.found.get("spikes_jpca_angles_null")
    low, middle = (np.nan, np.nan) if null is None else map(float, null)
    step = a.found.get("spikes_bin")
    spread = data.summary(key, "single_system_spread")
    found = Rotations(
        style=data.styles[key[2]],
        bin_seconds=None if step is None else float(step),
        **{field: a.found.get(name) for field, name in ROTATIONS.items()},
        spread=f"spread {spread.text}" if spread.n_finite else "",
        chance=f"chance: 5 % below {low:.0f}°" if np.isfinite(low) else "",
    )
    drawn = panels(found)
    if not drawn:
        return
    said: dict[Panel, str] = {
        disc: "Crosses: eigenvalues of the mean linear system; dots: of the system at every sampled step. "
        "It is one linear system as far as they fall together.",
        pairs: "Close-up: the leading complex pairs, and jPC planes at exp(i 2π f dt) on the unit circle; "
        "the axes have scales of their own.",
        angles: "Matrix: the smaller principal angle between planes; by convention, planes within 30–40° "
        f"overlap highly.{_chance(low, middle)}",
        strips: "Frequencies that are matched are joined.",
    }
    how = "the angle between planes" if angles in drawn else "frequency"
    caption = " ".join(said[panel] for panel in drawn)
    if found.pair_hertz is not None and found.jpc_hertz is not None:
        caption += f" Pairs and jPC planes are matched one to one by {how}."
    if strips in drawn and found.planted_hertz is not None:
        caption += " Planted frequencies are matched by frequency."
    yield "rotations", caption, "", lambda: rotations(f"{plain(key[2], 20)}: rotations", found)


def _chance(low: float, middle: float) -> str:
    if not np.isfinite([low, middle]).all():
        return ""
    return f" Of random planes of the same space 5 % have angles below {low:.0f}°, half below {middle:.0f}°."


def _fit(data: RunData, key: Key, a: Arrays) -> Iterator[Made]:
    style = data.styles[key[2]]
    found: dict[str, list[Trace]] = {}
    for record in data.records[key]:
        for name, series in record.series.items():
            if len(series) > 1 and name not in TRIED and not name.startswith(CHOICE):
                found.setdefault(name, []).append(Trace(style, np.asarray(series, float)))
    shown = dict(sorted(found.items(), key=lambda item: item[0] not in FIRST)[:MAX_SERIES])
    if shown:
        caption = "The objective of the fit and its terms, a line per seed."
        note = f"Drawn: {MAX_SERIES} of {len(found)} series" if len(found) > MAX_SERIES else ""
        yield "fit", caption, note, lambda: progress(f"{plain(key[2], 20)}: fit", shown)
