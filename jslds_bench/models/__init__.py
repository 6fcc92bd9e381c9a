"""The benchmarked models: one file and one import line each."""

import jslds_bench.models.clds
import jslds_bench.models.codebook
import jslds_bench.models.dmdc
import jslds_bench.models.edmd
import jslds_bench.models.fixed_points
import jslds_bench.models.jslds
import jslds_bench.models.learned_jacobian
import jslds_bench.models.lfads
import jslds_bench.models.lfads_affine
import jslds_bench.models.lfads_jslds
import jslds_bench.models.low_rank
import jslds_bench.models.persistence
import jslds_bench.models.psth
import jslds_bench.models.smooth_switching
import jslds_bench.models.smoothing
import jslds_bench.models.switching
import jslds_bench.models.taylor_at_state
