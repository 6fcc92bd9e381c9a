"""The metrics, grouped by what they compare: one file per group and one import line each."""

import jslds_bench.metrics.complexity
import jslds_bench.metrics.few_shot
import jslds_bench.metrics.fixed_points
import jslds_bench.metrics.generators
import jslds_bench.metrics.recordings
import jslds_bench.metrics.regimes
import jslds_bench.metrics.similarity
import jslds_bench.metrics.spectra
import jslds_bench.metrics.spikes
import jslds_bench.metrics.states
import jslds_bench.metrics.tasks
import jslds_bench.metrics.timings
