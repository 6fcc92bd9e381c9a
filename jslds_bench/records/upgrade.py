"""Content of earlier schemas as this version has it.

Schema 1 (versions before 0.2) told the kind of data by the label of the network and by which metrics there
were, and left the order of metrics to the report.
"""

from __future__ import annotations

from typing import Any

from jslds_bench.records.record import LAST

RENAMED = {"state_accuracy": "mode_accuracy"}
"""Metrics by the name that they had in schema 1."""
FAMILIES = {
    "states": "relative_error* relative_error_one_step* skill* skill_one_step nrmse valid_prediction_time "
    "relative_error_oracle projection_error",
    "tasks": "task_error_network* task_error_model*",
    "fixed points": "fixed_point_speed* fixed_point_precision* fixed_point_recall fixed_point_chamfer",
    "spectra": "eigenvalue_error jacobian_error",
    "modes": "mode_accuracy* mode_eigenvalue_error* mode_point_error* forecast_error* elbo_per_step "
    "held_out_elbo_per_step* held_out_bits_per_spike*",
    "spikes": "co_bits_per_spike* co_bits_per_spike_jslds bits_per_spike* rate_r2* rate_r2_jslds psth_r2* "
    "velocity_r2*",
    "generators": "frequency_error* plane_angle* plane_angle_null single_system_spread* single_system_angle",
    "timing": "seconds_per_iteration* steps_per_second jacobians_per_second compile_seconds fit_seconds "
    "network_seconds",
}
"""The metrics of schema 1 in the order of its tables, a star behind those that were shown first."""
_PLACES = {
    word.rstrip("*"): (family, 100 * i + k, word.endswith("*"))
    for i, (family, words) in enumerate(FAMILIES.items())
    for k, word in enumerate(words.split())
}
_ROTATIONS = (
    "Synthetic spikes with planted rotations; the paper's own 2,296 trials need the DANDI file (suite maze)."
)
_OF_SPIKES = ("spiking_rotations", "mc_maze")


def from_schema_1(body: dict[str, Any]) -> dict[str, Any]:
    """The fields of a record of schema 1, completed and renamed."""
    values = {RENAMED.get(name, name): value for name, value in body["values"].items()}
    for name, value in values.items():
        value["family"], value["order"], value["headline"] = _PLACES.get(name, ("other", LAST, False))
    task = _entry(body, "task")
    origin = "real" if task == "mc_maze" else "synthetic"
    caption = _ROTATIONS if task == "spiking_rotations" else ""
    return {**body, "values": values, "setting": _setting(body, task), "origin": origin, "caption": caption}


def _setting(body: dict[str, Any], task: str) -> str:
    if _entry(body, "network") != "data":
        return "networks"
    spikes = task in _OF_SPIKES or not {"bits_per_spike", "co_bits_per_spike"}.isdisjoint(body["values"])
    return "spikes" if spikes else "recordings"


def _entry(body: dict[str, Any], kind: str) -> str:
    """The registry name behind the label of a record's task or network."""
    part = body["parameters"].get(kind)
    name = part.get("name") if isinstance(part, dict) else None
    return name if isinstance(name, str) else str(body[kind])
