"""Models of trained networks: how far their states are from the network's, and what both have in common."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from jslds_bench.report.data import modes
from jslds_bench.report.data.run import Key, RunData
from jslds_bench.report.data.spaces import PLANE
from jslds_bench.report.plans.complexity import complexity_plan
from jslds_bench.report.plans.modes import Meaning, k_plans, mode_plans, objective_plans
from jslds_bench.report.plans.network import network_plans
from jslds_bench.report.plans.paper import paper_plans
from jslds_bench.report.plans.plan import Plan
from jslds_bench.report.plans.task import bars_plan, horizon_plans, matrix_plan
from jslds_bench.report.settings.base import Setting

SHAPES = {
    "example_states": "E T1 N",
    "example_inputs": "E T U",
    "example_targets": "E T O",
    "example_u_star": "E",
    "example_free_run": "E T1 N",
    "example_one_step": "E T N",
    "mask": "T",
    "readout_w": "N O",
    "readout_b": "O",
    "pca_mean": "N",
    "pca_axes": "D N",
    "expansion": "M N",
    "expansion_u_star": "M",
    "model_points": "P N",
    "model_points_u_star": "P",
    "network_points": "R N",
    "network_points_u_star": "R",
    "network_points_q": "R",
    "network_points_n_unstable": "R",
    "eigenvalues": "K N complex",
    "network_eigenvalues": "K N complex",
    "systems_e": "systems N",
    "systems_u_star": "systems whole",
    "systems_values": "systems N complex",
    "systems_right": "systems J N complex",
    "systems_left": "systems J N complex",
    "systems_b": "systems N U",
    "trial_values": "T values complex",
    "choice_axes": "A N",
    "choice_states": "C T1 A",
    "choice_run": "C T1 A",
    "choice_e": "C Q A",
    "choice_evidence": "C streams",
    "choice_u_star": "C whole",
    "choice_streams": "streams whole",
    "choice_relevant": "contexts whole",
}
"""E example trials of T steps; a row of eigenvalues per distinct u*; local systems by J leading modes, and
some eigenvalues at each step of the first example trial. A letter is one size in `modes.SHAPES` too.

Choice: means of C conditions on A axes, choice and then the streams of evidence; points at Q of the steps."""

LINEAR_IN_STATE = 0.5
"""Least share of steps at which the system stays the same nearby.

It is 0.9 and more where systems are about points, and near 0 where they vary with the state."""
LINEAR_IN_INPUT = 0.9
"""The same under another input: 1 where expansions are about u*, 0 about u_t, 0.3 where a gate reads it."""

MODES = Meaning(
    axes=PLANE,
    caption="Left: the network's own states, coloured by the model's most likely mode given the whole trial. "
    "Right: the model running freely, coloured by the mode it used. Squares are starts.",
    panels=(
        ("network, inferred modes", ("modes_path",), "modes_inferred"),
        ("free run, modes it used", ("modes_free_path",), "modes_free"),
    ),
    note=lambda data, key, _: f"free-run error {data.summary(key, 'relative_error').text}",
    flow=" The input is the first u*.",
)


class Networks(Setting):
    """A model is fitted to a frozen network and runs beside it."""

    leading = "relative_error"
    lead = "Least free-run error (model on network)"
    about = (
        "Relative error is the mean over held-out trials and steps of ‖ĥ − h‖ / ‖h‖, where h is the "
        "network's state and ĥ the model's, one step ahead of the true state or running freely from h₀. "
        "Models are ranked among those that are linear in the same: with a system for every state or "
        "for every input any network can be followed and less is explained."
    )
    sections: ClassVar = {
        "complexity": "Error against complexity",
        "horizon": "Error by step",
        "matrix": "Network × model",
    }
    shapes = SHAPES | modes.SHAPES
    costs = ("network_seconds", "fit_seconds")
    rates = ("steps_per_second",)
    rivalry = "linear in"

    def rivals(self, data: RunData, key: Key) -> str:
        """What the model is linear in, by measure (`metrics.complexity`); empty: nothing was measured."""
        state, inputs = (data.summary(key, m) for m in ("linear_in_state", "linear_in_input"))
        if all(column.metric != "linear_in_state" for column in data.columns):
            return ""  # records of before these were measured
        if not state.n_finite:
            return "unknown"
        # Where trials have no other input every model is linear in it.
        by_input = not inputs.n_finite or inputs.mean >= LINEAR_IN_INPUT
        linear = {"state": state.mean >= LINEAR_IN_STATE, "input": by_input}
        return ", ".join(name for name, is_linear in linear.items() if is_linear) or "neither"

    def plans(self, data: RunData, task: str) -> Iterator[Plan]:
        yield complexity_plan(data, task)
        yield from horizon_plans(data, task)
        yield matrix_plan(data, task)
        yield from paper_plans(data, task)
        yield bars_plan(data, task)
        for network in data.networks_of(task):
            yield from network_plans(data, task, network)
            yield from k_plans(data, task, network)
            yield from objective_plans(data, task, network)
            yield from mode_plans(data, task, network, MODES)


SETTING = Networks()
