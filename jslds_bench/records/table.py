"""A run as a tidy table."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jslds_bench.records.record import Record
from jslds_bench.records.store import read_records

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "suite",
    "task",
    "network",
    "model",
    "seed",
    "metric",
    "value",
    "unit",
    "better",
    "status",
    "reason",
)


def load_run(path: str | Path) -> pd.DataFrame:
    """A run as a tidy table, one row per value, with the columns of `COLUMNS`.

    A job without values (failed, timed out, unsupported) has one row with an empty metric. `value` is NaN
    where a metric is not available; `reason` says why.

    Raises:
        UsageError: no run at `path`, or a damaged record.
    """
    return table_of(read_records(Path(path)))


def table_of(records: Iterable[Record]) -> pd.DataFrame:
    """`records` as the table that `load_run` gives."""
    import pandas as pd

    rows: list[tuple[Any, ...]] = []
    for record in records:
        head = (record.suite, record.task, record.network, record.model, record.seed)
        for name, v in record.values.items():
            value = math.nan if v.value is None else v.value
            rows.append((*head, name, value, v.unit, v.better, record.status, v.reason or record.reason))
        if not record.values:
            rows.append((*head, None, math.nan, None, None, record.status, record.reason))
    return pd.DataFrame(rows, columns=list(COLUMNS))
