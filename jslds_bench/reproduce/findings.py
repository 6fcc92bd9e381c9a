"""Numbers that decide claims and are no metric: computed from the arrays beside one record, by name.

A finding is NaN where the record cannot have it. Distances are in RMS radii: the root mean square distance of
the example trials' states from their mean.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
import scipy

from jslds_bench.analysis.decomposition import n_near_one
from jslds_bench.analysis.integration import choice_slopes, input_effects, selection_cosines
from jslds_bench.analysis.point_sets import gaps_to, n_clusters, share_on_line
from jslds_bench.report.data.arrays import Arrays
from jslds_bench.settings.settling import settled

MOST = 2000
"""Points that are clustered at most: distances are between all pairs."""


@dataclasses.dataclass(frozen=True)
class Finding:
    """A number of a record's arrays.

    Attributes:
        of: what it is computed by.
        needs: the arrays that it reads.
        about: what it is, for the page.
        beside: the arrays that it reads of another model on the same network, given second.
    """

    of: Callable[..., float]
    needs: tuple[str, ...]
    about: str
    beside: tuple[str, ...] = ()


def radius(a: Arrays) -> float:
    """The RMS radius of the example trials' states after the first."""
    states = a["example_states"][:, 1:].reshape(-1, a["example_states"].shape[-1]).astype(np.float64)
    return float(np.sqrt(np.mean(np.sum((states - states.mean(axis=0)) ** 2, axis=1))))


def _settled(a: Arrays) -> np.ndarray:
    return settled(a["mask"], len(a["example_states"]))


def expansions(a: Arrays) -> tuple[np.ndarray, np.ndarray]:
    """Expansion points of the example trials, and of which u*, at the steps that are `settled`."""
    which = _settled(a)
    return a["expansion"][which], a["expansion_u_star"][which]


def expansion_gap(a: Arrays, b: Arrays) -> float:
    """Median distance of expansion points from the nearest point that another model has under the same u*."""
    points, of = expansions(a)
    gaps = [gaps_to(points[of == k], b["model_points"][b["model_points_u_star"] == k]) for k in np.unique(of)]
    return float(np.median(np.concatenate(gaps)) / radius(a))


def state_gap(a: Arrays) -> float:
    """Median distance of expansion points from the nearest state of the example trials."""
    states = a["example_states"][:, 1:].reshape(-1, a["example_states"].shape[-1])
    return float(np.median(gaps_to(expansions(a)[0], states)) / radius(a))


def signs_met(a: Arrays) -> float:
    """Share of outputs that have the same sign at the expansion point as at the state that asked for it."""
    # The expansion of a step is asked for by the state before it.
    states = a["example_states"][:, :-1].reshape(-1, a["example_states"].shape[-1])[_settled(a)]
    there, here = (np.sign(h @ a["readout_w"] + a["readout_b"]) for h in (expansions(a)[0], states))
    return float(np.mean(there == here))


