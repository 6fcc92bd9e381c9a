"""Runs, baselines and published values against each other: differences, intervals, verdicts. No JAX."""

from jslds_bench.compare.baseline import baseline_text, write_baseline
from jslds_bench.compare.output import as_json, as_markdown, as_text, closing_lines
from jslds_bench.compare.sides import Side, headline_metrics, read_side
from jslds_bench.compare.verdicts import VERDICTS, Comparison, Row, compare, too_few

__all__ = [
    "VERDICTS",
    "Comparison",
    "Row",
    "Side",
    "as_json",
    "as_markdown",
    "as_text",
    "baseline_text",
    "closing_lines",
    "compare",
    "headline_metrics",
    "read_side",
    "too_few",
    "write_baseline",
]
