"""The benchmark's tasks: one file and one import line each."""

import jslds_bench.tasks.context_integration
import jslds_bench.tasks.nbit_memory
