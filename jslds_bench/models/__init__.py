"""The benchmarked models: one file and one import line each."""

from jslds_bench.models import fixed_points, jslds, lds, persistence, rslds, slds, taylor_at_state

__all__ = ["fixed_points", "jslds", "lds", "persistence", "rslds", "slds", "taylor_at_state"]
