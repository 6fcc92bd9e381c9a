"""A run's table as bytes of csv, json or parquet."""

from __future__ import annotations

import io
import json
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def encode(values: pd.DataFrame, kind: str) -> bytes:
    """`values` as "csv", "json" or "parquet".

    JSON is a list of records, null for NaN and "inf" or "-inf" for infinities, which JSON lacks; CSV leaves
    NaN empty and writes inf.
    """
    if kind == "csv":
        return values.to_csv(index=False, lineterminator="\n").encode()
    if kind == "parquet":
        buffer = io.BytesIO()
        values.to_parquet(buffer, index=False)
        return buffer.getvalue()
    records = [{k: _json(v) for k, v in row.items()} for row in values.to_dict("records")]
    return (json.dumps(records, indent=1, allow_nan=False, ensure_ascii=False) + "\n").encode()


def _json(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value
