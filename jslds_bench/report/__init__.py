"""Records → a page, figures, tables: everything that people look at, made without JAX."""

from jslds_bench.report.board.leaderboard import write_leaderboard
from jslds_bench.report.data.run import load_data
from jslds_bench.report.page import write_report
from jslds_bench.report.table import build_table, format_table, markdown_table

__all__ = ["build_table", "format_table", "load_data", "markdown_table", "write_leaderboard", "write_report"]
