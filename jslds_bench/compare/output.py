"""A Comparison as text, Markdown or JSON."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from typing import Any

from jslds_bench.compare.verdicts import VERDICTS, Comparison, Row
from jslds_bench.records.numbers import ARROWS, counted, escaped, legible, number

SCHEMA = 1
HEADER = ("verdict", "task", "network", "model", "metric", "A", "B", "change", "interval", "n", "why")


def as_text(comparison: Comparison, verdicts: Sequence[str] = VERDICTS) -> str:
    """A plain table of the rows of `verdicts`, the worst first, under lines that say what A and B are."""
    rows = _cells(comparison, verdicts)
    lines = [f"A: {comparison.a}", f"B: {comparison.b}"]
    if rows:
        grid = [list(HEADER), *[[legible(cell) for cell in row] for row in rows]]
        widths = [max(len(line[i]) for line in grid) for i in range(len(HEADER))]
        grid.insert(1, ["─" * w for w in widths])
        lines += ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in grid]
    return "\n".join([*lines, "", *closing_lines(comparison)])


def as_markdown(comparison: Comparison) -> str:
    """The same as a Markdown table; all labels and reasons are escaped."""
    lines = [f"A: {escaped(comparison.a)}; B: {escaped(comparison.b)}", ""]
    lines += ["| " + " | ".join(HEADER) + " |", "|" + "---|" * len(HEADER)]
    for row in _cells(comparison, VERDICTS):
        lines.append("| " + " | ".join(map(escaped, row)) + " |")
    return "\n".join([*lines, "", *(f"- {escaped(line)}" for line in closing_lines(comparison))])


def as_json(comparison: Comparison) -> str:
    """The same as JSON, every number in full; null for NaN, "inf" and "-inf" in quotes."""
    content = {"schema": SCHEMA, **dataclasses.asdict(comparison)}
    content["counts"] = {verdict: comparison.count(verdict) for verdict in VERDICTS}
    return json.dumps(_plain(content), indent=1, allow_nan=False, ensure_ascii=False)


def closing_lines(comparison: Comparison) -> list[str]:
    """How many rows of each verdict, how they came about, and what was left out."""
    c = comparison
    counts = ", ".join(f"{c.count(verdict)} {verdict}" for verdict in VERDICTS)
    if c.test == "tolerance":
        how = "Judged by tolerance alone: no test, no level."
    elif not c.n_tests:
        how = f"Nothing was tested: no row moved in {c.n_needed} pairs of seeds or more."
    else:
        how = (
            f"Sign flips of the seeds (step-down max-T) over {counted(c.n_tests, 'row')} that moved in "
            f"{c.n_needed} pairs of seeds or more: the chance of any false better or worse among them is at "
            f"most {c.alpha:.0%}; the intervals hold row by row."
        )
    signs = "% and × are the ratio B/A, one per pair of seeds and then averaged; other changes are B − A."
    ratios = [signs] if any(row.ratio for row in c.rows) else []
    lost = [f"B lacks what A has: {_few(c.lost)}"] if c.lost else []
    first = [f"{counted(len(c.rows), 'row')}: {counts}", how, *filter(None, [c.power])]
    return [*first, *ratios, *lost, *c.notes]


def _few(lines: Sequence[str], most: int = 5) -> str:
    more = f"; and {len(lines) - most} more" if len(lines) > most else ""
    return "; ".join(lines[:most]) + more


def _cells(comparison: Comparison, verdicts: Sequence[str]) -> list[list[str]]:
    ordered = [row for verdict in VERDICTS for row in comparison.rows if row.verdict == verdict]
    return [_shown(row) for row in ordered if row.verdict in verdicts]


def _shown(row: Row) -> list[str]:
    unit = f" [{row.unit}]" if row.unit not in ("", "1") else ""
    change = interval = "–"
    if not math.isnan(row.change):
        change = _change(row, row.change)
    if math.isfinite(row.low) and math.isfinite(row.high):
        interval = f"{_change(row, row.low)} … {_change(row, row.high)}"
    metric = f"{row.metric}{unit} {ARROWS.get(row.better, '')}".rstrip()
    ends = ["–" if math.isnan(value) and row.n == 0 else number(value, 4) for value in (row.a, row.b)]
    return [
        row.verdict,
        row.task,
        row.network,
        row.model,
        metric,
        *ends,
        change,
        interval,
        str(row.n),
        row.reason,
    ]


def _change(row: Row, value: float) -> str:
    """``+10.0 %`` of a ratio, ``+0.0123`` of a difference; ``×12.3`` where the ratio is large."""
    if not row.ratio:
        return ("+" if value > 0 else "") + number(value).replace("-", "−")
    if value >= 9:
        return f"×{number(1 + value)}"
    shown = f"{100 * value:+.1f}".replace("-", "−")
    return f"{shown if float(shown[1:]) else shown[1:]} %"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value
