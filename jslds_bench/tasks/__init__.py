"""The benchmark's tasks: one file and one import line each."""

import jslds_bench.tasks.context_integration
import jslds_bench.tasks.delayed_match
import jslds_bench.tasks.known_systems
import jslds_bench.tasks.mc_maze
import jslds_bench.tasks.multitask
import jslds_bench.tasks.nbit_memory
import jslds_bench.tasks.path_integration
import jslds_bench.tasks.perturbations
import jslds_bench.tasks.poisson_clicks
import jslds_bench.tasks.ready_set_go
import jslds_bench.tasks.sine_generator
import jslds_bench.tasks.spiking_regimes
import jslds_bench.tasks.spiking_rotations
