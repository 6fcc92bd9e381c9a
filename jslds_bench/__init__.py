"""jslds-bench: a benchmark of methods that explain recurrent networks by local linear dynamics.

>>> from jslds_bench import load_run, run_suite
>>> frame = load_run(run_suite("smoke").path)
"""

from typing import Any

from jslds_bench.version import __version__

__all__ = ["__version__", "import_network", "load_run", "run_suite"]


def __getattr__(name: str) -> Any:
    # Imported when first used: both pull in large libraries, and the command line must start at once.
    if name == "run_suite":
        from jslds_bench.runner import run_suite

        return run_suite
    if name == "load_run":
        from jslds_bench.records.table import load_run

        return load_run
    if name == "import_network":
        from jslds_bench.networks._shared.foreign import import_network

        return import_network
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
