"""The import path that plug-ins know from versions before 0.2; the names live in `jslds_bench.types`."""

from jslds_bench.types.networks import reads as reads
from jslds_bench.types.recordings import *  # noqa: F403
from jslds_bench.types.recordings import ObservedTask as RecordedTask  # noqa: F401