def expansion_clusters(a: Arrays) -> float:
    """How many clusters the expansion points form, under all u* together (`point_sets.n_clusters`)."""
    points = expansions(a)[0]
    return float(n_clusters(points[:: -(-len(points) // MOST)]))


def _median(a: Arrays, of_systems: np.ndarray) -> float:
    """Median over expansion points of a number of systems: each point has that of the nearest system kept.

    A record keeps few systems, far apart, so that rare ones on the way count as much as those at rest.
    """
    points, of = expansions(a)
    found = np.full(len(points), np.nan)
    for k in np.unique(of):
        own = a["systems_u_star"] == k
        if own.any():
            _, nearest = scipy.spatial.cKDTree(a["systems_e"][own]).query(points[of == k])
            found[of == k] = of_systems[own][nearest]
    return float(np.median(found))


def near_one(a: Arrays) -> float:
    """Median over expansion points of how many eigenvalues lie within 0.025 of 1."""
    return _median(a, n_near_one(a["systems_values"]))


def first_from_one(a: Arrays) -> float:
    """Median over expansion points of |λ_1 − 1|."""
    return _median(a, np.abs(a["systems_values"][:, 0] - 1))


def second_size(a: Arrays) -> float:
    """Median over expansion points of |λ_2|."""
    return _median(a, np.abs(a["systems_values"][:, 1]))


def on_line(a: Arrays) -> float:
    """Share of the expansion points' variance along one line, under each u* by itself: the least of them."""
    points, of = expansions(a)
    return min(share_on_line(points[of == k]) for k in np.unique(of))


def lines_apart(a: Arrays) -> float:
    """The least distance between expansion points under different u*."""
    points, of = expansions(a)
    if len(kinds := np.unique(of)) < 2:
        return float("nan")
    return float(min(gaps_to(points[of == k], points[of != k]).min() for k in kinds) / radius(a))


def _cosines(a: Arrays) -> tuple[np.ndarray, np.ndarray]:
    """|cos| of selection vectors with the relevant stream and with the others' largest, by system."""
    streams, relevant = a["choice_streams"], a["choice_relevant"]
    cosines = selection_cosines(a["systems_left"][:, 0], a["systems_b"][..., streams])
    own = relevant[a["systems_u_star"]]
    others = np.where(np.arange(len(streams)) == own[:, None], -np.inf, cosines)
    return cosines[np.arange(len(own)), own], others.max(axis=1)


def selection_relevant(a: Arrays) -> float:
    """Median |cos| of selection vectors with ∂F/∂u of the stream that counts."""
    return _median(a, _cosines(a)[0])


def selection_irrelevant(a: Arrays) -> float:
    """Median |cos| of selection vectors with ∂F/∂u of the stream that does not count."""
    return _median(a, _cosines(a)[1])


def choice_irrelevant(a: Arrays) -> float:
    """How far a unit of irrelevant evidence moves the choice at the end, in units of relevant evidence."""
    worst = 0.0
    for k, relevant in enumerate(a["choice_relevant"]):
        own = a["choice_u_star"] == k
        slopes = np.abs(choice_slopes(a["choice_run"][own, -1, 0], a["choice_evidence"][own]))
        worst = max(worst, float(np.delete(slopes, relevant).max() / slopes[relevant]))
    return worst


def flip_contrast(a: Arrays) -> float:
    """What inputs that flip a bit do to the leading modes, over what those do that confirm one: median.

    Of n-bit memory, whose inputs are a −1 and a +1 of each of its outputs' channels.
    """
    n_bits = a["readout_w"].shape[1]
    if a["systems_b"].shape[-1] != 2 * n_bits:
        return float("nan")
    effects, _ = input_effects(a["systems_left"], a["systems_b"], a["readout_w"])
    signs = np.sign(a["systems_e"] @ a["readout_w"] + a["readout_b"])  # [L, bits]
    flips = np.stack([signs > 0, signs < 0], axis=-1).reshape(len(signs), -1)
    inward = np.where(flips, np.nan, effects)
    return _median(a, np.nanmean(np.where(flips, effects, np.nan), axis=1) / np.nanmean(inward, axis=1))


def _met(a: Arrays) -> tuple[np.ndarray, np.ndarray]:
    """Planes of the linear system and jPC planes, one of each, paired so that the angles' sum is least."""
    return scipy.optimize.linear_sum_assignment(a["spikes_jpca_angles"])


def jpc_planes_met(a: Arrays) -> float:
    """Share of the jPC planes that lie within 40° of the leading complex plane paired with them."""
    angles = a["spikes_jpca_angles"]
    return float(np.sum(angles[_met(a)] <= MET) / angles.shape[1])


def jpc_frequency_gap(a: Arrays) -> float:
    """Mean |f − f_jPC| over jPC planes, f the frequency of the plane paired with each, over mean f_jPC."""
    own, jpc = _met(a)
    found = np.abs(a["spikes_plane_frequencies"][own])
    target = np.abs(a["spikes_jpca_frequencies"][jpc])
    return float(np.mean(np.abs(found - target)) / np.mean(target))


MET = 40.0
"""Degrees between planes that overlap highly: 30 to 40 in the paper's figure 4F."""
EXPANSION = ("expansion", "expansion_u_star", "example_states", "mask")
NEAREST = (*EXPANSION, "systems_e", "systems_u_star")
SYSTEMS = (*NEAREST, "systems_values")
CHOICE = (*NEAREST, "systems_left", "systems_b", "choice_streams", "choice_relevant")
FINDINGS: Mapping[str, Finding] = {
    "expansion_gap": Finding(
        expansion_gap,
        EXPANSION,
        "median distance of expansion points from the nearest point found numerically, RMS radii",
        ("model_points", "model_points_u_star"),
    ),
    "expansion_clusters": Finding(
        expansion_clusters, EXPANSION, "clusters of expansion points, by their silhouette"
    ),
    "state_gap": Finding(
        state_gap, EXPANSION, "median distance of expansion points from the nearest visited state, RMS radii"
    ),
    "signs_met": Finding(
        signs_met,
        (*EXPANSION, "readout_w", "readout_b"),
        "share of outputs with the same sign at the expansion point as at the state",
    ),
    "near_one": Finding(near_one, SYSTEMS, "eigenvalues within 0.025 of 1, median over expansion points"),
    "first_from_one": Finding(first_from_one, SYSTEMS, "|λ₁ − 1|, median over expansion points"),
    "second_size": Finding(second_size, SYSTEMS, "|λ₂|, median over expansion points"),
    "on_line": Finding(
        on_line,
        EXPANSION,
        "share of the expansion points' variance along one line, the least of the contexts",
    ),
    "lines_apart": Finding(
        lines_apart, EXPANSION, "least distance between expansion points of the contexts, RMS radii"
    ),
    "selection_relevant": Finding(
        selection_relevant, CHOICE, "|cos| of selection vectors with the relevant input, median"
    ),
    "selection_irrelevant": Finding(
        selection_irrelevant, CHOICE, "|cos| of selection vectors with the irrelevant input, median"
    ),
    "choice_irrelevant": Finding(
        choice_irrelevant,
        ("choice_run", "choice_u_star", "choice_relevant", "choice_evidence"),
        "how far irrelevant evidence moves the choice, over how far relevant evidence does",
    ),
    "jpc_planes_met": Finding(
        jpc_planes_met,
        ("spikes_jpca_angles",),
        "share of the jPC planes within 40° of the plane of the system paired with each",
    ),
    "jpc_frequency_gap": Finding(
        jpc_frequency_gap,
        ("spikes_jpca_angles", "spikes_jpca_frequencies", "spikes_plane_frequencies"),
        "how far frequencies of the system are from those of the jPC planes paired, over their mean",
    ),
    "flip_contrast": Finding(
        flip_contrast,
        (*NEAREST, "systems_left", "systems_b", "readout_w", "readout_b"),
        "effect on the leading modes of inputs that flip a bit over that of inputs that confirm one",
    ),
}


def find(name: str, arrays: Arrays, beside: Arrays | None = None) -> tuple[float, str]:
    """The finding of this name and, where it is none, why: NaN of what a record does not hold, infinite where
    the run that it is of diverged."""
    finding = FINDINGS[name]
    given = [(arrays, finding.needs)] + ([(beside or Arrays({}), finding.beside)] if finding.beside else [])
    for have, needs in given:
        if missing := have.missing(*needs):
            notes = f" ({'; '.join(have.notes)})" if have.notes else ""
            return float("nan"), f"the record holds no {', '.join(missing)}{notes}"
        if "expansion" in needs and not np.isfinite(expansions(have)[0]).all():
            return float("inf"), "the free run of a trial diverged"
    value = finding.of(*(have for have, _ in given))
    return value, "" if np.isfinite(value) else f"{name} is not to be had of these arrays"
