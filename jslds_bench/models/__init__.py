"""The benchmarked models: one file and one import line each."""

from jslds_bench.models import dmdc, fixed_points, jslds, persistence, taylor_at_state

__all__ = ["dmdc", "fixed_points", "jslds", "persistence", "taylor_at_state"]
