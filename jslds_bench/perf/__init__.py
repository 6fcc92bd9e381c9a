"""Speed of two versions of the code against each other, on this machine and at the same time."""

from jslds_bench.perf.compare import Outcome, compare_speeds
from jslds_bench.perf.versions import Version, version

__all__ = ["Outcome", "Version", "compare_speeds", "version"]
