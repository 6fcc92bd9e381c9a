"""asv's results on one page that needs nothing else: asv's own dashboard fetches scripts from the network."""

from __future__ import annotations

import itertools
import json
import math
from html import escape
from pathlib import Path
from typing import Any

STYLE = """body{font:14px system-ui;margin:2em;color-scheme:light dark}
td,th{padding:.15em .8em;text-align:left}
td:nth-child(n+3){text-align:right;font-variant-numeric:tabular-nums}svg{overflow:visible}"""
WIDTH, HEIGHT = 180, 24
Series = dict[str, float]
"""Commit → value."""


def read(machine: Path) -> dict[tuple[str, str], Series]:
    """(benchmark, its parameters) → the values of every commit that was measured on this machine."""
    found: dict[tuple[str, str], Series] = {}
    for file in sorted(machine.glob("*-*.json")):
        content = json.loads(file.read_text("utf-8"))
        for name, columns in content["results"].items():
            result = dict(zip(content["result_columns"], columns, strict=False))
            combined = itertools.product(*result["params"])
            for words, value in zip(combined, result["result"] or [], strict=False):
                if value is not None and math.isfinite(value):
                    of = ", ".join(word.strip("'") for word in words)
                    found.setdefault((name, of), {})[content["commit_hash"]] = value
    return found


def line(values: list[float | None]) -> str:
    """From zero to the greatest value, a dot for each commit that has one."""
    top = max((v for v in values if v is not None), default=0.0) or 1.0
    step = WIDTH / max(len(values) - 1, 1)
    dots = [(i * step, HEIGHT * (1 - v / top)) for i, v in enumerate(values) if v is not None]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in dots)
    marks = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2" fill="currentColor"/>' for x, y in dots)
    stroke = f'<polyline points="{path}" fill="none" stroke="currentColor"/>'
    return f'<svg width="{WIDTH}" height="{HEIGHT}" role="img">{stroke}{marks}</svg>'


def row(name: str, of: str, unit: str, values: list[float | None]) -> str:
    there = [v for v in values if v is not None]
    change = f"× {there[-1] / there[-2]:.3f}" if len(there) > 1 and there[-2] else ""
    last = f"{there[-1]:.5g}"
    cells = [escape(name), escape(of), line(values), escape(f"{last} {unit}"), change]
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def page(results: Path, commits: list[str]) -> str:
    """A table for each machine: each benchmark over `commits`, oldest first, its last value and change."""
    known: dict[str, Any] = json.loads((results / "benchmarks.json").read_text("utf-8"))
    parts = [f"<!doctype html><meta charset=utf-8><title>Speed over commits</title><style>{STYLE}</style>"]
    for machine in sorted(path.parent for path in results.glob("*/machine.json")):
        found = read(machine)
        seen = [c for c in commits if any(c in series for series in found.values())]
        rows = [
            row(name, of, known.get(name, {}).get("unit", ""), [series.get(c) for c in seen])
            for (name, of), series in sorted(found.items())
            if set(series) & set(seen)
        ]
        head = "".join(f"<th>{x}</th>" for x in ("benchmark", "of", "commits", "last", "to the one before"))
        hashes = " → ".join(c[:8] for c in seen)
        parts.append(f"<h1>{escape(machine.name)}</h1><p>{hashes}</p><table><tr>{head}</tr>")
        parts += [*rows, "</table>"]
    return "\n".join(parts) + "\n"
