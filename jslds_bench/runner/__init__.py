"""Running a suite: which jobs are left, who works on them, what becomes of each."""

from jslds_bench.runner.run import RunResult, run_suite

__all__ = ["RunResult", "run_suite"]
