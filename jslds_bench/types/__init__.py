"""The value types and protocols that entries are written against: one import path for plug-ins."""

from jslds_bench.entries.registry import CELLS as CELLS
from jslds_bench.entries.registry import METRICS as METRICS
from jslds_bench.entries.registry import MODELS as MODELS
from jslds_bench.entries.registry import NETWORKS as NETWORKS
from jslds_bench.entries.registry import TASKS as TASKS
from jslds_bench.types.core import *  # noqa: F403
from jslds_bench.types.modes import *  # noqa: F403
from jslds_bench.types.networks import *  # noqa: F403
from jslds_bench.types.recordings import *  # noqa: F403
from jslds_bench.types.spikes import *  # noqa: F403
