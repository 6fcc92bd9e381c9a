"""A record, and when two are the same."""

import dataclasses
import math
from pathlib import Path

from jslds_bench.records.record import Record, Value

GOLDEN = Path(__file__).parents[1] / "golden" / "schema-1"


def same(one, other) -> bool:
    """Equality that also holds for NaN and tells 1 from True and 1.0."""
    if dataclasses.is_dataclass(one):
        return type(one) is type(other) and same(vars(one), vars(other))
    if isinstance(one, dict):
        return (
            isinstance(other, dict)
            and one.keys() == other.keys()
            and all(same(one[k], other[k]) for k in one)
        )
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and math.isnan(one):
        return isinstance(other, float) and math.isnan(other)
    return type(one) is type(other) and one == other


def a_record(**changes) -> Record:
    record = Record(
        suite="tiny",
        task="memory",
        network="plain",
        model="jslds",
        seed=3,
        parameters={"model": {"name": "jslds"}},
        status="ok",
        reason=None,
        values={
            "relative_error": Value(math.inf, "1", "lower", "not finite: 2 of 8 free runs diverged"),
            "skill": Value(0.5, "1", "higher"),
            "fixed_point_recall": Value(None, "1", "higher", "this model has no fixed points"),
        },
        series={"horizon_free_run": [0.25, math.inf, math.nan]},
        detail={"n_trials": 8},
        environment={"commit": None},
        digest="00ff",
        setting="networks",
    )
    return dataclasses.replace(record, **changes)
