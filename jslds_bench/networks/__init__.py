"""Where networks come from: one file and one import line each."""

import jslds_bench.networks.analytic
import jslds_bench.networks.checkpoint
import jslds_bench.networks.cotrained
import jslds_bench.networks.standard
