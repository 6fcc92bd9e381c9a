"""The import path that plug-ins know from versions before 0.2; the names live in `jslds_bench.types`."""

from jslds_bench.types.spikes import *  # noqa: F403
