"""The metrics, grouped by what they compare: one file per group and one import line each."""

from jslds_bench.metrics import fixed_points, recordings, spectra, states, tasks, timings

__all__ = ["fixed_points", "recordings", "spectra", "states", "tasks", "timings"]
