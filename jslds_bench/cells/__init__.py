"""The update rules F(h, u; θ): one file and one import line each."""

import jslds_bench.cells.al_rnn
import jslds_bench.cells.gru
import jslds_bench.cells.imported
import jslds_bench.cells.leaky
import jslds_bench.cells.low_rank
import jslds_bench.cells.normal_forms
import jslds_bench.cells.vanilla
